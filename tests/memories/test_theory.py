"""The closed forms that other tests rely on, against published and worked-out numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import ndtr

from tests.memories import theory
from tests.memories.case import build


@pytest.mark.parametrize(
    ("beta", "radius", "dim", "failure", "base"),
    [(1, 3, 20, 0.001, 3.15461), (1, 1, 75, 0.001, 1.37188)],
)
def test_hopfield_capacity_bases_are_those_printed_by_ramsauer(
    beta: float, radius: float, dim: int, failure: float, base: float
) -> None:
    """Printed as 3.1546 and, cut off, 1.3718; to six digits they are those given here."""
    value = theory.hopfield_capacity_base(beta, radius, dim, failure)
    assert value == pytest.approx(base, abs=5e-6)


@pytest.mark.parametrize(
    ("dim", "value_dim", "n", "pool", "plain", "aware"),
    [
        (64, 64, 128, 1024, 0.981, 0.962),
        (64, 64, 256, 1024, 0.713, 0.646),
        (64, 64, 512, 1024, 0.298, 0.241),
        (32, 128, 256, 4096, 0.605, 0.543),
        (128, 128, 1024, 8192, 0.532, 0.508),
        (64, 64, 256, 8192, 0.485, 0.466),
    ],
)
def test_decoding_formulas_give_the_tabulated_accuracies(
    dim: int, value_dim: int, n: int, pool: int, plain: float, aware: float
) -> None:
    """Numerical integration by other means, rounded to three digits."""
    energy = theory.linear_error_energy(n, dim)
    assert theory.decoding_accuracy(energy, value_dim, pool) == pytest.approx(plain, abs=1e-3)
    with_stored = theory.decoding_accuracy(energy, value_dim, pool, stored=n, key_dim=dim)
    assert with_stored == pytest.approx(aware, abs=1e-3)


@pytest.mark.parametrize(
    ("pool", "capacity", "bits"),
    [(64, 754, 0.394), (1024, 389, 0.427), (8192, 284, 0.442), (1e9, 111, 0.486)],
)
def test_superposition_in_4096_floats_holds_what_the_integral_says(
    pool: float, capacity: float, bits: float
) -> None:
    budget = 4096
    assert theory.superposition_capacity(budget, pool) == pytest.approx(capacity, rel=0.03)
    densities = [
        n * theory.bits_per_item(theory.superposition_accuracy(n, budget, pool), pool) / budget
        for n in np.geomspace(50, 2000, 200)
    ]
    assert max(densities) == pytest.approx(bits, abs=0.01)


@pytest.mark.parametrize(("t", "tail"), [(0.0, 0.5), (1.0, 0.0), (-1.0, 1.0), (0.5, 0.25)])
def test_the_cap_of_a_sphere_in_three_dimensions_is_linear_in_its_height(
    t: float, tail: float
) -> None:
    """Archimedes: the area above cosine t is (1 - t)/2 of the sphere."""
    assert float(theory.sphere_tail(np.array(t), 3)) == pytest.approx(tail, abs=1e-12)


def test_one_item_without_noise_is_always_decoded_and_pure_noise_almost_never() -> None:
    assert theory.decoding_accuracy(0.0, 64, 1024) == pytest.approx(1.0, abs=1e-9)
    assert theory.decoding_accuracy(1e6, 64, 1024) == pytest.approx(1 / 1024, abs=1e-3)


def test_information_of_a_symmetric_channel() -> None:
    """Certain: log2 M. At chance: none. Half right among 1,024: 10 - 1 - log2(1023)/2."""
    assert theory.bits_per_item(1.0, 1024) == pytest.approx(10)
    assert theory.bits_per_item(1 / 1024, 1024) == 0
    assert theory.bits_per_item(0.5, 1024) == pytest.approx(9 - math.log2(1023) / 2)


def test_delta_energies_reach_one_in_the_steady_state() -> None:
    """The fixed point of f is D, and then a = 1 for every lag."""
    energies = theory.delta_energies(600, 32)
    assert energies[400] == pytest.approx(1.0, abs=1e-3)
    assert energies[-1] == 1.0


@pytest.mark.parametrize(
    ("load", "error"),
    [(0.105, 0.001), (0.138, 0.0036), (0.185, 0.01), (0.37, 0.05), (0.61, 0.1)],
)
def test_hopfield_bit_errors_are_the_textbook_ones(load: float, error: float) -> None:
    """The table of Hertz, Krogh & Palmer (1991): load P/n and probability of an unstable bit."""
    assert theory.hopfield_bit_error(10**6, round(load * 10**6)) == pytest.approx(error, rel=0.03)


def test_the_hopfield_network_breaks_down_at_the_load_of_amit_gutfreund_and_sompolinsky() -> None:
    load, overlap = theory.hopfield_critical_load()
    assert load == pytest.approx(0.13791, abs=1e-5)
    assert overlap == pytest.approx(0.9674, abs=1e-4)


@pytest.mark.parametrize(
    ("load", "overlap"), [(0.05, 0.99999), (0.10, 0.9980), (0.12, 0.9932), (0.13, 0.9872)]
)
def test_hopfield_overlaps_below_the_critical_load(load: float, overlap: float) -> None:
    """The larger root of sqrt(2 alpha) = erf(y)/y - 2/sqrt(pi) e^(-y^2), solved by other means."""
    assert theory.hopfield_overlap(load) == pytest.approx(overlap, abs=1e-4)


@pytest.mark.parametrize(("n", "signal"), [(32, 0.438), (128, 0.293)])
def test_ridge_shrinks_the_signal_as_random_matrix_theory_says(n: int, signal: float) -> None:
    assert theory.ridge_signal(n, 64, 1.0) == pytest.approx(signal, abs=1e-3)


def test_ridge_without_a_ridge_keeps_the_rank() -> None:
    """lambda -> 0: everything below D, D/N above."""
    assert theory.ridge_signal(32, 64, 1e-9) == pytest.approx(1, abs=1e-6)
    assert theory.ridge_signal(128, 64, 1e-9) == pytest.approx(0.5, abs=1e-6)


def test_sdm_overlaps_of_4096_locations() -> None:
    """k = 40: the mean is 0.39; the mean square grows from 0.54 as keys become similar."""
    mean, square = theory.sdm_overlap(4096, 40, 64)
    assert mean == pytest.approx(1600 / 4096)
    assert square == pytest.approx(0.665, abs=1e-3)
    assert theory.sdm_overlap(4096, 40, 256)[1] == pytest.approx(0.574, abs=1e-3)
    assert theory.sdm_overlap(4096, 40, 10**9)[1] == pytest.approx(mean + mean**2, abs=1e-3)


def test_sdm_bit_errors_approach_the_formula_of_a_fixed_number_of_active_locations() -> None:
    """Phi(-sqrt(M/((T-1)(1 + p^2 M)))) once many are active and keys are wide."""
    n, locations, share = 40_000, 100_000, 0.01
    plain = ndtr(-math.sqrt(locations / ((n - 1) * (1 + share**2 * locations))))
    assert theory.sdm_bit_error(n, locations, share, 10**9) == pytest.approx(plain, rel=0.01)


@pytest.mark.parametrize(
    ("closed_form", "worked"),
    [
        (theory.linear_cosine(16, 64), 0.900),
        (theory.linear_cosine(64, 64), 0.710),
        (theory.linear_cosine(128, 64), 0.579),
        (theory.linear_cosine(256, 64), 0.448),
        (theory.linear_decay_cosine(0, 400, 64, 0.98), 0.852),
        (theory.linear_decay_cosine(50, 400, 64, 0.98), 0.503),
        (theory.linear_decay_cosine(100, 400, 64, 0.98), 0.207),
        (theory.pseudo_inverse_cosine(96, 64), 0.816),
        (theory.pseudo_inverse_cosine(128, 64), 0.707),
        (theory.pseudo_inverse_cosine(256, 64), 0.500),
        (theory.pseudo_inverse_noise(32, 64, 0.05), 0.1652),
        (theory.pseudo_inverse_noise(48, 64, 0.05), 0.512),
        (theory.pseudo_inverse_noise(56, 64, 0.05), 1.280),
        (theory.hopfield_bit_error(1000, 100), 7.45e-4),
        (theory.hopfield_bit_error(1000, 140), 3.67e-3),
        (theory.hopfield_bit_error(1000, 200), 1.253e-2),
        (theory.softmax_weight_random(1024, 64, 8.0), 0.6386),
        (theory.softmax_weight_random(1024, 64, 16.0), 0.99915),
        (theory.softmax_weight_random(512, 64, 16.0, 0.8), 0.98968),
        (theory.softmax_weight_orthonormal(64, 5.0), 0.702005),
        (theory.superposition_accuracy(256, 4096, 1024), 0.7620),
        (theory.superposition_accuracy(512, 4096, 1024), 0.3473),
    ],
)
def test_closed_forms_give_the_numbers_worked_out_by_hand(
    closed_form: float, worked: float
) -> None:
    """Each to the digits given: half a unit of the last of three is at most .5 % of a number."""
    assert closed_form == pytest.approx(worked, rel=2e-3)


def test_the_default_inverse_temperature_is_the_smallest_that_leaves_others_a_thousandth() -> None:
    """(N-1) e^(beta^2/2D - beta) = 1e-3 has the root 15.78 at D = 64, N = 1,024."""

    def others(beta: float) -> float:
        return 1 / theory.softmax_weight_random(1024, 64, beta) - 1

    assert brentq(lambda beta: others(beta) - 1e-3, 5, 40) == pytest.approx(15.78, abs=0.01)
    assert others(15) > 1e-3 > others(16)
    assert float(build("ring-attention").beta) == 16
