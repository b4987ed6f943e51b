"""Episodes that slow weights are trained on."""

from __future__ import annotations

import pytest
import torch

from tasks.association.curriculum import LOADS, AssociativeCurriculum
from tasks.base import Episodes

D, V, C = 16, 12, 8


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(kind: str, load: int = 16, n: int = 6, context_dim: int = C) -> Episodes:
    curriculum = AssociativeCurriculum(D, V, context_dim)
    turn = LOADS.index(load) * len(curriculum.kinds) + curriculum.kinds.index(kind)
    return curriculum.training(turn, n, generator())


@pytest.mark.parametrize("kind", ["pairs", "lists", "contexts"])
@pytest.mark.parametrize("load", LOADS)
def test_keys_and_values_are_unit_vectors_and_every_event_is_queried(kind: str, load: int) -> None:
    episodes = drawn(kind, load)
    assert episodes.keys.shape == (6, load, D)
    assert episodes.values.shape == (6, load, V)
    assert torch.equal(episodes.queries, episodes.keys)
    assert torch.equal(episodes.targets, episodes.values)
    for tensor in (episodes.keys, episodes.values):
        torch.testing.assert_close(tensor.norm(dim=-1), torch.ones(6, load), rtol=0, atol=1e-6)


def test_kinds_and_loads_take_turns() -> None:
    curriculum = AssociativeCurriculum(D, V, C)
    shapes = [curriculum.training(step, 2, generator()).keys.shape[1] for step in range(24)]
    assert shapes == [load for load in (*LOADS, *LOADS) for _ in range(3)]
    with_contexts = [
        curriculum.training(step, 2, generator()).contexts is not None for step in range(6)
    ]
    assert with_contexts == [False, False, True, False, False, True]


def test_tasks_without_contexts_have_no_episodes_with_them() -> None:
    curriculum = AssociativeCurriculum(D, V)
    assert curriculum.kinds == ["pairs", "lists"]
    assert all(curriculum.training(s, 2, generator()).contexts is None for s in range(8))


def test_partner_keys_of_two_lists_have_one_cosine_per_episode_between_0_and_1() -> None:
    episodes = drawn("lists", load=16, n=200)
    cosine = (episodes.keys[:, :8] * episodes.keys[:, 8:]).sum(-1)
    torch.testing.assert_close(cosine, cosine[:, :1].expand(-1, 8), rtol=0, atol=1e-5)
    assert cosine.min() >= -1e-6
    assert cosine.max() <= 1
    # uniform on [0, 1): the mean of 200 has a standard error of 0.02
    assert float(cosine[:, 0].mean()) == pytest.approx(0.5, abs=0.06)


def test_a_key_returns_in_every_context_with_another_value() -> None:
    episodes = drawn("contexts", load=16)
    assert episodes.contexts is not None
    assert episodes.cues is not None
    for keys, values, cues in zip(episodes.keys, episodes.values, episodes.cues, strict=True):
        same = (keys @ keys.T) > 0.999
        assert same.sum(-1).tolist() == [4] * 16
        assert len(torch.unique(cues.round(decimals=4), dim=0)) == 4
        assert len(torch.unique(values.round(decimals=4), dim=0)) == 16
        together = torch.cat([keys, cues], dim=-1).round(decimals=4)
        assert len(torch.unique(together, dim=0)) == 16
    # noise of standard deviation 0.1 over the whole context
    cosine = (episodes.contexts * episodes.cues).sum(-1)
    assert 0.97 < float(cosine.mean()) < 1


def test_validation_covers_every_kind_and_load() -> None:
    groups = AssociativeCurriculum(D, V, C).validation(32, generator())
    assert [group.keys.shape[1] for group in groups] == [*LOADS] * 3
    assert [group.contexts is None for group in groups] == [True] * 8 + [False] * 4
    assert {group.keys.shape[0] for group in groups} == {2}


def test_the_same_generator_draws_the_same_episodes() -> None:
    curriculum = AssociativeCurriculum(D, V, C)
    for step in range(3):
        first, second = (curriculum.training(step, 3, generator(5)) for _ in range(2))
        assert torch.equal(first.keys, second.keys)
        assert torch.equal(first.values, second.values)
        other = curriculum.training(step, 3, generator(6))
        assert not torch.equal(first.keys, other.keys)


def test_its_identity_is_its_sizes() -> None:
    assert AssociativeCurriculum(D, V, C).identity() == AssociativeCurriculum(D, V, C).identity()
    assert AssociativeCurriculum(D, V, C).identity() != AssociativeCurriculum(D, V).identity()
