"""The leak of the first published spectral memory, reproduced, and the law that convicts it.

Its buffer takes every batch that is evaluated, in the order in which batches come, and nothing
empties it: rows of the test, whose inputs overlap the targets of earlier windows, are still there
when windows are forecast again after the next epoch (Marquez 2025, first public version).
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from bench.audit import tokens
from memories.backbones.spectral_former_v1 import SpectralFormerV1
from memories.backbones.tokens import TokenModel
from memories.base import TokenMemory
from memories.token_training.chronicle import always, chronicle
from memories.token_training.lanes import TokenLanes
from tests.bench.token_offenders import BatchAppend, D, Mean

LOOKBACK, HORIZON, CHANNELS, CHUNK = 8, 4, 2, 4
SERIES = torch.randn(60, CHANNELS, generator=torch.Generator().manual_seed(1))
TEST = range(20, 52)
"""Newest rows of the windows of a test."""


def lanes_of(memory: TokenMemory) -> TokenLanes:
    """One lane: the first version's encoder with random weights, and the memory."""
    generator = torch.Generator().manual_seed(0)
    encoder = SpectralFormerV1(
        CHANNELS, LOOKBACK, HORIZON, width=D, heads=2, feedforward=16, layers=1, generator=generator
    )
    model = TokenModel(encoder, memory, HORIZON, generator)
    return TokenLanes([model], 1e-4, [torch.Generator().manual_seed])


def evaluated(lanes: TokenLanes, series: Tensor, origins: Sequence[int]) -> dict[int, Tensor]:
    """Forecasts [H, C] by origin, from a memory that was just reset."""

    def windows(rows: Sequence[int]) -> Tensor:
        return torch.stack([series[row - LOOKBACK + 1 : row + 1] for row in rows])

    forecasts: dict[int, Tensor] = {}
    for passed in chronicle(
        lanes, windows, origins, lanes.init_state(), chunk=CHUNK, written=always
    ):
        forecasts |= dict(zip(passed.origins, passed.forecasts[0], strict=True))
    return forecasts


def batches(order: Sequence[int]) -> list[int]:
    """Origins of the test, batch after batch in this order."""
    return [origin for batch in order for origin in TEST[batch * CHUNK : (batch + 1) * CHUNK]]


def test_the_same_window_is_forecast_otherwise_after_batches_in_another_order() -> None:
    last = batches([7])
    one, same, other = (
        evaluated(lanes_of(BatchAppend()), SERIES, batches(order) + last)
        for order in ([0, 1, 2], [0, 1, 2], [2, 0, 1])
    )
    assert all(torch.equal(one[origin], same[origin]) for origin in last)
    assert not any(torch.allclose(one[origin], other[origin], atol=1e-4) for origin in last)


@pytest.mark.parametrize(("memory", "leaks"), [(BatchAppend, True), (Mean, False)])
def test_rows_after_the_origin_of_a_window_reach_it_in_the_next_epoch(
    memory: type[TokenMemory], leaks: bool
) -> None:
    """Two tests with a reset between them; rows after 35 differ. An honest memory: no bit does."""
    later = SERIES.clone()
    later[36:] = 3 * later[36:].flip(0) + 1
    first, second = [], []
    for series in (SERIES, later):
        lanes = lanes_of(memory())
        first.append(evaluated(lanes, series, TEST))
        second.append(evaluated(lanes, series, TEST))
    before = [origin for origin in TEST if origin <= 35]
    assert all(torch.equal(first[0][origin], first[1][origin]) for origin in before)
    changed = [not torch.equal(second[0][origin], second[1][origin]) for origin in before]
    assert changed == [leaks] * len(before)


def test_the_audit_convicts_it_by_the_law_of_resets() -> None:
    laws = {law.name: law for law in tokens.LAWS}
    verdict = laws["reset"].verdict(lambda seed: BatchAppend())
    assert verdict.outcome == "broken"
    assert "there is state outside state" in verdict.detail
    assert laws["reset"].verdict(lambda seed: Mean()).outcome == "held"
