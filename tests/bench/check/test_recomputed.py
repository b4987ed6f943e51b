"""Every number of a check of random runs against scipy and statsmodels, from the rule's words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from bench.check import CellVerdict, CheckReport, Policy, check
from bench.stats.arrays import FloatArray
from tests.bench.check.runs import Kind, RunBuilder

LOSS = Kind("mse")
SCORE = Kind("score", "higher", bounds=(0.0, 1.0))
STEPS = Kind("steps", "higher", bounds=(0.0, 1.0), resolution=0.05)
ITEMS = Kind("items", "higher", "items", bounds=(0.0, 64.0))
TOLERANCES = {"mse": (0.02, 0.0), "score": (0.0, 0.01), "steps": (0.0, 0.01), "items": (0.05, 1.0)}
"""Relative and absolute part by metric: the defaults of its class."""
SCALES = {"mse": 0.4, "score": 0.5, "steps": 0.5, "items": 25.0}

Values = list[float | str | None]


@dataclass
class Drawn:
    """One random cell on both sides; a status, NaN or None stands for a seed without a value."""

    kind: Kind
    before: Values
    now: Values

    @property
    def common(self) -> list[int]:
        both = range(min(len(self.before), len(self.now)))
        return [s for s in both if isinstance(self.before[s], float) and _there(self.now[s])]


def _there(value: float | str | None) -> bool:
    return isinstance(value, float) and not np.isnan(value)


def drawn(rng: np.random.Generator) -> Drawn:
    """A cell that is identical, shifted, tied with its margin, moving in steps, or noisy."""
    kind = (LOSS, SCORE, STEPS, ITEMS)[rng.integers(4)]
    n, scale = int(rng.choice([2, 3, 4, 5, 5, 5, 8])), SCALES[kind.name]
    before = np.round(scale * rng.uniform(0.9, 1.1, n), 4)
    if kind is STEPS:
        before = np.round(rng.integers(8, 18, n) / 20, 2)
    now = {
        "same": before,
        "rounding": before * (1 + rng.uniform(-9e-6, 9e-6, n)),
        "shift": before + round(rng.choice([-0.05, -0.002, 0.002, 0.05]) * scale, 4),
        "ties": before + np.round(rng.choice([-0.02, 0.0, 0.02], n) * scale, 4),
        "steps": before + rng.integers(-2, 2, n) / 20,
        "noise": before + scale * rng.normal(rng.choice([-0.03, 0.0, 0.03]), 0.01, n),
    }[rng.choice(["same", "rounding", "shift", "ties", "steps", "noise", "noise"])]
    holes: list[float | str | None] = ["nonfinite", None, float("nan")]
    current: Values = [
        float(value) if rng.random() > 0.05 else holes[rng.integers(3)] for value in now
    ]
    known: Values = [float(value) if rng.random() > 0.03 else "error" for value in before]
    return Drawn(kind, known, [*current, *rng.normal(size=rng.integers(3)).tolist()])


def settled(cell: Drawn) -> tuple[str, str] | None:
    """The verdict of a cell that failures and absences decide."""
    ok = [s for s, value in enumerate(cell.before) if isinstance(value, float)]
    failing = [s for s in ok if isinstance(cell.now[s], str) or cell.now[s] != cell.now[s]]
    if failing:
        return "regressed", "failed"
    if not any(map(_there, cell.now)):
        return ("regressed", "missing") if ok else ("ok", "known-failure")
    if not ok:
        return "ok", "fixed"
    return ("regressed", "missing-seeds") if len(cell.common) < min(3, len(ok)) else None


def numbers(cell: Drawn, strict: bool) -> dict[str, Any]:
    """What is computed of a cell alone; without p-values where nothing is tested."""
    x, y = (np.array([side[s] for s in cell.common]) for side in (cell.before, cell.now))
    g: FloatArray = (y - x) if cell.kind.direction == "lower" else (x - y)
    rel, absolute = TOLERANCES[cell.kind.name]
    delta = max(absolute, rel * abs(x.mean()))
    found = {"n": len(g), "delta": delta, "worsening": g.mean(), "baseline_mean": x.mean(),
             "current_mean": y.mean()}  # fmt: skip
    found["beyond"] = g.mean() > delta * (1 + 1e-9)
    if (np.abs(y - x) <= 1e-5 * np.maximum(np.abs(x), np.abs(y)) + 1e-12).all():
        return found | {"verdict": ("ok", "identical")}
    if len(g) < 3:
        return found | {"verdict": ("inconclusive", "n<3")}
    own = 0.0 if np.ptp(g) < 1e-11 else g.std(ddof=1)
    sd = max(own, cell.kind.resolution / 6**0.5)
    if sd == 0:
        return found | {"verdict": ("regressed" if found["beyond"] else "ok", "det")}
    error = sd / len(g) ** 0.5
    null = delta if strict else 0.0
    return found | {
        "sd": sd,
        "p_worse": stats.t.sf((g.mean() - null) / error, len(g) - 1),
        "p_ni": stats.t.cdf((g.mean() - delta) / error, len(g) - 1),
        "p_improved": stats.t.cdf(g.mean() / error, len(g) - 1),
    }


def expected(cells: dict[str, Drawn], policy: Policy) -> tuple[int, dict[str, dict[str, Any]]]:
    """The size of the family and, of each cell, the verdict and the numbers it rests on."""
    found: dict[str, dict[str, Any]] = {}
    for label, cell in cells.items():
        verdict = settled(cell)
        found[label] = {"verdict": verdict} if verdict else numbers(cell, policy.strict_margin)
    m = sum(len(cell.before) >= 3 for cell in cells.values())
    tested = [one for one in found.values() if "p_worse" in one]
    for name in ("p_worse", "p_improved"):
        raw = [one[name] for one in tested]
        padded = [*raw, *[1.0] * (m - len(raw))]
        for one, p in zip(tested, multipletests(padded, method="holm")[1] if padded else (),
                          strict=False):  # fmt: skip
            one[f"{name}_holm"] = p
    for one in tested:
        one["verdict"] = _verdict(one, policy.level)
    return m, found


def _verdict(one: dict[str, Any], level: float) -> tuple[str, str]:
    worse, better = one["p_worse_holm"] < level, one["p_improved_holm"] < level
    if worse and one["beyond"]:
        return "regressed", "beyond-tolerance"
    if one["p_ni"] >= level:
        return "inconclusive", "suspect" if one["beyond"] else "noisy"
    if better:
        return "ok", "improved" if -one["worsening"] > one["delta"] else "slightly-better"
    return "ok", "worse-within-tolerance" if worse else "within-tolerance"


def checked(cells: dict[str, Drawn], policy: Policy, folder: Path) -> CheckReport:
    first, second = RunBuilder(statistics={"alpha": policy.alpha}), RunBuilder()
    for label, cell in cells.items():
        first.row(label, cell.before, metric=cell.kind, task=cell.kind.name)
        second.row(label, cell.now, metric=cell.kind, task=cell.kind.name)
    file = first.baseline(folder, allow_failures=True)
    (report,) = check(second.write(folder / "now"), [file], policy)
    return report


@pytest.mark.parametrize("seed", range(16))
def test_verdicts_and_numbers_are_what_the_rule_says(seed: int, tmp_path: Path) -> None:
    """Relative tolerance 1e-6: differences are rounded to 12 digits of the values first."""
    rng = np.random.default_rng(seed)
    cells = {f"m{index}": drawn(rng) for index in range(int(rng.choice([2, 20, 40])))}
    policy = Policy(
        alpha=float(rng.choice([0.01, 0.05, 0.2])),
        strict_margin=bool(seed % 2),
        two_stage=bool(seed % 3 == 0),
    )
    report = checked(cells, policy, tmp_path)
    m, rule = expected(cells, policy)
    assert report.m == m
    got = {one.cell.label: one for one in report.cells if one.detail != "new"}
    assert got.keys() == rule.keys()
    for label, one in rule.items():
        assert (got[label].verdict, got[label].detail) == one["verdict"], (label, cells[label])
        _agree(got[label], one)
    alarms = [one for one in rule.values() if one["verdict"][0] == "regressed"]
    assert report.exit_code == (1 if alarms else 0)


def _agree(found: CellVerdict, one: dict[str, Any]) -> None:
    for name in one.keys() - {"verdict", "beyond"}:
        assert getattr(found, name) == pytest.approx(one[name], rel=1e-6, abs=1e-9), name


def test_the_random_runs_meet_every_verdict() -> None:
    """So that the comparison above says something of each."""
    met = set()
    for seed in range(16):
        rng = np.random.default_rng(seed)
        cells = {f"m{index}": drawn(rng) for index in range(60)}
        met |= {one["verdict"][1] for one in expected(cells, Policy(alpha=0.2))[1].values()}
    assert met >= {
        "failed", "missing-seeds", "identical", "n<3", "det", "beyond-tolerance", "suspect",
        "noisy", "improved", "slightly-better", "within-tolerance", "worse-within-tolerance",
    }  # fmt: skip
