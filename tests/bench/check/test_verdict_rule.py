"""What a check says of one cell after another: the worked example, and every special case."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bench.check import CheckReport, Policy, check
from bench.errors import MembError
from bench.tolerances import Tolerance
from tests.bench.check.runs import (
    ACCURACY,
    CAPACITY,
    CURVE,
    MSE,
    Kind,
    RunBuilder,
    verdict_of,
)
from tests.bench.stats.worked import A, B

SAME = [0.406, 0.416, 0.398, 0.410, 0.417]
WORSE = [0.430, 0.438, 0.425, 0.431, 0.445]
NOISY = [0.420, 0.409, 0.412, 0.402, 0.431]
FIVE = [float(value) for value in B]

# one-sided p .040, mean .0114: beyond the margin of .008184
UNSURE = [0.030, 0.005, 0.012, 0.002, 0.008]

Values = Sequence[float | str | None]


def worse_by(changes: Sequence[float]) -> list[float]:
    """The baseline with these losses added."""
    return [value + change for value, change in zip(FIVE, changes, strict=True)]


def held(
    folder: Path,
    before: dict[str, Values],
    now: dict[str, Values],
    *,
    metric: Kind | Sequence[Kind] = MSE,
    baseline: dict[str, Any] | None = None,
    row: dict[str, Any] | None = None,
    **policy: Any,
) -> CheckReport:
    """The report of a run of these values by label against a baseline of others."""
    first, second = RunBuilder(), RunBuilder()
    for builder, rows in ((first, before), (second, now)):
        for label, values in rows.items():
            builder.row(label, values, metric=metric, **(row or {}))
    file = first.baseline(folder, **(baseline or {}))
    (report,) = check(second.write(folder / "now"), [file], Policy(**policy))
    return report


def test_the_worked_example(tmp_path: Path) -> None:
    """Four losses against B (mean .4092, margin .008184, alpha .05): p computed with scipy.

    same: p_worse .35200, Holm .70400, p_ni .00004; worse: 2.7769e-5, Holm .00011; noisy: .17767,
    Holm .53300, p_ni .32755, 15 seeds to clear, 47 to confirm; A is better with p .01561, Holm
    .06246, so not labelled improved.
    """
    now = {"a": A.tolist(), "noisy": NOISY, "same": SAME, "worse": WORSE}
    report = held(tmp_path, dict.fromkeys(now, FIVE), now)
    assert (report.exit_code, report.m) == (1, 4)
    assert report.counts == {"regressed": 1, "inconclusive": 1, "ok": 2}
    same, worse = verdict_of(report, "same"), verdict_of(report, "worse")
    noisy, a = verdict_of(report, "noisy"), verdict_of(report, "a")
    assert [(c.verdict, c.detail) for c in (same, worse, noisy, a)] == [
        ("ok", "within-tolerance"),
        ("regressed", "beyond-tolerance"),
        ("inconclusive", "noisy"),
        ("ok", "within-tolerance"),
    ]
    for found, p, p_holm, p_ni in (
        (same, 0.35200, 0.70400, 0.00004),
        (worse, 2.7769e-5, 1.11076e-4, 0.99986),
        (noisy, 0.17767, 0.53300, 0.32755),
        (a, 0.98439, 0.98439, 0.00244),
    ):
        assert found.p_worse == pytest.approx(p, rel=3e-5)
        assert found.p_worse_holm == pytest.approx(p_holm, rel=3e-5)
        assert found.p_ni == pytest.approx(p_ni, abs=6e-6)
        assert found.delta == pytest.approx(0.008184, abs=1e-12)
        assert found.seeds == (0, 1, 2, 3, 4)
    assert (a.p_improved, a.p_improved_holm) == (
        pytest.approx(0.01561, abs=6e-6),
        pytest.approx(0.06246, abs=6e-6),
    )
    assert (noisy.seeds_to_clear, noisy.seeds_to_confirm) == (15, 47)
    assert "about 15 seeds" in noisy.message
    assert "about 47 would confirm" in noisy.message
    assert (same.seeds_to_clear, same.open_advice) == (None, False)


def test_the_change_is_relative_to_the_baseline_and_carries_its_interval(tmp_path: Path) -> None:
    """A against B: -.0112 / .4092, and the t interval of the mean [-.0207536, -.0016464]."""
    found = verdict_of(held(tmp_path, {"m": FIVE}, {"m": A.tolist()}), "m")
    assert found.change == pytest.approx(-0.0112 / 0.4092, rel=1e-9)
    assert found.change_interval is not None
    assert found.change_interval.lo == pytest.approx(-0.0207536 / 0.4092, abs=2e-7)
    assert found.change_interval.hi == pytest.approx(-0.0016464 / 0.4092, abs=2e-7)
    assert found.sd == pytest.approx(0.0076941536, abs=1e-10)


def test_a_score_gets_worse_downwards(tmp_path: Path) -> None:
    before, now = [0.9, 0.91, 0.92, 0.9, 0.91], [0.80, 0.82, 0.81, 0.79, 0.82]
    found = verdict_of(held(tmp_path, {"m": before}, {"m": now}, metric=ACCURACY), "m", "accuracy")
    assert (found.verdict, found.detail) == ("regressed", "beyond-tolerance")
    assert found.worsening == pytest.approx(0.1, abs=1e-12)
    assert found.change is not None
    assert found.change < 0
    assert found.delta == 0.01


@pytest.mark.parametrize(
    ("now", "verdict", "detail"),
    [
        ([v * 0.9 + 1e-4 * s for s, v in enumerate(FIVE)], "ok", "improved"),
        ([v - 0.004 - 1e-5 * s for s, v in enumerate(FIVE)], "ok", "slightly-better"),
        ([v + 0.004 + 1e-5 * s for s, v in enumerate(FIVE)], "ok", "worse-within-tolerance"),
        (worse_by([0.04, -0.01, 0.03, 0.0, -0.005]), "inconclusive", "suspect"),
        ([v * (1 + 1e-6) for v in FIVE], "ok", "identical"),
    ],
)
def test_each_answer_has_its_word(
    now: list[float], verdict: str, detail: str, tmp_path: Path
) -> None:
    found = verdict_of(held(tmp_path, {"m": FIVE}, {"m": now}), "m")
    assert (found.verdict, found.detail) == (verdict, detail)


def test_identical_cells_stay_in_the_family(tmp_path: Path) -> None:
    now = {"a": FIVE, "b": FIVE, "worse": WORSE}
    report = held(tmp_path, dict.fromkeys(now, FIVE), now)
    found = verdict_of(report, "worse")
    assert found.p_worse is not None
    assert report.m == 3
    assert found.p_worse_holm == pytest.approx(3 * found.p_worse, rel=1e-12)
    assert verdict_of(report, "a").p_worse == 1.0
    assert verdict_of(report, "a").p_improved_holm == 1.0


def test_failed_and_missing_cells_count_in_the_family(tmp_path: Path) -> None:
    before = dict.fromkeys(("failed", "gone", "worse"), FIVE)
    now = {"failed": [*FIVE[:4], "nonfinite"], "worse": WORSE}
    report = held(tmp_path, before, now)
    found = verdict_of(report, "worse")
    assert report.m == 3
    assert found.p_worse_holm == pytest.approx(3 * float(found.p_worse or 0), rel=1e-12)


def test_more_cells_never_make_one_easier_to_fail(tmp_path: Path) -> None:
    """p_worse is .040: one cell alone regresses, among three it is only suspect."""
    p = float(stats.ttest_1samp(UNSURE, 0, alternative="greater").pvalue)
    assert 0.05 / 3 < p < 0.05
    now = worse_by(UNSURE)
    alone = held(tmp_path / "1", {"m": FIVE}, {"m": now})
    among = held(
        tmp_path / "3", {"m": FIVE, "x": FIVE, "y": FIVE}, {"m": now, "x": FIVE, "y": FIVE}
    )
    assert verdict_of(alone, "m").verdict == "regressed"
    assert (verdict_of(among, "m").verdict, verdict_of(among, "m").detail) == (
        "inconclusive",
        "suspect",
    )


def test_a_strict_margin_asks_for_proof_of_more_than_the_tolerance(tmp_path: Path) -> None:
    now = worse_by([0.014, 0.006, 0.014, 0.006, 0.014])
    usual = verdict_of(held(tmp_path / "a", {"m": FIVE}, {"m": now}), "m")
    strict = verdict_of(held(tmp_path / "b", {"m": FIVE}, {"m": now}, strict_margin=True), "m")
    assert usual.verdict == "regressed"
    assert (strict.verdict, strict.detail) == ("inconclusive", "suspect")
    assert (strict.p_worse or 0) > (usual.p_worse or 1)
    assert strict.p_ni == usual.p_ni
    assert (strict.seeds_to_confirm or 0) > 5


def test_two_planned_looks_have_half_the_level_each(tmp_path: Path) -> None:
    one = held(tmp_path / "1", {"m": FIVE}, {"m": worse_by(UNSURE)})
    two = held(tmp_path / "2", {"m": FIVE}, {"m": worse_by(UNSURE)}, two_stage=True)
    assert (one.policy.level, two.policy.level) == (0.05, 0.025)
    assert verdict_of(one, "m").verdict == "regressed"
    assert verdict_of(two, "m").verdict == "inconclusive"


@pytest.mark.parametrize("now", [[0.5, 0.5], [0.3, 0.3]])
def test_two_seeds_never_say_more_than_identical(now: list[float], tmp_path: Path) -> None:
    found = verdict_of(held(tmp_path, {"m": [0.4, 0.41]}, {"m": now}), "m")
    assert (found.verdict, found.detail) == ("inconclusive", "n<3")
    assert "at least 3" in found.message
    same = verdict_of(held(tmp_path / "s", {"m": [0.4, 0.41]}, {"m": [0.4, 0.41]}), "m")
    assert (same.verdict, same.detail) == ("ok", "identical")


def test_a_check_that_cannot_test_anything_says_so(tmp_path: Path) -> None:
    report = held(tmp_path, {"m": [0.4, 0.41]}, {"m": [0.4, 0.41]})
    assert report.m == 0
    assert any("nothing is tested" in said for said in report.warnings)
    with pytest.raises(MembError, match="fewer than 3 seeds of m on recall: mse") as error:
        held(tmp_path / "b", {"m": [0.4], "n": [0.4]}, {"m": [0.4]}, mode="statistical")
    assert "and 1 more" in str(error.value)


@pytest.mark.parametrize(("now", "verdict"), [(0.5, "regressed"), (0.405, "ok"), (0.3, "ok")])
def test_what_depends_on_no_seed_is_compared_directly(
    now: float, verdict: str, tmp_path: Path
) -> None:
    row = {"seeds": [None], "deterministic": True}
    report = held(tmp_path, {"m": [0.4]}, {"m": [now]}, row=row, mode="statistical")
    found = verdict_of(report, "m")
    assert (found.verdict, found.detail, found.n, found.seeds) == (verdict, "det", 1, ())
    assert (found.p_worse, report.m) == (None, 0)


def test_a_baseline_without_seeds_stands_for_every_seed_of_the_run(tmp_path: Path) -> None:
    builder = RunBuilder().row("m", [0.4], seeds=[None], deterministic=True)
    file = builder.baseline(tmp_path)
    (report,) = check(RunBuilder().row("m", FIVE).write(tmp_path / "now"), [file])
    found = verdict_of(report, "m")
    assert (found.n, found.baseline_mean, found.detail) == (5, 0.4, "det")
    assert found.verdict == "regressed"  # .4092 against .4 and a margin of .008
    assert not report.warnings


@pytest.mark.parametrize(("shift", "verdict"), [(0.05, "regressed"), (0.001, "ok"), (-0.05, "ok")])
def test_the_same_change_on_every_seed_needs_no_test(
    shift: float, verdict: str, tmp_path: Path
) -> None:
    report = held(tmp_path, {"m": FIVE}, {"m": [v + shift for v in FIVE]})
    found = verdict_of(report, "m")
    assert (found.verdict, found.detail, found.sd) == (verdict, "det", 0.0)
    assert (found.p_worse, found.p_ni, report.m) == (None, None, 1)


def test_a_metric_that_moves_in_steps_is_never_without_spread(tmp_path: Path) -> None:
    """All seeds lose one of 20 trials: .05 worse with sd .05/sqrt(6), t = 5.477, p .0027."""
    stepped = Kind("accuracy", "higher", bounds=(0.0, 1.0), resolution=0.05)
    report = held(tmp_path, {"m": [0.95] * 5}, {"m": [0.9] * 5}, metric=stepped)
    found = verdict_of(report, "m", "accuracy")
    assert found.sd == pytest.approx(0.05 / 6**0.5, rel=1e-9)
    assert found.p_worse == pytest.approx(stats.t.sf(5.477226, 4), rel=1e-6)
    assert found.verdict == "regressed"


@pytest.mark.parametrize(
    ("now", "verdict", "detail"),
    [(128, "ok", "identical"), (129, "regressed", "beyond-tolerance"), (127, "ok", "improved")],
)
def test_counts_are_exact(now: int, verdict: str, detail: str, tmp_path: Path) -> None:
    file = RunBuilder().row("m", FIVE, state_floats=128).baseline(tmp_path)
    current = RunBuilder().row("m", FIVE, state_floats=now).write(tmp_path / "now")
    (report,) = check(current, [file])
    found = verdict_of(report, "m", "state_floats")
    assert (found.verdict, found.detail, found.p_worse) == (verdict, detail, None)
    assert report.m == 1


def test_a_count_may_be_given_a_tolerance(tmp_path: Path) -> None:
    file = RunBuilder().row("m", FIVE, state_floats=128).baseline(tmp_path)
    current = RunBuilder().row("m", FIVE, state_floats=130).write(tmp_path / "now")
    policy = Policy(tolerances={"state_floats": Tolerance(abs=2.0)})
    (report,) = check(current, [file], policy)
    assert verdict_of(report, "m", "state_floats").detail == "within-tolerance"


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
        "gone": "not in the plan of this run",
        "changed": "the memory of this name is another one now "
        "(beta: 1.0 -> 2.0, width: nothing -> 3)",
        "skipped": "skipped: it broke",
        "unrun": "missing: never ran",
    }
    assert {c.cell.label for c in report.cells if c.detail == "new"} == {"changed"}


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


def test_a_relative_tolerance_of_a_baseline_of_0_is_a_mistake_unless_nothing_changed(
    tmp_path: Path,
) -> None:
    zeros, now = [0.0] * 3, [0.1, 0.2, 0.3]
    assert held(tmp_path / "a", {"m": zeros}, {"m": zeros}).exit_code == 0
    with pytest.raises(MembError, match="m on recall: mse: the baseline is 0") as error:
        held(tmp_path / "b", {"m": zeros}, {"m": now})
    assert "--tolerance mse=abs:VALUE" in str(error.value)
    report = held(
        tmp_path / "c", {"m": zeros}, {"m": now}, tolerances={"mse": Tolerance(rel=0.02, abs=1.0)}
    )
    assert verdict_of(report, "m").detail == "worse-within-tolerance"
    assert verdict_of(report, "m").change is None


def test_a_capacity_may_lose_an_item(tmp_path: Path) -> None:
    before, now = [10.0, 10.2, 10.1, 10.0, 10.1], [9.9, 10.1, 9.9, 9.9, 10.0]
    report = held(tmp_path, {"m": before}, {"m": now}, metric=CAPACITY)
    found = verdict_of(report, "m", "capacity_90")
    assert (found.delta, found.detail) == (1.0, "worse-within-tolerance")


def test_primary_scalars_and_counts_are_taken_and_others_on_demand(tmp_path: Path) -> None:
    metrics = [MSE, CURVE]
    builder = RunBuilder().row("m", FIVE, metric=metrics, state_floats=8)
    file = builder.baseline(tmp_path)
    (report,) = check(builder.write(tmp_path / "now"), [file])
    assert {c.cell.metric for c in report.cells} == {"mse", "state_floats"}
    with pytest.raises(MembError, match="--metric: unknown metric 'acc_by_load'"):
        check(builder.write(tmp_path / "now"), [file], Policy(metrics=("acc_by_load",)))
    file = builder.baseline(tmp_path / "curve", metrics=("acc_by_load",))
    (report,) = check(builder.write(tmp_path / "now"), [file])
    assert [(c.cell.metric, c.cell.x) for c in report.cells] == [("acc_by_load", 64.0)]
    assert report.policy.metrics == ("acc_by_load",)


@pytest.mark.parametrize(("fail_on", "code"), [("regressed", 0), ("inconclusive", 3)])
def test_open_cells_fail_only_if_asked_for(fail_on: str, code: int, tmp_path: Path) -> None:
    assert held(tmp_path, {"m": FIVE}, {"m": NOISY}, fail_on=fail_on).exit_code == code


def test_a_regression_outranks_an_open_cell(tmp_path: Path) -> None:
    now = {"m": NOISY, "worse": WORSE}
    assert held(tmp_path, dict.fromkeys(now, FIVE), now, fail_on="inconclusive").exit_code == 1


def test_what_needs_attention_comes_first(tmp_path: Path) -> None:
    rows = ("a-same", "b-better", "c-noisy", "d-gone", "e-worse")
    better = [v * 0.9 + 1e-4 * s for s, v in enumerate(FIVE)]
    now = dict(zip(rows, (FIVE, better, NOISY, None, WORSE), strict=True))
    report = held(
        tmp_path, dict.fromkeys(rows, FIVE), {k: v for k, v in now.items() if v is not None}
    )
    assert [c.cell.label for c in report.cells] == [
        "e-worse", "d-gone", "c-noisy", "b-better", "a-same",
    ]  # fmt: skip
