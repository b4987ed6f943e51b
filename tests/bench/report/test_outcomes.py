"""Trials without a value: grouped by reason, each with its seeds, keys and traceback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from bench.report import outcomes
from bench.report.model import Mishap, Place
from bench.store import RECORD_SCHEMA, RunFolder


def test_trials_are_counted_once_whatever_the_number_of_their_metrics(frame: pd.DataFrame) -> None:
    # 4 memories x 4 tasks x 5 seeds, and 2 x 5 of the frail one; costs are no trials
    assert len(outcomes.trials(frame)) == 4 * 4 * 5 + 10


def test_failures_of_one_reason_stand_together(frame: pd.DataFrame) -> None:
    found = outcomes.mishaps(outcomes.trials(frame), outcomes.FAILED, {})
    keys = ("recall[n=5]/frail/0", "recall[n=5]/frail/3")
    place = Place("frail", "recall[n=5]", (0, 3), keys)
    assert found == (Mishap("error", "ZeroDivisionError", "", (place,)),)
    assert found[0].trials == 2


def test_different_tracebacks_are_different_reasons(frame: pd.DataFrame) -> None:
    known = {"recall[n=5]/frail/0": "first", "recall[n=5]/frail/3": "second"}
    found = outcomes.mishaps(outcomes.trials(frame), outcomes.FAILED, known)
    assert [(m.traceback, m.places[0].seeds) for m in found] == [("first", (0,)), ("second", (3,))]


def test_skipped_trials_are_no_failures(frame: pd.DataFrame) -> None:
    (found,) = outcomes.mishaps(outcomes.trials(frame), ("skipped",), {})
    assert (found.message, found.trials) == ("needs contexts", 5)


def test_tracebacks_are_those_of_the_records_that_count(tmp_path: Path) -> None:
    """A later ok supersedes a failure: its traceback is gone with it."""
    base: dict[str, Any] = {"schema": RECORD_SCHEMA, "kind": "trial", "metrics": []}
    lines = [
        {**base, "trial_key": "a", "status": "error", "traceback": "Traceback of a"},
        {**base, "trial_key": "b", "status": "error", "traceback": "Traceback of b"},
        {**base, "trial_key": "b", "status": "ok", "traceback": ""},
    ]
    folder = RunFolder(tmp_path)
    folder.records_file.write_text(
        "".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8"
    )
    assert outcomes.tracebacks([{"path": str(tmp_path)}]) == {"a": "Traceback of a"}
