"""Drift adapters with random weights, and the same weights layer by layer."""

from __future__ import annotations

import torch

from memories.forecasters.online.drift_adapter import DriftAdapter
from memories.forecasters.online.modulation import Modulation
from tests.memories.forecasters.online.walks import generator
from tests.reference.proceed import Adapter


def trained_at_random(adapter: DriftAdapter, scale: float = 0.2, seed: int = 7) -> DriftAdapter:
    """The adapter with V and v drawn, which are zero before training."""
    rng = generator(seed)
    with torch.no_grad():
        for parameter in (*adapter.generator.expand, adapter.generator.offsets):
            parameter.copy_(scale * torch.randn(parameter.shape, generator=rng))
    return adapter


def reference_adapter(adapter: DriftAdapter, modulation: Modulation) -> Adapter:
    """The same tensors, or views of them, by layer."""
    generated = adapter.generator
    up = {}
    for matrices, run in zip(generated.expand, _runs(adapter, modulation), strict=True):
        names = list(dict.fromkeys(layer.sharing for layer in run))
        up |= {layer.name: matrices[names.index(layer.sharing)] for layer in run}
    groups = list(dict.fromkeys(layer.sharing for layer in modulation.layers))
    sizes = [layer.size for layer in modulation.layers]
    offsets = torch.split(generated.offsets, sizes)
    return Adapter(
        window=tuple(adapter.window_concept.parameters()),
        pair=tuple(adapter.pair_concept.parameters()),
        down={
            layer.name: (generated.reduce[groups.index(layer.sharing)], generated.shift[i])
            for i, layer in enumerate(modulation.layers)
        },
        up=up,
        offset={a.name: v for a, v in zip(modulation.layers, offsets, strict=True)},
    )


def _runs(adapter: DriftAdapter, modulation: Modulation) -> list:
    """Layers by the matrix stack that generates their scales."""
    rest = list(modulation.layers)
    runs = []
    for count, _ in adapter.generator.runs:
        runs.append(rest[:count])
        rest = rest[count:]
    return runs
