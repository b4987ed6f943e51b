"""What a Bayesian says of two memories over many tasks; informs, gates nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.arrays import sample
from bench.stats.optional import require
from bench.stats.pairing import Direction

DRAWS = 50_000


@dataclass(frozen=True)
class Posterior:
    """Probabilities of three statements about a further task; they sum to 1.

    Attributes:
        better: That A is better by more than the region of practical equivalence.
        equivalent: That the difference lies within it; 0 for a region of width 0.
        worse: That B is better by more than it.
    """

    better: float
    equivalent: float
    worse: float


def signed_rank_posterior(
    a: ArrayLike,
    b: ArrayLike,
    direction: Direction,
    *,
    rng: np.random.Generator,
    rope: float = 0.0,
) -> Posterior:
    """Bayesian signed-rank test (Benavoli et al. 2014) of two memories over tasks.

    Args:
        a: A's mean on each task [N].
        b: B's, on the same tasks.
        direction: Which values are better.
        rng: Source of the 50,000 draws of the posterior.
        rope: Half-width of the region of practical equivalence, in the metric's units.

    Raises:
        MembError: If the package ``baycomp`` is not installed.
        ValueError: If the lengths differ, there are fewer than 2 tasks, `rope` is negative or a
            value is not finite.
    """
    x, y = sample(a, least=2), sample(b, least=2)
    if x.shape != y.shape or rope < 0:
        raise ValueError(f"need pairs and rope >= 0, got {x.size} and {y.size} values and {rope}")
    baycomp = require("baycomp", "the Bayesian signed-rank test")
    sign = -1 if direction == "lower" else 1
    seed = int(rng.integers(2**32))
    found = baycomp.two_on_multiple(
        sign * x, sign * y, rope=rope, nsamples=DRAWS, random_state=seed
    )
    better, *equivalent, worse = (float(share) for share in found)
    return Posterior(better, equivalent[0] if equivalent else 0.0, worse)
