"""Training episodes of the associative tasks: pairs, two interfering lists, reinstated contexts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize
from typing_extensions import override

from tasks.association.keys import orthogonal_to, unit_keys
from tasks.base import Curriculum, Episodes

LOADS = (4, 8, 16, 32)
"""Events of an episode; they take turns over the steps."""
CONTEXTS = 4
"""Contexts in which the same keys have different values."""
CONTEXT_NOISE = 0.1
"""Scatter of an event's context around its own."""


class AssociativeCurriculum(Curriculum):
    """Episodes of all associative tasks of one size, in turn.

    - pairs: distinct keys, each queried;
    - lists: two lists whose partner keys have a cosine drawn from [0, 1), both queried;
    - contexts: the same keys in four contexts with four values, queried with the context; only
      for tasks that have contexts.

    Values are random unit vectors, so that no codebook of a scored episode is ever seen.

    Args:
        key_dim: D.
        value_dim: V.
        context_dim: Width of contexts, 0 for none.
    """

    def __init__(self, key_dim: int, value_dim: int, context_dim: int = 0) -> None:
        self.key_dim, self.value_dim, self.context_dim = key_dim, value_dim, context_dim
        self.kinds = ["pairs", "lists", *(["contexts"] if context_dim else [])]

    @override
    def identity(self) -> dict[str, Any]:
        return {
            "curriculum": "associative",
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "context_dim": self.context_dim,
        }

    @override
    def training(self, step: int, n: int, generator: torch.Generator) -> Episodes:
        turn, kind = divmod(step, len(self.kinds))
        return self._draw(self.kinds[kind], LOADS[turn % len(LOADS)], n, generator)

    @override
    def validation(self, n: int, generator: torch.Generator) -> list[Episodes]:
        groups = [(kind, load) for kind in self.kinds for load in LOADS]
        each = max(1, n // len(groups))
        return [self._draw(kind, load, each, generator) for kind, load in groups]

    def _draw(self, kind: str, load: int, n: int, generator: torch.Generator) -> Episodes:
        """Episodes of `load` events."""
        values = self._unit(n, load, self.value_dim, generator=generator)
        if kind == "contexts":
            return self._contexts(load, values, generator)
        if kind == "pairs":
            keys = self._unit(n, load, self.key_dim, generator=generator)
        else:
            keys = self._two_lists(n, load, generator)
        return Episodes(keys, values, keys, values)

    def _two_lists(self, n: int, load: int, generator: torch.Generator) -> Tensor:
        """Keys [n, load, D]: a list, then partners at one cosine per episode."""
        first = unit_keys(generator, n * (load // 2), self.key_dim)
        beside = orthogonal_to(generator, first).reshape(n, load // 2, self.key_dim)
        first = first.reshape(n, load // 2, self.key_dim)
        cosine = torch.rand(n, 1, 1, generator=generator)
        second = cosine * first + (1 - cosine * cosine).sqrt() * beside
        return torch.cat([first, second], dim=1)

    def _contexts(self, load: int, values: Tensor, generator: torch.Generator) -> Episodes:
        """Each of load/4 keys once in each of four contexts, in random order."""
        n, n_keys = values.shape[0], load // CONTEXTS
        own = self._unit(n, CONTEXTS, self.context_dim, generator=generator)
        keys = self._unit(n, n_keys, self.key_dim, generator=generator).repeat(1, CONTEXTS, 1)
        cues = own.repeat_interleave(n_keys, dim=1)
        order = torch.rand(n, load, generator=generator).argsort(dim=1)[..., None]
        keys = keys.gather(1, order.expand(-1, -1, self.key_dim))
        cues = cues.gather(1, order.expand(-1, -1, self.context_dim))
        noise = torch.randn(cues.shape, generator=generator) / self.context_dim**0.5
        contexts = normalize(cues + CONTEXT_NOISE * noise, dim=-1)
        return Episodes(keys, values, keys, values, contexts, cues)

    def _unit(self, *shape: int, generator: torch.Generator) -> Tensor:
        return normalize(torch.randn(*shape, generator=generator), dim=-1)
