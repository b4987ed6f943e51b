"""Verbs that read records import no torch, and nothing else that they do not need."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.bench.check.runs import FIVE, RunBuilder
from tests.bench.forecast_runs import FROZEN, REFERENCE, ForecastRun, beside
from tests.cli.conftest import environment

IN_TURN = """
import contextlib, io, json, sys
import cli
seen = {}
for words in json.loads(sys.argv[1]):
    sys.argv = ["memb", *words]
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            cli.main()
    except SystemExit as end:
        assert not end.code, (words, end.code)
    assert printed.getvalue() or "-o" in words, words
    seen[" ".join(words)] = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps(seen))
"""


def imported_in_turn(*calls: tuple[object, ...]) -> list[set[str]]:
    """After each of several calls of `memb` the top-level modules that are there.

    One process makes them all: importing what several of them need takes longer than the calls.
    What a call imports is thus seen after those behind it, too.
    """
    done = subprocess.run(
        [sys.executable, "-c", IN_TURN, json.dumps([[str(w) for w in words] for words in calls])],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = [set(modules) for modules in json.loads(done.stdout).values()]
    assert len(seen) == len(calls)
    return seen


def test_schema_compare_check_and_report_import_no_torch(small_run: Path, tmp_path: Path) -> None:
    """Nor does a comparison over time import an extra, or one without figures matplotlib."""
    found = ForecastRun(tmp_path / "forecasts").forecaster("frozen", REFERENCE)
    forecasts = found.forecaster("clear", beside(FROZEN, 0.05)).write()
    base = RunBuilder().row("m", FIVE).baseline(tmp_path)
    schema, *compared, checked, reported = imported_in_turn(
        ("schema",),
        ("compare", small_run),
        ("compare", forecasts),
        ("check", tmp_path / "first", "-b", base),
        ("report", small_run, "-o", tmp_path / "page.html"),
    )
    assert "torch" not in schema
    for modules in compared:
        assert not modules & {"torch", "arch", "baycomp", "matplotlib"}
    assert "torch" not in checked
    assert "torch" not in reported
    assert "matplotlib" in reported, "a page has figures"
