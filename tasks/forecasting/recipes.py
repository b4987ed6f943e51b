"""How long and how fast backbones are pre-trained: one recipe per split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.data.splits import Protocol


@dataclass(frozen=True)
class Recipe:
    """One way to train with Adam on the mean squared error; partial batches are kept.

    The weights kept are those of the best validation epoch. Of several learning rates each seed
    takes the one whose best epoch is best.

    Attributes:
        learning_rates: Those that are tried.
        batch: Windows of one step.
        max_epochs: Epochs at most.
        patience: Epochs without a better validation error after which a lane stops.
        full_epochs: Epochs at the full learning rate, which then is halved at every epoch; None
            where it stays as it is.
    """

    learning_rates: tuple[float, ...]
    batch: int
    max_epochs: int
    patience: int
    full_epochs: int | None = None

    def share(self, epoch: int) -> float:
        """The share of the learning rate that an epoch, counted from 1, is trained at."""
        return 1.0 if self.full_epochs is None else 0.5 ** max(0, epoch - self.full_epochs)

    def capped(self, best_epoch: int) -> bool:
        """Whether training ended at its cap while it might have improved.

        Never where the rate is halved: by the last epoch it is spent.
        """
        return self.full_epochs is None and self.max_epochs - best_epoch < self.patience


ONLINE = Recipe(learning_rates=(1e-4, 3e-4, 1e-3, 3e-3), batch=32, max_epochs=100, patience=10)
"""Trained to the end: what a forecaster learns online must not be pre-training left undone."""

OFFLINE = Recipe(learning_rates=(1e-4,), batch=32, max_epochs=10, patience=3, full_epochs=2)
"""The recipe of the Time-Series-Library for long-term forecasting (Wu et al. 2023), by which the
published figures of the offline split were made, whatever the backbone."""

RECIPES: Mapping[Protocol, Recipe] = {"online": ONLINE, "offline": OFFLINE}
"""The recipe of each split."""
