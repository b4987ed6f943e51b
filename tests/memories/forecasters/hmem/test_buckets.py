"""Buckets of the season and their slots."""

from __future__ import annotations

import torch

from memories.forecasters.hmem.buckets import bucket_at, slots_of


def at(mode: str, buckets: int = 4, period: int = 24) -> list[int]:
    return [int(bucket_at(torch.tensor(t), buckets, period, mode)) for t in range(2 * period)]


def test_parts_of_a_day_are_runs_of_hours():
    """24 hours in 4: six hours each, the next day the same."""
    day = [hour // 6 for hour in range(24)]
    assert at("daypart") == day * 2
    assert at("daypart", buckets=5) == [hour * 5 // 24 for hour in range(24)] * 2


def test_the_published_mode_deals_hours_out():
    """((season 7 + day) 24 + hour) mod 4 is hour mod 4, for 24 is divisible by 4."""
    for season, weekday, hour in ((2, 5, 13), (0, 6, 23), (3, 1, 0)):
        published = ((season * 7 + weekday) * 24 + hour) % 4
        assert published == int(bucket_at(torch.tensor(hour), 4, 24, "mod"))
    assert at("mod") == [hour % 4 for hour in range(24)] * 2


def test_every_slot_belongs_to_one_bucket():
    owned = torch.stack([slots_of(torch.tensor(b), 3, 5) for b in range(3)])
    assert owned.sum(0).tolist() == [1] * 15
    assert owned[1].nonzero().flatten().tolist() == [5, 6, 7, 8, 9]
