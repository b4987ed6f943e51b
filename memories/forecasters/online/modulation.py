"""Scaled rows and columns of every linear map of a backbone, many layers per operation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from memories.adam import Packing
from memories.base import InvalidParameter, Unsuitable


class Layer(NamedTuple):
    """One modulated layer.

    Attributes:
        name: Path of the module in its backbone.
        weight: Shape of its weight: outputs, inputs and, of a convolution, kernel.
        biased: Whether it has a bias.
    """

    name: str
    weight: tuple[int, ...]
    biased: bool

    @property
    def parts(self) -> tuple[int, int, int]:
        """Numbers that scale rows, that scale columns, and that shift the bias."""
        outputs, inputs = self.weight[:2]
        return outputs, inputs, outputs if self.biased else 0

    @property
    def size(self) -> int:
        """Numbers that modulate the layer."""
        return sum(self.parts)

    @property
    def shape(self) -> tuple[tuple[int, ...], bool]:
        """What layers agree in that one operation can serve."""
        return self.weight, self.biased

    @property
    def sharing(self) -> tuple[str, tuple[int, ...], bool]:
        """Local name and size: layers that agree in it share what generates their scales."""
        return self.name.rpartition(".")[2], *self.shape


class Modulation:
    """The layout of a modulation: which numbers scale which layer of a backbone.

    Of each `nn.Linear` and `nn.Conv1d` with weight W and bias b it makes

        W' = (1 + a) W (1 + c),   b' = b + g,

    a per output, c per input (Zhao & Shen 2025). Layers of one shape lie side by side in every
    vector described here, so that one operation serves them all; among them those that share a
    generator, the groups of equal size together:

    - an adaptation [A]: of each layer in turn a, c and g;
    - the trained vector [P], a `Packing` of: the weights of modulated layers, shape by shape; all
      other parameters but the biases of modulated layers; an adaptation whose g already contains
      b. A bias and its g do the same thing; learning both would double the bias's rate, so g
      alone is learned.

    It holds no tensors and does not keep the backbone.

    Args:
        backbone: Module with at least one linear map.

    Raises:
        Unsuitable: If the backbone has no `nn.Linear` and no `nn.Conv1d`.
    """

    def __init__(self, backbone: nn.Module) -> None:
        found = [
            Layer(name, tuple(module.weight.shape), module.bias is not None)
            for name, module in backbone.named_modules()
            if isinstance(module, nn.Linear | nn.Conv1d)
        ]
        if not found:
            raise Unsuitable("the backbone has no nn.Linear or nn.Conv1d layer to modulate")
        sharing = [layer.sharing for layer in found]
        self.layers = tuple(
            sorted(
                found,
                key=lambda a: (*a.shape, sharing.count(a.sharing), sharing.index(a.sharing)),
            )
        )
        self.classes = tuple(tuple(same) for _, same in groupby(self.layers, key=lambda a: a.shape))
        self.size = sum(layer.size for layer in self.layers)
        own = {f"{layer.name}.{part}" for layer in self.layers for part in ("weight", "bias")}
        self.others = {
            name: tuple(p.shape) for name, p in backbone.named_parameters() if name not in own
        }
        weights = [sum(_numel(layer.weight) for layer in same) for same in self.classes]
        self.packing = Packing([*((n,) for n in weights), *self.others.values(), (self.size,)])
        self._blocks = [sum(layer.size for layer in same) for same in self.classes]

    def unit(self) -> Tensor:
        """What an adaptation is added to [A]: 1 where it scales, 0 where it shifts."""
        parts = [layer.parts for layer in self.layers]
        return torch.cat([torch.cat([torch.ones(a + c), torch.zeros(g)]) for a, c, g in parts])

    def start(self, backbone: nn.Module, offsets: Tensor) -> Tensor:
        """The trained vector [P] of the backbone's present weights and offsets [A]."""
        named = dict(backbone.named_parameters())
        weights = [
            torch.cat([named[f"{layer.name}.weight"].reshape(-1) for layer in same])
            for same in self.classes
        ]
        others = [named[name] for name in self.others]
        return self.packing.pack([*weights, *others, offsets + self._biases(named)])

    def _biases(self, named: Mapping[str, Tensor]) -> Tensor:
        """Every layer's bias in the place of its g [A], zeros elsewhere."""
        parts = []
        for layer in self.layers:
            scales, bias = sum(layer.parts[:2]), f"{layer.name}.bias"
            parts.append(named[f"{layer.name}.weight"].new_zeros(scales))
            parts += [named[bias]] if layer.biased else []
        return torch.cat(parts)

    def parameters(self, trained: Tensor, scales: Tensor) -> dict[str, Tensor]:
        """Every parameter of the modulated backbone by name, as `functional_call` takes them.

        Args:
            trained: [P].
            scales: What the offsets are added to [A]: `unit` plus a generated adaptation.
        """
        *parts, offsets = self.packing.unpack(trained)
        weights, others = parts[: len(self.classes)], parts[len(self.classes) :]
        blocks = torch.split(offsets + scales, self._blocks)
        named = dict(zip(self.others, others, strict=True))
        for same, weight, block in zip(self.classes, weights, blocks, strict=True):
            rows, columns, biases = torch.split(block.view(len(same), -1), [*same[0].parts], dim=1)
            kernel = (1,) * (len(same[0].weight) - 2)
            merged = (
                weight.view(len(same), *same[0].weight)
                * rows.reshape(len(same), -1, 1, *kernel)
                * columns.reshape(len(same), 1, -1, *kernel)
            )
            named |= {f"{a.name}.weight": w for a, w in zip(same, merged.unbind(), strict=True)}
            if same[0].biased:
                named |= {f"{a.name}.bias": b for a, b in zip(same, biases.unbind(), strict=True)}
        return named

    def require_samples_first(self, backbone: nn.Module, window: Tensor) -> None:
        """Try `per_sample` on two samples of one window [L, C], the first left as it is.

        Raises:
            InvalidParameter: If the backbone's layers do not see samples along their first axis,
                or are not called as modules.
        """
        adaptations = window.new_full((2, self.size), 0.1)
        adaptations[0] = 0
        offsets = adaptations[1]
        with torch.no_grad():
            with self.per_sample(backbone, adaptations):
                seen: Tensor = backbone(window.expand(2, -1, -1))
            unit = self.unit().to(window.device)
            for sample, offset in zip(seen, (offsets * 0, offsets), strict=True):
                named = self.parameters(self.start(backbone, offset), unit)
                alone = functional_call(backbone, named, (window[None],))[0]
                if (sample - alone).abs().max() > 1e-3 * alone.abs().max():
                    raise InvalidParameter(
                        "backbone",
                        "its linear layers do not take the samples of a batch along their first "
                        "axis, or are not called as modules",
                        "keep [B, ..] or [B k, ..] as the shape of what passes through them",
                    )

    @contextmanager
    def per_sample(self, backbone: nn.Module, adaptations: Tensor) -> Iterator[None]:
        """Within it, sample i of a batch passes through the backbone modulated by row i.

        Scales the inputs and outputs of layers instead of their weights, which is the same map.
        Layers must see the samples along their first axis: [B, ..] or [B k, ..], sample by sample.

        Args:
            backbone: The module that the layout was made of; called while the context is open.
            adaptations: [B, A].
        """
        own = torch.split(adaptations, [layer.size for layer in self.layers], dim=1)
        with ExitStack() as hooks:
            for layer, values in zip(self.layers, own, strict=True):
                module = backbone.get_submodule(layer.name)
                bias = module.get_parameter("bias") if layer.biased else None
                rows, columns, shifts = torch.split(values, [*layer.parts], dim=1)
                for handle in (
                    module.register_forward_pre_hook(_scale_inputs(columns)),
                    module.register_forward_hook(_scale_outputs(rows, shifts, bias)),
                ):
                    hooks.callback(handle.remove)
            yield


def _scale_inputs(columns: Tensor) -> Any:
    """A hook that multiplies a layer's inputs by 1 + c [B, I] of their sample."""

    def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        # a grouped convolution's weight has the columns of one group; all groups share them
        factors = 1 + columns.repeat(1, getattr(module, "groups", 1))
        return _by_sample(module, inputs[0], factors)

    return hook


def _scale_outputs(rows: Tensor, shifts: Tensor, bias: Tensor | None) -> Any:
    """A hook that makes of outputs W x + b those of (1 + a) W x + b + g of their sample."""

    def hook(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return _by_sample(module, output, 1 + rows, None if bias is None else shifts - rows * bias)

    return hook


def _by_sample(
    module: nn.Module, x: Tensor, factors: Tensor, shifts: Tensor | None = None
) -> Tensor:
    """Values [B k, ..] times factors [B, F] plus shifts [B, F] of their sample and feature."""
    features_and_after = x.shape[-1:] if isinstance(module, nn.Linear) else x.shape[-2:]
    ones = (1,) * (len(features_and_after) - 1)
    y = x.reshape(len(factors), -1, *features_and_after) * factors.view(len(factors), 1, -1, *ones)
    if shifts is not None:
        y = y + shifts.view(len(shifts), 1, -1, *ones)
    return y.reshape(x.shape)


def _numel(shape: tuple[int, ...]) -> int:
    return torch.Size(shape).numel()
