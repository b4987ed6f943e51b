"""All weights that learn online, called with weights from one flat vector per part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeVar

from torch import Tensor, nn
from torch.func import functional_call

from memories.adam import Packing, flatten
from memories.forecasters.hmem.chrc import CHRC
from memories.forecasters.hmem.fusion import FusionGate
from memories.forecasters.hmem.snma import SNMA

R = TypeVar("R")
Part = Literal["snma", "chrc", "fusion", "backbone"]


class Adapter(nn.Module):
    """The parts whose weights are state, and how they are called with other weights.

    The backbone is here whether it learns or not: a module under two paths would be given its
    weights twice, and be left with the first of them when they are taken back.

    Args:
        backbone: What is adapted.

    Attributes:
        backbone: The same; a part only once it is taken in.
        snma: Generates low-rank weights from the newest rows; None without it, as all parts.
        chrc: Corrects a forecast by remembered errors.
        fusion: Scales the correction.
    """

    backbone: nn.Module
    snma: SNMA | None
    chrc: CHRC | None
    fusion: FusionGate | None

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.snma = self.chrc = self.fusion = None
        self._paths: dict[str, list[str]] = {}
        self._packings: dict[str, Packing] = {}

    def add(self, name: Part, part: nn.Module) -> None:
        """Take in a part."""
        setattr(self, name, part)
        self._paths[name] = [path for path, _ in part.named_parameters(prefix=name)]
        self._packings[name] = Packing.of(part)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts there are, in the order in which they were taken in."""
        return tuple(self._paths)

    def vectors(self) -> dict[str, Tensor]:
        """The initial weights [P] of each part."""
        return {name: flatten(self.get_submodule(name)).detach() for name in self._paths}

    def run(self, vectors: Mapping[str, Tensor], call: Callable[[Adapter], R]) -> R:
        """What `call` returns for this module with the weights [P] of each part."""
        named = self._named(vectors)
        tied = "backbone" in self._paths  # no other part has shared weights to search for
        result: R = functional_call(self, named, (call,), tie_weights=tied)
        return result

    def _named(self, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The vectors cut into named weights, as views."""
        named: dict[str, Tensor] = {}
        for part, vector in vectors.items():
            pieces = self._packings[part].unpack(vector)
            named |= dict(zip(self._paths[part], pieces, strict=True))
        return named

    def forward(self, call: Callable[[Adapter], R]) -> R:
        """What `call` makes of the parts; `functional_call` reaches `forward` alone."""
        return call(self)
