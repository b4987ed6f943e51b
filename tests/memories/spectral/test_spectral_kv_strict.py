"""K rows and no more: exact up to K independent keys, lossy and order dependent beyond."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from memories.base import InvalidParameter, state_floats
from memories.spectral.spectral_kv_strict import compressed
from tests.memories.case import build, generator
from tests.memories.spectral.kv import PCR, STRICT, directions, recall, relative_error, written
from tests.reference import spectral_kv


def in_blocks(keys: Tensor, values: Tensor, block: int, **params: Any) -> tuple[Any, Any]:
    """The memory and its state after calls of `block` events each."""
    memory, state = written(STRICT, keys[:0], values[:0], **params)
    for k, v in zip(keys.split(block), values.split(block), strict=True):
        state = memory.write(state, k, v)
    return memory, state


@pytest.mark.parametrize("block", [1, 4, 30])
@pytest.mark.parametrize("decay", [1.0, 0.9375])
def test_up_to_k_independent_keys_it_is_the_regression_on_all_events(
    block: int, decay: float
) -> None:
    """30 events on 6 keys of R^16, K = 6: nothing is cut off, in blocks of any size."""
    picked = torch.randint(6, (30,), generator=generator(5))
    picked[:6] = torch.arange(6)
    keys, values, queries = directions(1, 6, 16)[picked], directions(2, 30, 5), directions(3, 9, 16)
    memory, state = in_blocks(keys, values, block, components=6, decay=decay)
    expected = recall(PCR, keys, values, queries, decay=decay)
    torch.testing.assert_close(memory.read(state, queries), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("block", [1, 7, 40])
@pytest.mark.parametrize("params", [{}, {"decay": 0.9375}, {"ridge": 0.25}, {"ridge": "auto"}])
def test_blocks_are_truncated_as_a_singular_value_decomposition_of_the_stack(
    block: int, params: dict[str, Any]
) -> None:
    """[R; X] = U S Q^T, R <- S_K Q_K^T, C <- U_K^T [C; V], weighted by square roots of decays."""
    keys, values, queries = directions(1, 40, 16), directions(2, 40, 5), directions(3, 9, 16)
    memory, state = in_blocks(keys, values, block, components=6, **params)
    expected = spectral_kv.recall_strictly(
        keys, values, queries, components=6, block=block, **params
    )
    torch.testing.assert_close(memory.read(state, queries), expected, rtol=0, atol=1e-9)


def test_in_one_block_it_is_the_regression_on_k_components() -> None:
    keys, values, queries = directions(1, 90, 16), directions(2, 90, 5), directions(3, 9, 16)
    torch.testing.assert_close(
        recall(STRICT, keys, values, queries, components=6),
        recall(PCR, keys, values, queries, components=6),
        rtol=0, atol=1e-9,
    )  # fmt: skip


def test_beyond_k_keys_order_and_blocks_matter_and_a_little_is_lost() -> None:
    """256 keys, D = 64, K = 32, mean of 10 draws: an error just above 1 - K/N = 0.875."""
    whole, parts = [], []
    for draw in range(10):
        keys, values = directions(draw, 256, 64), directions(100 + draw, 256, 32)
        whole.append(relative_error(recall(STRICT, keys, values, keys, components=32), values))
        memory, state = in_blocks(keys, values, 16, components=32)
        parts.append(relative_error(memory.read(state, keys), values))
        memory, turned = in_blocks(keys.flip(0), values.flip(0), 16, components=32)
        assert (memory.read(state, keys) - memory.read(turned, keys)).abs().max() > 0.01
    assert np.mean(whole) == pytest.approx(0.875, abs=0.01)
    assert np.mean(whole) < np.mean(parts) < np.mean(whole) + 0.06
    assert not build(STRICT).composes


def test_with_a_row_for_every_feature_nothing_is_ever_cut_off() -> None:
    """K = m: the square root of the moments of all events, whatever the blocks."""
    keys, values, queries = directions(1, 200, 16), directions(2, 200, 5), directions(3, 9, 16)
    expected = recall(PCR, keys, values, queries)
    for block in (1, 16, 200):
        memory, state = in_blocks(keys, values, block)
        torch.testing.assert_close(memory.read(state, queries), expected, rtol=0, atol=1e-9)


def test_a_long_stream_in_float32_keeps_its_digits() -> None:
    """1,000 calls, each of which rounds the rows to 6e-8 of the strongest."""
    keys, values = directions(1, 1000, 16), directions(2, 1000, 5)
    memory, state = in_blocks(keys.float(), values.float(), 1)
    expected = recall(PCR, keys, values, keys)
    assert state["directions"].dtype == torch.float32
    torch.testing.assert_close(
        memory.read(state, keys.float()).double(), expected, rtol=0, atol=1e-5
    )


def test_rows_stand_for_the_strongest_directions_with_their_signs_fixed() -> None:
    """A = diag(1, 9, 4), K = 2: rows 3 e_2 and 2 e_3; where the rank is one a row stays empty."""
    gram = torch.diag(torch.tensor([1.0, 9.0, 4.0])).double()
    cross = torch.tensor([[1.0], [18.0], [8.0]]).double()
    rows, values = compressed(gram, cross, 2)
    expected = torch.tensor([[0.0, 3.0, 0.0], [0.0, 0.0, 2.0]]).double()
    torch.testing.assert_close(rows, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(values, torch.tensor([[6.0], [4.0]]).double(), rtol=0, atol=1e-12)
    lone = torch.outer(torch.tensor([1.0, -2.0, 0.0]), torch.tensor([1.0, -2.0, 0.0])).double()
    rows, values = compressed(lone, lone[:, :1], 2)
    expected = torch.tensor([[-1.0, 2.0, 0.0], [0.0, 0.0, 0.0]]).double()
    torch.testing.assert_close(rows, expected, rtol=0, atol=1e-12)
    assert not values[1].any()


def test_a_budget_buys_rows_of_plain_keys_and_then_features() -> None:
    """K (D + V) <= B; beyond K = D, K = m and m (m + V) <= B."""
    cls = type(build(STRICT))
    assert cls.from_budget(4096, 64, 64) == {"components": 32}
    assert cls.from_budget(8192, 64, 64) == {"phi": "identity"}
    assert cls.from_budget(16384, 64, 64) == {"phi": "rff", "features": 98}
    assert cls.from_budget(4096, 64, 64, context_dim=32) == {"components": 25}
    memory = build(STRICT, key_dim=64, value_dim=64, components=32)
    assert state_floats(memory.init_state()) == 4096
    with pytest.raises(InvalidParameter, match="leaves room for 0 features"):
        cls.from_budget(64, 64, 64)
