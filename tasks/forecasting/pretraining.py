"""Pre-training of forecasting backbones on the training rows, early stopping on validation.

Seeds and learning rates are lanes of one loop: each lane has its own weights, Adam moments and
best epoch. The learning rate of a seed is the one whose best validation error is smallest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from memories.adam import adam_step, flatten, unflatten
from tasks.data.splits import Split
from tasks.forecasting.stream import CausalStream, squared_error

LEARNING_RATES = (1e-4, 3e-4, 1e-3, 3e-3)
BATCH = 32
MAX_EPOCHS = 100
PATIENCE = 10
"""Epochs without a better validation error after which a lane keeps its best weights."""
EVALUATION_BATCH = 512


@dataclass(frozen=True)
class Pretrained:
    """What pre-training one seed came to.

    Attributes:
        weights: Flat vector of the best epoch's weights.
        learning_rate: The chosen one.
        validation_mse: Its best mean squared error over the validation origins.
        epochs: Epoch of the best weights, from 1.
        capped: Whether it still improved in the last epochs allowed.
    """

    weights: Tensor
    learning_rate: float
    validation_mse: float
    epochs: int
    capped: bool

    def tensors(self) -> dict[str, Tensor]:
        """The same as tensors, to be cached."""
        return {
            "weights": self.weights,
            "learning_rate": torch.tensor(self.learning_rate, dtype=torch.float64),
            "validation_mse": torch.tensor(self.validation_mse, dtype=torch.float64),
            "epochs": torch.tensor(self.epochs),
            "capped": torch.tensor(self.capped),
        }

    @classmethod
    def from_tensors(cls, kept: dict[str, Tensor]) -> Pretrained:
        """What `tensors` described."""
        return cls(
            kept["weights"],
            float(kept["learning_rate"]),
            float(kept["validation_mse"]),
            int(kept["epochs"]),
            bool(kept["capped"]),
        )


def pretrain(
    backbones: Sequence[nn.Module],
    stream: CausalStream,
    split: Split,
    orders: Sequence[np.random.Generator],
) -> list[Pretrained]:
    """Train one backbone per seed at every learning rate, and keep each seed's best.

    Args:
        backbones: Freshly initialised, one per seed.
        stream: The scaled series, a lane per seed or one for all.
        split: Training and validation rows.
        orders: Per seed the generator of its batch order, the same at every learning rate.
    """
    run = _Training(backbones, stream)
    best = _Best(run.weights)
    train = split.train_origins(stream.lookback, stream.horizon)
    validation = split.selection_origins(stream.horizon)
    for epoch in range(1, MAX_EPOCHS + 1):
        for origins in _batches(train, orders):
            run.step(origins)
        best.offer(epoch, run.evaluate(validation), run.weights)
        if best.final(epoch):
            break
    return [best.of(seed) for seed in range(len(backbones))]


class _Best:
    """The best epoch so far of every seed and learning rate, and its weights [S, R, P]."""

    def __init__(self, weights: Tensor) -> None:
        lanes = weights.shape[:2]
        self.weights = weights.clone()
        self.error = torch.full(lanes, torch.inf, dtype=torch.float64)
        self.epoch = torch.zeros(lanes, dtype=torch.int64)

    def offer(self, epoch: int, error: Tensor, weights: Tensor) -> None:
        """Keep the weights of lanes whose validation error [S, R] fell; stopped lanes stay."""
        running = epoch - self.epoch <= PATIENCE
        better = running & (error < self.error)
        self.error = torch.where(better, error, self.error)
        self.epoch = torch.where(better, epoch, self.epoch)
        self.weights = torch.where(better.to(weights.device)[..., None], weights, self.weights)

    def final(self, epoch: int) -> bool:
        """Whether no lane would take a later epoch."""
        return bool((epoch - self.epoch >= PATIENCE).all())

    def of(self, seed: int) -> Pretrained:
        """The seed's best learning rate."""
        rate = int(self.error[seed].argmin())
        epoch = int(self.epoch[seed, rate])
        return Pretrained(
            self.weights[seed, rate].clone(),
            LEARNING_RATES[rate],
            float(self.error[seed, rate]),
            epoch,
            MAX_EPOCHS - epoch < PATIENCE,
        )


def _batches(origins: range, orders: Sequence[np.random.Generator]) -> Iterator[np.ndarray]:
    """Origins [S, B] of each batch of an epoch; the last, smaller batch is kept."""
    shuffled = np.stack([order.permutation(np.asarray(origins)) for order in orders])
    for start in range(0, len(origins), BATCH):
        yield shuffled[:, start : start + BATCH]


class _Training:
    """Weights and moments [S, R, P] of all seeds and learning rates, and one step on them."""

    def __init__(self, backbones: Sequence[nn.Module], stream: CausalStream) -> None:
        self.module = backbones[0].train()
        self.stream = stream
        self.seeds = list(range(len(backbones)))
        start = torch.stack([flatten(b).detach() for b in backbones])
        self.weights = start[:, None].repeat(1, len(LEARNING_RATES), 1)
        self.first = torch.zeros_like(self.weights)
        self.second = torch.zeros_like(self.weights)
        self.taken = torch.zeros((), dtype=torch.int64, device=start.device)
        self.rates = torch.tensor(LEARNING_RATES, device=start.device)[None, :, None]
        self._gradient = vmap(vmap(grad(self._loss), (0, None, None)), (0, 0, 0))

    def _forecast(self, weights: Tensor, windows: Tensor) -> Tensor:
        named = unflatten(self.module, weights)
        forecast: Tensor = functional_call(self.module, named, (windows,))
        return forecast

    def _loss(self, weights: Tensor, windows: Tensor, targets: Tensor) -> Tensor:
        return squared_error(self._forecast(weights, windows), targets).mean()

    def step(self, origins: np.ndarray) -> None:
        """One Adam step of every lane on the batch of its seed."""
        windows, targets = self._gather(origins)
        with torch.no_grad():
            gradient = self._gradient(self.weights, windows, targets)
            self.weights, self.first, self.second, self.taken = adam_step(
                self.weights, gradient, self.first, self.second, self.taken, self.rates
            )

    def _gather(self, origins: np.ndarray) -> tuple[Tensor, Tensor]:
        """Windows [S, B, L, C] and targets [S, B, H, C] of each seed's own origins."""
        rows = self.stream.rows.expand(len(self.seeds), -1, -1)
        at = torch.from_numpy(origins)[..., None]
        lane = torch.arange(len(self.seeds))[:, None, None]
        back = torch.arange(1 - self.stream.lookback, 1)
        ahead = torch.arange(1, self.stream.horizon + 1)
        return rows[lane, at + back], rows[lane, at + ahead]

    def evaluate(self, origins: Sequence[int]) -> Tensor:
        """Mean squared error [S, R] of every lane over the origins, on the CPU."""
        total = torch.zeros(self.weights.shape[:2], dtype=torch.float64)
        forecast = vmap(vmap(self._forecast, (0, None)), (0, 0))
        self.module.eval()
        with torch.no_grad():
            for start in range(0, len(origins), EVALUATION_BATCH):
                part = origins[start : start + EVALUATION_BATCH]
                windows = self.stream.windows(part, self.seeds)
                truth = self.stream.targets(part, self.seeds).transpose(0, 1)
                error = squared_error(
                    forecast(self.weights, windows),
                    truth[:, None].expand(-1, len(LEARNING_RATES), -1, -1, -1),
                )
                total += error.double().sum(-1).cpu()
        self.module.train()
        return total / len(origins)
