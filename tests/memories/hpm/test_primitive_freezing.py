"""The freezing rule: thresholds, shares, ties, what stays frozen."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.func import vmap

from memories.hpm.freezing import frozen_after, share_of

RULE: dict[str, Any] = {"threshold": 100.0, "top_fraction": 0.3}


def used(*rows: list[float]) -> Tensor:
    """Usage of one bank, a row per level."""
    widest = max(map(len, rows))
    return torch.tensor([[[*row, *[0.0] * (widest - len(row))] for row in rows]])


def none(usage: Tensor) -> Tensor:
    return torch.zeros_like(usage, dtype=torch.bool)


def level(total: float) -> list[float]:
    """Eight primitives, of which numbers 5 and 2 are used most."""
    shares = [1.0, 2.0, 7.0, 1.0, 3.0, 9.0, 1.0, 1.0]
    return [total * share / sum(shares) for share in shares]


@pytest.mark.parametrize("lasting", [None, 0.5])
@pytest.mark.parametrize(
    ("total", "frozen"), [(99.0, []), (99.998, []), (99.9995, [2, 5]), (100.0, [2, 5])]
)
def test_a_level_freezes_its_two_most_used_of_eight_from_a_hundred_on(
    total: float, frozen: list[int], lasting: float | None
) -> None:
    """floor(0.3 * 8) = 2; float32 sums of 100 softmax means may lack a thousandth."""
    usage = used(level(total), level(99.0))
    seen = frozen_after(usage, none(usage), (8, 8), max_fraction=lasting, **RULE)
    assert seen[0, 0].nonzero()[:, 0].tolist() == frozen
    assert not seen[0, 1].any()


def test_equal_use_freezes_the_first_primitives_and_never_padding() -> None:
    usage = used([25.0] * 4, [20.0] * 5)
    seen = frozen_after(usage, none(usage), (4, 5), max_fraction=0.5, **RULE)
    assert seen[0].tolist() == [[True, *[False] * 4], [True, *[False] * 4]]


def test_what_is_frozen_stays_so_until_half_a_level_is() -> None:
    """Old ones first, then the most used: {0, 1, 2} + {5, 2} on eight gives {0, 1, 2, 5}."""
    usage, before = used(level(100.0)), none(used(level(1.0)))
    before[0, 0, :3] = True
    seen = frozen_after(usage, before, (8,), max_fraction=0.5, **RULE)
    assert seen[0, 0].nonzero()[:, 0].tolist() == [0, 1, 2, 5]
    before[0, 0, :4] = True
    seen = frozen_after(usage, before, (8,), max_fraction=0.5, **RULE)
    assert seen[0, 0].nonzero()[:, 0].tolist() == [0, 1, 2, 3]


def test_the_published_rule_thaws_what_it_does_not_freeze_anew() -> None:
    usage, before = used(level(100.0), level(50.0)), none(used(level(1.0), level(1.0)))
    before[0, :, :2] = True
    seen = frozen_after(usage, before, (8, 8), max_fraction=None, **RULE)
    assert seen[0, 0].nonzero()[:, 0].tolist() == [2, 5]
    assert not seen[0, 1].any()


def test_shares_of_sizes_are_not_spoiled_by_rounding() -> None:
    """0.29 * 100 is 28.999999999999996 in double precision."""
    assert share_of(0.29, [100]) == [29]
    assert share_of(0.3, [8, 10, 12, 3]) == [2, 3, 3, 0]


@given(
    seed=st.integers(0, 10_000),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    lasting=st.booleans(),
)
def test_the_rule_equals_its_definition_level_by_level(seed, sizes, lasting) -> None:
    rng = torch.Generator().manual_seed(seed)
    held = torch.arange(max(sizes)) < torch.tensor(sizes)[:, None]
    # whole numbers, so that there are ties
    usage = torch.randint(0, 60, (2, *held.shape), generator=rng).float() * held
    before = (torch.rand(2, *held.shape, generator=rng) < 0.2) & held
    most = 0.5 if lasting else None
    seen = frozen_after(usage, before, sizes, max_fraction=most, **RULE)
    for bank in range(2):
        for number, size in enumerate(sizes):
            use = usage[bank, number].tolist()
            ranked = sorted(range(size), key=lambda j: (-use[j], j))
            fresh = ranked[: max(1, int(0.3 * size))] if sum(use) >= 100 else []
            old = before[bank, number].nonzero()[:, 0].tolist() if lasting else []
            turn = [j for j in ranked if j in old] + [j for j in fresh if j not in old]
            expected = turn[: size // 2] if lasting else turn
            assert seen[bank, number].nonzero()[:, 0].tolist() == sorted(expected)


def test_lanes_freeze_as_alone() -> None:
    usage = torch.stack([used(level(100.0)), used(level(30.0))])
    before = torch.zeros_like(usage, dtype=torch.bool)

    def rule(usage: Tensor, before: Tensor) -> Tensor:
        return frozen_after(usage, before, (8,), max_fraction=0.5, **RULE)

    together = vmap(rule)(usage, before)
    assert together.sum(dim=(1, 2, 3)).tolist() == [2, 0]
    assert torch.equal(together[0], rule(usage[0], before[0]))
