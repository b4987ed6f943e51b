"""How a memory vector moves: sizes of steps, fixed points, bounds."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from memories.forecasters.hmem.memory_update import GatedMomentum, Interpolation, modulation

DIM, WIDTH = 6, 4


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=rng(seed))


def scalar(x: float) -> Tensor:
    return torch.tensor(float(x))


def muted(module: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    return module


def open_gate(rule: Interpolation) -> Interpolation:
    """The rule with g = 1 whatever the memory."""
    muted(rule.gate)
    with torch.no_grad():
        rule.gate[-1].bias.fill_(100.0)
    return rule


def interpolation(name: str, width: int = DIM, **options: str) -> Interpolation:
    return Interpolation(DIM, width, rule=name, generator=rng(), **options)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("sigmoid", [0.55, 0.757953, 0.892717, 0.892717]),
        ("centered", [0.1, 0.515905, 0.785435, 0.785435]),
    ],
)
def test_the_smoothed_factor_at_surprise_0_1_2_and_50(form, expected):
    """0.1 + 0.9 sigmoid(min(s, 2)), resp. 0.1 + 0.9 (2 sigmoid(min(s, 2)) - 1)."""
    got = [float(modulation(scalar(s), form)) for s in (0, 1, 2, 50)]
    assert got == pytest.approx(expected, abs=1e-6)


@given(st.floats(0, 1e6, width=32))
def test_surprise_changes_a_smoothed_step_by_at_most_a_factor_of_1_63(s):
    """The range is [0.55, 0.8928], not [0.1, 1]; with ``centered`` [0.1, 0.7855]."""
    assert 0.55 - 1e-6 <= float(modulation(scalar(s), "sigmoid")) <= 0.8928
    assert 0.1 - 1e-6 <= float(modulation(scalar(s), "centered")) <= 0.7855


@pytest.mark.parametrize(("form", "left"), [("sigmoid", 0.45), ("centered", 0.9)])
def test_an_unsurprised_open_memory_approaches_a_constant_encoding_geometrically(form, left):
    """a = 0.55 (0.1): |M_n - e| = 0.45^n |e| (0.9^n |e|) from M = 0."""
    rule = open_gate(interpolation("smoothed", smooth_form=form))
    encoding, memory = draw(DIM, seed=1), torch.zeros(DIM)
    for n in range(1, 9):
        memory = rule(memory, encoding, scalar(0))
        torch.testing.assert_close(memory - encoding, -(left**n) * encoding, rtol=1e-5, atol=1e-6)


def test_a_surprise_above_one_overshoots_unless_it_is_clamped():
    """g = 1, s = 3: M' = M + 3 (e - M) = 3 e from zero; clamped takes s = 1: M' = e."""
    encoding, zero = torch.full((DIM,), 2.0), torch.zeros(DIM)
    lerp, clamped = (open_gate(interpolation(n)) for n in ("surprise-lerp", "clamped"))
    assert lerp(zero, encoding, scalar(3)).tolist() == pytest.approx([6.0] * DIM)
    assert clamped(zero, encoding, scalar(3)).tolist() == pytest.approx([2.0] * DIM)


@pytest.mark.parametrize("name", ["surprise-lerp", "clamped"])
def test_without_surprise_these_rules_do_not_move(name):
    memory = draw(DIM, seed=2)
    assert torch.equal(interpolation(name)(memory, draw(DIM, seed=3), scalar(0)), memory)


@pytest.mark.parametrize("name", ["surprise-lerp", "clamped", "smoothed"])
def test_gates_see_the_memory_and_not_the_encoding(name):
    """The step a = (M' - M) / (e - M) is the same for two encodings."""
    rule, memory = interpolation(name), draw(DIM, seed=4)
    steps = [
        (rule(memory, e, scalar(0.7)) - memory) / (e - memory)
        for e in (memory + 1, memory - draw(DIM, seed=5).abs() - 0.5)
    ]
    torch.testing.assert_close(*steps, rtol=1e-4, atol=1e-5)
    elsewhere = rule(memory + 1, memory + 2, scalar(0.7)) - memory - 1
    assert (elsewhere - steps[0]).abs().max() > 1e-4


def test_an_encoding_of_another_width_is_projected():
    rule = open_gate(interpolation("clamped", WIDTH))
    encoding = draw(WIDTH, seed=6)
    expected = rule.projection.weight @ encoding + rule.projection.bias
    torch.testing.assert_close(rule(torch.ones(DIM), encoding, scalar(1)), expected)
    assert list(interpolation("clamped").projection.parameters()) == []


def test_gated_momentum_without_weights_contracts_to_its_candidate():
    """f = u = 1/2: M' = 0.9 M + 0.1 (M/2 + c/2) = 0.95 M + 0.05 c; M_1 = 0.05 c, M_n -> c."""
    rule = GatedMomentum(DIM, WIDTH, momentum=0.9, generator=rng())
    muted(rule.forget), muted(rule.update), muted(rule.candidate)
    with torch.no_grad():
        rule.candidate[3].bias.copy_(draw(DIM, seed=7))
    candidate = torch.tanh(draw(DIM, seed=7))
    memory = torch.zeros(DIM)
    for n in range(1, 301):
        memory = rule(memory, draw(WIDTH, seed=n), scalar(n))
        if n < 20:
            torch.testing.assert_close(memory, (1 - 0.95**n) * candidate, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(memory, candidate, rtol=1e-5, atol=1e-5)


def test_surprise_enters_the_update_gate_alone():
    """Its column of Wu set to 1 and all else to 0: u = sigmoid(s), f = 1/2."""
    rule = GatedMomentum(DIM, WIDTH, momentum=0.0, generator=rng())
    muted(rule.forget), muted(rule.update)
    with torch.no_grad():
        rule.update.weight[:, -1] = 1
    memory, encoding = draw(DIM, seed=8), draw(WIDTH, seed=9)
    candidate = rule.candidate(encoding)
    for s in (0.0, 1.5):
        expected = memory / 2 + candidate / (1 + math.exp(-s))
        torch.testing.assert_close(rule(memory, encoding, scalar(s)), expected)


@pytest.mark.parametrize("name", ["gated-momentum", "surprise-lerp", "clamped", "smoothed"])
def test_no_entry_leaves_plus_minus_ten(name):
    if name == "gated-momentum":
        rule: nn.Module = GatedMomentum(DIM, WIDTH, momentum=0.9, generator=rng())
    else:
        rule = interpolation(name, WIDTH)
    memory = rule(50 * draw(DIM, seed=1), 1e3 * draw(WIDTH, seed=2), scalar(1e4))
    assert memory.abs().max().item() == 10
