"""A block that was killed goes on where it stood."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from bench.running.cache import Cache
from bench.running.checkpoint import Checkpoint
from tests.tasks.brief import train_briefly
from tests.tasks.cells import cell, numbers, run
from tests.tasks.streams import DRIFT, RATES, TOTAL, UPDATES


class OnlyAt(Checkpoint):
    """Writes at one position and nowhere else."""

    def __init__(self, file: Path, position: int) -> None:
        super().__init__(file, every_s=0)
        self.position = position

    def offer(self, position: int, tensors: Callable[[], dict[str, Tensor]]) -> None:
        if position == self.position:
            super().offer(position, tensors)


def killed_at(position: int) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        assert total == TOTAL
        if done == position:
            raise KeyboardInterrupt

    return progress


LONG = {
    "ogd": {"tune": RATES},
    "errorbank": {"memory_params": {"memory": "delta"}},
    "frozen": {},
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """Per memory its cell, the cache with its backbones, and its outcomes when nobody kills it."""
    known: dict[str, Any] = {}
    cache = Cache(tmp_path_factory.mktemp("undisturbed"))
    with pytest.MonkeyPatch.context() as patch:
        train_briefly(patch, 2)

        def of(memory: str) -> Any:
            if memory not in known:
                made = cell(memory, "online-tsf", DRIFT, **LONG[memory])
                known[memory] = made, cache, run(made, [0, 1], cache=cache)
            return known[memory]

        yield of


@pytest.mark.parametrize(
    ("memory", "kept"),
    [
        ("ogd", TOTAL - 40),
        ("errorbank", UPDATES + 64),
        ("frozen", TOTAL),
        *[pytest.param("ogd", at, marks=pytest.mark.slow) for at in (1, UPDATES, UPDATES + 1)],
        *[pytest.param("errorbank", at, marks=pytest.mark.slow) for at in (7, UPDATES - 1, TOTAL)],
        *[pytest.param("frozen", at, marks=pytest.mark.slow) for at in (7, UPDATES, TOTAL - 40)],
    ],
)
def test_a_killed_block_goes_on_bit_equal(tmp_path, undisturbed, memory, kept):
    """Kept inside validation, among its last origins, at the first of the test, inside a buffer of
    64 forecasts and between two, at the end; killed up to five origins later.
    """
    made, cache, whole = undisturbed(memory)
    file = tmp_path / "block.safetensors"
    killed = killed_at(min(kept + 5, TOTAL))
    with pytest.raises(KeyboardInterrupt):
        run(made, [0, 1], cache=cache, checkpoint=OnlyAt(file, kept), progress=killed)
    seen: list[int] = []
    again = run(
        made,
        [0, 1],
        cache=cache,
        checkpoint=OnlyAt(file, -1),
        progress=lambda done, _: seen.append(done),
    )
    assert seen == list(range(kept + 1, TOTAL + 1))
    for first, second in zip(whole, again, strict=True):
        assert numbers(second) == numbers(first)
        assert second.notes == first.notes
        for name, losses in first.series.items():
            assert np.array_equal(second.series[name], losses)
