"""Checks of simulated runs, through the functions that `memb check` calls.

baseline_s = 1 + sd (sqrt(r) u_s + sqrt(1 - r) v_s) and current_s = 1 + shift + sd (sqrt(r) u_s +
sqrt(1 - r) w_s) with independent noises u, v, w of variance 1, lower better, a relative
tolerance of 2 % and alpha .05.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.check.rule import judge_family
from bench.stats.noninferiority import OneSided, one_sided_tests
from bench.stats.pairing import differences
from bench.tolerances import LOSS

ALPHA = 0.05
Noise = Literal["normal", "t3", "lognormal"]
_DRAW: dict[Noise, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "t3": lambda rng, shape: rng.standard_t(3, shape) / np.sqrt(3),
    "lognormal": lambda rng, shape: _standard_lognormal(rng, shape, 0.8),
}


def _standard_lognormal(
    rng: np.random.Generator, shape: tuple[int, ...], sigma: float
) -> np.ndarray:
    mean, variance = np.exp(sigma**2 / 2), (np.exp(sigma**2) - 1) * np.exp(sigma**2)
    return (rng.lognormal(0.0, sigma, shape) - mean) / np.sqrt(variance)


@dataclass(frozen=True)
class Setting:
    """What is simulated; `shifted` cells of `cells` are worse by `shift`, the others unchanged."""

    n: int
    sd: float
    r: float
    cells: int = 20
    shifted: int = 0
    shift: float = 0.0
    strict: bool = False
    noise: Noise = "normal"


@dataclass(frozen=True)
class Outcome:
    """Verdicts [replications, cells]; the shifted cells come first."""

    verdict: np.ndarray
    p_worse: np.ndarray
    p_worse_holm: np.ndarray
    worsening: np.ndarray
    delta: np.ndarray

    def any_regressed(self) -> float:
        """Share of checks that fail."""
        return float((self.verdict == "regressed").any(axis=1).mean())

    def share(self, verdict: str, cell: int | None = None) -> float:
        """Share of verdicts, of one cell or of all."""
        at = self.verdict if cell is None else self.verdict[:, cell]
        return float((at == verdict).mean())


def simulate(setting: Setting, replications: int, seed: int = 0) -> Outcome:
    """Verdicts of independent checks."""
    rng = np.random.default_rng(seed)
    before, now = _runs(setting, replications, rng)
    g = differences(before, now, "lower")
    delta = np.array([LOSS.margin(mean) for mean in before.mean(axis=1)])
    flat = one_sided_tests(g, delta, strict=setting.strict)
    shape = (replications, setting.cells)
    fields = OneSided.__dataclass_fields__
    tests = OneSided(*(getattr(flat, name).reshape(shape) for name in fields))
    delta = delta.reshape(shape)
    judged = judge_family(tests, delta, level=ALPHA)
    return Outcome(judged.verdict, tests.p_worse, judged.p_worse_holm, tests.mean, delta)


def _runs(
    setting: Setting, replications: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    shape = (replications, setting.cells, setting.n)
    u, v, w = (_DRAW[setting.noise](rng, shape) for _ in range(3))
    common, own = np.sqrt(setting.r), np.sqrt(1 - setting.r)
    before = 1 + setting.sd * (common * u + own * v)
    now = 1 + setting.sd * (common * u + own * w)
    now[:, : setting.shifted] += setting.shift
    return before.reshape(-1, setting.n), now.reshape(-1, setting.n)
