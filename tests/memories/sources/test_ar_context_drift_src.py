"""The drifting context as sketched: an echo that stores nothing."""

from __future__ import annotations

import pytest
import torch

from tests.memories.case import build, events, generator


@torch.no_grad()
def test_reads_do_not_depend_on_what_is_written() -> None:
    """Not even after the context has moved; only a first write ends the emptiness."""
    memory = build("ar-context-drift-src")
    keys, values = events(1, 8)
    state = memory.advance(memory.init_state(), keys)
    reads = [
        memory.read(memory.write(state, *written), keys)
        for written in ((keys, values), (3 * keys.flip(0), -values), (keys[:1], values[:1]))
    ]
    assert torch.equal(reads[0], reads[1])
    assert torch.equal(reads[0], reads[2])
    assert torch.equal(memory.read(state, keys), torch.zeros(8, 5))


@pytest.mark.parametrize(("key_dim", "value_dim"), [(6, 6), (6, 4), (4, 6)])
def test_before_any_advance_it_is_the_echo(key_dim: int, value_dim: int) -> None:
    keys, values = events(1, 8, key_dim=key_dim, value_dim=value_dim)
    reads = []
    for name in ("ar-context-drift-src", "echo"):
        memory = build(name, key_dim=key_dim, value_dim=value_dim)
        state = memory.write(memory.init_state(), keys, values)
        reads.append(memory.read(state, keys).detach())
    assert torch.equal(*reads)


@torch.no_grad()
def test_an_advance_moves_the_context_by_the_mean_query() -> None:
    """c <- 0.9 c + mean(q) U, and a read adds c W_c to every query."""
    memory = build("ar-context-drift-src", value_dim=6).double()
    keys, values = events(1, 8, value_dim=6, dtype=torch.float64)
    state = memory.write(memory.init_state(), keys, values)
    context = torch.zeros(6, dtype=torch.float64)
    for seed in (2, 3):
        queries = torch.randn(5, 6, generator=generator(seed), dtype=torch.float64)
        state = memory.advance(state, queries)
        context = float(memory.decay) * context + queries.mean(0) @ memory.drift.drift_in
    torch.testing.assert_close(state["context"], context, rtol=0, atol=1e-12)
    expected = keys + context @ memory.drift.context_out
    torch.testing.assert_close(memory.read(state, keys), expected, rtol=0, atol=1e-12)
    assert memory.advance(state, keys[:0]) is state
