"""What different memories recalled, in one form."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from memories.forecasters.hmem.evidence import (
    evidence_of_bank,
    evidence_of_info,
    evidence_of_memory,
)
from memories.slots.error_memory_bank import ErrorMemoryBank
from memories.slots.exact_knn import ExactKnn

HORIZON, CHANNELS, DIM = 3, 2, 4
FLAT = HORIZON * CHANNELS


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


KEYS, ERRORS = drawn(1, 6, DIM), drawn(2, 6, FLAT)


def bank(**params: Any) -> ErrorMemoryBank:
    return ErrorMemoryBank(DIM, FLAT, max_events=8, preset="plain-soft", **params)


@pytest.mark.parametrize("aggregate", ["softmax", "weighted-mean", "max", "median", "blend"])
def test_an_error_bank_gives_what_it_reads(aggregate):
    memory = bank(aggregate=aggregate)
    state = memory.write(memory.init_state(), KEYS, ERRORS)
    recalled = memory.recall(state, KEYS[2])
    evidence = evidence_of_bank(memory, state, recalled, HORIZON)
    assert torch.equal(evidence.error, memory.read(state, KEYS[2:3])[0].view(HORIZON, CHANNELS))
    assert torch.equal(evidence.similarity, recalled.similarity)
    assert bool(evidence.any_valid)
    assert float(evidence.filled) == 6 / 8
    weights = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0])
    other = evidence_of_bank(memory, state, recalled, HORIZON, weights)
    assert torch.equal(other.error.flatten(), ERRORS[recalled.slots[1]])


def test_an_empty_bank_gives_zeros():
    memory = bank()
    state = memory.init_state()
    evidence = evidence_of_bank(memory, state, memory.recall(state, KEYS[0]), HORIZON)
    assert not evidence.any_valid
    assert not evidence.valid.any()
    for entry in (evidence.error, evidence.similarity, evidence.filled):
        assert torch.equal(entry, torch.zeros_like(entry))


@pytest.mark.parametrize(("k", "width"), [(2, 4), (4, 4), (6, 4)])
def test_a_memory_that_names_its_slots_gives_their_similarities(k, width):
    """Best first, missing ones zero, those beyond K left out."""
    memory = ExactKnn(DIM, FLAT, max_events=9, k=k)
    state = memory.write(memory.init_state(), KEYS, ERRORS)
    info = memory.read_info(state, KEYS[3:4])
    evidence = evidence_of_info(info, HORIZON, width=width, min_entries=6)
    unit = torch.nn.functional.normalize(KEYS, dim=-1)
    best = (unit @ unit[3]).sort(descending=True).values[:k]
    expected = torch.cat([best, torch.zeros(width)])[:width]
    torch.testing.assert_close(evidence.similarity, expected, rtol=0, atol=1e-6)
    assert evidence.valid.tolist() == [True] * min(k, width) + [False] * max(0, width - k)
    assert torch.equal(evidence.error.flatten(), memory.read(state, KEYS[3:4])[0])
    assert evidence.comparable
    few = evidence_of_info(info, HORIZON, width=width, min_entries=7)
    assert not few.any_valid
    assert not few.valid.any()
    assert torch.equal(few.error, torch.zeros(HORIZON, CHANNELS))


def test_of_any_other_memory_the_answer_is_compared_with_the_newest_error():
    """cos(E, newest), rms(E), log(1 + n)/log(1 + N), then zeros."""
    recalled, newest = drawn(3, HORIZON, CHANNELS), drawn(4, HORIZON, CHANNELS)
    sizes = {"capacity": 100, "width": 5, "min_entries": 2}
    seen = evidence_of_memory(recalled, newest, torch.tensor(9), **sizes)
    cosine = torch.nn.functional.cosine_similarity(recalled.flatten(), newest.flatten(), dim=0)
    expected = [float(cosine), float(recalled.square().mean().sqrt())]
    expected += [math.log(10) / math.log(101), 0, 0]
    assert seen.similarity.tolist() == pytest.approx(expected, abs=1e-6)
    assert seen.valid.tolist() == [True] * 3 + [False] * 2
    assert not seen.comparable
    assert float(seen.filled) == pytest.approx(0.09)
    early = evidence_of_memory(recalled, newest, torch.tensor(1), **sizes)
    assert not early.any_valid
    for entry in (early.error, early.similarity):
        assert torch.equal(entry, torch.zeros_like(entry))


@pytest.mark.parametrize("written", [0, 5])
def test_evidence_of_zeros_has_a_finite_gradient(written):
    recalled = torch.zeros(HORIZON, CHANNELS, requires_grad=True)
    seen = evidence_of_memory(
        recalled,
        torch.zeros(HORIZON, CHANNELS),
        torch.tensor(written),
        capacity=10,
        width=3,
        min_entries=1,
    )
    (seen.similarity.sum() + seen.error.sum()).backward()
    assert recalled.grad.isfinite().all()
