from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from typing import Any

from bench.check.model import CellVerdict
from bench.check.render import render
from tests.bench.check.outcomes import ALL, OPEN, PASSING, REGRESSED, report, source


def strict(text: str) -> Any:
    """The text as JSON, in which NaN and Infinity are no numbers."""

    def refuse(name: str) -> float:
        raise AssertionError(name)

    return json.loads(text, parse_constant=refuse)


def test_the_document_says_schema_exit_code_and_counts() -> None:
    found = strict(render([report()], "json"))
    assert found["schema"] == "memb-check/1"
    assert found["exit_code"] == 1
    assert found["summary"] == {"regressed": 3, "inconclusive": 2, "ok": 2}
    assert found["current"]["path"] == "results/gate"
    (baseline,) = found["baselines"]
    assert baseline["path"] == "baseline.json"
    assert baseline["m"] == 6
    assert baseline["policy"]["alpha"] == 0.05
    assert baseline["policy"]["correction"] == "holm"
    assert baseline["details"]["beyond-tolerance"] == 1
    assert baseline["environment_differences"][0]["key"] == "machine_id"
    assert baseline["environment"]["cpu"] == "Abacus 1"


def test_a_cell_holds_every_number_of_its_verdict_in_full() -> None:
    value = 0.1 + 0.2
    cells = strict(render([report([replace(REGRESSED, p_worse=value)])], "json"))["cells"]
    (found,) = cells
    named = {one.name for one in fields(CellVerdict)} - {
        "cell", "change_interval", "open_advice"
    }  # fmt: skip
    assert named <= found.keys()
    assert found["p_worse"] == value
    assert found["ci"] == {"lo": 0.045, "hi": 0.105, "level": 0.95, "method": "t"}
    assert found["seeds"] == [0, 1, 2, 3, 4]
    assert found["tolerance"] == {"rel": 0.02, "abs": 0.0, "exact_rtol": 1e-5}
    assert found["values"] == {str(seed): 0.4 for seed in range(5)}
    assert found["memory_params"] == {"decay": 0.5}


def test_every_cell_is_there_and_knows_its_baseline() -> None:
    second = report(PASSING, baseline=source("anchor.json"))
    found = strict(render([report(), second], "json"))
    assert found["summary"] == {"regressed": 3, "inconclusive": 4, "ok": 4}
    assert [cell["baseline"] for cell in found["cells"]] == [0] * len(ALL) + [1] * len(PASSING)
    assert [one["exit_code"] for one in found["baselines"]] == [1, 0]
    assert [one["path"] for one in found["baselines"]] == ["baseline.json", "anchor.json"]


def test_a_cost_has_its_repeats_and_no_tests_of_seeds() -> None:
    (cost,) = [
        cell for cell in strict(render([report()], "json"))["cells"] if cell["kind"] == "perf"
    ]
    assert cost["repeats"] == {"raw": [100.0] * 10, "calibrated": [2.0] * 10}
    assert cost["p_ni"] is None
    assert cost["gates"] is False


def test_seeds_advice_is_a_number() -> None:
    (found,) = strict(render([report([OPEN])], "json"))["cells"]
    assert (found["seeds_to_clear"], found["seeds_to_confirm"]) == (15, 47)


def test_what_is_not_finite_becomes_null() -> None:
    odd = replace(REGRESSED, change=math.inf, sd=math.nan)
    (found,) = strict(render([report([odd])], "json"))["cells"]
    assert (found["change"], found["sd"]) == (None, None)
