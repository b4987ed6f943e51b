"""All weights that learn online, called with weights from one flat vector per part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from memories.adam import flatten
from memories.forecasters.hmem.chrc import CHRC
from memories.forecasters.hmem.fusion import FusionGate
from memories.forecasters.hmem.snma import SNMA

R = TypeVar("R")
Part = Literal["snma", "chrc", "fusion", "backbone"]


class Adapter(nn.Module):
    """The parts whose weights are state, and how they are called with other weights.

    Attributes:
        snma: Generates low-rank weights from the newest rows; None without it, as all parts.
        chrc: Corrects a forecast by remembered errors.
        fusion: Scales the correction.
        backbone: The backbone, if it learns too.
    """

    snma: SNMA | None
    chrc: CHRC | None
    fusion: FusionGate | None
    backbone: nn.Module | None

    def __init__(self) -> None:
        super().__init__()
        self.snma = self.chrc = self.fusion = self.backbone = None
        self._layout: dict[str, list[tuple[str, tuple[int, ...]]]] = {}
        self._lengths: dict[str, list[int]] = {}

    def add(self, name: Part, part: nn.Module) -> None:
        """Take in a part."""
        setattr(self, name, part)
        named = list(part.named_parameters(prefix=name))
        self._layout[name] = [(path, tuple(parameter.shape)) for path, parameter in named]
        self._lengths[name] = [parameter.numel() for _, parameter in named]

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts there are, in the order in which they were taken in."""
        return tuple(self._layout)

    def vectors(self) -> dict[str, Tensor]:
        """The initial weights [P] of each part."""
        return {name: flatten(self.get_submodule(name)).detach() for name in self._layout}

    def run(self, vectors: Mapping[str, Tensor], call: Callable[[Adapter], R]) -> R:
        """What `call` returns for this module with the weights [P] of each part."""
        named = self._named(vectors)
        tied = self.backbone is not None  # no other part has shared weights to search for
        result: R = functional_call(self, named, (call,), tie_weights=tied)
        return result

    def _named(self, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The vectors cut into named weights, as views."""
        named = {}
        for part, vector in vectors.items():
            pieces = torch.split(vector, self._lengths[part])
            for piece, (path, shape) in zip(pieces, self._layout[part], strict=True):
                named[path] = piece.view(shape)
        return named

    def forward(self, call: Callable[[Adapter], R]) -> R:
        """What `call` makes of the parts; `functional_call` reaches `forward` alone."""
        return call(self)
