"""Closed forms of what associative memories recall, for random unit keys and values.

Unless an argument says otherwise: keys are independent and uniform on the unit sphere of R^D,
values independent unit vectors of R^V, and the query is a stored key. The lag of an event is the
number of events written after it.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import betainc, lambertw, ndtr

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(200)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
"""Gauss-Hermite quadrature of an expectation over a standard normal z."""


def linear_error_energy(n: int, key_dim: int) -> float:
    """E|r - v|^2 of the linear associator: each of n-1 others leaks with E(k.k')^2 = 1/D."""
    return (n - 1) / key_dim


def linear_cosine(n: int, key_dim: int, query_cosine: float = 1.0) -> float:
    """Mean cosine: signal over the root of its square plus the leaked energy."""
    return query_cosine / math.sqrt(query_cosine**2 + linear_error_energy(n, key_dim))


def linear_decay_cosine(lag: int, n: int, key_dim: int, decay: float) -> float:
    """Mean cosine of the event `lag` before the last of n, each event decaying the old."""
    total = (1 - decay ** (2 * n)) / (1 - decay**2)
    noise = (total - decay ** (2 * lag)) / key_dim
    return decay**lag / math.sqrt(decay ** (2 * lag) + noise)


def linear_overwrite_cosine(n_keys: int, key_dim: int) -> float:
    """Cosine to the newer of two values written to each of n keys, which add up."""
    return 1 / math.sqrt(2 + 2 * (n_keys - 1) / key_dim)


def delta_signal(lag: int, key_dim: int) -> float:
    """E[r.v] of the delta rule, strength one: each later random key erases 1/D of it."""
    return (1 - 1 / key_dim) ** lag


def delta_energies(n: int, key_dim: int) -> np.ndarray:
    """E|r|^2 for each of n events once all are written, oldest first.

    Each later event turns a = |r|^2 and f = |W|^2 into
    a (1 - 2/D + 2/(D(D+2))) + 1/D + f/(D(D+2)) and (1 - 1/D) f + 1.
    """
    d = key_dim
    energies = []
    for event in range(n):
        a, f = 1.0, d * (1 - (1 - 1 / d) ** (event + 1))
        for _ in range(n - 1 - event):
            a, f = (
                a * (1 - 2 / d + 2 / (d * (d + 2))) + 1 / d + f / (d * (d + 2)),
                (1 - 1 / d) * f + 1,
            )
        energies.append(a)
    return np.array(energies)


def softmax_weight_orthonormal(n: int, beta: float) -> float:
    """Weight on the queried one of n orthonormal keys."""
    return math.exp(beta) / (math.exp(beta) + n - 1)


def softmax_weight_random(n: int, key_dim: int, beta: float, query_cosine: float = 1.0) -> float:
    """Weight on the queried one of n random keys, for beta below about D/2."""
    return 1 / (1 + (n - 1) * math.exp(beta**2 / (2 * key_dim) - beta * query_cosine))


def hopfield_capacity_base(beta: float, radius: float, dim: int, failure: float) -> float:
    """c in the capacity sqrt(p) c^((d-1)/4) of modern Hopfield networks.

    Theorem 3 of Ramsauer et al. (2020) for patterns on a sphere of radius K sqrt(d - 1).
    """
    a = 2 / (dim - 1) * (1 + math.log(2 * beta * radius**2 * failure * (dim - 1)))
    b = 2 * radius**2 * beta / 5
    return float(b / lambertw(math.exp(a + math.log(b))).real)


def sphere_tail(t: np.ndarray, dim: int) -> np.ndarray:
    """Probability that a random unit vector of R^dim has more than cosine t to a fixed one."""
    upper = betainc((dim - 1) / 2, 0.5, 1 - t**2) / 2
    return np.where(t >= 0, upper, 1 - upper)


def decoding_accuracy(
    error_energy: float,
    value_dim: int,
    pool: int,
    *,
    stored: int = 1,
    key_dim: int | None = None,
) -> float:
    """Probability that the nearest of `pool` unit codes to a read is the right one.

    The read is the value plus noise of the given energy. With `stored` above one, that many of
    the codes are stored themselves (in a linear associator of `key_dim`) and compete more.
    """
    s = 1 + NODES * math.sqrt(error_energy / value_dim)
    length = np.sqrt(s**2 + error_energy * (1 - 1 / value_dim))
    wins = (1 - sphere_tail(s / length, value_dim)) ** (pool - stored)
    if stored > 1:
        if key_dim is None:
            raise ValueError("stored competitors need key_dim")
        wins = wins * ndtr(s / np.sqrt(1 / key_dim + length**2 / value_dim)) ** (stored - 1)
    return float(WEIGHTS @ wins)


def superposition_accuracy(n: float, budget: float, pool: float) -> float:
    """Decoding accuracy of n items in `budget` floats, the value's width going to infinity."""
    return float(WEIGHTS @ np.exp((pool - 1) * np.log(ndtr(NODES + math.sqrt(budget / n)))))


def superposition_capacity(budget: float, pool: float) -> float:
    """Number of items at which half of them are decoded."""
    return float(brentq(lambda n: superposition_accuracy(n, budget, pool) - 0.5, 1, budget))


def bits_per_item(accuracy: float, pool: float) -> float:
    """Information of a symmetric channel over `pool` symbols; zero at chance or below."""
    if accuracy <= 1 / pool:
        return 0.0
    wrong = 1 - accuracy
    hit = accuracy * math.log2(accuracy)
    miss = wrong * math.log2(wrong / (pool - 1)) if wrong else 0.0
    return math.log2(pool) + hit + miss
