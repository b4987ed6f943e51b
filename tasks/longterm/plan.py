"""How a token memory is trained and evaluated: what it holds in each phase, and which rows it sees.

phase        windows                        memory holds
training     shuffled batches, 10 epochs    `train_memory`: rows of a chronological pass that
                                            ends before the window, or of earlier batches
validation   all, after every epoch         `MemoryEval`
test         all, once                      `MemoryEval`, with the best epoch's weights
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from memories.base import MemoryEval, TokenMemory, TrainMemory
from tasks.data.splits import Split
from tasks.forecasting.recipes import Recipe

Semantics = Literal["stream", "as-published"]
SNAPSHOT_EVERY = 32
"""Training windows between two snapshots of a chronological pass."""


@dataclass(frozen=True)
class Plan:
    """One training and its evaluation.

    Attributes:
        split: Training, validation and test rows.
        lookback: L.
        horizon: H.
        recipe: How long and how fast.
        stride: Every so many hours a training window starts and a row is stored.
        chunk: Windows that read the same state in evaluation.
        fill_gaps: Whether windows before a border, whose targets would cross it, are stored too.
        drop_last: Whether windows of the test beyond its last whole batch are left out.
        memory_eval: What the memory holds in evaluation.
        train_memory: What it holds in training.
        resets: Whether it is emptied before each epoch.
    """

    split: Split
    lookback: int
    horizon: int
    recipe: Recipe
    stride: int
    chunk: int
    fill_gaps: bool
    drop_last: bool
    memory_eval: MemoryEval
    train_memory: TrainMemory
    resets: bool

    @property
    def training(self) -> range:
        """Newest rows of the training windows."""
        return self.split.train_origins(self.lookback, self.horizon)[:: self.stride]

    @property
    def validation(self) -> range:
        """Newest rows of the validation windows."""
        return self.split.selection_origins(self.horizon)

    @property
    def test(self) -> range:
        """Newest rows of the test windows that count."""
        origins = self.split.test_origins(self.horizon)
        whole = len(origins) // self.recipe.batch * self.recipe.batch
        return origins[:whole] if self.drop_last else origins

    def gap(self, border: int) -> range:
        """Newest rows of the windows before a border whose targets cross it."""
        return range(border - self.horizon, border - 1) if self.fill_gaps else range(0)

    def stored(self, origin: int) -> bool:
        """Whether a stream stores the window that ends at this row."""
        return (origin - self.lookback + 1) % self.stride == 0


def held_in_evaluation(memory: TokenMemory, semantics: Semantics) -> MemoryEval:
    """What a memory holds in evaluation.

    As published a memory with a reset hook is emptied before validation and test, and one without
    keeps what training left; neither is written. Otherwise a memory's own `memory_eval` decides.
    """
    if semantics == "stream":
        return memory.memory_eval
    return "empty" if memory.resets else "frozen-train"
