"""Episodes in a drifting context."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from bench.lanes import Lanes
from memories.ar.drift import ContextDrift
from memories.base import State, state_floats
from tests.memories.case import build, events, orthonormal, unit_rows
from tests.memories.trained import lane_gradients, reached
from tests.reference import ar_context_drift

HARD = 1e5
"""An inverse temperature at which softmax leaves the best slot alone."""


def drifting(seed: int = 0, **params: object) -> object:
    return build("ar-context-drift", seed, **params)


def written(memory: object, keys: Tensor, values: Tensor, contexts: Tensor | None = None) -> State:
    return memory.write(memory.init_state(), keys, values, None, contexts)


def test_contexts_j_steps_apart_have_a_cosine_of_decay_to_the_j() -> None:
    """Howard & Kahana's recurrence c_t = 0.9 c_(t-1) + u_t for orthonormal u_t: |c|^2 tends to
    1 / (1 - 0.81) = 5.263 and the cosine at lag j to 0.9^j, both within 0.9^200.
    """
    inputs = torch.eye(200, dtype=torch.float64)
    contexts, c = [], torch.zeros(200, dtype=torch.float64)
    for u in inputs:
        c = 0.9 * c + u
        contexts.append(c)
    assert float(c @ c) == pytest.approx(1 / (1 - 0.81), abs=1e-6)
    for lag in (1, 2, 5, 10):
        cosine = torch.cosine_similarity(contexts[-1], contexts[-1 - lag], dim=0)
        assert float(cosine) == pytest.approx(0.9**lag, abs=1e-6)


@torch.no_grad()
def test_the_drift_at_unit_length_keeps_those_cosines_for_orthogonal_inputs() -> None:
    """An input orthogonal to the context has sqrt(lambda^2 + 1 - lambda^2) = 1: normalising
    changes nothing after the first step.
    """
    drift = ContextDrift(64, 64, 0.9, torch.Generator().manual_seed(1)).double()
    path = drift.path(torch.zeros(64, dtype=torch.float64), drift.of_keys(torch.eye(64).double()))
    torch.testing.assert_close(path[1:].norm(dim=-1), torch.ones(64).double(), rtol=0, atol=1e-6)
    for lag in (1, 2, 5, 10):
        cosines = torch.cosine_similarity(path[1 + lag :], path[1:-lag], dim=-1)
        torch.testing.assert_close(cosines, torch.full_like(cosines, 0.9**lag), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("key_dim", "width"), [(64, 32), (8, 8), (6, 16)])
def test_the_map_to_the_context_starts_orthonormal(key_dim: int, width: int) -> None:
    """Columns where the context is narrower than the keys, rows where it is wider."""
    u = ContextDrift(key_dim, width, 0.9, torch.Generator().manual_seed(1)).key_in.detach()
    product = u.mT @ u if key_dim >= width else u @ u.mT
    expected = torch.eye(min(key_dim, width))
    torch.testing.assert_close(product, expected, rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize(("key_dim", "context_dim", "width"), [(64, 0, 32), (12, 0, 12), (6, 9, 9)])
def test_the_width_of_the_context(key_dim: int, context_dim: int, width: int) -> None:
    memory = drifting(key_dim=key_dim, context_dim=context_dim)
    assert memory.init_state()["drift"].shape == (width,)
    words = key_dim + 5 + width + 1 + 2 + 0.25  # key, value, context, time, number, flag
    assert state_floats(memory.init_state()) == 100 * words + width


@torch.no_grad()
def test_an_event_keeps_the_context_before_its_own_key() -> None:
    """Nothing for the first; then unit(0.9 c + sqrt(0.19) unit(k U)) event by event."""
    memory = drifting(key_dim=64).double()
    keys, values = events(1, 6, key_dim=64, dtype=torch.float64)
    state = written(memory, keys, values)
    assert state["has_context"][:6].tolist() == [False] + [True] * 5
    context = torch.zeros(32, dtype=torch.float64)
    for i, key in enumerate(keys):
        torch.testing.assert_close(state["contexts"][i], context, rtol=0, atol=1e-7)
        arrived = key @ memory.drift.key_in
        context = 0.9 * context + math.sqrt(0.19) * arrived / arrived.norm()
        context = context / context.norm()
    torch.testing.assert_close(state["drift"], context, rtol=0, atol=1e-7)


@torch.no_grad()
def test_contexts_that_are_given_are_stored_and_drive_the_drift() -> None:
    memory = drifting(context_dim=3)
    keys, values = events(1, 4)
    contexts = events(2, 4, key_dim=3)[0]
    state = written(memory, keys, values, contexts)
    units = contexts / contexts.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(state["contexts"][:4], units, rtol=0, atol=1e-6)
    drift = torch.zeros(3)
    for c in units:
        drift = 0.9 * drift + math.sqrt(0.19) * c
        drift = drift / drift.norm()
    torch.testing.assert_close(state["drift"], drift, rtol=0, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("contexts", [False, True])
def test_reads_with_cues_equal_the_loop(contexts: bool) -> None:
    memory = drifting(context_dim=4, capacity=7).double()
    keys, values = events(1, 18, dtype=torch.float64)
    given = events(2, 18, key_dim=4, dtype=torch.float64)[0]
    cues = events(3, 18, key_dim=4, dtype=torch.float64)[0]
    stored = given if contexts else None
    recalled = memory.read(written(memory, keys, values, stored), keys, None, cues)
    expected = ar_context_drift.recall(
        keys,
        values,
        keys,
        slow=dict(memory.named_parameters()),
        capacity=7,
        contexts=stored,
        cues=cues,
    )
    torch.testing.assert_close(recalled, expected, rtol=0, atol=1e-10)


@torch.no_grad()
def test_what_followed_an_exact_match_is_recalled_exactly() -> None:
    """c' is the very context the next event was stored with; the drift's own follows the last."""
    memory = drifting(key_dim=32, beta=HARD, recency_weight=0.0)
    keys, values = orthonormal(1, 20, 32), unit_rows(2, 20, 5)
    state = written(memory, keys, values)
    following = memory.successor(state, keys[:-1])
    torch.testing.assert_close(following, values[1:], rtol=0, atol=1e-5)


@torch.no_grad()
def test_what_followed_survives_writing_in_parts_and_overwriting() -> None:
    memory = drifting(key_dim=64, beta=HARD, recency_weight=0.0, capacity=10)
    keys, values = orthonormal(1, 40, 64), unit_rows(2, 40, 5)
    state = memory.init_state()
    for start in range(0, 40, 8):
        state = memory.write(state, keys[start : start + 8], values[start : start + 8])
    following = memory.successor(state, keys[30:39])
    torch.testing.assert_close(following, values[31:], rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("beta", [4.0, 16.0])
def test_soft_successors_equal_the_loop(beta: float) -> None:
    memory = drifting(capacity=9, beta=beta).double()
    keys, values = events(4, 15, dtype=torch.float64)
    following = memory.successor(written(memory, keys, values), keys)
    slow = dict(memory.named_parameters())
    expected = ar_context_drift.successor(keys, values, keys, slow=slow, capacity=9)
    torch.testing.assert_close(following, expected, rtol=0, atol=1e-10)


@torch.no_grad()
def test_successors_work_in_lanes_and_start_from_nothing() -> None:
    memories = [drifting(seed) for seed in range(3)]
    lanes = Lanes(memories)
    drawn = [events(seed, 9) for seed in range(3)]
    keys, values = (torch.stack(parts) for parts in zip(*drawn, strict=True))
    assert not lanes.call("successor", lanes.init_state(), keys).any()
    following = lanes.call("successor", lanes.write(lanes.init_state(), keys, values), keys)
    for i, memory in enumerate(memories):
        alone = memory.successor(written(memory, keys[i], values[i]), keys[i])
        torch.testing.assert_close(following[i], alone, rtol=0, atol=5e-6)


@torch.no_grad()
def test_the_present_context_favours_recent_events() -> None:
    """A zero query and no recency: the state's context alone orders the slots, newest first."""
    keys, values = orthonormal(1, 32, 64), torch.eye(32)
    sizes = {"key_dim": 64, "value_dim": 32, "context_dim": 64, "recency_weight": 0.0}
    cued, plain = drifting(**sizes), drifting(**sizes, cue_with_state=False)
    weights = cued.read(written(cued, keys, values), torch.zeros(1, 64))[0]
    assert (weights[1:] > weights[:-1]).all()
    flat = plain.read(written(plain, keys, values), torch.zeros(1, 64))[0]
    torch.testing.assert_close(flat, torch.full((32,), 1 / 32), rtol=0, atol=1e-6)


@torch.no_grad()
def test_reinstating_a_context_separates_values_of_one_key() -> None:
    """Two orthogonal contexts, one key: w_c beta = 8 leaves the other value e^-8 of the weight."""
    key, values = unit_rows(1, 1, 6), torch.eye(2)
    memory = drifting(context_dim=4, value_dim=2, recency_weight=0.0)
    contexts = torch.eye(4)[:2]
    state = written(memory, key.repeat(2, 1), values, contexts)
    recalled = memory.read(state, key.repeat(2, 1), None, contexts)
    other = 1 / (1 + math.exp(8))
    expected = torch.tensor([[1 - other, other], [other, 1 - other]])
    torch.testing.assert_close(recalled, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("asked", ["read", "successor"])
def test_gradients_reach_the_drift_of_every_lane(asked: str) -> None:
    memories = [drifting(seed, context_dim=4) for seed in range(3)]
    keys, values = events(5, 10)

    def loss(memory: object) -> Tensor:
        state = memory.write(memory.init_state(), keys, values)
        return (getattr(memory, asked)(state, keys) - values).square().mean()

    untouched = {"time_weight", "log_time_scale"}  # no times are given
    for name, gradient in lane_gradients(memories, loss).items():
        assert gradient.isfinite().all()
        assert reached(gradient) is (name not in untouched), name
