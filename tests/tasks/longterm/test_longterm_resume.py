"""A training or test that was killed goes on where it stood, with the same bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from bench.running.checkpoint import Checkpoint
from tests.tasks.cells import cell, numbers, run
from tests.tasks.longterm.small_runs import SMALL, settings

PER_EPOCH, EPOCHS, WINDOWS = 3, 8, 46
TOTAL = EPOCHS * PER_EPOCH + WINDOWS
SEEDS = [0, 1, 2]


class OnlyAt(Checkpoint):
    """Writes at one position and nowhere else."""

    def __init__(self, file: Path, position: int) -> None:
        super().__init__(file, every_s=0)
        self.position = position

    def offer(self, position: int, tensors: Callable[[], dict[str, Tensor]]) -> None:
        if position == self.position:
            super().offer(position, tensors)


def killed_after(position: int) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        assert total == TOTAL
        if done >= position:
            raise KeyboardInterrupt

    return progress


WHOLE: dict[str, list[Any]] = {}
MEMORIES: dict[str, tuple[str, dict[str, Any], int]] = {
    "v4": ("spectral-v4", SMALL, 6),
    "spectral": ("spectral", SMALL, 8),
    "v3": ("spectral-v3", SMALL | {"window": 300}, 8),
    "null": ("spectral-null", {}, 8),
}
"""Name and parameters of a memory, and the epoch after which no lane is left."""


def made_in(folder: Path, name: str) -> Any:
    memory, params, _ = MEMORIES[name]
    chosen = settings(folder, epochs=EPOCHS, learning_rate=0.1)
    return cell(memory, "tsl-longterm", chosen, params)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """A memory's cell and its outcomes when nobody kills it."""
    folder = tmp_path_factory.mktemp("undisturbed")

    def of(name: str) -> Any:
        made = made_in(folder, name)
        if name not in WHOLE:
            WHOLE[name] = run(made, SEEDS)
        return made, WHOLE[name]

    return of


POSITIONS = (1, 2, 3, 4, 15, 16, 17, 18, 24)
BY_DEFAULT = {("v4", 16), ("spectral", 2)}


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        pytest.param(n, at, marks=[] if (n, at) in BY_DEFAULT else [pytest.mark.slow])
        for n, (_, _, last) in MEMORIES.items()
        for at in POSITIONS
        if at <= last * PER_EPOCH
    ],
)
def test_a_killed_block_goes_on_bit_equal(tmp_path, undisturbed, name, kept):
    """Kept inside an epoch, at its end, when some lanes have stopped and when all have; killed at
    the next step, or in the middle of the test.
    """
    made, whole = undisturbed(name)
    last = MEMORIES[name][2] * PER_EPOCH
    when = kept + 1 if kept < last else EPOCHS * PER_EPOCH + 20
    file = tmp_path / "block.safetensors"
    with pytest.raises(KeyboardInterrupt):
        run(made, SEEDS, checkpoint=OnlyAt(file, kept), progress=killed_after(when))
    assert file.exists()
    seen: list[int] = []
    again = run(
        made,
        SEEDS,
        checkpoint=OnlyAt(file, -1),
        progress=lambda done, _: seen.append(done),
    )
    assert seen[: last - kept] == list(range(kept + 1, last + 1))
    assert seen[last - kept :][0] > EPOCHS * PER_EPOCH
    assert seen[-1] == TOTAL
    for first, second in zip(whole, again, strict=True):
        assert numbers(second) == numbers(first)
        assert (second.notes, second.marks) == (first.notes, first.marks)
        for series, losses in first.series.items():
            assert np.array_equal(second.series[series], losses)


@pytest.mark.parametrize("name", ["v4", "spectral"])
def test_lanes_stop_where_the_positions_above_need_it(undisturbed, name):
    """Those of v4 after epochs 5, 5 and 6: two are gone at step 16, all at 18; of `spectral` one
    after 5, while another trains to the end.
    """
    _, whole = undisturbed(name)
    epochs = [max(p.get("epoch", 0) for p in o.notes["memory"]["phases"]) for o in whole]
    assert epochs == {"v4": [5, 5, 6], "spectral": [8, 5, 8]}[name]


@pytest.mark.slow
def test_a_training_goes_on_from_whatever_was_kept_last(tmp_path, undisturbed):
    """Killed twice, with a check-point at every step."""
    made, whole = undisturbed("spectral")
    file = tmp_path / "block.safetensors"
    for when in (5, 11):
        with pytest.raises(KeyboardInterrupt):
            run(made, SEEDS, checkpoint=Checkpoint(file, 0.0), progress=killed_after(when))
    again = run(made, SEEDS, checkpoint=Checkpoint(file, 0.0))
    assert [numbers(o) for o in again] == [numbers(o) for o in whole]
    assert [o.notes for o in again] == [o.notes for o in whole]
