"""What a check says of trials that failed or never ran, on either side, and of seeds apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.check import check
from tests.bench.check.runs import ACCURACY, FIVE, MSE, RunBuilder, Values, held, verdict_of

WORSE = [0.430, 0.438, 0.425, 0.431, 0.445]


def test_one_nan_in_one_seed_fails_the_check(tmp_path: Path) -> None:
    """Whether the trial noticed it or the record says ok without a number."""
    noticed = held(tmp_path / "a", {"m": FIVE}, {"m": [*FIVE[:4], "nonfinite"]})
    written = held(tmp_path / "b", {"m": FIVE}, {"m": [*FIVE[:4], float("nan")]})
    for report, why in ((noticed, "seed 4: nonfinite: it broke"), (written, "seed 4: nonfinite")):
        found = verdict_of(report, "m")
        assert report.exit_code == 1
        assert (found.verdict, found.detail) == ("regressed", "failed")
        assert why in found.message
        assert "here" not in found.message  # the reason's first line


def test_a_failure_that_was_known_passes_and_one_that_is_gone_is_told(tmp_path: Path) -> None:
    broken: Values = ["error"] * 5
    report = held(
        tmp_path,
        {"known": broken, "fixed": broken, "part": ["oom", *FIVE[1:]]},
        {"known": broken, "fixed": FIVE, "part": FIVE},
        baseline={"allow_failures": True},
    )
    assert report.exit_code == 0
    assert verdict_of(report, "known").detail == "known-failure"
    assert verdict_of(report, "fixed").detail == "fixed"
    part = verdict_of(report, "part")
    assert (part.n, part.detail) == (4, "identical")
    assert "seeds 0 failed in the baseline and pass now" in part.message


def test_a_task_on_which_everything_fails_has_known_failures_without_a_metric(
    tmp_path: Path,
) -> None:
    broken: Values = ["error"] * 3
    file = RunBuilder().row("m", broken).baseline(tmp_path, allow_failures=True)
    (same,) = check(RunBuilder().row("m", broken).write(tmp_path / "same"), [file])
    (better,) = check(RunBuilder().row("m", FIVE[:3]).write(tmp_path / "now"), [file])
    assert [(c.cell.metric, c.detail) for c in same.cells] == [("", "known-failure")]
    assert "m on recall: every trial failed" in same.cells[0].cell.name
    assert [c.detail for c in better.cells] == ["fixed"]


def test_a_cell_that_is_gone_is_a_regression_with_its_reason(tmp_path: Path) -> None:
    before = RunBuilder()
    for label in ("kept", "gone", "changed", "skipped", "unrun"):
        before.row(label, FIVE, params={"beta": 1.0})
    file = before.baseline(tmp_path)
    now = RunBuilder().row("kept", FIVE, params={"beta": 1.0})
    now.row("changed", FIVE, params={"beta": 2.0, "width": 3})
    now.row("skipped", ["skipped"] * 5, params={"beta": 1.0})
    now.row("unrun", [None] * 5, params={"beta": 1.0})
    (report,) = check(now.write(tmp_path / "now"), [file])
    assert report.exit_code == 1
    messages = {c.cell.label: c.message for c in report.cells if c.detail == "missing"}
    assert messages == {
        "gone": "not in the plan of this run; if that is meant, write the baseline anew",
        "changed": "the memory of this name is another one now "
        "(beta: 1.0 -> 2.0, width: nothing -> 3); if that is meant, write the baseline anew",
        "skipped": "skipped: it broke",
        "unrun": "never ran",
    }
    assert {c.cell.label for c in report.cells if c.detail == "new"} == {"changed"}


def test_one_seed_that_is_skipped_now_is_a_failure_of_that_seed(tmp_path: Path) -> None:
    found = verdict_of(held(tmp_path, {"m": FIVE}, {"m": [*FIVE[:4], "skipped"]}), "m")
    assert (found.detail, found.message) == ("failed", "seed 4: skipped: it broke")


def test_a_metric_that_is_no_longer_reported_is_missing(tmp_path: Path) -> None:
    report = held(tmp_path, {"m": FIVE}, {"m": FIVE}, metric=[MSE, ACCURACY])
    assert report.exit_code == 0
    file = tmp_path / "baseline.json"
    (report,) = check(RunBuilder().row("m", FIVE).write(tmp_path / "now2"), [file])
    found = verdict_of(report, "m", "accuracy")
    assert (found.verdict, found.detail) == ("regressed", "missing")
    assert "the record lacks this metric" in found.message


def test_new_cells_are_shown_and_do_not_gate(tmp_path: Path) -> None:
    report = held(tmp_path, {"m": FIVE}, {"m": FIVE, "new": WORSE, "broken": ["error"] * 5})
    assert report.exit_code == 0
    new, broken = verdict_of(report, "new"), verdict_of(report, "broken")
    assert (new.verdict, new.detail, new.gates) == ("ok", "new", False)
    assert new.current_mean == pytest.approx(np.mean(WORSE))
    assert (broken.detail, broken.gates) == ("new", False)
    assert "error: it broke" in broken.message


def test_seeds_that_only_one_side_has_are_told_and_do_not_count(tmp_path: Path) -> None:
    now: Values = [*FIVE[:4], None]
    report = held(tmp_path, {"m": FIVE, "n": FIVE}, {"m": now, "n": now})
    found = verdict_of(report, "m")
    assert (report.exit_code, found.n, found.seeds) == (0, 4, (0, 1, 2, 3))
    assert report.warnings == (
        "Seeds 4 of the baseline are not in this run, so they do not count: 2 cells.",
    )
    more = RunBuilder().row("m", [*FIVE, 0.5]).row("n", FIVE).write(tmp_path / "more")
    (report,) = check(more, [tmp_path / "baseline.json"])
    assert report.warnings == (
        "Seeds 5 of this run are not in the baseline, so they do not count: 1 cell.",
    )


@pytest.mark.parametrize("left", [1, 2])
def test_too_few_common_seeds_are_a_regression(left: int, tmp_path: Path) -> None:
    now: Values = [*FIVE[:left], *[None] * (5 - left)]
    found = verdict_of(held(tmp_path, {"m": FIVE}, {"m": now}), "m")
    assert (found.verdict, found.detail) == ("regressed", "missing-seeds")
    assert f"only {left} of the baseline's 5 seeds ran" in found.message


def test_seeds_of_which_none_is_the_baselines_are_missing_seeds(tmp_path: Path) -> None:
    """The run has values, but of other seeds: the cell is there, what it is held against is not."""
    others = RunBuilder().row("m", FIVE, seeds=[5, 6, 7, 8, 9]).row("n", FIVE)
    file = RunBuilder().row("m", FIVE).row("n", FIVE).baseline(tmp_path)
    (report,) = check(others.write(tmp_path / "now"), [file])
    found = verdict_of(report, "m")
    assert (found.verdict, found.detail, found.n) == ("regressed", "missing-seeds", 0)
    assert found.message == "none of the baseline's 5 seeds ran; missing 0, 1, 2, 3, 4"


def test_a_reason_that_several_seeds_give_is_told_once(tmp_path: Path) -> None:
    now: Values = ["error", "oom", "error", *FIVE[3:]]
    found = verdict_of(held(tmp_path, {"m": FIVE}, {"m": now}), "m")
    assert found.message == "seeds 0, 2: error: it broke; seed 1: oom: it broke"


def test_the_one_trial_of_a_cell_without_seeds_is_named_so(tmp_path: Path) -> None:
    row = {"seeds": [None], "deterministic": True}
    found = verdict_of(held(tmp_path, {"m": [0.4]}, {"m": ["oom"]}, row=row), "m")
    assert (found.detail, found.message) == ("failed", "its one trial: oom: it broke")


def test_a_failure_counts_whichever_side_has_seeds(tmp_path: Path) -> None:
    """A value without a seed was one for every seed."""
    det = {"seeds": [None], "deterministic": True}
    first = RunBuilder().row("m", FIVE).row("n", [0.4], **det)
    second = RunBuilder().row("m", ["oom"], **det).row("n", [*FIVE[:2], "oom"])
    (report,) = check(second.write(tmp_path / "now"), [first.baseline(tmp_path)])
    assert verdict_of(report, "m").detail == "failed"
    assert verdict_of(report, "n").message == "seed 2: oom: it broke"


def test_a_failed_seed_that_the_baseline_does_not_have_is_told_and_does_not_count(
    tmp_path: Path,
) -> None:
    report = held(tmp_path, {"m": FIVE}, {"m": [*FIVE, "oom", 0.4]})
    assert (report.exit_code, verdict_of(report, "m").detail) == (0, "identical")
    assert report.warnings == (
        "Seeds 6 of this run are not in the baseline, so they do not count: 1 cell.",
        "Seeds 5 of this run failed and are not in the baseline, so they do not count: 1 cell.",
    )


def test_a_failure_that_became_a_nan_is_still_a_known_failure(tmp_path: Path) -> None:
    """A record that says ok without a number has no value to hold."""
    rows: Values = ["error"] * 3
    nan: Values = [float("nan")] * 3
    report = held(
        tmp_path, {"m": rows, "n": FIVE}, {"m": nan, "n": FIVE}, baseline={"allow_failures": True}
    )
    found = verdict_of(report, "m")
    assert (found.detail, found.message) == ("known-failure", "nonfinite: the value is not finite")
