"""Three memories: time constants, the correction of their start at zero, and their reading."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from memories.base import InvalidParameter
from memories.forecasters.hmem.multiscale import AttentionRead, ConcatRead, MultiScale, Unbias

DIM, WIDTH = 8, 5
SIZES = [4, 8, 16]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=rng(seed))


def fully_open() -> MultiScale:
    """g = 1 and a constant encoding: the projection's bias."""
    memory = MultiScale(DIM, WIDTH, generator=rng())
    with torch.no_grad():
        for parameter in memory.gates.parameters():
            parameter.zero_()
        for gate in memory.gates:
            gate[-1].bias.fill_(100.0)
        memory.projection.weight.zero_()
    return memory


def test_the_rates_are_those_of_10_100_and_1000_updates():
    """1 - exp(-1/T) = 0.09516, 0.009950, 0.0009995."""
    rates = [part[0].item() for part in MultiScale(DIM, WIDTH, generator=rng()).rates.split(SIZES)]
    assert rates == pytest.approx([0.09516258, 0.009950166, 0.00099950017], rel=1e-6)


@pytest.mark.parametrize(("scale", "constant"), [(0, 10), (1, 100), (2, 1000)])
def test_an_open_memory_keeps_what_its_time_constant_and_the_factor_say(scale, constant):
    """Steps of 0.55 eta at surprise 0: M_n - e = -(1 - 0.55 eta)^n e."""
    update = fully_open()
    target = update.projection.bias.detach()
    memory = torch.zeros(28)
    for _ in range(200):
        memory = update(memory, torch.zeros(WIDTH), torch.zeros(()))
    left = (1 - 0.55 * (1 - math.exp(-1 / constant))) ** 200
    got, full = (x.split(SIZES)[scale] for x in (memory, target))
    torch.testing.assert_close(got, (1 - left) * full, rtol=1e-4, atol=1e-6)


def test_a_short_memory_follows_a_change_that_the_long_one_hardly_sees():
    update = fully_open()
    target = update.projection.bias.detach()
    memory = torch.zeros(28)
    for _ in range(40):
        memory = update(memory, torch.zeros(WIDTH), torch.full((), 9.0))
    short, middle, long = (
        (m / t).mean().item() for m, t in zip(memory.split(SIZES), target.split(SIZES), strict=True)
    )
    assert short > 0.95 and 0.2 < middle < 0.5 and long < 0.05


def test_no_entry_of_any_scale_leaves_plus_minus_ten():
    """The long memory takes a step of 0.55 eta = 0.00055 towards its target."""
    update = fully_open()
    with torch.no_grad():
        update.projection.bias.fill_(-1e6)
    memory = update(torch.zeros(28), torch.zeros(WIDTH), torch.zeros(()))
    assert bool((memory == -10).all())


@pytest.mark.parametrize("age", [1, 7, 500, 20_000])
def test_a_corrected_memory_of_a_constant_is_that_constant_at_every_age(age):
    """M_n = (1 - exp(-n/T)) e solves M <- M + eta (e - M) with a fully open gate, factor 1."""
    constants = torch.tensor([10.0] * 4 + [100.0] * 8 + [1000.0] * 16, dtype=torch.float64)
    encoding = draw(28, seed=1)
    gathered = (-torch.expm1(-age / constants)).float() * encoding
    torch.testing.assert_close(
        Unbias(DIM)(gathered, torch.tensor(age)), encoding, rtol=1e-5, atol=1e-6
    )


def test_before_any_update_the_read_is_of_zeros_and_finite():
    assert torch.equal(Unbias(DIM)(torch.zeros(28), torch.tensor(0)), torch.zeros(28))


def test_the_concatenated_read_is_normalised():
    """A layer norm that starts as the identity: mean 0, variance 1 (its eps is 1e-5)."""
    read = ConcatRead(DIM, WIDTH, generator=rng())
    got = read(draw(28, seed=2), draw(WIDTH), torch.tensor(50))
    assert got.shape == (DIM,)
    assert got.mean().item() == pytest.approx(0, abs=1e-6)
    assert got.var(correction=0).item() == pytest.approx(1, abs=1e-3)


def same_slots(read: AttentionRead, target: Tensor) -> nn.Module:
    with torch.no_grad():
        for slot in read.slots:
            slot.weight.zero_()
            slot.bias.copy_(target)
    return read


def test_attention_over_three_equal_slots_is_a_linear_map_of_one():
    """Weights sum to one: the read is Wo Wv slot whatever the encoding."""
    target = draw(DIM, seed=3)
    read = same_slots(AttentionRead(DIM, WIDTH, generator=rng()), target)
    expected = read.out(read.value(target))
    for seed in (4, 5):
        got = read(draw(28, seed=6), draw(WIDTH, seed=seed), torch.tensor(3))
        torch.testing.assert_close(got, expected)


def test_attention_looks_where_the_encoding_points():
    read = AttentionRead(DIM, WIDTH, generator=rng())
    memory, age = 5 * draw(28, seed=7), torch.tensor(1)
    one, two = (read(memory, 5 * draw(WIDTH, seed=seed), age) for seed in (8, 9))
    assert (one - two).abs().max() > 1e-3


def test_widths_that_do_not_divide_are_refused():
    with pytest.raises(InvalidParameter, match=r"even.*got 7"):
        MultiScale(7, WIDTH, generator=rng())
    with pytest.raises(InvalidParameter, match=r"4 heads.*got 6"):
        AttentionRead(6, WIDTH, generator=rng())
