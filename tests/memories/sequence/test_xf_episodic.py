"""The transformer with an episodic memory beside it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from memories.base import InvalidParameter, state_floats
from memories.matrix.delta import Delta
from memories.slots.ring_attention import RingAttention
from tests.memories.case import build, events
from tests.memories.trained import lane_gradients, moved, reached

SMALL = {"window": 4, "layers": 1, "heads": 2, "head_dim": 4}


def ring(**dictated: object) -> RingAttention:
    return RingAttention(dictated["key_dim"], dictated["value_dim"], capacity=9)


@torch.no_grad()
def recall(memory: object, keys: Tensor, values: Tensor, queries: Tensor) -> Tensor:
    return memory.read(memory.write(memory.init_state(), keys, values), queries)


def test_untrained_it_recalls_nothing_on_average() -> None:
    """Mean cosine over 60 initialisations of 10 pairs: below 3 standard errors of 1/sqrt(60 V),
    the reads of one network being nearly parallel.
    """
    cosines = []
    for seed in range(60):
        keys, values = events(seed, 10, value_dim=16)
        recalled = recall(build("xf-episodic", seed, value_dim=16, **SMALL), keys, values, keys)
        cosines.append(float(torch.cosine_similarity(recalled, values, dim=-1).mean()))
    assert abs(sum(cosines) / 60) < 3 / (60 * 16) ** 0.5


def test_the_memory_is_silent_until_its_output_is_trained_and_reaches_beyond_the_window() -> None:
    """W_o starts at zero: then only the window's last W - 1 events are seen by a query."""
    keys, values = events(1, 12)
    others = torch.cat([values[:8] + 1, values[8:]])
    fresh = build("xf-episodic", **SMALL)
    before, after = (recall(fresh, keys, v, keys) for v in (values, others))
    assert torch.equal(before, after)
    trained = moved(build("xf-episodic", **SMALL), 0, 0.1)
    before, after = (recall(trained, keys, v, keys) for v in (values, others))
    assert float((before - after).abs().max()) > 1e-4


def test_a_query_leaves_the_window_as_it_was_and_sees_its_last_events() -> None:
    memory = build("xf-episodic", **SMALL)
    keys, values = events(2, 9)
    changed = torch.cat([values[:8], values[8:] + 1])
    first, second = (recall(memory, keys, v, keys[:3]) for v in (values, changed))
    assert float((first - second).abs().max()) > 1e-4


@torch.no_grad()
def test_the_window_holds_the_newest_tokens_oldest_first() -> None:
    """Each the embedding of [k, v, 1, 0]; what was never filled stays zero."""
    memory = build("xf-episodic", **SMALL)
    keys, values = events(3, 6)
    marks = torch.tensor([1.0, 0.0]).expand(6, 2)
    tokens = torch.cat([keys, values, marks], dim=-1) @ memory.embedding.weight
    window = memory.write(memory.init_state(), keys, values)["window"]
    torch.testing.assert_close(window, tokens[2:], rtol=0, atol=1e-6)
    early = memory.write(memory.init_state(), keys[:3], values[:3])["window"]
    torch.testing.assert_close(early[1:], tokens[:3], rtol=0, atol=1e-6)
    assert not early[0].any()


@torch.no_grad()
@pytest.mark.parametrize("inclusive", [True, False])
def test_more_events_than_are_encoded_at_once(inclusive: bool) -> None:
    """300 events, 256 windows a block: equal to three calls, and a scan to single steps."""
    memory = moved(build("xf-episodic", **SMALL), 0, 0.1).double()
    keys, values = events(4, 300, dtype=torch.float64)
    whole = memory.write(memory.init_state(), keys, values)
    parts = memory.init_state()
    for span in (slice(0, 100), slice(100, 200), slice(200, 300)):
        parts = memory.write(parts, keys[span], values[span])
    for name in whole:
        torch.testing.assert_close(parts[name], whole[name], rtol=0, atol=1e-10)
    reads, _ = memory.scan(memory.init_state(), keys, values, keys, inclusive=inclusive)
    for t in (0, 3, 255, 256, 299):
        seen = t + 1 if inclusive else t
        alone = recall(memory, keys[:seen], values[:seen], keys[t : t + 1])
        torch.testing.assert_close(reads[t : t + 1], alone, rtol=0, atol=1e-10)
    assert inclusive or not reads[0].any()


def test_a_scan_takes_no_gates() -> None:
    memory = build("xf-episodic", **SMALL)
    keys, values = events(5, 3)
    with pytest.raises(InvalidParameter, match="takes no gate keep"):
        memory.scan(memory.init_state(), keys, values, keys, gates={"keep": torch.ones(3)})


@pytest.mark.parametrize("memory", [None, ring], ids=["fast-weights", "slots"])
def test_gradients_reach_every_slow_weight_of_every_lane(memory: object) -> None:
    """Away from W_o = 0, behind which the memory's own projections wait at the start."""
    keys, values = events(6, 8)
    queries = events(7, 8)[0]

    def loss(m: object) -> Tensor:
        state = m.write(m.init_state(), keys, values)
        return (m.read(state, queries) - values).square().mean()

    fresh = [build("xf-episodic", seed, memory=memory, **SMALL) for seed in range(3)]
    waits = {n for n, g in lane_gradients(fresh, loss).items() if not reached(g)}
    inner = {"memory.strength_logit"} if memory is None else set()
    assert waits == {f"{part}_in.weight" for part in ("query", "key", "value")} | inner | {
        "recall_gate"
    }
    trained = [moved(m, seed, 0.1) for seed, m in enumerate(fresh)]
    assert all(reached(g) for g in lane_gradients(trained, loss).values())


def test_training_teaches_it_to_recall_what_it_was_shown() -> None:
    """Sixty steps of Adam on eight pairs of one episode: the error falls to a tenth."""
    memory = build("xf-episodic", **SMALL)
    keys, values = events(8, 8)
    optimiser = torch.optim.Adam(memory.parameters(), lr=0.02)
    errors = []
    for _ in range(60):
        state = memory.write(memory.init_state(), keys, values)
        loss = (memory.read(state, keys) - values).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        errors.append(float(loss.detach()))
    assert errors[-1] < 0.1 * errors[0]


@torch.no_grad()
def test_slots_of_the_inner_memory_that_are_not_in_use_are_never_read() -> None:
    memory = moved(build("xf-episodic", memory=ring, **SMALL), 0, 0.1)
    assert memory.slot_state == ("memory/keys", "memory/values")
    keys, values = events(9, 5)
    state = memory.write(memory.init_state(), keys, values)
    unused = ~memory.valid(state)
    assert int(unused.sum()) == 4
    filled = {n: torch.where(unused[:, None], torch.nan, state[n]) for n in memory.slot_state}
    assert torch.equal(memory.read({**state, **filled}, keys), memory.read(state, keys))


def test_it_composes_as_its_inner_memory_does() -> None:
    def twice(**dictated: object) -> Delta:
        return Delta(
            dictated["key_dim"], dictated["value_dim"], passes=2, generator=dictated["generator"]
        )

    assert build("xf-episodic", **SMALL).composes
    assert not build("xf-episodic", memory=twice, **SMALL).composes
    assert build("xf-episodic", **SMALL).slot_state == ()


@pytest.mark.parametrize("budget", [500, 5120, 20000])
def test_the_widest_model_within_a_budget(budget: int) -> None:
    """Fast weights d^2 and a window of 16 d words, d = 4 x head_dim: 5,120 for d = 64."""
    width = build("xf-episodic").from_budget(budget, 6, 5)["head_dim"]
    words = [
        state_floats(build("xf-episodic", head_dim=h).init_state()) for h in (width, width + 1)
    ]
    assert words[0] == (4 * width) ** 2 + 16 * 4 * width
    assert words[0] <= budget < words[1]
    assert budget != 5120 or width == 16
