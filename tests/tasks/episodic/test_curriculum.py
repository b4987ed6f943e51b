"""Training episodes: events like the task's, cues that have an answer, the answers."""

from __future__ import annotations

import pytest
import torch

from tasks.episodic.curriculum import PARTS, EpisodicCurriculum, episode
from tasks.episodic.events import EventSampler
from tasks.episodic_events import EpisodicEvents
from tests.memories.case import build, generator

N, D, V = 32, 64, 80


def groups(drawn):
    """Queries and targets of whole events, parts of one event alone, parts of two and more."""
    queries = drawn["queries"].reshape(3, N, 4, D // 4)
    return queries, drawn["targets"].reshape(3, N, V)


def test_an_episode_has_the_shapes_that_a_training_step_needs():
    drawn = episode(generator(0))
    assert {name: tuple(x.shape) for name, x in drawn.items()} == {
        "keys": (N, D),
        "values": (N, V),
        "queries": (3 * N, D),
        "targets": (3 * N, V),
    }
    assert {x.dtype for x in drawn.values()} == {torch.float32}
    small = episode(generator(0), n_events=5, dim=32)
    assert small["keys"].shape == (5, 32)
    assert small["targets"].shape == (15, 40)


def test_whole_events_ask_for_their_values():
    drawn = episode(generator(1))
    queries, targets = groups(drawn)
    assert torch.equal(queries[0].flatten(1), drawn["keys"])
    torch.testing.assert_close(targets[0], drawn["values"], rtol=0, atol=1e-6)
    assert torch.equal(drawn["values"][:, :D], drawn["keys"])


def test_parts_of_an_event_that_no_other_has_ask_for_its_value():
    drawn = episode(generator(2))
    queries, targets = groups(drawn)
    torch.testing.assert_close(targets[1], drawn["values"], rtol=0, atol=1e-6)
    given = (queries[1] != 0).any(-1)
    keys = drawn["keys"].reshape(N, 4, -1)
    assert torch.equal(queries[1], torch.where(given[..., None], keys, 0.0))
    assert set(given.sum(1).tolist()) == {1, 2, 3}


def test_candidates_ask_for_the_mean_of_all_events_that_have_the_part():
    """What the exact table recalls is what is wanted."""
    drawn = episode(generator(3))
    queries, targets = groups(drawn)
    given = (queries[2] != 0).any(-1).sum(1)
    assert set(given.tolist()) == {2, 3}
    table = build("oracle-table", key_dim=D, value_dim=V, max_events=N)
    state = table.write(table.init_state(), drawn["keys"], drawn["values"])
    torch.testing.assert_close(
        table.read(state, drawn["queries"]), drawn["targets"], rtol=0, atol=1e-6
    )
    shared = (targets[2] - drawn["values"]).abs().amax(1) > 1e-3
    assert 0 < int(shared.sum()) < N


def test_there_are_14_parts_of_an_event():
    assert PARTS.shape == (14, 4)
    assert sorted(PARTS.sum(1)) == [1] * 4 + [2] * 6 + [3] * 4
    assert len({tuple(part) for part in PARTS}) == 14


def test_episodes_follow_their_generator_and_differ_from_one_another():
    source = generator(4)
    first, second, again = episode(source), episode(source), episode(generator(4))
    assert torch.equal(first["queries"], again["queries"])
    assert not torch.equal(first["keys"], second["keys"])


def test_a_curriculum_draws_episodes_of_the_tasks_own_law():
    task = EpisodicEvents(events=200, dim=32, distribution="uniform", time_code="fourier")
    curriculum = task.curriculum()
    assert isinstance(curriculum, EpisodicCurriculum)
    assert curriculum.identity() == {
        "curriculum": "episodic-events",
        "dim": 32,
        "universe": 100,
        "distribution": "uniform",
        "p": 0.1,
        "order": "drawn",
        "time_code": "fourier",
    }
    batch = curriculum.training(0, 3, generator(5))
    assert batch.keys.shape == (3, N, 32)
    assert batch.targets.shape == (3, 3 * N, 40)
    assert batch.contexts is batch.cues is None
    (held_out,) = curriculum.validation(4, generator(6))
    assert held_out.keys.shape == (4, N, 32)
    single = episode(
        generator(5), dim=32, sampler=EventSampler(distribution="uniform"), time_code="fourier"
    )
    assert torch.equal(batch.queries[0], single["queries"])


def test_curricula_of_tasks_that_differ_in_their_load_alone_are_one():
    same = [EpisodicEvents(events=n).curriculum().identity() for n in (20, 200)]
    assert same[0] == same[1]


def test_a_universe_too_small_to_train_in_has_no_curriculum():
    assert EpisodicEvents(events=3, universe=4).curriculum() is None


@pytest.mark.parametrize("name", ["ar-rag", "ar-fast-weights"])
def test_a_memory_can_be_trained_on_it(name):
    drawn = episode(generator(7))
    memory = build(name, key_dim=D, value_dim=V, proj="learned")
    state = memory.write(memory.init_state(), drawn["keys"], drawn["values"])
    recalled = memory.read(state, drawn["queries"])
    loss = (1 - torch.nn.functional.cosine_similarity(recalled, drawn["targets"])).mean()
    loss.backward()
    slow = [p.grad for p in memory.parameters() if p.grad is not None]
    assert slow and all(g.isfinite().all() for g in slow)
    assert any(g.abs().max() > 0 for g in slow)
