"""Token models of several seeds, stacked: weights, Adam's moments and memory states of each.

Every lane is an optimiser and a memory of its own and no reduction crosses lanes, so that lanes
trained together equal single runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.utils import _pytree as pytree

from memories.adam import adam_step, flatten, unflatten
from memories.backbones.base import Training
from memories.backbones.graph_size import GRAPH_BYTES, graph_bytes
from memories.backbones.tokens import TokenModel
from memories.base import State

Noise = Callable[[int], torch.Generator]
"""Source of a step's dropout; steps count from 0, through all epochs."""
BUFFER = "buffer/"
"""Prefix of a model's buffers among tensors that are kept."""


class _Calls(nn.Module):
    """Makes every method of a model reachable: `functional_call` only calls `forward`."""

    def __init__(self, model: TokenModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, method: Callable[..., Any], *given: Any) -> Any:
        """What the method returns for the model."""
        return method(self.model, *given)


class TokenLanes:
    """One lane per seed: its model, and the steps that train it.

    Args:
        models: Freshly initialised, one per seed; left as they are.
        learning_rate: That of all lanes.
        noise: Sources of dropout, one per seed.

    Attributes:
        numbers: Which of all lanes are still here [N], int64.
        weights: Of each [N, P].
        buffers: Of each, by name [N, ...].
    """

    def __init__(
        self, models: Sequence[TokenModel], learning_rate: float, noise: Sequence[Noise]
    ) -> None:
        lanes = [_Calls(model.eval()) for model in models]
        self.calls, self.model = lanes[0], models[0]
        self.learning_rate, self.noise = learning_rate, noise
        self.numbers = torch.arange(len(models))
        self.weights = torch.stack([flatten(lane).detach() for lane in lanes])
        self.first, self.second = torch.zeros_like(self.weights), torch.zeros_like(self.weights)
        named = [dict(lane.named_buffers()) for lane in lanes]
        self.buffers = {name: torch.stack([own[name] for own in named]) for name in named[0]}
        self._gradient = grad(self._loss, has_aux=True)
        self._chunk: int | None = None
        self._noise_sizes: dict[tuple[int, bool], int] = {}

    def tensors(self) -> dict[str, Tensor]:
        """All that changes in training, to be kept in a check-point."""
        own = {name: vars(self)[name] for name in ("numbers", "weights", "first", "second")}
        return own | {BUFFER + name: buffer for name, buffer in self.buffers.items()}

    def restore(self, kept: Mapping[str, Tensor]) -> None:
        """Go back to where `tensors` was taken, with copies: steps write into what lanes hold."""
        device = self.weights.device
        self.numbers = kept["numbers"].cpu()
        self.weights, self.first, self.second = (
            kept[name].to(device, copy=True) for name in ("weights", "first", "second")
        )
        self.buffers = {name: kept[BUFFER + name].to(device, copy=True) for name in self.buffers}

    def select(self, lanes: Tensor) -> None:
        """Keep only these lanes, by their place among those here [n], int64."""
        self.numbers = self.numbers[lanes]
        lanes = lanes.to(self.weights.device)
        self.weights = self.weights[lanes]
        self.first, self.second = self.first[lanes], self.second[lanes]
        self.buffers = {name: buffer[lanes] for name, buffer in self.buffers.items()}

    @torch.no_grad()
    def init_state(self) -> State:
        """The states [N, ...] of all memories before any pass."""
        state: State = self._map(lambda model: model.memory.init_state(), (), ())
        return {name: entry.contiguous() for name, entry in state.items()}

    @torch.no_grad()
    def snapshot(self, state: State) -> State:
        """Of each state the part that tokens are made from."""
        taken: State = self._map(lambda model, own: model.memory.snapshot(own), (state,), (0,))
        return taken

    @torch.no_grad()
    def forecast(self, windows: Tensor, snapshot: State) -> tuple[Tensor, Tensor]:
        """Forecasts [N, B, H, C] and hidden states [N, B, positions, C, d], in evaluation.

        Args:
            windows: [N, B, L, C], or [B, L, C] for all lanes.
            snapshot: One per lane.
        """
        shared = None if windows.dim() == 3 else 0
        made: tuple[Tensor, Tensor] = self._map(
            TokenModel.forecast, (windows, snapshot), (shared, 0)
        )
        return made

    @torch.no_grad()
    def absorb(self, state: State, hidden: Tensor) -> State:
        """The states after passes over B windows, hidden states [N, B, positions, C, d]."""
        after: State = self._map(
            lambda model, own, seen: model.memory.absorb_batch(own, seen), (state, hidden), (0, 0)
        )
        return after

    @torch.no_grad()
    def report(self, state: State) -> dict[str, Tensor]:
        """What each memory reports of itself, [N] by name."""
        told: dict[str, Tensor] = self._map(
            lambda model, own: dict(model.memory.report(own)), (state,), (0,)
        )
        return told

    def step(
        self,
        windows: Tensor,
        targets: Tensor,
        snapshots: State,
        picks: Tensor | None,
        *,
        step: int,
        share: float,
    ) -> Tensor | None:
        """One Adam step of every lane on a batch of its own.

        Args:
            windows: [N, B, L, C].
            targets: [N, B, H, C].
            snapshots: One per lane; with `picks` several, [N, n, ...].
            picks: Which of a lane's snapshots each window is given [N, B], int64.
            step: Steps taken before, by every lane.
            share: What multiplies the learning rate.

        Returns:
            Hidden states [N, B, positions, C, d] of the pass, where all windows share a snapshot.
        """
        hidden = []
        taken = torch.tensor(step, device=self.weights.device)
        for part in self._parts(windows[0]):
            own = {name: entry[part] for name, entry in snapshots.items()}
            chosen = None if picks is None else picks[part]
            given = (windows[part], targets[part], own, chosen)
            noise = self._drawn(part, step, given)
            with torch.no_grad():
                gradient, (statistics, seen) = self._differentiate(part, (*given, noise))
                weights, first, second, _ = adam_step(
                    self.weights[part], gradient, self.first[part], self.second[part], taken,
                    self.learning_rate * share,
                )  # fmt: skip
            self.weights[part], self.first[part], self.second[part] = weights, first, second
            for name, value in statistics.items():
                self.buffers[name][part] = value
            hidden.append(seen)
        return None if picks is not None else torch.cat(hidden)

    def _differentiate(self, part: slice, given: tuple[Any, ...]) -> Any:
        buffers = {name: buffer[part] for name, buffer in self.buffers.items()}
        arguments = (self.weights[part], buffers, *given)
        if not self.model.memory.vectorized:
            return _looped(self._gradient, arguments)
        axes = tuple(None if argument is None else 0 for argument in arguments)
        return vmap(self._gradient, in_dims=axes)(*arguments)

    def _loss(
        self,
        weights: Tensor,
        buffers: dict[str, Tensor],
        windows: Tensor,
        targets: Tensor,
        snapshots: State,
        picks: Tensor | None,
        noise: Tensor | None,
    ) -> tuple[Tensor, tuple[dict[str, Tensor], Tensor]]:
        """Mean squared error of a batch; what it made of the buffers, and of the windows."""
        training = Training(noise)
        own = snapshots
        if picks is not None:
            own = {name: entry.index_select(0, picks) for name, entry in snapshots.items()}
        named = unflatten(self.calls, weights)
        call = (TokenModel.forecast, windows, own, training)
        forecasts, hidden = functional_call(self.calls, (named, buffers), call)
        statistics = self.model.statistics(training)
        made = {f"model.{name}": value for name, value in statistics.items()}
        return (forecasts - targets).square().mean(), (made, hidden.detach())

    def _drawn(self, part: slice, step: int, given: tuple[Any, ...]) -> Tensor | None:
        """Dropout's random numbers [n, size] of the lanes in a part; None without dropout."""
        windows, _, _, picks = given
        shape = windows.shape[1], picks is None
        if shape not in self._noise_sizes:
            self._noise_sizes[shape] = self._noise_size(given)
        if not (size := self._noise_sizes[shape]):
            return None
        return torch.stack([self._random(int(lane), step, size) for lane in self.numbers[part]])

    @torch.no_grad()
    def _noise_size(self, given: tuple[Any, ...]) -> int:
        """How many random numbers a pass of one lane takes."""
        windows, _, snapshots, picks = pytree.tree_map(
            lambda entry: entry[0] if torch.is_tensor(entry) else entry, given
        )
        if picks is not None:
            snapshots = {name: entry.index_select(0, picks) for name, entry in snapshots.items()}
        counting = Training()
        self.model.forecast(windows, snapshots, counting)
        return counting.used

    def _random(self, lane: int, step: int, size: int) -> Tensor:
        """Numbers of U(0, 1) [size], drawn where they are used: they are many."""
        generator, device = self.noise[lane](step), self.weights.device
        if device.type != generator.device.type:
            seed = generator.initial_seed()
            generator = torch.Generator(device)
            generator.manual_seed(seed)
        return torch.rand(size, generator=generator, device=device)

    def _parts(self, windows: Tensor) -> list[slice]:
        """The lanes that one call takes."""
        if self._chunk is None:
            self._chunk = max(1, GRAPH_BYTES // max(1, graph_bytes(self.model, windows)))
        lanes = len(self.numbers)
        return [slice(s, min(s + self._chunk, lanes)) for s in range(0, lanes, self._chunk)]

    def _map(
        self, method: Callable[..., Any], given: tuple[Any, ...], axes: tuple[int | None, ...]
    ) -> Any:
        """What a method of the model returns in every lane, stacked."""

        def one(weights: Tensor, buffers: dict[str, Tensor], _: Tensor, *own: Any) -> Any:
            named = unflatten(self.calls, weights)
            return functional_call(self.calls, (named, buffers), (method, *own))

        fixed = (self.weights, self.buffers, self.numbers.to(self.weights.device))
        if self.model.memory.vectorized:
            return vmap(one, in_dims=(0, 0, 0, *axes))(*fixed, *given)
        spread = [
            _spread(part, len(self.numbers), axis) for part, axis in zip(given, axes, strict=True)
        ]
        return _looped(one, (*fixed, *spread))


def _spread(part: Any, lanes: int, axis: int | None) -> Any:
    if axis is not None:
        return part
    return pytree.tree_map(lambda entry: entry.expand(lanes, *entry.shape), part)


def _looped(function: Callable[..., Any], given: tuple[Any, ...]) -> Any:
    """A function of every lane in turn, for memories whose maths vmap does not know."""
    lanes = given[0].shape[0]
    made = []
    for lane in range(lanes):
        own = pytree.tree_map(lambda x, at=lane: x[at] if torch.is_tensor(x) else x, given)
        made.append(function(*own))
    return pytree.tree_map(lambda *parts: torch.stack(parts), *made)
