"""Letting low-rank updates that have proved useful sink into the backbone's weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from memories.base import State
from memories.forecasters.hmem.lora import Injection

RATE = 0.01
"""Share of a low-rank update that one consolidation takes over."""
LIMIT = 0.1
"""Largest norm of what was taken over, as a share of the layer's norm."""
MOMENTUM = 0.99
"""Of the running mean of what adaptation gained."""
NORM_EPS = 1e-12


class Consolidation(nn.Module):
    """A lasting shift of each adapted weight, fed by the updates that paid off.

    Every `every` forecasts, where the running mean of MSE(backbone) - MSE(adapted) over revealed
    targets is positive, and for every adapted layer: shift <- shift + 0.01 s B A, scaled down to
    a Frobenius norm of at most 0.1 ||W||. Backbone and adapted forecasts both use W + shift.

    State: ``shift``, the shifts of all layers as one vector, and ``gain``, the running mean.

    Args:
        backbone: Whose layers are adapted.
        injection: The adapted layers.
        every: Forecasts between two consolidations.
    """

    def __init__(self, backbone: nn.Module, injection: Injection, every: int) -> None:
        super().__init__()
        self.injection, self.every = injection, every
        weights = dict(backbone.named_parameters())
        self._shapes = {
            layer.weights: weights[layer.weights[0]].shape for layer in injection.layers
        }
        self._lengths = [shape.numel() for shape in self._shapes.values()]

    def init_state(self, device: torch.device) -> dict[str, Tensor]:
        """No shift and no gain."""
        return {
            "shift": torch.zeros(sum(self._lengths), device=device),
            "gain": torch.zeros((), device=device),
        }

    def forecast(
        self, backbone: nn.Module, shift: Tensor, flat: Tensor | None, windows: Tensor
    ) -> Tensor:
        """Forecasts [B, H, C] of windows [B, L, C] with the shifted weights, adapted by flat [T].

        Args:
            backbone: The frozen module.
            shift: Entry of the state.
            flat: Low-rank weights; None for the shifted backbone alone.
            windows: [B, L, C].
        """
        present = self._shifted(backbone, shift)
        weights = present if flat is None else self.injection.weights(present, flat)
        result: Tensor = functional_call(backbone, weights, (windows,), tie_weights=False)
        return result

    def credit(self, state: State, gain: Tensor, complete: Tensor) -> dict[str, Tensor]:
        """The state after a target was revealed.

        Args:
            state: Entries of `init_state`.
            gain: MSE(backbone) - MSE(adapted) on it; counts only where finite.
            complete: Whether there was a forecast of that target.
        """
        mean = torch.lerp(state["gain"], gain, 1 - MOMENTUM)
        counts = complete & gain.isfinite()
        return {**state, "gain": torch.where(counts, mean, state["gain"])}

    def absorb(
        self, state: State, backbone: nn.Module, flat: Tensor, enable: Tensor
    ) -> dict[str, Tensor]:
        """The state after a consolidation of the update that flat [T] makes.

        Args:
            state: Entries of `init_state`.
            backbone: The frozen module.
            flat: Low-rank weights just used.
            enable: Whether it is time for one.
        """
        present = self._shifted(backbone, state["shift"])
        updated = self.injection.weights(present, flat)
        original = dict(backbone.named_parameters())
        shifts = []
        for names in self._shapes:
            name = names[0]
            shift = present[name] - original[name] + RATE * (updated[name] - present[name])
            norms = [x.square().sum().sqrt() for x in (original[name], shift)]
            shifts.append(
                (shift * (LIMIT * norms[0] / (norms[1] + NORM_EPS)).clamp(max=1)).flatten()
            )
        useful = enable & (state["gain"] > 0) & flat.isfinite().all()
        return {**state, "shift": torch.where(useful, torch.cat(shifts), state["shift"])}

    def _shifted(self, backbone: nn.Module, shift: Tensor) -> dict[str, Tensor]:
        """W + shift by every name of each adapted weight."""
        original = dict(backbone.named_parameters())
        parts = torch.split(shift, self._lengths)
        shifted: dict[str, Tensor] = {}
        for part, (names, shape) in zip(parts, self._shapes.items(), strict=True):
            shifted.update(dict.fromkeys(names, original[names[0]] + part.view(shape)))
        return shifted
