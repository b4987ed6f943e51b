"""The three-valued rule: regressed, ok or inconclusive, for the tested cells of one check."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.errors import MembError
from bench.stats.arrays import FloatArray
from bench.stats.holm import holm
from bench.stats.noninferiority import OneSided


def refuse_level(alpha: float | None, place: str) -> None:
    """Refuse a significance level at which a one-sided test says nothing.

    Raises:
        MembError: If it is not between 0 and 0.5.
    """
    if alpha is not None and not 0 < alpha < 0.5:
        raise MembError(
            f"{place} must be between 0 and 0.5 here, got {alpha:g}", help="0.05 is customary"
        )


ROUNDING = 1e-9
"""Share of a margin that a change may be off by rounding: a mean of decimals seldom is one."""


def exceeds(change: ArrayLike, margin: ArrayLike) -> NDArray[np.bool_]:
    """Whether mean changes are beyond a margin; what rounding alone sets apart is a tie, and not.

    Args:
        change: Mean oriented changes.
        margin: Largest changes that do not matter, broadcast against them.
    """
    return np.asarray(change) > np.asarray(margin) * (1 + ROUNDING)


@dataclass(frozen=True)
class Judged:
    """Verdicts of the tested cells of one check, in the order given.

    Attributes:
        verdict: ``regressed``, ``ok`` or ``inconclusive`` [cells].
        detail: Why [cells]; see `bench.check.model.Detail`.
        p_worse_holm: P-values of "not worse", corrected over the family.
        p_improved_holm: P-values of "not better", corrected in a family of their own.
    """

    verdict: NDArray[np.str_]
    detail: NDArray[np.str_]
    p_worse_holm: FloatArray
    p_improved_holm: FloatArray


def judge_family(
    tests: OneSided,
    delta: FloatArray,
    *,
    level: float,
    others: int = 0,
) -> Judged:
    """The verdict on every tested cell of a check.

    Regressed: worse (p corrected by Holm 1979 over all cells) and, in the mean, by more than the
    margin. Otherwise ok: not worse by the margin, uncorrected, since the claim that all cells are
    is an intersection-union claim (Berger 1982). Otherwise inconclusive: the seeds do not say.

    Args:
        tests: One-sided tests of the cells, none of them undefined; of many checks at once where
            they are [checks, cells].
        delta: Margins, of the same shape.
        level: Significance level.
        others: Cells of the family that were not tested and enter with p = 1: those that are
            identical, have no spread, or failed.
    """
    worse = holm(tests.p_worse, others)
    better = holm(tests.p_improved, others)
    beyond = exceeds(tests.mean, delta)
    regressed = (worse < level) & beyond
    ok = tests.p_ni < level  # of no regressed one: a p below 1/2 has the mean within the margin
    verdict = np.select([regressed, ok], ["regressed", "ok"], "inconclusive")
    clear_gain = (better < level) & exceeds(-tests.mean, delta)
    words = {
        "beyond-tolerance": regressed,
        "improved": ok & clear_gain,
        "slightly-better": ok & (better < level),
        "worse-within-tolerance": ok & (worse < level),
        "within-tolerance": ok,
        "suspect": beyond,
    }
    detail = np.select(list(words.values()), list(words), "noisy")
    return Judged(verdict, detail, worse, better)
