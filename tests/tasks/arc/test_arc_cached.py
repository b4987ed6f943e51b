from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from bench.running.cache import Cache
from bench.running.workbench import Workbench
from tasks.arc import cached
from tasks.arc.cached import shared_raw_codes
from tasks.arc.codes import EpisodeCounts, raw_codes
from tasks.arc.families import FAMILIES
from tests.tasks import cells

of_two_families = partial(raw_codes, families=FAMILIES[:2])
FEW = EpisodeCounts(train=1, validation=0, test=1)


def bench(folder: Path, *seeds: int) -> Workbench:
    return Workbench(cells.cell("delta", "pair-recall"), seeds, cache=Cache(folder))


def test_raw_codes_are_generated_once_for_each_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generated: list[int] = []

    def counting(seed: int, *, counts: EpisodeCounts) -> cached.Raw:
        generated.append(seed)
        return of_two_families(seed, counts=counts)

    monkeypatch.setattr(cached, "raw_codes", counting)
    first = shared_raw_codes(bench(tmp_path, 0, 2), FEW)
    again = shared_raw_codes(bench(tmp_path, 2, 3), FEW)
    assert generated == [0, 2, 3]
    for name, part in of_two_families(2, counts=FEW).items():
        for found in (first[2][name], again[2][name]):
            np.testing.assert_array_equal(found, part)
            assert found.dtype == part.dtype
    shared_raw_codes(bench(tmp_path, 0), EpisodeCounts(1, 0, 2))
    assert generated == [0, 2, 3, 0]
