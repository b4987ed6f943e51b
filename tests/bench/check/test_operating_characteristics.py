"""How often `memb check` is wrong and how often it finds what is there, by simulation.

What is simulated goes through the functions that the command calls. The table beside this file
holds the rates of 20,000 checks per setting; the documentation shows some of them.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from bench.check import Policy, check
from bench.stats.intervals import t_interval
from bench.stats.noninferiority import one_sided_tests
from tests.bench.check.runs import RunBuilder
from tests.bench.check.simulated import ALPHA, Noise, Outcome, Setting, simulate

TABLE = Path(__file__).with_name("operating_characteristics.tsv")
REPLICATIONS = 20_000

AA_NOISY = Setting(n=5, sd=0.03, r=0.0)
ONE_WORSE = Setting(n=5, sd=0.01, r=0.5, shifted=1, shift=0.04)
AT_TOLERANCE = Setting(n=5, sd=0.01, r=0.5, shifted=1, shift=0.02)


@dataclass(frozen=True)
class Rate:
    """One number of the table: what is counted in a setting, and how many independent draws."""

    setting: Setting
    of: Callable[[Outcome], float]
    draws_per_check: int = 1


def any_regressed(outcome: Outcome) -> float:
    return outcome.any_regressed()


def any_beyond_tolerance(outcome: Outcome) -> float:
    """The naive rule: fail if a mean is worse by more than the tolerance."""
    return float((outcome.worsening > outcome.delta).any(axis=1).mean())


def any_uncorrected(outcome: Outcome) -> float:
    """Margin and test, without Holm's correction."""
    alarms = (outcome.worsening > outcome.delta) & (outcome.p_worse < ALPHA)
    return float(alarms.any(axis=1).mean())


def any_significant(outcome: Outcome) -> float:
    """The corrected test without the margin."""
    return float((outcome.p_worse_holm < ALPHA).any(axis=1).mean())


def ok_everywhere(outcome: Outcome) -> float:
    return outcome.share("ok")


def first_regressed(outcome: Outcome) -> float:
    return outcome.share("regressed", 0)


def first_ok(outcome: Outcome) -> float:
    return outcome.share("ok", 0)


def worse(n: int, shift: float, *, strict: bool = False) -> Setting:
    return Setting(n=n, sd=0.01, r=0.5, shifted=1, shift=shift, strict=strict)


def unchanged(n: int, sd: float = 0.01, r: float = 0.0, noise: Noise = "normal") -> Setting:
    return Setting(n=n, sd=sd, r=r, noise=noise)


RATES: dict[str, Rate] = {
    "unchanged, n=5, sd 3%: check fails": Rate(AA_NOISY, any_regressed),
    "unchanged, n=5, sd 3%: naive rule fails": Rate(AA_NOISY, any_beyond_tolerance),
    "unchanged, n=5, sd 3%: uncorrected rule fails": Rate(AA_NOISY, any_uncorrected),
    "unchanged, n=5, sd 1%: check fails": Rate(unchanged(5), any_regressed),
    "unchanged, n=3, sd 1%: cell ok": Rate(unchanged(3), ok_everywhere, 20),
    "unchanged, n=5, sd 1%: cell ok": Rate(unchanged(5), ok_everywhere, 20),
    "unchanged, n=10, sd 1%: cell ok": Rate(unchanged(10), ok_everywhere, 20),
    "unchanged, n=5, sd 1%, r=.9: cell ok": Rate(unchanged(5, r=0.9), ok_everywhere, 20),
    "unchanged, n=5, sd 1%, r=.5, t3 noise: test without margin fails": Rate(
        unchanged(5, r=0.5, noise="t3"), any_significant
    ),
    "unchanged, n=5, sd 1%, r=.5, lognormal noise: test without margin fails": Rate(
        unchanged(5, r=0.5, noise="lognormal"), any_significant
    ),
    "one cell 4% worse, n=3: regressed": Rate(worse(3, 0.04), first_regressed),
    "one cell 4% worse, n=5: regressed": Rate(worse(5, 0.04), first_regressed),
    "one cell 4% worse, n=10: regressed": Rate(worse(10, 0.04), first_regressed),
    "one cell 4% worse, n=3, strict margin: regressed": Rate(
        worse(3, 0.04, strict=True), first_regressed
    ),
    "one cell 4% worse, n=5, strict margin: regressed": Rate(
        worse(5, 0.04, strict=True), first_regressed
    ),
    "one cell 4% worse, n=10, strict margin: regressed": Rate(
        worse(10, 0.04, strict=True), first_regressed
    ),
    "one cell 6% worse, n=3: regressed": Rate(worse(3, 0.06), first_regressed),
    "one cell 6% worse, n=5: regressed": Rate(worse(5, 0.06), first_regressed),
    "one cell 2% worse (the tolerance), n=5: ok": Rate(AT_TOLERANCE, first_ok),
}


def table() -> dict[str, float]:
    """The committed rates."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {row["what"]: float(row["rate"]) for row in csv.DictReader(file, delimiter="\t")}


def monte_carlo_error(rate: float, draws: int) -> float:
    """Standard error of a rate, not below that of one event."""
    return math.sqrt(max(rate * (1 - rate), 1 / draws) / draws)


def test_an_unchanged_run_fails_at_most_as_often_as_promised() -> None:
    """20 noisy cells, 2,000 checks: at most alpha and three standard errors, .0646."""
    outcome = simulate(AA_NOISY, 2_000)
    assert outcome.any_regressed() <= ALPHA + 3 * monte_carlo_error(ALPHA, 2_000)
    assert any_beyond_tolerance(outcome) > 0.9  # what the rule protects from


def test_five_seeds_find_a_loss_of_twice_the_tolerance() -> None:
    assert first_regressed(simulate(ONE_WORSE, 2_000)) >= 0.92


def test_a_loss_of_the_tolerance_itself_rarely_passes_as_ok() -> None:
    assert first_ok(simulate(AT_TOLERANCE, 2_000)) <= 0.07


def test_the_p_of_an_unchanged_cell_is_uniform() -> None:
    """Kolmogorov-Smirnov over 10,000 independent cells, of n = 3 and of n = 5."""
    for n in (3, 5):
        outcome = simulate(Setting(n=n, sd=0.02, r=0.3, cells=5), 2_000, seed=n)
        assert stats.kstest(outcome.p_worse.ravel(), "uniform").pvalue > 1e-3


def test_the_p_at_the_margin_is_uniform_too() -> None:
    """H0: E g = delta, with a known margin: p_ni at the tolerance has its level."""
    rng = np.random.default_rng(1)
    g = 0.02 + 0.01 * rng.standard_normal((10_000, 5))
    assert stats.kstest(one_sided_tests(g, 0.02).p_ni, "uniform").pvalue > 1e-3


def test_the_simulation_judges_as_the_command_does(tmp_path: Path) -> None:
    """Ten simulated checks, written as runs and baselines and judged through `check`."""
    setting = Setting(n=5, sd=0.02, r=0.3, cells=6, shifted=2, shift=0.04)
    outcome = simulate(setting, 10, seed=3)
    rng = np.random.default_rng(3)
    shape = (10, 6, 5)
    u, v, w = (rng.standard_normal(shape) for _ in range(3))
    before = 1 + 0.02 * (np.sqrt(0.3) * u + np.sqrt(0.7) * v)
    now = 1 + 0.02 * (np.sqrt(0.3) * u + np.sqrt(0.7) * w)
    now[:, :2] += 0.04
    for index in range(10):
        first, second = RunBuilder(), RunBuilder()
        for cell in range(6):
            first.row(f"m{cell}", before[index, cell].tolist())
            second.row(f"m{cell}", now[index, cell].tolist())
        folder = tmp_path / str(index)
        (report,) = check(second.write(folder / "now"), [first.baseline(folder)], Policy())
        found = sorted(report.cells, key=lambda one: one.cell.label)
        assert [one.verdict for one in found] == outcome.verdict[index].tolist()
        assert [one.p_worse for one in found] == pytest.approx(outcome.p_worse[index], rel=1e-9)
    assert set(outcome.verdict.ravel()) == {"regressed", "ok", "inconclusive"}


COVERAGE = {("normal", n): 0.95 for n in (3, 5, 10)} | {
    ("lognormal", 3): 0.84,
    ("lognormal", 5): 0.83,
    ("lognormal", 10): 0.84,
}


def coverage(law: str, n: int, draws: int) -> float:
    """Share of default 95% intervals that hold the mean."""
    rng = np.random.default_rng(n)
    sample = rng.standard_normal((draws, n)) if law == "normal" else rng.lognormal(size=(draws, n))
    mean = 0.0 if law == "normal" else math.exp(0.5)
    intervals = [t_interval(values) for values in sample]
    return float(np.mean([one.lo <= mean <= one.hi for one in intervals]))


@pytest.mark.parametrize(("law", "n"), [("normal", 3), ("lognormal", 5)])
def test_the_default_interval_covers_as_often_as_stated(law: str, n: int) -> None:
    """Stated to two digits; 2,000 draws, three standard errors."""
    stated = COVERAGE[law, n]
    error = 0.005 + 3 * monte_carlo_error(stated, 2_000)
    assert coverage(law, n, 2_000) == pytest.approx(stated, abs=error)


@pytest.mark.slow
@pytest.mark.parametrize(("law", "n"), list(COVERAGE))
def test_the_default_interval_covers_as_often_as_stated_at_every_n(law: str, n: int) -> None:
    stated = COVERAGE[law, n]
    error = 0.005 + 3 * monte_carlo_error(stated, REPLICATIONS)
    assert coverage(law, n, REPLICATIONS) == pytest.approx(stated, abs=error)


def test_the_table_holds_every_rate_once() -> None:
    assert list(table()) == list(RATES)


@pytest.mark.parametrize("what", list(RATES))
@pytest.mark.slow
def test_the_table_is_what_a_fresh_simulation_gives(what: str) -> None:
    """Other random numbers than the table's: within four standard errors of the difference."""
    rate, stated = RATES[what], table()[what]
    draws = REPLICATIONS * rate.draws_per_check
    found = rate.of(simulate(rate.setting, REPLICATIONS, seed=1))
    error = 4 * math.sqrt(2) * monte_carlo_error(stated, draws)
    assert found == pytest.approx(stated, abs=error + 0.0005)  # printed to three or four digits
