"""Cases whose slow weights stand where training might have left them.

Layers that start at zero hide whatever lies behind them: an untrained memory would pass every
test with half of its equations wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from bench import registry
from bench.reading import values
from memories.base import AssociativeMemory
from tests.memories.case import Case, build, generator


def moved(memory: AssociativeMemory, seed: int, distance: float) -> AssociativeMemory:
    """The memory with `distance` N(0, 1) added to every slow weight."""
    rng = generator(900 + seed)
    with torch.no_grad():
        for weights in memory.parameters():
            weights.add_(distance * torch.randn(weights.shape, generator=rng))
    return memory


@dataclass(frozen=True)
class Trained(Case):
    """A memory away from its initial weights, with a memory in its slot where it has one.

    Attributes:
        distance: Standard deviation of what is added to each slow weight.
        inner: Name and parameters of the memory in the slot ``memory``; None for its default.
    """

    distance: float = 0.1
    inner: tuple[str, tuple[tuple[str, object], ...]] | None = None

    @property
    def id(self) -> str:
        inner = "" if self.inner is None else f"-{self.inner[0]}"
        return f"{super().id}{inner}-trained"

    def build(self, seed: int = 0, dtype: torch.dtype = torch.float32) -> AssociativeMemory:
        params = dict(self.params)
        if self.inner is not None:
            name, own = self.inner
            settings = {"memory": {"name": name, "params": dict(own)}}
            entry = registry.get("memory", self.name)
            resolved, wrong = values.resolve(entry, settings)
            assert not wrong
            params["memory"] = values.arguments(entry, resolved)["memory"]
        return moved(build(self.name, seed, **params), seed, self.distance).to(dtype)


def lane_gradients(
    memories: Sequence[AssociativeMemory], loss: Callable[[AssociativeMemory], Tensor]
) -> dict[str, Tensor]:
    """Gradients [S, ...] of a loss by the slow weights of S memories, in one vmapped call."""

    class Loss(nn.Module):
        def __init__(self, memory: AssociativeMemory) -> None:
            super().__init__()
            self.memory = memory

        def forward(self) -> Tensor:
            return loss(self.memory)

    losses = [Loss(memory) for memory in memories]
    stacked, buffers = stack_module_state(losses)
    gradients = vmap(grad(lambda p, b: functional_call(losses[0], (p, b), ())))(stacked, buffers)
    return {name.removeprefix("memory."): gradient for name, gradient in gradients.items()}


def reached(gradient: Tensor) -> bool:
    """Whether a gradient [S, ...] is finite, and not zero in any lane."""
    per_lane = gradient.reshape(gradient.shape[0], -1)
    return bool(per_lane.isfinite().all() and (per_lane.abs().amax(1) > 0).all())
