"""Episodes whose keys are matrices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from memories.base import InvalidParameter
from memories.episodic.kronecker import rows_within
from tests.memories.case import build, events, unit_rows


@pytest.fixture(autouse=True, scope="module")
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def recall(memory: Any, keys: Tensor, values: Tensor, queries: Tensor) -> Tensor:
    return memory.read(memory.write(memory.init_state(), keys, values), queries)


@pytest.mark.parametrize(
    ("width", "rows"), [(1, 1), (2, 1), (6, 2), (7, 1), (12, 3), (16, 4), (64, 8), (96, 8)]
)
def test_a_vector_has_as_many_rows_as_the_largest_divisor_below_its_root(
    width: int, rows: int
) -> None:
    assert rows_within(width) == rows


def test_rows_must_divide_the_key() -> None:
    with pytest.raises(InvalidParameter, match=r"rows: must divide key_dim \(6\), got 4"):
        build("episodic-matrix", context_dim=0, rows=4)


def test_untrained_the_metric_changes_nothing() -> None:
    keys, values = events(1, 30)
    queries = events(2, 9)[0]
    plain, matrix = (build(f"episodic-{name}", context_dim=0) for name in ("linear", "matrix"))
    expected = recall(plain, keys, values, queries)
    torch.testing.assert_close(recall(matrix, keys, values, queries), expected, rtol=0, atol=1e-5)


def test_a_learned_metric_passes_over_noisy_rows_and_columns() -> None:
    """Rows 2, 3 and column 3 of 4 x 4 keys redrawn for the queries: A and B that drop them recall.

    Where the cleaned query is the cleaned key, the other 11 events weigh at most e^-3 together
    (beta 40, cosines of 6-dimensional unit keys below 0.8).
    """
    keys, values = unit_rows(1, 12, 16), torch.eye(12)
    grid = torch.arange(4)
    kept = ((grid[:, None] < 2) & (grid < 3)).flatten()
    queries = torch.where(kept, keys, 3 * unit_rows(2, 12, 16))
    memory = build("episodic-matrix", key_dim=16, value_dim=12, context_dim=0, beta=40.0)
    untrained = recall(memory, keys, values, queries).diagonal()
    memory.metric.left.copy_(torch.diag(torch.tensor([1.0, 1.0, 0.0, 0.0])))
    memory.metric.right.copy_(torch.diag(torch.tensor([1.0, 1.0, 1.0, 0.0])))
    trained = recall(memory, keys, values, queries).diagonal()
    assert float(trained.min()) > 0.9
    assert float(untrained.mean()) < 0.3


def test_rows_of_different_events_recall_a_value_that_was_never_stored_whole() -> None:
    """Row a of the query is row a of event 3a: so is share a of the value, to e^-8 per rival.

    Rows are 8 orthonormal vectors of R^8, another order in each row; the whole query matches
    each of the three events with cosine 1/sqrt(3) alike, which says nothing about the rows.
    """
    rows = torch.stack([torch.eye(8).roll(shift, 0) for shift in range(3)], dim=1)
    keys, values = rows.flatten(1), unit_rows(1, 8, 12)
    mixed = torch.stack([rows[3 * a % 8, a] for a in range(3)]).reshape(1, -1)
    memory = build(
        "episodic-matrix", key_dim=24, value_dim=12, context_dim=0, rows=3, address="rowwise"
    )
    recalled = recall(memory, keys, values, mixed)[0]
    expected = torch.cat([values[3 * a % 8, 4 * a : 4 * a + 4] for a in range(3)])
    torch.testing.assert_close(recalled, expected, rtol=0, atol=2e-5)
    # the same keys, read whole
    whole = build("episodic-matrix", key_dim=24, value_dim=12, context_dim=0, rows=3)
    assert float((recall(whole, keys, values, mixed)[0] - expected).norm()) > 0.3


@pytest.mark.parametrize(
    ("value_dim", "widths"), [(12, [3, 3, 3, 3]), (10, [3, 3, 2, 2]), (3, [1, 1, 1, 0])]
)
def test_each_row_recalls_its_share_of_the_value(value_dim: int, widths: list[int]) -> None:
    """Query with row a alone, and the other shares are those of the mean value."""
    keys, values = unit_rows(1, 6, 16), unit_rows(2, 6, value_dim)
    memory = build(
        "episodic-matrix",
        key_dim=16,
        value_dim=value_dim,
        context_dim=0,
        beta=500.0,
        recency_weight=0.0,
        address="rowwise",
    )
    state = memory.write(memory.init_state(), keys, values)
    start = 0
    for row, width in enumerate(widths):
        only = torch.zeros(4, 4)
        only[row] = 1
        recalled = memory.read(state, keys * only.flatten())
        share = slice(start, start + width)
        others = torch.ones(value_dim, dtype=torch.bool)
        others[share] = False
        # beta times the difference of two rows' cosines leaves rivals below e^-10
        torch.testing.assert_close(recalled[:, share], values[:, share], rtol=0, atol=1e-3)
        mean = values.mean(0)[others].expand(6, -1)
        torch.testing.assert_close(recalled[:, others], mean, rtol=0, atol=1e-5)
        start += width
    assert start == value_dim


def test_evidence_of_a_rowwise_read_is_the_mean_over_its_rows() -> None:
    """A query that is event 0 in its first of two rows and event 1 in its second."""
    keys, values = torch.eye(4)[[0, 1]] + torch.eye(4)[[2, 3]], torch.tensor([[1.0, 1], [2, 2]])
    memory = build(
        "episodic-matrix",
        key_dim=4,
        value_dim=2,
        context_dim=0,
        capacity=2,
        recency_weight=0.0,
        address="rowwise",
    )
    state = memory.write(memory.init_state(), keys, values)
    info = memory.read_info(state, torch.tensor([[1.0, 0, 0, 1]]))
    assert torch.equal(info["values"], memory.read(state, torch.tensor([[1.0, 0, 0, 1]])))
    torch.testing.assert_close(info["values"], torch.tensor([[1.0, 2.0]]), rtol=0, atol=1e-6)
    torch.testing.assert_close(info["weights"], torch.tensor([[0.5, 0.5]]), rtol=0, atol=1e-6)
    torch.testing.assert_close(info["sim"], torch.tensor([[0.5, 0.5]]), rtol=0, atol=1e-6)
