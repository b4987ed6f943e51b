"""Backbones in training, stacked as lanes: weights, Adam's moments and buffers of each.

Every lane is an optimiser of its own and no reduction crosses lanes, so that lanes trained
together equal single runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from memories.adam import adam_step, flatten, unflatten
from memories.backbones.base import Backbone, Training
from memories.backbones.graph_size import GRAPH_BYTES, graph_bytes
from tasks.forecasting.stream import CausalStream, squared_error

EVALUATION_BATCH = 128
BUFFER = "buffer/"
"""Prefix of a backbone's buffers among tensors that are kept."""


@dataclass(frozen=True)
class Chance:
    """Where one seed's random numbers come from; the same at every learning rate.

    Attributes:
        order: The generator of an epoch's batch order; epochs count from 1.
        noise: The generator of a step's dropout; steps count from 0, through all epochs.
    """

    order: Callable[[int], np.random.Generator]
    noise: Callable[[int], torch.Generator]


class TrainingLanes:
    """One lane per seed and learning rate, seed-major, and the steps that train them.

    Args:
        backbones: Freshly initialised, one per seed.
        learning_rates: What every seed is trained at.
        stream: The scaled series, a lane per seed or one for all.
        chances: Sources of randomness, one per seed.

    Attributes:
        numbers: Which of all lanes are still here [N], int64.
        weights: Of each [N, P].
        buffers: Of each, by name [N, ...].
    """

    def __init__(
        self,
        backbones: Sequence[nn.Module],
        learning_rates: Sequence[float],
        stream: CausalStream,
        chances: Sequence[Chance],
    ) -> None:
        self.module = backbones[0]
        self.stream, self.chances = stream, chances
        self.per_seed = len(learning_rates)
        rates = torch.tensor(learning_rates, device=stream.rows.device)
        self.numbers = torch.arange(len(backbones) * self.per_seed)
        self.rates = rates.repeat(len(backbones))[:, None]
        self.weights = self._repeated([flatten(b).detach() for b in backbones])
        self.first, self.second = torch.zeros_like(self.weights), torch.zeros_like(self.weights)
        named = [dict(b.named_buffers()) for b in backbones]
        self.buffers = {name: self._repeated([own[name] for own in named]) for name in named[0]}
        self._gradient = vmap(grad(self._loss, has_aux=True))
        self._mapped_forecast = vmap(self._forecast)
        self._chunk: int | None = None
        self._noise_sizes: dict[int, int] = {}

    def _repeated(self, per_seed: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(per_seed)).repeat_interleave(self.per_seed, dim=0)

    def tensors(self) -> dict[str, Tensor]:
        """All that changes in training, to be kept in a check-point."""
        own = {name: vars(self)[name] for name in ("numbers", "weights", "first", "second")}
        return own | {BUFFER + name: buffer for name, buffer in self.buffers.items()}

    def restore(self, kept: Mapping[str, Tensor]) -> None:
        """Go back to where `tensors` was taken."""
        device = self.weights.device
        self.rates = self.rates[kept["numbers"].to(device)]
        self.numbers = kept["numbers"].cpu()
        self.weights, self.first, self.second = (
            kept[name].to(device) for name in ("weights", "first", "second")
        )
        self.buffers = {name: kept[BUFFER + name].to(device) for name in self.buffers}

    def keep(self, running: Tensor) -> None:
        """Drop the lanes that are not `running` [N]: they cost no more time."""
        if bool(running.all()):
            return
        left = running.nonzero()[:, 0]
        self.numbers = self.numbers[left]
        left = left.to(self.weights.device)
        self.rates, self.weights = self.rates[left], self.weights[left]
        self.first, self.second = self.first[left], self.second[left]
        self.buffers = {name: buffer[left] for name, buffer in self.buffers.items()}

    def step(self, origins: np.ndarray[Any, Any], step: int, share: float) -> None:
        """One Adam step of every lane on the batch of its seed.

        Args:
            origins: Of each seed's batch [S, B].
            step: Steps taken before, by every lane.
            share: What multiplies the learning rates.
        """
        # a `Backbone` is told by its `Training`; any other module has only torch's mode
        self.module.train(not isinstance(self.module, Backbone))
        windows, targets = self._gather(origins)
        size = self._noise_size(windows[0])
        taken = torch.tensor(step, device=self.weights.device)
        noise: dict[int, Tensor] = {}
        for part, seeds in self._chunks(windows[0]):
            noise = {
                s: noise[s] if s in noise else self._noise(s, step, size)
                for s in dict.fromkeys(seeds)
            }
            with torch.no_grad():
                gradient, statistics = self._gradient(
                    self.weights[part],
                    {name: buffer[part] for name, buffer in self.buffers.items()},
                    _rows(windows, seeds),
                    _rows(targets, seeds),
                    _rows(noise, seeds),
                )
                weights, first, second, _ = adam_step(
                    self.weights[part], gradient, self.first[part], self.second[part], taken,
                    self.rates[part] * share,
                )  # fmt: skip
            self.weights[part], self.first[part], self.second[part] = weights, first, second
            for name, value in statistics.items():
                self.buffers[name][part] = value

    def evaluate(self, origins: Sequence[int]) -> Tensor:
        """Mean squared error [N] of every lane over the origins, float64 on the CPU."""
        total = torch.zeros(len(self.numbers), dtype=torch.float64)
        self.module.eval()
        with torch.no_grad():
            for start in range(0, len(origins), EVALUATION_BATCH):
                batch = origins[start : start + EVALUATION_BATCH]
                for part, seeds in self._chunks(self.stream.windows(batch, [0])[0]):
                    forecasts = self._mapped_forecast(
                        self.weights[part],
                        {name: buffer[part] for name, buffer in self.buffers.items()},
                        self.stream.windows(batch, seeds),
                    )
                    truth = self.stream.targets(batch, seeds).transpose(0, 1)
                    total[part] += squared_error(forecasts, truth).double().sum(-1).cpu()
        return total / len(origins)

    def _forecast(self, weights: Tensor, buffers: dict[str, Tensor], windows: Tensor) -> Tensor:
        named = unflatten(self.module, weights)
        forecast: Tensor = functional_call(self.module, (named, buffers), (windows,))
        return forecast

    def _loss(
        self,
        weights: Tensor,
        buffers: dict[str, Tensor],
        windows: Tensor,
        targets: Tensor,
        noise: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean squared error of a batch, and what it made of the buffers."""
        if not isinstance(self.module, Backbone):
            return squared_error(self._forecast(weights, buffers, windows), targets).mean(), {}
        training = Training(noise)
        named = unflatten(self.module, weights)
        forecast = functional_call(self.module, (named, buffers), (windows, training))
        return squared_error(forecast, targets).mean(), self.module.statistics(training)

    def _chunks(self, windows: Tensor) -> list[tuple[slice, list[int]]]:
        """The lanes that one call takes, and their seeds."""
        if self._chunk is None:
            self._chunk = max(1, GRAPH_BYTES // max(1, graph_bytes(self.module, windows)))
        seeds = (self.numbers // self.per_seed).tolist()
        starts = range(0, len(seeds), self._chunk)
        return [(slice(s, s + self._chunk), seeds[s : s + self._chunk]) for s in starts]

    def _noise_size(self, windows: Tensor) -> int:
        """How many random numbers a lane takes for a batch of windows [B, L, C]."""
        if not isinstance(self.module, Backbone):
            return 0
        if len(windows) not in self._noise_sizes:
            self._noise_sizes[len(windows)] = self.module.noise_size(windows)
        return self._noise_sizes[len(windows)]

    def _noise(self, seed: int, step: int, size: int) -> Tensor:
        device = self.weights.device
        if not size:
            return torch.empty(0, device=device)
        return torch.rand(size, generator=self.chances[seed].noise(step)).to(device)

    def _gather(self, origins: np.ndarray[Any, Any]) -> tuple[Tensor, Tensor]:
        """Windows [S, B, L, C] and targets [S, B, H, C] of each seed's own origins."""
        device = self.stream.rows.device
        rows = self.stream.rows.expand(len(self.chances), -1, -1)
        at = torch.from_numpy(origins).to(device)[..., None]
        lane = torch.arange(len(self.chances), device=device)[:, None, None]
        back = torch.arange(1 - self.stream.lookback, 1, device=device)
        ahead = torch.arange(1, self.stream.horizon + 1, device=device)
        return rows[lane, at + back], rows[lane, at + ahead]


def _rows(of_seed: Tensor | Mapping[int, Tensor], seeds: Sequence[int]) -> Tensor:
    """What belongs to each lane's seed, stacked; of one lane without a copy."""
    if len(seeds) == 1:
        return of_seed[seeds[0]][None]
    return torch.stack([of_seed[seed] for seed in seeds])
