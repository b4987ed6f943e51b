"""What a check says of one cell after another: the worked example, and every special case."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bench.check import Policy, check
from bench.errors import MembError
from bench.tolerances import Tolerance
from tests.bench.check.runs import (
    ACCURACY,
    CAPACITY,
    CURVE,
    FIVE,
    MSE,
    Kind,
    RunBuilder,
    held,
    verdict_of,
)
from tests.bench.stats.worked import A

SAME = [0.406, 0.416, 0.398, 0.410, 0.417]
WORSE = [0.430, 0.438, 0.425, 0.431, 0.445]
NOISY = [0.420, 0.409, 0.412, 0.402, 0.431]

# one-sided p .040, mean .0114: beyond the margin of .008184
UNSURE = [0.030, 0.005, 0.012, 0.002, 0.008]


def worse_by(changes: Sequence[float]) -> list[float]:
    """The baseline with these losses added."""
    return [value + change for value, change in zip(FIVE, changes, strict=True)]


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


def test_the_change_of_a_negative_baseline_keeps_its_sign(tmp_path: Path) -> None:
    """A skill of -.5 that falls by .1, .12, .11 changes by -.11 / .5 = -22 %, t interval around."""
    skill = Kind("skill", "higher", bounds=(None, 1.0))
    report = held(tmp_path, {"m": [-0.5] * 3}, {"m": [-0.6, -0.62, -0.61]}, metric=skill)
    found = verdict_of(report, "m", "skill")
    low, high = stats.t.interval(0.95, 2, -0.22, stats.sem([0.2, 0.24, 0.22]))
    assert found.change == pytest.approx(-0.22, rel=1e-9)
    assert found.change_interval is not None
    assert found.change_interval.lo == pytest.approx(low, rel=1e-9)
    assert found.change_interval.hi == pytest.approx(high, rel=1e-9)
    assert found.verdict == "regressed"


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
    assert "the baseline has 2 seeds" in found.message
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


@pytest.mark.parametrize("row", [{"seeds": [None]}, {"seeds": [0], "deterministic": True}])
def test_either_sign_of_a_deterministic_cell_is_enough(row: dict[str, Any], tmp_path: Path) -> None:
    assert verdict_of(held(tmp_path, {"m": [0.4]}, {"m": [0.5]}, row=row), "m").detail == "det"


@pytest.mark.parametrize(
    ("before", "now", "identical"),
    [
        (1e6, 1_000_010.00005, True),
        (1_000_010.00005, 1e6, True),
        (1e6, 1_000_010.0002, False),
        (0.0, 5e-13, True),
        (0.0, 5e-12, False),
    ],
)
def test_identical_is_a_share_of_the_larger_value_or_nearly_nothing(
    before: float, now: float, identical: bool, tmp_path: Path
) -> None:
    """A difference of 10.00005 is more than 1e-5 of a million and less of the larger value."""
    tolerances = {"mse": Tolerance(abs=100.0)}
    report = held(tmp_path, {"m": [before] * 3}, {"m": [now] * 3}, tolerances=tolerances)
    assert (verdict_of(report, "m").detail == "identical") == identical


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
    half = stats.t.ppf(0.975, 4) * 0.05 / 6**0.5 / 5**0.5
    assert found.change_interval is not None
    assert found.change_interval.lo == pytest.approx((-0.05 - half) / 0.95, rel=1e-9)
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


def test_a_count_that_grew_on_one_seed_is_not_made_good_by_another(tmp_path: Path) -> None:
    rows = Kind("rows", "lower", kind="static")
    report = held(tmp_path, {"m": [8.0] * 3}, {"m": [9.0, 7.0, 7.0]}, metric=rows)
    found = verdict_of(report, "m", "rows")
    assert (found.verdict, found.detail) == ("regressed", "beyond-tolerance")


def test_a_count_may_be_given_a_tolerance(tmp_path: Path) -> None:
    file = RunBuilder().row("m", FIVE, state_floats=128).baseline(tmp_path)
    current = RunBuilder().row("m", FIVE, state_floats=130).write(tmp_path / "now")
    policy = Policy(tolerances={"state_floats": Tolerance(abs=2.0)})
    (report,) = check(current, [file], policy)
    assert verdict_of(report, "m", "state_floats").detail == "within-tolerance"


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
    metrics = [MSE, CURVE, Kind("curve", x=2.0, primary=True)]
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


@pytest.mark.parametrize("digits", [1 / 20, 0.0])
def test_a_mean_loss_of_the_margin_itself_is_not_beyond_it(digits: float, tmp_path: Path) -> None:
    """Losses .1, 0, .05, -.05, -.05 have the mean .01, in floats .010000000000000002 > .01."""
    before, now = [0.6, 0.7, 0.4, 0.45, 0.5], [0.5, 0.7, 0.35, 0.5, 0.55]
    assert np.mean([0.1, 0.0, 0.05, -0.05, -0.05]) > 0.01
    kind = Kind("accuracy", "higher", bounds=(0.0, 1.0), resolution=digits)
    found = verdict_of(held(tmp_path, {"m": before}, {"m": now}, metric=kind), "m", "accuracy")
    assert found.delta == 0.01
    assert (found.verdict, found.detail) == ("inconclusive", "noisy")


def test_the_same_loss_of_the_margin_itself_on_every_seed_is_ok(tmp_path: Path) -> None:
    """Three losses of .05 have the mean .05 in decimals alone: .15 / 3 > .05 in floats."""
    before, now = [0.9, 0.8, 0.7], [0.85, 0.75, 0.65]
    assert np.mean([0.05] * 3) > 0.05
    tolerances = {"accuracy": Tolerance(abs=0.05)}
    report = held(tmp_path, {"m": before}, {"m": now}, metric=ACCURACY, tolerances=tolerances)
    found = verdict_of(report, "m", "accuracy")
    assert (found.verdict, found.detail, found.delta) == ("ok", "det", 0.05)


def test_advice_of_no_more_seeds_than_there_are_says_that_they_did_not_clear_it(
    tmp_path: Path,
) -> None:
    """Losses of mean .0094, sd .00404, against .008184: 4 seeds have power .8 to clear such noise.

    One-sided p = .003244 is .0649 after Holm's correction over 20 cells.
    """
    rows = dict.fromkeys((f"m{index}" for index in range(20)), FIVE)
    losses = [0.014, 0.009, 0.013, 0.006, 0.005]
    report = held(tmp_path, rows, rows | {"m0": worse_by(losses)})
    found = verdict_of(report, "m0")
    assert (found.verdict, found.detail) == ("inconclusive", "suspect")
    assert found.p_worse_holm == pytest.approx(0.0649, abs=5e-5)
    assert (found.n, found.seeds_to_clear) == (5, 4)
    assert "4 seeds mostly clear it if nothing changed, and these 5 did not" in found.message
