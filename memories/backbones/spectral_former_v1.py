"""The first published encoder of spectral memory: it forecasts by repeating its newest steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, NamedTuple

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn
from typing_extensions import override

from bench.registry import backbone
from memories.backbones.base import Training
from memories.backbones.encoder import EncoderLayer
from memories.backbones.layers import linear
from memories.backbones.memory_tokens import in_front, with_addend
from memories.backbones.patches import sinusoid
from memories.backbones.revin import RevIN
from memories.backbones.tokens import Addend, TokenBackbone
from memories.base import InvalidParameter

Size = Annotated[int, Ge(1)]

LABEL_LEN = 48
"""Newest tokens that are repeated, as published."""


class _Preset(NamedTuple):
    """What a size sets; see the parameters of the same names."""

    width: int
    heads: int
    feedforward: int
    layers: int


PRESETS: Mapping[str, _Preset] = {
    "small": _Preset(width=64, heads=4, feedforward=128, layers=2),
    "paper": _Preset(width=512, heads=8, feedforward=2048, layers=2),
}


@backbone("spectral-former-v1", source="Marquez 2025")
class SpectralFormerV1(TokenBackbone):
    """One linear map of each of the newest steps, repeated until the horizon is filled.

    u = RevIN(x); a row of u becomes one token, W u_l + b plus the sines of position M + l; M memory
    tokens come in front, without a position; encoder layers that normalise after each half, under
    a mask that hides later tokens, refine all; forecast step j is a linear map of the
    (j mod label_len)-th of the last `label_len` tokens, in the window's units again. So a forecast
    repeats itself every `label_len` steps. Channels are mixed from the first map on.

    Presets: `paper` is the published size, `small` one for a processor. The parameters whose
    default is null are set by the preset.

    Args:
        channels: C.
        lookback: L.
        horizon: H.
        preset: Sizes that the other parameters start from.
        width: Features d of a token.
        heads: Attention heads; they divide the width.
        feedforward: Width of the hidden layer after attention.
        layers: Encoder layers.
        label_len: Newest tokens that are repeated, at most L; null for the published 48, or for L
            where that is less.
        dropout: Rate on attention weights, on what attention returns and in the feed-forward part.
        generator: Draws all weights, U(+-1/sqrt(inputs)).

    Raises:
        InvalidParameter: If more tokens are to be repeated than there are, or the heads do not
            divide the width.
    """

    head: ClassVar[str | None] = "projection"

    def __init__(
        self,
        channels: int,
        lookback: int,
        horizon: int,
        *,
        preset: Literal["small", "paper"] = "small",
        width: Size | None = None,
        heads: Size | None = None,
        feedforward: Size | None = None,
        layers: Size | None = None,
        label_len: Size | None = None,
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.1,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.label_len = label_len or min(LABEL_LEN, lookback)
        if self.label_len > lookback:
            raise InvalidParameter(
                "label_len",
                f"must be <= lookback ({lookback}), got {label_len}",
                help="repeat fewer steps, or look back further",
            )
        sizes = PRESETS[preset]
        self.token_dim = width or sizes.width
        self.horizon = horizon
        self.revin = RevIN(channels)
        self.embedding = linear(channels, self.token_dim, generator)
        self.layers = nn.ModuleList(
            EncoderLayer(
                self.token_dim,
                heads or sizes.heads,
                feedforward or sizes.feedforward,
                norm="layer",
                dropout=dropout,
                attention_dropout=dropout,
                attended_dropout=dropout,
                generator=generator,
            )
            for _ in range(layers or sizes.layers)
        )
        self.projection = linear(self.token_dim, channels, generator)

    @override
    def with_tokens(
        self,
        windows: Tensor,
        tokens: Tensor,
        training: Training | None = None,
        addend: Addend | None = None,
    ) -> tuple[Tensor, Tensor]:
        normal, moments = self.revin.normalise(windows.transpose(-1, -2))
        own = self._encoded(normal, tokens, training)
        newest = self.projection(own[:, -self.label_len :])
        repeats = math.ceil(self.horizon / self.label_len)
        leads = newest.repeat(1, repeats, 1)[:, : self.horizon].transpose(-1, -2)
        hidden = own[:, :, None]
        leads = with_addend(leads, hidden, addend)
        return self.revin.denormalise(leads, moments).transpose(-1, -2), hidden

    def _encoded(self, normal: Tensor, tokens: Tensor, training: Training | None) -> Tensor:
        """Own tokens [B, L, d] of normalised series [B, C, L] after all layers."""
        batch, channels, lookback = normal.shape
        count = tokens.shape[-2]
        own: Tensor = self.embedding(normal.transpose(-1, -2).reshape(-1, channels))
        position = sinusoid(lookback, self.token_dim, start=count, device=own.device)
        own = own.view(batch, 1, lookback, self.token_dim) + position.to(own.dtype)
        sequences = in_front(tokens, own)
        rows, length = sequences.flatten(0, 2), count + lookback
        # added to a score, minus infinity leaves no weight for a later token
        later = own.new_full((length, length), -math.inf).triu(1)
        for layer in self.layers:
            rows, _ = layer(rows, length, later, training)
        return rows.view(batch, length, self.token_dim)[:, count:]
