"""Low-rank updates of a frozen backbone's weights, read from one flat vector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from memories.base import InvalidParameter


@dataclass(frozen=True)
class Layer:
    """Where one adapted layer lies in the backbone and in the flat vector.

    Attributes:
        name: Dotted path of the module.
        weights: Dotted paths of its weight; several where layers share one tensor.
        kind: ``linear``, ``conv`` (kernel 1) or ``embedding``.
        inputs: Width of the input; of an embedding, its number of entries.
        outputs: Width of the output.
        group: Number of the group of layers of equal widths.
        a: Range of A [rank, inputs], row-major, in the flat vector.
        b: Range of B [outputs, rank], row-major, in the flat vector.
    """

    name: str
    weights: tuple[str, ...]
    kind: str
    inputs: int
    outputs: int
    group: int
    a: range
    b: range


@dataclass(frozen=True)
class Group:
    """Layers of equal widths, whose updates are one batched product.

    Attributes:
        layers: Positions in `Injection.layers`.
        inputs: Width of their inputs.
        outputs: Width of their outputs.
        a: Range of all their A, one after another.
        b: Range of all their B, one after another, right behind.
    """

    layers: tuple[int, ...]
    inputs: int
    outputs: int
    a: range
    b: range


class Injection:
    """Low-rank updates W + (alpha / rank) B A of a backbone's layers (Hu et al. 2021).

    Eligible are `Linear`, `Conv1d` with kernel 1, stride 1, no padding and one group, and
    `Embedding` without a norm limit, which would write to its weights. Layers come in the order of
    `named_modules`. A weight that several layers share is adapted once, and stays shared.

    The flat vector holds, group by group of equal widths, all A [rank, inputs] of the group and
    then all its B [outputs, rank]. Neither tensors nor modules are kept: injections of equal
    layout are equal, and one serves every lane.

    Args:
        backbone: The module whose layers are adapted.
        rank: Rows of A and columns of B.
        alpha: Scale of the update times `rank`.
        targets: Substrings; a layer is taken if its path contains one of them. None for all.

    Raises:
        InvalidParameter: If the rank is not positive, or no layer is eligible.

    Attributes:
        layers: One `Layer` per adapted weight.
        groups: One `Group` per pair of widths, in order of first appearance.
        size: Length T of the flat vector, the sum of rank (inputs + outputs).
    """

    def __init__(
        self,
        backbone: nn.Module,
        rank: int = 8,
        alpha: float = 16.0,
        targets: tuple[str, ...] | None = None,
    ) -> None:
        if rank < 1:
            raise InvalidParameter("rank", f"must be >= 1, got {rank}")
        self.rank, self.scale = rank, alpha / rank
        found = _eligible(backbone)
        taken = [entry for entry in found if targets is None or any(t in entry[0] for t in targets)]
        if not taken:
            raise _nothing_to_adapt(backbone, [entry[0] for entry in found], targets)
        self.layers, self.groups = _layout(taken, rank)
        self.size = self.groups[-1].b.stop

    @property
    def b_rows(self) -> tuple[range, ...]:
        """The ranges of the flat vector that hold the B, one per group."""
        return tuple(group.b for group in self.groups)

    def factors(self, flat: Tensor, name: str) -> tuple[Tensor, Tensor]:
        """A [rank, inputs] and B [outputs, rank] of the layer with that path, from flat [T].

        Raises:
            KeyError: If no such layer is adapted.
        """
        for layer in self.layers:
            if layer.name == name:
                a = flat[layer.a.start : layer.a.stop].view(self.rank, layer.inputs)
                return a, flat[layer.b.start : layer.b.stop].view(layer.outputs, self.rank)
        raise KeyError(name)

    def weights(self, backbone_params: Mapping[str, Tensor], flat: Tensor) -> dict[str, Tensor]:
        """The adapted weights by parameter name, in the shapes of the given ones.

        Per-sample updates are `torch.func.vmap` of this over flat.

        Args:
            backbone_params: At least the weights of the adapted layers.
            flat: [T].
        """
        adapted = {}
        for group in self.groups:
            n, rank = len(group.layers), self.rank
            a = flat[group.a.start : group.a.stop].view(n, rank, group.inputs)
            b = flat[group.b.start : group.b.stop].view(n, group.outputs, rank)
            updates = torch.bmm(b, a * self.scale).unbind()
            for position, update in zip(group.layers, updates, strict=True):
                layer = self.layers[position]
                weight = backbone_params[layer.weights[0]]
                turned = update.transpose(0, 1) if layer.kind == "embedding" else update
                adapted.update(dict.fromkeys(layer.weights, weight + turned.view(weight.shape)))
        return adapted

    def forecast(self, backbone: nn.Module, flat: Tensor | None, windows: Tensor) -> Tensor:
        """Forecasts [B, H, C] of windows [B, L, C] with the weights that flat [T] adapts.

        Args:
            backbone: The module this was made for, or one of the same structure.
            flat: [T]; None for the backbone as it is.
            windows: [B, L, C].
        """
        if flat is None:
            plain: Tensor = backbone(windows)
            return plain
        present = {
            layer.weights[0]: _parameter(backbone, layer.weights[0]) for layer in self.layers
        }
        # every name of a shared weight is given, so that torch need not search for ties
        adapted: Tensor = functional_call(
            backbone, self.weights(present, flat), (windows,), tie_weights=False
        )
        return adapted

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Injection) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[object, ...]:
        return (self.layers, self.rank, self.scale)


def _kind(module: nn.Module) -> tuple[str, int, int] | None:
    """Kind, inputs and outputs of an eligible layer."""
    if isinstance(module, nn.Linear):
        return "linear", module.in_features, module.out_features
    if isinstance(module, nn.Embedding) and module.max_norm is None:
        return "embedding", module.num_embeddings, module.embedding_dim
    if isinstance(module, nn.Conv1d):
        plain = (
            module.kernel_size == (1,)
            and module.stride == (1,)
            and module.padding in ((0,), "valid", "same")
            and module.groups == 1
        )
        if plain:
            return "conv", module.in_channels, module.out_channels
    return None


def _eligible(backbone: nn.Module) -> list[tuple[str, tuple[str, ...], str, int, int]]:
    """Path, names of the weight, kind, inputs and outputs of every eligible layer, in order."""
    names: dict[Tensor, list[str]] = {}
    for name, parameter in backbone.named_parameters(remove_duplicate=False):
        names.setdefault(parameter, []).append(name)
    found, seen = [], set()
    for path, module in backbone.named_modules():
        kind, weight = _kind(module), dict(module.named_parameters(recurse=False)).get("weight")
        if kind is not None and weight is not None and weight not in seen:
            seen.add(weight)
            found.append((path, tuple(names[weight]), *kind))
    return found


def _layout(
    taken: list[tuple[str, tuple[str, ...], str, int, int]], rank: int
) -> tuple[tuple[Layer, ...], tuple[Group, ...]]:
    """Layers and groups with their places in the flat vector."""
    members: dict[tuple[int, int], list[int]] = {}
    for position, (_, _, _, inputs, outputs) in enumerate(taken):
        members.setdefault((inputs, outputs), []).append(position)
    groups: list[Group] = []
    layers: dict[int, Layer] = {}
    start = 0
    for number, ((inputs, outputs), positions) in enumerate(members.items()):
        n, wide, high = len(positions), rank * inputs, rank * outputs
        a = range(start, start + n * wide)
        b = range(a.stop, a.stop + n * high)
        groups.append(Group(tuple(positions), inputs, outputs, a, b))
        for i, position in enumerate(positions):
            own_a = range(a.start + i * wide, a.start + (i + 1) * wide)
            own_b = range(b.start + i * high, b.start + (i + 1) * high)
            layers[position] = Layer(*taken[position], group=number, a=own_a, b=own_b)
        start = b.stop
    return tuple(layers[position] for position in range(len(taken))), tuple(groups)


def _parameter(module: nn.Module, name: str) -> Tensor:
    """A parameter by its dotted name, also where a lane put a plain tensor in its place."""
    path, _, own = name.rpartition(".")
    value: Tensor = getattr(module.get_submodule(path), own)
    return value


def _nothing_to_adapt(
    backbone: nn.Module, eligible: list[str], targets: tuple[str, ...] | None
) -> InvalidParameter:
    if eligible:
        return InvalidParameter(
            "targets",
            f"no layer that could be adapted has {' or '.join(map(repr, targets or ()))} in its "
            "path",
            f"the layers are {', '.join(map(repr, eligible))}",
        )
    modules = ", ".join(
        f"{path or 'itself'} ({type(module).__name__})"
        for path, module in backbone.named_modules()
        if next(module.children(), None) is None
    )
    return InvalidParameter(
        "targets",
        f"{type(backbone).__name__} has no layer that could be adapted: {modules}",
        "low-rank updates need torch.nn.Linear, Embedding or Conv1d of kernel 1 in the backbone",
    )
