"""Measured costs, the default interleaving, and which protocol a class follows."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from memories.base import (
    AssociativeMemory,
    InvalidParameter,
    Memory,
    OnlineForecaster,
    Router,
    State,
    TokenMemory,
    param_floats,
    protocol_of,
    state_floats,
)
from memories.floors.zero import Zero
from memories.forecasters.online.frozen import Frozen
from memories.matrix.delta import Delta
from memories.slots.exact_knn import ExactKnn


def test_state_floats_are_bytes_over_four_of_all_entries_but_scalars():
    """float32 6, float64 2 x 2, int64 3 x 2, complex64 2 x 2, bool 8 / 4; counters are free."""
    state = {
        "weights": torch.zeros(2, 3),
        "exact": torch.zeros(2, dtype=torch.float64),
        "index": torch.zeros(3, dtype=torch.int64),
        "wave": torch.zeros(2, dtype=torch.complex64),
        "used": torch.zeros(8, dtype=torch.bool),
        "count": torch.zeros((), dtype=torch.int64),
    }
    assert state_floats(state) == 6 + 4 + 6 + 4 + 2
    assert state_floats({}) == 0


@pytest.mark.parametrize(
    ("memory", "floats"),
    [
        (Zero(64, 32), 0),
        (Delta(64, 32, generator=torch.Generator()), 64 * 32),
        (ExactKnn(64, 32, max_events=10), 10 * (64 + 32)),
        (ExactKnn(64, 32, max_events=10, capacity=3), 3 * (64 + 32)),
    ],
)
def test_state_sizes_of_known_memories(memory, floats):
    assert state_floats(memory.init_state()) == floats


class Weighted(Zero):
    """Slow weights, a fixed buffer and two settings."""

    def __init__(self) -> None:
        super().__init__(4, 4)
        self.projection = nn.Linear(3, 5)
        self.register_buffer("addresses", torch.zeros(7, 2, dtype=torch.float64))
        self.register_buffer("positions", torch.arange(100), persistent=False)
        self.scalar("rate", 0.5)
        self.scalar("decay", 0.9)


def test_param_floats_count_weights_and_fixed_buffers_but_no_settings_and_no_arithmetic():
    assert param_floats(Weighted()) == (3 * 5 + 5) + 7 * 2 * 2
    assert param_floats(Zero(4, 4)) == 0


def test_a_scalar_is_a_buffer_that_lanes_may_differ_in():
    memory = Weighted()
    assert torch.equal(memory.rate, torch.tensor(0.5))
    assert {"rate", "decay"} <= dict(memory.named_buffers()).keys()
    assert "rate" not in dict(memory.named_parameters())


class Log(AssociativeMemory):
    """Counts events and reads the count."""

    def init_state(self) -> State:
        return {"count": torch.zeros(())}

    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        assert len(keys) == len(values) == 1
        return {"count": state["count"] + keys.sum()}

    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        return (100 * queries + state["count"]).expand(-1, 2)


@pytest.mark.parametrize(
    ("inclusive", "expected"), [(True, [101.0, 203.0, 306.0]), (False, [100.0, 201.0, 303.0])]
)
def test_a_scan_reads_after_its_own_event_or_before_it(inclusive, expected):
    """Events 1, 2, 3; queries 1, 2, 3; a read is 100 q plus the sum so far."""
    memory = Log()
    events = torch.tensor([[1.0], [2.0], [3.0]])
    reads, state = memory.scan(
        memory.init_state(), events, torch.zeros(3, 2), events, inclusive=inclusive
    )
    assert reads[:, 0].tolist() == expected
    assert reads.shape == (3, 2)
    assert float(state["count"]) == 6


def test_a_scan_over_nothing_reads_nothing_and_changes_nothing():
    memory = Log()
    state = memory.init_state()
    reads, after = memory.scan(state, torch.zeros(0, 1), torch.zeros(0, 2), torch.zeros(0, 1))
    assert reads.shape == (0, 2)
    assert after is state


def test_what_a_memory_does_not_offer_is_the_identity_or_says_so():
    memory = Log()
    state = memory.init_state()
    assert memory.touch(state, {}) is state
    memory.fit({}, torch.Generator())
    with pytest.raises(NotImplementedError, match="Log declares slot_state but no valid"):
        memory.valid(state)
    with pytest.raises(NotImplementedError, match="Log cannot be sized from a budget"):
        Log.from_budget(100, 4, 4)


@pytest.mark.parametrize(
    ("cls", "word"),
    [
        (Delta, "associative"),
        (Frozen, "forecaster"),
        (AssociativeMemory, "associative"),
        (OnlineForecaster, "forecaster"),
        (TokenMemory, "tokens"),
        (Router, "router"),
    ],
)
def test_a_class_follows_the_protocol_it_derives_from(cls, word):
    assert protocol_of(cls) == word


@pytest.mark.parametrize("cls", [Memory, nn.Linear, int])
def test_a_class_that_follows_no_protocol_is_refused(cls):
    with pytest.raises(TypeError, match=f"{cls.__name__} follows none of the protocols"):
        protocol_of(cls)


def test_an_invalid_parameter_names_itself_and_its_remedy():
    wrong = InvalidParameter("features", "must be <= 64, got 80", "use phi rff")
    assert str(wrong) == "features: must be <= 64, got 80"
    assert (wrong.parameter, wrong.help) == ("features", "use phi rff")
    assert isinstance(wrong, ValueError)
