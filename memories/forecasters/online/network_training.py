"""Training of a forecaster's own network on rows that lie before the stream."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from memories.forecasters.online.generator_training import Pairs

BATCH = 32
PATIENCE = 10
"""Epochs without a better validation error after which training ends."""
EVALUATION_BATCH = 64


class NetworkTraining:
    """Trains a module batch by batch, and keeps it as it was when it did best on validation rows.

    Args:
        module: What is trained: its parameters and buffers are kept and put back.
        pairs: Training and validation rows.
        step: Changes the module by one batch of pairs [B, L+H, C].
        errors: Squared error of each pair of a batch [B], nothing changed.
        generator: Draws the order of origins.
    """

    def __init__(
        self,
        module: nn.Module,
        pairs: Pairs,
        step: Callable[[Tensor], None],
        errors: Callable[[Tensor], Tensor],
        generator: torch.Generator,
    ) -> None:
        self.module, self.pairs, self.rng = module, pairs, generator
        self._step, self._errors = step, errors

    def run(self, training: range, validation: range, epochs: int) -> None:
        """Train until the validation error stops falling, and go back to the best epoch.

        Args:
            training: Origins, shuffled in every epoch.
            validation: Origins of the validation error.
            epochs: Most epochs; with none, or none that is better, the module stays as it is.
        """
        best, best_error, best_epoch = self._kept(), self.error(validation), 0
        for epoch in range(1, epochs + 1):
            order = torch.randperm(len(training), generator=self.rng) + training.start
            for origins in torch.split(order, BATCH):
                with torch.enable_grad():
                    self._step(self.pairs.at(origins))
            error = self.error(validation)
            if error < best_error:
                best, best_error, best_epoch = self._kept(), error, epoch
            if epoch - best_epoch >= PATIENCE:
                break
        self.module.load_state_dict(best)

    def _kept(self) -> dict[str, Tensor]:
        return {name: entry.clone() for name, entry in self.module.state_dict().items()}

    @torch.no_grad()
    def error(self, origins: range) -> float:
        """Mean squared error over these origins."""
        total = 0.0
        for start in range(0, len(origins), EVALUATION_BATCH):
            pairs = self.pairs.at(origins[start : start + EVALUATION_BATCH])
            total += float(self._errors(pairs).double().sum())
        return total / len(origins)


def origins_of(train_rows: int, rows: int, lookback: int, horizon: int) -> tuple[range, range]:
    """Origins whose targets lie among the training rows, and among the validation rows.

    Args:
        train_rows: How many rows come before the first validation row.
        rows: How many there are of both.
        lookback: L.
        horizon: H.
    """
    training = range(lookback - 1, train_rows - horizon)
    return training, range(train_rows - 1, rows - horizon)
