"""What can be scored without remembering which value belongs to which key."""

from __future__ import annotations

import pytest
import torch

from tests.memories.case import build, events, unit_rows


def recall(
    name: str, keys: torch.Tensor, values: torch.Tensor, queries: torch.Tensor
) -> torch.Tensor:
    memory = build(name, key_dim=keys.shape[1], value_dim=values.shape[1])
    return memory.read(memory.write(memory.init_state(), keys, values), queries)


def test_zero_recalls_zero() -> None:
    keys, values = events(1, 5)
    assert torch.equal(recall("zero", keys, values, keys), torch.zeros(5, 5))


def test_mean_value_recalls_the_mean_of_all_values() -> None:
    keys, values = events(1, 7)
    expected = values.mean(0).expand(7, 5)
    torch.testing.assert_close(
        recall("mean-value", keys, values, keys), expected, rtol=0, atol=1e-6
    )


def test_mean_value_stays_exact_over_a_long_stream() -> None:
    """100,000 values of 1,000.1 one by one: a running sum in float32 would drift by 1e-2."""
    memory = build("mean-value", value_dim=1)
    state = memory.init_state()
    values = torch.full((100, 1), 1000.1)
    for _ in range(1000):
        state = memory.write(state, torch.zeros(100, 6), values)
    assert float(state["mean"]) == pytest.approx(1000.1, abs=1e-3)


def test_last_value_recalls_the_value_written_last() -> None:
    keys, values = events(1, 4)
    assert torch.equal(recall("last-value", keys, values, keys), values[-1].expand(4, 5))


@pytest.mark.parametrize(
    ("value_dim", "expected"), [(2, [3, 4]), (3, [3, 4, 5]), (5, [3, 4, 5, 0, 0])]
)
def test_echo_cuts_or_pads_the_query(value_dim: int, expected: list[float]) -> None:
    query = torch.tensor([[3.0, 4.0, 5.0]])
    echoed = recall("echo", torch.zeros(1, 3), torch.zeros(1, value_dim), query)
    assert echoed.tolist() == [expected]


def test_echo_is_perfect_on_auto_association_and_at_chance_otherwise() -> None:
    """4,000 cosines of independent unit vectors of 32 dimensions: standard error 0.003."""
    keys, values = unit_rows(1, 4000, 32), unit_rows(2, 4000, 32)
    same = (recall("echo", keys, keys, keys) * keys).sum(-1)
    other = (recall("echo", keys, values, keys) * values).sum(-1)
    torch.testing.assert_close(same, torch.ones(4000), rtol=0, atol=1e-6)
    assert float(other.mean()) == pytest.approx(0, abs=0.012)
