from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from bench.errors import MembError
from bench.plan import Plan
from bench.records import union
from bench.records.condensed import Measured, condensed
from bench.store import RunFolder, best_records
from tests.bench.small_runs import lines


def metric(name: str, value: float | None, **about: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": "", "primary": True, **about}


def record(key: str, *metrics: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {
        "kind": "trial",
        "trial_key": key,
        "cell_key": "cell",
        "protocol_hash": "protocol",
        "label": "delta",
        "memory_params": {"decay": 1.0},
        "task_label": "capacity",
        "seed": 0,
        "status": "ok",
        "message": "",
        "traceback": "",
        "n_eval": 25,
        "metrics": list(metrics),
        "costs": {"state_floats": 64},
        "notes": {},
        "marks": [],
        "series": None,
        "call_id": "call",
        **parts,
    }


def brief(*records: dict[str, Any]) -> list[dict[str, Any]]:
    return list(condensed(copy.deepcopy(list(records))))


def test_metrics_read_as_the_record_lists_them() -> None:
    listed = [metric("acc", 0.5), metric("mse", None, unit="a"), metric("curve", 1.0, x=2.0)]
    (found,) = brief(record("k", *listed))
    assert list(found["metrics"]) == listed
    assert list(found["metrics"][1:]) == listed[1:]
    assert len(found["metrics"]) == 3


def test_trials_of_a_cell_share_what_is_said_of_their_metrics_and_keep_their_values() -> None:
    first, second = brief(record("k0", metric("acc", 0.5)), record("k1", metric("acc", 0.75)))
    assert first["metrics"].abouts is second["metrics"].abouts
    assert first["costs"] is second["costs"]
    assert (first["metrics"].values, second["metrics"].values) == ((0.5,), (0.75,))


@pytest.mark.parametrize(
    "other",
    [
        record("k1", metric("acc", 0.5, unit="bits")),
        record("k1", metric("acc", 0.5), metric("mse", 0.5)),
        record("k1", metric("acc", 0.5), cell_key="another"),
        record("k1", metric("acc", 0.5), kind="costs"),
    ],
)
def test_what_differs_is_kept_apart(other: dict[str, Any]) -> None:
    first, second, third = brief(record("k0", metric("acc", 0.5)), other, record("k2"))
    assert list(first["metrics"]) == [metric("acc", 0.5)]
    assert list(second["metrics"]) == other["metrics"]
    assert list(third["metrics"]) == []
    assert first["metrics"].abouts is not second["metrics"].abouts


def test_parameters_and_tracebacks_go_warnings_and_marks_stay() -> None:
    notes = {"warnings": ["too easy"], "tuned": {"choice": 1}}
    quiet, told = brief(record("k0"), record("k1", notes=notes, marks=["stores nothing"]))
    assert {"memory_params", "traceback"}.isdisjoint(quiet)
    assert (quiet["notes"], list(quiet["marks"])) == ({}, [])
    assert told["notes"] == {"warnings": ["too easy"]}
    assert told["marks"] == ["stores nothing"]


def test_values_of_one_trial_that_differ_are_still_a_contradiction() -> None:
    same = brief(record("k", metric("acc", 0.5)), record("k", metric("acc", 0.5)))
    assert list(best_records(iter(same))) == ["k"]
    other = brief(record("k", metric("acc", 0.5)), record("k", metric("acc", 0.25)))
    with pytest.raises(MembError, match="two records with different values"):
        best_records(iter(other))


def test_metrics_equal_only_metrics_that_say_and_measure_the_same() -> None:
    one = Measured([{"name": "acc"}], (0.5,))
    assert one == Measured([{"name": "acc"}], (0.5,))
    assert one != Measured([{"name": "mse"}], (0.5,))
    assert one != [{"name": "acc", "value": 0.5}]


def test_a_run_reads_the_same_in_brief(finished: tuple[Plan, Path]) -> None:
    _, folder = finished
    found = union.read(RunFolder(folder), brief=True).best
    assert {r["trial_key"]: r["metrics"] for r in lines(folder)} == {
        key: list(kept["metrics"]) for key, kept in found.items()
    }
