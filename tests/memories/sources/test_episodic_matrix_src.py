"""Matrix slots are vector slots after a reshape."""

from __future__ import annotations

import pytest
import torch

from memories.base import InvalidParameter
from memories.sources.episodic_linear_src import EpisodicLinearSrc
from memories.sources.episodic_matrix_src import EpisodicMatrixSrc
from tests.memories.case import build, events, generator


@torch.no_grad()
@pytest.mark.parametrize("with_context", [False, True])
def test_any_sequence_of_writes_leaves_what_the_vector_memory_holds(with_context: bool) -> None:
    """Same initial slots, three calls on a ring that wraps: equal to 1e-5, here to the bit."""
    params = {"capacity": 10, "learning_rate": 0.1, "context_dim": 3 * with_context}
    matrix = build("episodic-matrix-src", 4, key_dim=12, **params)
    linear = build("episodic-linear-src", 4, key_dim=12, preset="v2", **params)
    states = matrix.init_state(), linear.init_state()
    for call in range(3):
        keys, values = events(call, 5, key_dim=12)
        given = torch.randn(5, 3, generator=generator(call)) if with_context else None
        states = tuple(
            memory.write(state, keys, values, None, given)
            for memory, state in zip((matrix, linear), states, strict=True)
        )
    for name, entry in states[1].items():
        assert torch.equal(states[0][name].reshape(entry.shape), entry)
    queries = events(9, 20, key_dim=12)[0]
    assert torch.equal(matrix.read(states[0], queries), linear.read(states[1], queries))


@pytest.mark.parametrize(("dim", "rows"), [(64, 8), (12, 3), (18, 3), (7, 1), (1, 1)])
def test_slots_are_as_nearly_square_as_the_key_allows(dim: int, rows: int) -> None:
    memory = build("episodic-matrix-src", key_dim=dim, capacity=5)
    assert memory.init_state()["keys"].shape == (5, rows, dim // rows)


def test_the_number_of_rows_changes_no_answer() -> None:
    """Nothing uses the second axis."""
    keys, values = events(1, 6, key_dim=12)
    reads = []
    for rows in (1, 2, 4, 12):
        memory = build("episodic-matrix-src", key_dim=12, capacity=8, rows=rows)
        reads.append(memory.read(memory.write(memory.init_state(), keys, values), keys))
    assert all(torch.equal(read, reads[0]) for read in reads)


def test_rows_that_do_not_divide_the_key_are_refused() -> None:
    with pytest.raises(InvalidParameter, match=r"must divide key_dim \(12\)") as caught:
        build("episodic-matrix-src", key_dim=12, rows=5)
    assert caught.value.parameter == "rows"


def test_a_budget_buys_as_many_matrices_as_vectors() -> None:
    expected = EpisodicLinearSrc.from_budget(4096, 12, 8, preset="v2")
    assert EpisodicMatrixSrc.from_budget(4096, 12, 8, rows=4) == expected
