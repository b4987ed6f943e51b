"""The ring of issued forecasts: what is found again, and what is told apart."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from memories.forecasters.hmem.issued import IssuedRing

FIELDS = {"forecast": (2, 3), "age": (), "memory": (4,)}


def record(origin: int) -> dict[str, Tensor]:
    """A record that names its origin."""
    return {
        "forecast": torch.arange(6.0).view(2, 3) + 100 * origin,
        "age": torch.tensor(origin),
        "memory": torch.full((4,), -1.0 * origin),
    }


def put(ring: IssuedRing, state: dict[str, Tensor], origin: int) -> dict[str, Tensor]:
    return ring.put(state, torch.tensor(origin), record(origin))


@pytest.mark.parametrize("slots", [1, 4])
def test_the_newest_records_are_found_and_older_ones_are_not(slots):
    ring = IssuedRing(slots, FIELDS)
    state = ring.init_state(torch.device("cpu"))
    for newest in range(1, 12):
        state = put(ring, state, newest)
        for origin in range(-3, newest + 1):
            found, issued = ring.get(state, torch.tensor(origin))
            assert bool(issued) == (newest - slots < origin <= newest and origin > 0)
            if issued:
                for name, entry in record(origin).items():
                    assert torch.equal(found[name], entry.float())


def test_a_skipped_origin_is_told_from_the_older_one_in_its_slot():
    ring = IssuedRing(4, FIELDS)
    state = put(ring, ring.init_state(torch.device("cpu")), 3)
    assert not ring.get(state, torch.tensor(7))[1]
    assert not ring.get(state, torch.tensor(-1))[1]
    assert ring.get(state, torch.tensor(3))[1]


def test_lanes_have_rings_of_their_own_and_arguments_stay():
    ring = IssuedRing(3, FIELDS)
    empty = torch.func.vmap(lambda _: ring.init_state(torch.device("cpu")))(torch.arange(2))
    before = {name: entry.clone() for name, entry in empty.items()}
    origins = torch.tensor([4, 5])
    records = {
        name: torch.stack([a, b])
        for (name, a), b in zip(record(4).items(), record(5).values(), strict=True)
    }
    state = torch.func.vmap(ring.put)(empty, origins, records)
    found, issued = torch.func.vmap(ring.get)(state, torch.tensor([4, 4]))
    assert issued.tolist() == [True, False]
    assert torch.equal(found["forecast"][0], record(4)["forecast"])
    assert all(torch.equal(empty[name], entry) for name, entry in before.items())
