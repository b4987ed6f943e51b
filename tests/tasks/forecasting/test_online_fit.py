"""A forecaster with slow weights to train: what it is given, how often, and what is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from bench import registry
from memories.base import OnlineForecaster, State
from tests.tasks.cells import cell, numbers, run
from tests.tasks.streams import DRIFT


class TrainedMean(OnlineForecaster):
    """Forecasts the mean of the rows it was trained on, plus noise of its training generator.

    Args:
        channels: C.
        horizon: H.
    """

    given: ClassVar[list[dict[str, Tensor]]] = []

    def __init__(self, channels: int, horizon: int) -> None:
        super().__init__()
        self.horizon = horizon
        self.level = nn.Parameter(torch.zeros(channels))

    def fit(self, train: Mapping[str, Tensor], generator: torch.Generator) -> None:
        self.given.append(dict(train))
        noise = torch.randn(self.level.shape, generator=generator)
        self.level.data = train["train"].mean(0) + noise

    def init_state(self) -> State:
        return {}

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:
        return state

    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        return self.level.expand(self.horizon, -1), state


@pytest.fixture
def trained(temporary_entries: None) -> type[TrainedMean]:
    registry.memory("trained-mean")(TrainedMean)
    TrainedMean.given.clear()
    return TrainedMean


def test_a_memory_is_fitted_once_per_seed_and_kept_in_the_cache(trained, cache):
    made = cell("trained-mean", "online-tsf", DRIFT)
    first = run(made, [0, 1], cache=cache)
    assert len(trained.given) == 2
    second = run(made, [0, 1], cache=cache)
    assert len(trained.given) == 2, "the second run takes the weights of the first"
    assert [numbers(outcome) for outcome in first] == [numbers(outcome) for outcome in second]
    assert numbers(first[0]) != numbers(first[1])


def test_only_training_and_validation_rows_are_given(trained, cache):
    """Of 240 rows, training has 48 and validation 12; training rows are scaled by themselves."""
    run(cell("trained-mean", "online-tsf", DRIFT), [0], cache=cache)
    (given,) = trained.given
    assert {name: tuple(rows.shape) for name, rows in given.items()} == {
        "train": (48, 2),
        "validation": (12, 2),
    }
    torch.testing.assert_close(given["train"].mean(0), torch.zeros(2), atol=1e-5, rtol=0)
    for rows in given.values():
        assert rows.untyped_storage().nbytes() == rows.numel() * 4, "no later row is in reach"


def test_a_seed_added_later_is_fitted_alone(trained, cache):
    made = cell("trained-mean", "online-tsf", DRIFT)
    run(made, [0], cache=cache)
    run(made, [0, 1], cache=cache)
    assert len(trained.given) == 2
