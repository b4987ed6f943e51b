"""Keys of H-Mem's bank: their equations, their sizes, and whether they know the order of time."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from memories.forecasters.hmem.key_encoder import FlatKeyEncoder, JointKey, PooledKeyEncoder
from tests.reference import chrc as loop

CHANNELS, HORIZON, ROWS, DIM = 3, 8, 4, 5


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rows(seed: int = 1, n: int = ROWS) -> Tensor:
    return torch.randn(n, CHANNELS, generator=rng(seed), dtype=torch.float64)


def pooled(**params: object) -> PooledKeyEncoder:
    return PooledKeyEncoder(CHANNELS, ROWS, DIM, generator=rng(), **params).double()


@pytest.mark.parametrize("pos", ["input", "post"])
@pytest.mark.parametrize("pooling", ["mean", "max", "last", "attention"])
def test_the_pooled_encoder_is_its_equation_row_by_row(pos, pooling):
    encoder = pooled(pos=pos, pooling=pooling)
    expected = loop.pooled_key(rows(), encoder.state_dict(), pos, pooling)
    torch.testing.assert_close(encoder(rows()), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("pad", "n", "width"), [("horizon", 4, 24), ("none", 4, 12)])
def test_the_flat_encoder_is_its_equation_on_padded_rows(pad, n, width):
    encoder = FlatKeyEncoder(CHANNELS, HORIZON, n, DIM, pad=pad, generator=rng()).double()
    assert encoder.width == width
    expected = loop.flat_key(rows(n=n), encoder.state_dict(), width)
    torch.testing.assert_close(encoder(rows(n=n)), expected, rtol=0, atol=1e-12)


def test_rows_beyond_the_horizon_are_cut_from_a_flat_key():
    encoder = FlatKeyEncoder(CHANNELS, 2, ROWS, DIM, generator=rng()).double()
    assert encoder.width == 6
    changed = torch.cat([rows()[:2], rows(2)[2:]])
    assert torch.equal(encoder(rows()), encoder(changed))


def test_sizes_are_those_counted_by_hand():
    """C = 7, d = 128. Pooled with the published table of 512: 2,048 + 512 + 65,792 + 131,072 +
    32,896 + 256 = 232,576. Flat at H = 24: 43,264 + 512 + 32,896 + 256 = 76,928.
    """
    published = PooledKeyEncoder(7, 12, 128, positions=512, generator=rng())
    assert sum(p.numel() for p in published.parameters()) == 232_576
    own = PooledKeyEncoder(7, 12, 128, generator=rng())
    assert sum(p.numel() for p in own.parameters()) == 232_576 - 500 * 256
    flat = FlatKeyEncoder(7, 24, 12, 128, generator=rng())
    assert sum(p.numel() for p in flat.parameters()) == 76_928


@pytest.mark.parametrize("order", [[3, 2, 1, 0], [1, 0, 2, 3], [2, 3, 0, 1]])
def test_a_key_forgets_the_order_of_rows_unless_positions_come_first(order):
    """A table added after the rows' own network adds one constant to their mean: float32, 1e-6."""
    moved = {}
    for pos in ("post", "input"):
        encoder = PooledKeyEncoder(CHANNELS, ROWS, DIM, pos=pos, generator=rng())
        with torch.no_grad():
            encoder.table.mul_(20)  # a trained table is larger than a fresh one
            change = encoder(rows().float()) - encoder(rows().float()[order])
        moved[pos] = float(change.abs().max())
    assert moved["post"] < 1e-6
    assert moved["input"] > 1e-2


@pytest.mark.parametrize("pooling", ["mean", "max", "last", "attention"])
def test_gradients_of_constant_rows_are_finite(pooling):
    """Equal rows tie in every maximum; zero rows have no spread but that of the bias."""
    for value in (0.0, 2.0):
        encoder = pooled(pooling=pooling)
        encoder(torch.full((ROWS, CHANNELS), value, dtype=torch.float64)).square().sum().backward()
        assert all(p.grad.isfinite().all() for p in encoder.parameters())


def test_a_joint_key_depends_on_the_forecast_too():
    joint = JointKey(CHANNELS, HORIZON, DIM, rng()).double()
    z = torch.randn(DIM, generator=rng(3), dtype=torch.float64)
    forecast = torch.randn(HORIZON, CHANNELS, generator=rng(4), dtype=torch.float64)
    w = joint.state_dict()
    hidden = loop.gelu(loop.norm(loop.affine(forecast.flatten(), w, "forecast.0"), w, "forecast.1"))
    told = loop.affine(hidden, w, "forecast.3")
    expected = loop.affine(torch.cat([z, told]), w, "join")
    torch.testing.assert_close(joint(z, forecast), expected, rtol=0, atol=1e-12)
    assert (joint(z, forecast) - joint(z, 2 * forecast)).abs().max() > 1e-3


def test_the_same_generator_draws_the_same_weights():
    for build in (
        lambda g: PooledKeyEncoder(CHANNELS, ROWS, DIM, generator=g),
        lambda g: FlatKeyEncoder(CHANNELS, HORIZON, ROWS, DIM, generator=g),
        lambda g: JointKey(CHANNELS, HORIZON, DIM, g),
    ):
        first, again, other = build(rng(1)), build(rng(1)), build(rng(2))
        pairs = zip(first.parameters(), again.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
        pairs = zip(first.parameters(), other.parameters(), strict=True)
        assert not all(torch.equal(a, b) for a, b in pairs)
