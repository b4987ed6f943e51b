"""Fitted weights are shared by settings that `fit` cannot tell apart, and by no others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from bench import registry
from bench.reading import params
from bench.running.cache import Cache
from bench.running.workbench import Workbench
from memories.base import Memory, OnlineForecaster, State
from tests.tasks.cells import cell
from tests.tasks.streams import DRIFT

SIZES = {"channels": 2, "lookback": 12, "horizon": 3}


class Fitted(OnlineForecaster):
    """Forecasts what it was trained on, times a factor that is chosen online.

    Args:
        channels: C.
        horizon: H.
        online_gain: Factor of the forecast; training does not read it.
        depth: Rows of the training data that are averaged.
    """

    after_fit: ClassVar[frozenset[str]] = frozenset({"online_gain"})
    fitted: ClassVar[list[tuple[int, int]]] = []
    """Depth and training rows of every call of `fit`."""

    def __init__(
        self, channels: int, horizon: int, *, online_gain: float = 1.0, depth: int = 2
    ) -> None:
        super().__init__()
        self.horizon = horizon
        self.level = nn.Parameter(torch.zeros(channels))
        self.untouched = nn.Parameter(torch.ones(channels))
        self.scalar("online_gain", online_gain)
        self.scalar("depth", depth)

    def fit(self, train: Mapping[str, Tensor], generator: torch.Generator) -> None:
        rows = train["train"]
        self.fitted.append((int(self.depth), len(rows)))
        noise = torch.randn(self.level.shape, generator=generator)
        self.level.data = rows[: int(self.depth)].mean(0) + noise

    def init_state(self) -> State:
        return {}

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:
        return state

    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        return (self.online_gain * self.level * self.untouched).expand(self.horizon, -1), state


class Registers(Fitted):
    """Registers its weights only in training: they cannot be given to a new memory."""

    def fit(self, train: Mapping[str, Tensor], generator: torch.Generator) -> None:
        self.register_buffer("found_later", torch.ones(2))


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    registry.memory("fitted", family="fake")(Fitted)
    registry.memory("registers", family="fake")(Registers)
    Fitted.fitted.clear()
    yield
    for key in (("memory", "fitted"), ("memory", "registers")):
        del registry._entries[key]


def lanes(folder: Path, memory: str = "fitted", tune: Any = None, given: Any = None) -> Any:
    """The lanes of seeds 3 and 5, trained on rows that differ between the seeds."""
    bench = Workbench(cell(memory, "online-tsf", DRIFT, given, tune), [3, 5], cache=Cache(folder))
    rng = torch.Generator().manual_seed(0)
    train = [{"train": torch.randn(6, 2, generator=rng)} for _ in range(2)]
    return bench.lanes([SIZES, SIZES], train=train)


def levels(found: Any) -> Tensor:
    return torch.stack([memory.level.detach() for memory in found.memories])


def test_candidates_that_differ_online_alone_are_trained_once_per_seed(tmp_path):
    found = lanes(tmp_path, tune={"online_gain": [1.0, 2.0, 3.0]})
    assert Fitted.fitted == [(2, 6), (2, 6)]
    assert found.size == 6
    level = levels(found)
    assert torch.equal(level[0], level[2])
    assert torch.equal(level[3], level[5])
    assert not torch.equal(level[0], level[3])


def test_each_candidate_keeps_its_own_online_parameter(tmp_path):
    """Also when the weights come from the cache, where one candidate's memory was trained."""
    for _ in range(2):
        found = lanes(tmp_path, tune={"online_gain": [1.0, 2.0, 3.0]})
        assert [float(m.online_gain) for m in found.memories] == [1.0, 2.0, 3.0] * 2
        forecast, _ = found.predict(found.init_state(), torch.zeros(6, 12, 2))
        torch.testing.assert_close(forecast[1], 2 * forecast[0])
        torch.testing.assert_close(forecast[5], 3 * forecast[3])
    assert len(Fitted.fitted) == 2


def test_candidates_that_training_reads_are_trained_each(tmp_path):
    found = lanes(tmp_path, tune={"depth": [2, 4], "online_gain": [1.0, 2.0]})
    assert sorted(Fitted.fitted) == [(2, 6), (2, 6), (4, 6), (4, 6)]
    level = levels(found)
    assert torch.equal(level[0], level[1])
    assert not torch.equal(level[0], level[2])
    assert [float(m.depth) for m in found.memories] == [2, 2, 4, 4] * 2


def test_another_row_of_the_suite_takes_the_same_weights(tmp_path):
    first = lanes(tmp_path, given={"online_gain": 1.0})
    second = lanes(tmp_path, given={"online_gain": 5.0})
    assert len(Fitted.fitted) == 2
    assert torch.equal(levels(first), levels(second))
    assert [float(m.online_gain) for m in second.memories] == [5.0, 5.0]
    lanes(tmp_path, given={"depth": 3})
    assert len(Fitted.fitted) == 4


def test_cached_weights_are_the_trained_ones_bit_for_bit(tmp_path):
    trained = lanes(tmp_path)
    loaded = lanes(tmp_path)
    for a, b in zip(trained.memories, loaded.memories, strict=True):
        assert {k: v.tolist() for k, v in a.state_dict().items()} == {
            k: v.tolist() for k, v in b.state_dict().items()
        }


def test_weights_that_a_new_memory_does_not_have_are_refused(tmp_path):
    lanes(tmp_path, memory="registers")
    with pytest.raises(TypeError, match="fit of Registers registers found_later"):
        lanes(tmp_path, memory="registers")


@pytest.mark.parametrize("name", registry.names("memory"))
def test_a_memory_names_parameters_of_its_own_as_those_that_fit_does_not_read(name):
    entry = registry.get("memory", name)
    assert entry.cls.after_fit <= {parameter.name for parameter in params.of(entry)}
    if entry.cls.fit is Memory.fit:
        assert not entry.cls.after_fit, "nothing is fitted"
