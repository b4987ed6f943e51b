"""What goes where: data on stdout, the rest on stderr, no escape codes in a pipe, fast imports."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.bench.small_runs import SMALL, suite_text
from tests.cli.conftest import Memb, environment

ESCAPE = "\x1b"
COLOUR = re.compile(r"\x1b\[(\d+;)*(3[0-8]|9[0-7])(;\d+)*m")

IMPORTED = """
import sys
import cli
sys.argv = ["memb", *sys.argv[1:]]
try:
    cli.main()
except SystemExit as end:
    assert not end.code, end.code
print(" ".join(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""


def imported(*words: object, **env: str) -> set[str]:
    """Top-level modules that a call of `memb` imports."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, *map(str, words)],
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return set(done.stderr.splitlines()[-1].split())


HEAVY = {"torch", "pandas", "numpy", "scipy", "statsmodels", "matplotlib", "pydantic", "yaml"}


def test_help_imports_nothing_heavy() -> None:
    assert not imported("--help") & HEAVY


def test_help_on_a_verb_imports_nothing_heavy() -> None:
    """But pydantic, by which newer versions of Typer read options."""
    assert not imported("run", "--help") & (HEAVY - {"pydantic"})


def test_completion_knows_all_names_and_imports_no_torch() -> None:
    words = {"COMP_WORDS": "memb info ar-", "COMP_CWORD": "2", "_MEMB_COMPLETE": "complete_bash"}
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED],
        env=environment(**words),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "ar-rag" in done.stdout.split()
    assert "delta" not in done.stdout.split()
    assert "torch" not in done.stderr.split()


@pytest.mark.parametrize(
    "words",
    [
        ["list", "memories"],
        ["info", "delta"],
        ["plan", "small.yaml", "-v"],
        ["run", "small.yaml", "--cache", "only-cache"],
        ["compare", "RUN"],
        ["data", "list"],
        ["cache", "list"],
        ["audit", "zero"],
    ],
    ids=lambda words: words[0],
)
def test_a_pipe_gets_no_escape_codes_and_no_trailing_blanks(
    memb: Memb, small_run: Path, words: list[str]
) -> None:
    Path("small.yaml").write_text(SMALL, encoding="utf-8")
    said = memb(*(str(small_run) if word == "RUN" else word for word in words))
    assert said.code == 0
    assert ESCAPE not in said.out + said.err
    assert [line for line in said.out.splitlines() if line != line.rstrip()] == []
    assert "…" not in said.out, "nothing is cut"


@pytest.mark.parametrize(
    "words",
    [
        ["list", "memories"],
        ["info", "delta"],
        ["plan", "small.yaml"],
        ["run", "small.yaml", "--cache", "only-cache"],
        ["compare", "RUN"],
        ["data", "list"],
        ["cache", "list"],
        ["audit", "zero"],
    ],
    ids=lambda words: words[0],
)
def test_json_is_one_object_with_a_schema_on_stdout(
    memb: Memb, small_run: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    Path("small.yaml").write_text(SMALL, encoding="utf-8")
    said = memb(*(str(small_run) if word == "RUN" else word for word in words), "--json")
    assert said.code == 0
    assert said.json["schema"].startswith("memb-")
    assert ESCAPE not in said.out
    assert said.out.endswith("}\n")
    assert not re.search(r"\bNaN\b|\bInfinity\b", said.out), "neither is JSON"


def test_styles_can_be_forced_into_a_pipe_and_hold_no_colour_without_consent(
    memb: Memb, small_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert ESCAPE in memb("compare", small_run).out
    assert ESCAPE in memb("list", "tasks").out
    monkeypatch.setenv("NO_COLOR", "1")
    plain = memb("compare", small_run).out
    assert f"{ESCAPE}[1m" in plain, "bold stays"
    assert not COLOUR.search(plain)


def help_text(**env: str) -> str:
    """`memb list --help` as a process of its own prints it into a pipe."""
    clean = {k: v for k, v in environment().items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    done = subprocess.run(
        [sys.executable, "-m", "cli", "list", "--help"],
        env=clean | env,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def test_help_is_coloured_only_where_it_is_wanted() -> None:
    assert COLOUR.search(help_text(FORCE_COLOR="1"))
    assert not COLOUR.search(help_text(FORCE_COLOR="1", NO_COLOR="1"))
    assert ESCAPE not in help_text()


def test_a_reader_that_goes_away_is_no_error() -> None:
    """It is gone before the first byte, and what was buffered is not written again at the end."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "cli", "data", "list"],
        env=environment(PYTHONUNBUFFERED=""),
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    os.close(writer)
    assert done.returncode == 0
    assert done.stderr == ""


def test_progress_and_results_do_not_mix(memb: Memb) -> None:
    Path("suite.yaml").write_text(suite_text("linear-assoc"), encoding="utf-8")
    done = memb("run", "suite.yaml", "--timeout", "0", "--json")
    assert json.loads(done.out)["statuses"] == {"ok": 2}
    assert "linear-assoc" in done.err


def test_a_note_is_never_folded(memb: Memb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    Path("suite.yaml").write_text(suite_text("linear-assoc"), encoding="utf-8")
    folder = "a-folder-with-a-rather-long-name-" * 3
    done = memb("run", "suite.yaml", "--timeout", "0", "-o", folder)
    assert f"next: memb compare {folder}" in done.err.splitlines()


def test_the_module_can_be_run_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cli", "--version"],
        env=environment(PATH=os.environ["PATH"]),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.startswith("memb ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="takes a device that is always full")
@pytest.mark.parametrize(
    "words",
    [
        ("compare", "RUN"),
        ("compare", "RUN", "--json"),
        pytest.param(("list",), marks=pytest.mark.slow),
        pytest.param(("report", "RUN", "-o", "-"), marks=pytest.mark.slow),
    ],
)
def test_a_full_disk_behind_stdout_is_said_as_such(words: tuple[str, ...], small_run: Path) -> None:
    more = ["--no-figures"] if words[0] == "report" else []
    given = [str(small_run) if word == "RUN" else word for word in words]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "cli", *given, *more],
            env=environment(), stdout=full, stderr=subprocess.PIPE, text=True, timeout=120,
            check=False,
        )  # fmt: skip
    assert done.returncode == 3
    assert done.stderr.startswith("error: cannot write to stdout: No space left on device")
    assert "Exception ignored" not in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [("compare", "--format", "markdown"), ("report", "--no-figures")])
def test_an_output_that_is_a_pipe_is_written_to_and_not_replaced(
    words: tuple[str, ...], memb: Memb, small_run: Path, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()), daemon=True)
    reader.start()
    done = memb(words[0], small_run, *words[1:], "-o", pipe)
    reader.join(timeout=30)
    assert (done.code, done.out, len(got)) == (0, "", 1)
    assert "linear-assoc" in got[0]
