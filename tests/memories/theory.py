"""Closed forms of what associative memories recall, for random unit keys and values.

Unless an argument says otherwise: keys are independent and uniform on the unit sphere of R^D,
values independent unit vectors of R^V, and the query is a stored key. The lag of an event is the
number of events written after it.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import betainc, lambertw, ndtr, ndtri
from scipy.stats import binom

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


def gated_delta_signal(lag: int, key_dim: int, strength: float, decay: float) -> float:
    """E[r.v] of the gated delta rule: each later event decays all and erases strength/D of it."""
    return strength * (decay * (1 - strength / key_dim)) ** lag


def pseudo_inverse_cosine(n: int, key_dim: int) -> float:
    """Mean cosine, and its square the energy kept: n values are projected on rank D."""
    return math.sqrt(min(1.0, key_dim / n))


def pseudo_inverse_noise(n: int, key_dim: int, noise: float) -> float:
    """E|r - v|^2 for queries with `noise` per coordinate, keys Gaussian of variance 1/D, n < D.

    noise^2 E|W|^2, and E tr (K K^T)^-1 = n D / (D - n - 1) for such keys (inverse Wishart).
    """
    return noise**2 * n * key_dim / (key_dim - n - 1)


def ridge_signal(n: int, key_dim: int, ridge: float) -> float:
    """E[r.v], from the Stieltjes transform g of the Marchenko-Pastur law of the Gram matrix."""
    b = ridge + n / key_dim - 1
    g = (-b + math.sqrt(b**2 + 4 * ridge)) / (2 * ridge)
    return key_dim / n * (1 - ridge * g)


def hopfield_bit_error(n_bits: int, patterns: int) -> float:
    """Share of a stored pattern's bits that the first step flips: P-1 others add n-1 signs each."""
    return float(ndtr(-math.sqrt((n_bits - 1) / (patterns - 1))))


def hetero_bit_error(key_bits: int, patterns: int) -> float:
    """Share of wrong bits in one step from keys to values."""
    return float(ndtr(-math.sqrt(key_bits / (patterns - 1))))


def _hopfield_root_load(y: float) -> float:
    """sqrt(2 alpha) at which the overlap is erf(y) (Amit, Gutfreund & Sompolinsky 1985)."""
    return math.erf(y) / y - 2 / math.sqrt(math.pi) * math.exp(-(y**2))


def hopfield_critical_load() -> tuple[float, float]:
    """The largest load alpha with retrieval, and the overlap there."""
    peak = minimize_scalar(lambda y: -_hopfield_root_load(y), bounds=(0.5, 5), method="bounded").x
    return _hopfield_root_load(peak) ** 2 / 2, math.erf(peak)


def hopfield_overlap(load: float) -> float:
    """Overlap with a stored pattern after settling, below the critical load."""
    peak = minimize_scalar(lambda y: -_hopfield_root_load(y), bounds=(0.5, 5), method="bounded").x
    target = math.sqrt(2 * load)
    return math.erf(brentq(lambda y: _hopfield_root_load(y) - target, peak, 50))


def sdm_overlap(locations: int, top_k: int, key_dim: int) -> tuple[float, float]:
    """Mean and mean square of the number of locations that two random keys share.

    The second: Poisson part, mean squared, and what finite D adds through similar keys.
    """
    p = top_k / locations
    density = math.exp(-(ndtri(1 - p) ** 2) / 2) / math.sqrt(2 * math.pi)
    mean = top_k**2 / locations
    return mean, mean + mean**2 + locations**2 * density**4 / key_dim


def sdm_cosine(n: int, locations: int, top_k: int, key_dim: int) -> float:
    """Mean cosine of a read: each other event leaks its share of the k locations."""
    _, second = sdm_overlap(locations, top_k, key_dim)
    return 1 / math.sqrt(1 + (n - 1) * second / top_k**2)


def sdm_bit_error(n: int, locations: int, share: float, key_bits: int) -> float:
    """Share of wrong bits of n values of -1 and +1, a share of the locations within the radius.

    A key that has a active locations reads the signal a, and from each other event the variance
    a p + a^2 (p^2 + phi(tau)^4 / (D p^2)); a itself is binomial.
    """
    active = np.arange(1, locations + 1)
    density = math.exp(-(ndtri(share) ** 2) / 2) / math.sqrt(2 * math.pi)
    shared = share / active + share**2 + density**4 / (key_bits * share**2)
    errors = ndtr(-1 / np.sqrt((n - 1) * shared))
    return float(binom.pmf(active, locations, share) @ errors)


def sdm_near_data(n: int, share: float, key_bits: int) -> float:
    """What n-1 other patterns add to a signal of one when keys are their own values.

    Of the active locations of a key the mean correlation with it is phi(tau)/p standard units, and
    so is that of every other key that reaches them.
    """
    density = math.exp(-(ndtri(share) ** 2) / 2) / math.sqrt(2 * math.pi)
    return (n - 1) * density**2 / (key_bits * share)


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
