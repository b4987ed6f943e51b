"""How long a user waits for an answer. Reported, never asserted: times are those of a machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import environment

pytestmark = pytest.mark.perf

METRICS = 500
"""Numbers of one trial; 10 memories x 20 seeds x 500 = 100,000 numbers."""


def memb(*words: object, cwd: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "cli", *map(str, words)],
        cwd=cwd,
        env=environment(),
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=120,
    )


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["list", "suites"]], ids=" ".join)
def test_time_to_answer(benchmark: Any, tmp_path: Path, words: list[str]) -> None:
    benchmark.pedantic(memb, words, {"cwd": tmp_path}, rounds=5, warmup_rounds=1)


@pytest.fixture
def large_run(tmp_path: Path) -> Path:
    """A run whose records hold 100,000 numbers: two primary metrics, the others a curve."""
    suite = "name: large\nseeds: 20\nmemories:\n"
    suite += "".join(
        f"  - {{name: linear-assoc, label: m{n}, params: {{decay: {1 - n / 100}}}}}\n"
        for n in range(10)
    )
    suite += "tasks: [{name: capacity, params: {dim: 4, loads: [2], pool: 4, episodes: 1}}]\n"
    (tmp_path / "large.yaml").write_text(suite, encoding="utf-8")
    memb("run", "large.yaml", "-q", "--timeout", "0", "-o", "run", cwd=tmp_path)
    file = tmp_path / "run" / "records.jsonl"
    records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for number, record in enumerate(records):
        if record["kind"] == "trial":
            plain = record["metrics"][0] | {"primary": False}
            curve = [plain | {"name": "curve", "x": float(x)} for x in range(METRICS - 2)]
            scores = [
                plain | {"name": name, "primary": True, "value": (number * k) % 17 / 17}
                for name, k in (("first", 5), ("second", 7))
            ]
            record["metrics"] = [*scores, *curve]
    file.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    return tmp_path


def test_comparing_a_hundred_thousand_numbers(benchmark: Any, large_run: Path) -> None:
    benchmark.pedantic(memb, ["compare", "run"], {"cwd": large_run}, rounds=3, warmup_rounds=1)
