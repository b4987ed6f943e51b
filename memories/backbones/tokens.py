"""Backbones that take memory tokens, and the model that one of them forms with a memory."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from inspect import signature

import torch
from torch import Tensor, nn
from typing_extensions import override

from bench import registry
from memories.backbones.base import Backbone, Training
from memories.backbones.layers import linear
from memories.base import BackboneSlot, InvalidParameter, State, TokenMemory

Addend = Callable[[Tensor], Tensor | None]
"""Maps hidden states [B, N, C, d] to what is added to the forecast, [B, C, H], or None."""


def tried(parameter: str, choice: BackboneSlot, **sizes: int) -> nn.Module:
    """The chosen backbone built once, so that a wrong choice is told before anything runs.

    Args:
        parameter: What the choice was given for.
        choice: Name and parameters.
        sizes: Channels, lookback and horizon.

    Raises:
        InvalidParameter: If the backbone refuses a parameter of its own or a size.
    """
    build = registry.get("backbone", choice.name).cls
    given = {**sizes, "generator": torch.Generator()}
    taken = {name: given[name] for name in signature(build).parameters if name in given}
    try:
        built: nn.Module = build(**taken, **choice.params)
    except InvalidParameter as wrong:
        message = f"{wrong.parameter} of {choice.name} {wrong.message}"
        raise InvalidParameter(parameter, message, wrong.help) from wrong
    return built


class TokenBackbone(Backbone):
    """A backbone with an encoder that other tokens can be put in front of.

    Attributes:
        token_dim: Width d of its tokens.
    """

    token_dim: int

    @abstractmethod
    def with_tokens(
        self,
        windows: Tensor,
        tokens: Tensor,
        training: Training | None = None,
        addend: Addend | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Forecasts [B, H, C] of windows [B, L, C], and hidden states [B, N, C, d].

        Memory tokens come first in the encoder's sequence, carry no position, and are left out of
        the hidden states, which are what the encoder's last layer made of its N own positions.

        Args:
            windows: [B, L, C].
            tokens: [M, d] for all windows, or [B, M, d]; M may be 0.
            training: Dropout and batch statistics; None in evaluation.
            addend: What is added to the forecast in the units of the normalised window, [B, C, H],
                from the hidden states; None for nothing.
        """

    @override
    def forward(self, windows: Tensor, training: Training | None = None) -> Tensor:
        """Forecasts [B, H, C] of windows [B, L, C], without memory tokens."""
        none = windows.new_zeros(0, self.token_dim)
        return self.with_tokens(windows, none, training)[0]


class WithoutTokens(TokenBackbone):
    """A backbone that takes no tokens, in the place of one that does; its hidden states are zeros.

    Args:
        backbone: What forecasts.
    """

    token_dim = 1

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    @override
    def with_tokens(
        self,
        windows: Tensor,
        tokens: Tensor,
        training: Training | None = None,
        addend: Addend | None = None,
    ) -> tuple[Tensor, Tensor]:
        trained = isinstance(self.backbone, Backbone)
        given = (windows, training) if trained else (windows,)
        return self.backbone(*given), windows.new_zeros(len(windows), 1, windows.shape[-1], 1)


class TokenModel(Backbone):
    """An encoder and the memory whose tokens it takes, as one module to be trained.

    Args:
        encoder: What forecasts.
        memory: What remembers; its weights are trained with the encoder's.
        horizon: H.
        generator: Draws the map from pooled hidden states to the forecast, for memories that have
            `pooled` ones.
    """

    def __init__(
        self,
        encoder: TokenBackbone,
        memory: TokenMemory,
        horizon: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.encoder, self.memory = encoder, memory
        held = next(iter(memory.init_state().values()))
        probe = torch.zeros(1, 1, 1, encoder.token_dim, device=held.device)
        reads = memory.pooled(probe) is not None
        self.readout = linear(encoder.token_dim, horizon, generator) if reads else None

    @override
    def forward(self, windows: Tensor, training: Training | None = None) -> Tensor:
        """Forecasts [B, H, C] with the tokens of an empty memory."""
        return self.forecast(windows, self.memory.snapshot(self.memory.init_state()), training)[0]

    def forecast(
        self, windows: Tensor, snapshot: State, training: Training | None = None
    ) -> tuple[Tensor, Tensor]:
        """Forecasts [B, H, C] and hidden states [B, N, C, d] of windows [B, L, C].

        Args:
            windows: [B, L, C].
            snapshot: `TokenMemory.snapshot` of one state for all windows, or of B states, stacked.
            training: Dropout and batch statistics; None in evaluation.
        """
        tokens = self.memory.tokens_from(snapshot, training)
        return self.encoder.with_tokens(windows, tokens, training, self._addend)

    def _addend(self, hidden: Tensor) -> Tensor | None:
        pooled = self.memory.pooled(hidden)
        return None if pooled is None or self.readout is None else self.readout(pooled)
