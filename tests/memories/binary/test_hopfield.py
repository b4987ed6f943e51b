"""The Hopfield network against its closed forms: stability, overlap, ties, cycles, energy."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from memories.base import InvalidParameter
from tests.memories import theory
from tests.memories.case import build, generator
from tests.reference import hopfield as loop


def patterns(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator(seed)).sign()


def network(keys: Tensor, values: Tensor | None = None, **params: Any) -> tuple[Any, Any]:
    """A memory, in mode auto without values, and its state."""
    values = keys if values is None else values
    memory = build("hopfield", key_dim=keys.shape[1], value_dim=values.shape[1], **params)
    return memory, memory.write(memory.init_state(), keys, values)


@pytest.mark.parametrize(
    ("load", "draws", "tolerance"), [(0.10, 4, 0.25), (0.14, 2, 0.25), (0.20, 1, 0.15)]
)
def test_the_first_step_flips_as_many_bits_as_gaussian_noise_would(
    load: float, draws: int, tolerance: float
) -> None:
    """Phi(-sqrt((n-1)/(P-1))) at n = 1,000: 7.5e-4, 3.7e-3 and 1.25e-2.

    The Gaussian is off by 5 to 10 % at this size; the numbers of flips (some 300, 1,000 and 2,500)
    add a standard error of 6 % or less.
    """
    n, p = 1000, round(load * 1000)
    flipped = 0.0
    for draw in range(draws):
        stored = patterns(draw, p, n)
        memory, state = network(stored, mode="auto", steps=1)
        flipped += float((memory.read(state, stored) != stored).double().mean()) / draws
    assert flipped == pytest.approx(theory.hopfield_bit_error(n, p), rel=tolerance)


def test_overlaps_with_stored_patterns_after_settling() -> None:
    """n = 1,000: 0.998 at load 0.10; the memory is gone at 0.20 (0.40 at n = 2,000)."""
    overlaps = {}
    for p in (100, 200):
        stored = patterns(p, p, 1000)
        memory, state = network(stored, mode="auto", steps=30)
        overlaps[p] = float((memory.read(state, stored) * stored).mean())
    assert overlaps[100] == pytest.approx(theory.hopfield_overlap(0.10), abs=0.005)
    assert overlaps[200] < 0.6


@pytest.mark.parametrize("p", [60, 120])
def test_one_step_from_keys_to_values_errs_as_gaussian_noise_would(p: int) -> None:
    """Phi(-sqrt(D/(P-1))), D = 400: 4.6e-3 and 3.3e-2; 96,000 bits or more, within 20 %."""
    wrong = 0.0
    for draw in range(4):
        keys, values = patterns(draw, p, 400), patterns(500 + draw, p, 400)
        memory, state = network(keys, values, mode="hetero")
        wrong += float((memory.read(state, keys) != values).double().mean()) / 4
    assert wrong == pytest.approx(theory.hetero_bit_error(400, p), rel=0.2)


def test_a_value_is_recalled_from_its_key_alone_and_from_a_damaged_key() -> None:
    """Ten pairs of 100 bits each; a tenth of the key's bits flipped."""
    keys, values = patterns(1, 10, 100), patterns(2, 10, 100)
    memory, state = network(keys, values)
    assert torch.equal(memory.read(state, keys), values)
    damaged = keys * torch.where(torch.rand(10, 100, generator=generator(3)) < 0.1, -1.0, 1.0)
    assert not torch.equal(damaged, keys)
    assert torch.equal(memory.read(state, damaged), values)


def test_settling_repairs_what_one_step_leaves() -> None:
    """A sixth of the bits flipped, 15 patterns of 200 bits."""
    stored = patterns(1, 15, 200)
    damaged = stored * torch.where(torch.rand(15, 200, generator=generator(2)) < 1 / 6, -1.0, 1.0)
    overlaps = []
    for steps in (1, 20):
        memory, state = network(stored, mode="auto", steps=steps)
        overlaps.append(float((memory.read(state, damaged) * stored).mean()))
    assert overlaps[0] < 0.995
    assert overlaps[1] > 0.999


@pytest.mark.parametrize("p", [10, 32, 60])
def test_the_projection_keeps_as_many_patterns_as_there_are_bits(p: int) -> None:
    """J x = x for each of P < n = 64 independent patterns, where the sum of products fails."""
    stored = patterns(1, p, 64)
    memory, state = network(stored, mode="auto", rule="projection")
    assert torch.equal(memory.read(state, stored), stored)
    if p > 10:
        memory, state = network(stored, mode="auto")
        assert not torch.equal(memory.read(state, stored), stored)


def test_a_bit_whose_field_is_zero_stays_as_it_is() -> None:
    """All 64 states of six bits, two patterns: fields are even numbers, many of them zero."""
    stored = patterns(4, 2, 6)
    states = torch.tensor(list(product([-1.0, 1.0], repeat=6)))
    couplings = stored.mT @ stored - 2 * torch.eye(6)
    fields = states @ couplings
    assert (fields == 0).sum() > 10
    memory, state = network(stored, mode="auto", steps=1)
    expected = torch.where(fields == 0, states, fields.sign())
    assert torch.equal(memory.read(state, states), expected)


def test_setting_all_bits_at_once_can_cycle_and_setting_them_in_turn_settles() -> None:
    """One stored pattern (1, -1) couples two bits by -1: (1, 1) and (-1, -1) change places."""
    stored, start = torch.tensor([[1.0, -1.0]]), torch.tensor([[1.0, 1.0]])
    for steps in (1, 2, 19, 20):
        memory, state = network(stored, mode="auto", steps=steps)
        assert torch.equal(memory.read(state, start), start * (-1) ** steps)
    memory, state = network(stored, mode="auto", steps=1, sequential=True)
    assert memory.read(state, start).tolist() == [[-1.0, 1.0]]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), p=st.integers(1, 12))
def test_the_energy_never_rises_when_bits_are_set_in_turn(seed: int, p: int) -> None:
    """E = -s J s / 2, exact in floats as couplings are whole numbers."""
    stored, state_now = patterns(seed, p, 12), patterns(seed + 1, 8, 12)
    for _ in range(3):
        memory, state = network(stored, mode="auto", steps=1, sequential=True)
        after = memory.read(state, state_now)
        before_energy, energy = (
            -(s @ state["couplings"] * s).sum(-1) / 2 for s in (state_now, after)
        )
        assert (energy <= before_energy).all()
        state_now = after


@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize("rule", ["hebb", "projection"])
def test_repairing_keys_equals_the_loop_over_bits(rule: str, sequential: bool) -> None:
    stored, queries = patterns(1, 3, 9), patterns(2, 12, 9)
    memory, state = network(
        stored, mode="auto", rule=rule, steps=3, sequential=sequential, ridge=0.25
    )
    couplings = loop.hebb(stored) if rule == "hebb" else loop.projection(stored.double(), 0.25)
    expected = [
        loop.settle(couplings, q, range(9), 3, sequential=sequential, tie=1e-6) for q in queries
    ]
    assert torch.equal(memory.read(state, queries), torch.stack(expected))


def test_real_values_can_be_kept_as_they_are() -> None:
    """Hetero, linear: the correlation matrix memory on signs of keys, exact for orthogonal ones."""
    keys = torch.tensor([[1.0, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1]])
    values = torch.randn(3, 5, generator=generator(1))
    memory, state = network(7 * keys, values, mode="hetero", readout="linear")
    torch.testing.assert_close(memory.read(state, keys), values, rtol=0, atol=1e-6)


def test_writes_one_by_one_are_bit_equal_to_one_write() -> None:
    """Couplings are sums of whole numbers, exact in float32; so are ties."""
    keys, values = patterns(1, 300, 20), patterns(2, 300, 12)
    memory, whole = network(keys, values)
    state = memory.init_state()
    for k, v in zip(keys.split(1), values.split(1), strict=True):
        state = memory.write(state, k, v)
    assert torch.equal(state["couplings"], whole["couplings"])
    assert torch.equal(state["couplings"].diagonal(), torch.zeros(32))


@pytest.mark.parametrize(
    ("params", "parameter", "message"),
    [
        ({"mode": "auto", "value_dim": 5}, "mode", "returns keys"),
        ({"mode": "hetero", "rule": "projection"}, "rule", "needs mode"),
    ],
)
def test_what_has_no_meaning_is_refused(
    params: dict[str, Any], parameter: str, message: str
) -> None:
    with pytest.raises(InvalidParameter, match=message) as caught:
        build("hopfield", **params)
    assert caught.value.parameter == parameter


@pytest.mark.parametrize(
    ("mode", "floats"), [("auto-concat", 20**2), ("hetero", 12 * 8), ("auto", 12**2)]
)
def test_its_one_size_either_fits_a_budget_or_is_refused(mode: str, floats: int) -> None:
    cls = type(build("hopfield"))
    assert cls.from_budget(floats, 12, 8, mode=mode) == {}
    with pytest.raises(InvalidParameter, match=f"must be >= {floats}, its only size") as caught:
        cls.from_budget(floats - 1, 12, 8, mode=mode)
    assert caught.value.parameter == "budget"
