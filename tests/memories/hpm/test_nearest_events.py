"""Exact retrieval by cosine: scale, ties, masks, and agreement with Faiss."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from memories.hpm.nearest_events import cosines, nearest_events
from tests.memories.hpm.built import codes

EYE = torch.eye(16)


def newest_first(n: int) -> Tensor:
    return torch.arange(n - 1, -1, -1)


def found(queries: Tensor, keys: Tensor, count: int = 5, usable: Tensor | None = None) -> object:
    there = torch.ones(len(keys), dtype=torch.bool) if usable is None else usable
    return nearest_events(queries, keys, there, newest_first(len(keys)), count)


def test_a_stored_key_is_its_own_nearest_whatever_its_length() -> None:
    near = found(torch.cat([EYE, 3 * EYE]), EYE)
    assert near.slots[:, 0].tolist() == [*range(16), *range(16)]
    torch.testing.assert_close(near.cosine[:, 0], torch.ones(32), rtol=0, atol=1e-6)


def test_the_nearest_come_first() -> None:
    near = found((EYE[1] + 2 * EYE[2])[None], EYE)
    assert near.slots[0, :2].tolist() == [2, 1]
    expected = torch.tensor([2.0, 1.0, 0.0]) / 5**0.5
    torch.testing.assert_close(near.cosine[0, :3], expected, rtol=0, atol=1e-6)


def test_of_equal_keys_the_newest_come_first() -> None:
    near = found(EYE[:1], EYE[:1].expand(7, 16), count=3)
    assert sorted(near.slots[0].tolist()) == [4, 5, 6]


def test_fewer_events_than_asked_for_are_not_repeated() -> None:
    usable = torch.zeros(16, dtype=torch.bool)
    usable[[3, 8]] = True
    near = found(EYE[:4], EYE, usable=usable)
    assert near.found.tolist() == [[True, True, False, False, False]] * 4
    assert (near.slots[:, 2:] == 16).all()
    assert (near.cosine[:, 2:] == 0).all()
    assert {*near.slots[:, :2].flatten().tolist()} == {3, 8}


def test_each_query_has_a_mask_of_its_own() -> None:
    usable = ~torch.eye(16, dtype=torch.bool)
    near = found(EYE, EYE, usable=usable)
    assert (near.slots[:, 0] != torch.arange(16)).all()


def test_slots_that_no_query_may_use_can_hold_anything() -> None:
    usable = torch.arange(16) < 9
    poisoned = torch.where(usable[:, None], EYE, torch.nan)
    z = codes(1, 4).requires_grad_()
    near, clean = found(z, poisoned, usable=usable), found(z, EYE, usable=usable)
    assert torch.equal(near.slots, clean.slots)
    assert torch.equal(near.cosine, clean.cosine)
    near.cosine.sum().backward()
    assert z.grad.isfinite().all()


def test_a_zero_vector_has_cosine_zero_and_a_finite_gradient() -> None:
    z = torch.zeros(2, 16, requires_grad=True)
    cosine = cosines(z, torch.cat([EYE[:2], torch.zeros(1, 16)]))
    assert not cosine.any()
    cosine.sum().backward()
    assert z.grad.isfinite().all()


def test_no_query_finds_nothing() -> None:
    near = found(codes(1, 0), EYE)
    assert near.slots.shape == near.cosine.shape == (0, 5)


def test_the_neighbours_are_those_of_the_flat_index_of_faiss() -> None:
    """1,000 random keys of 64 dimensions: the same five events in the same order."""
    faiss = pytest.importorskip("faiss", reason="faiss-cpu is not installed")
    keys, queries = codes(1, 1000, 64), codes(2, 100, 64)
    index = faiss.IndexFlatIP(64)
    index.add(torch.nn.functional.normalize(keys).numpy())
    expected, ids = index.search(torch.nn.functional.normalize(queries).numpy(), 5)
    near = found(queries, keys)
    assert torch.equal(near.slots, torch.from_numpy(ids))
    torch.testing.assert_close(near.cosine, torch.from_numpy(expected), rtol=0, atol=1e-6)
