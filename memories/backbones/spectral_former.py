"""SpectralFormer: a Transformer over the steps of one channel, with room for memory tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, NamedTuple

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn
from typing_extensions import override

from bench.registry import backbone
from memories.backbones.base import Training
from memories.backbones.layers import dropped, linear
from memories.backbones.memory_tokens import in_front, with_addend
from memories.backbones.pre_norm import PreNormLayer
from memories.backbones.revin import RevIN
from memories.backbones.tokens import Addend, TokenBackbone
from memories.base import InvalidParameter

Size = Annotated[int, Ge(1)]

POSITION_SPREAD = 0.02
"""Positions start as N(0, 0.02^2)."""


class _Preset(NamedTuple):
    """What a size sets; see the parameters of the same names."""

    width: int
    heads: int
    feedforward: int
    layers: int
    patch: int


PRESETS: Mapping[str, _Preset] = {
    "small": _Preset(width=64, heads=4, feedforward=128, layers=2, patch=8),
    "small-steps": _Preset(width=64, heads=4, feedforward=128, layers=2, patch=1),
    "paper": _Preset(width=512, heads=8, feedforward=2048, layers=2, patch=1),
}


@backbone("spectral-former", source="Marquez 2025")
class SpectralFormer(TokenBackbone):
    """One linear map of all steps of a channel after they attended to each other and to memory.

    Each channel alone: u = RevIN(x); N = L / patch patches of u, side by side, become tokens
    z_i = W u_i + b + pos_i; M memory tokens come in front of them, without a position; encoder
    layers that normalise before each half, without a mask and without a last normalisation, refine
    all M + N; the forecast is one linear map of the N own tokens, in the window's units again.

    Presets: `paper` is the published size, a token per step; `small` and `small-steps` are sizes
    for a processor, with patches of 8 steps and with a token per step. The parameters whose default
    is null are set by the preset.

    Args:
        channels: C.
        lookback: L, a multiple of the patch.
        horizon: H.
        preset: Sizes that the other parameters start from.
        width: Features d of a token.
        heads: Attention heads; they divide the width.
        feedforward: Width of the hidden layer after attention.
        layers: Encoder layers.
        patch: Rows of a patch.
        dropout: Rate on tokens, attention weights, what attention returns and the feed-forward
            part.
        generator: Draws all weights: linear maps U(+-1/sqrt(inputs)), positions N(0, 0.02^2).

    Raises:
        InvalidParameter: If the patch does not divide the lookback or the heads do not divide the
            width.
    """

    head: ClassVar[str | None] = "projection"

    def __init__(
        self,
        channels: int,
        lookback: int,
        horizon: int,
        *,
        preset: Literal["small", "small-steps", "paper"] = "small",
        width: Size | None = None,
        heads: Size | None = None,
        feedforward: Size | None = None,
        layers: Size | None = None,
        patch: Size | None = None,
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.1,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        sizes = PRESETS[preset]
        self.token_dim = width or sizes.width
        self.patch = patch or sizes.patch
        if lookback % self.patch:
            raise InvalidParameter(
                "patch",
                f"must divide the lookback ({lookback}), got {self.patch}",
                help="set a patch that divides it, or look back a multiple of the patch",
            )
        self.dropout = dropout
        self.revin = RevIN(channels)
        self.embedding = linear(self.patch, self.token_dim, generator)
        drawn = torch.empty(lookback // self.patch, self.token_dim)
        self.position = nn.Parameter(drawn.normal_(0, POSITION_SPREAD, generator=generator))
        self.layers = nn.ModuleList(
            PreNormLayer(
                self.token_dim,
                heads or sizes.heads,
                feedforward or sizes.feedforward,
                dropout=dropout,
                generator=generator,
            )
            for _ in range(layers or sizes.layers)
        )
        self.projection = linear(self.position.numel(), horizon, generator)

    @override
    def with_tokens(
        self,
        windows: Tensor,
        tokens: Tensor,
        training: Training | None = None,
        addend: Addend | None = None,
    ) -> tuple[Tensor, Tensor]:
        normal, moments = self.revin.normalise(windows.transpose(-1, -2))
        sequences = in_front(tokens, self._embedded(normal, training))
        own = self._encoded(sequences, tokens.shape[-2], training)
        leads = self.projection(own.flatten(-2).flatten(0, 1)).view(*normal.shape[:2], -1)
        hidden = own.transpose(1, 2)
        leads = with_addend(leads, hidden, addend)
        return self.revin.denormalise(leads, moments).transpose(-1, -2), hidden

    def _embedded(self, normal: Tensor, training: Training | None) -> Tensor:
        """Tokens [B, C, N, d] of normalised series [B, C, L]."""
        tokens: Tensor = self.embedding(normal.reshape(-1, self.patch))
        tokens = tokens.view(*normal.shape[:2], *self.position.shape) + self.position
        return dropped(tokens, self.dropout, training)

    def _encoded(self, sequences: Tensor, memory: int, training: Training | None) -> Tensor:
        """Own tokens [B, C, N, d] after all layers, of sequences [B, C, M + N, d]."""
        length, rows = sequences.shape[2], sequences.flatten(0, 2)
        *lower, last = self.layers
        for layer in lower:
            rows = layer(rows, length, 0, training)
        # nothing is made of what the last layer would make of memory tokens
        own: Tensor = last(rows, length, memory, training)
        return own.view(*sequences.shape[:2], *self.position.shape)
