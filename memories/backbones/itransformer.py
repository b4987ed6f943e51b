"""iTransformer: a Transformer whose tokens are whole channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn

from bench.registry import backbone
from memories.backbones.base import Backbone, Training
from memories.backbones.encoder import EncoderLayer
from memories.backbones.layers import LayerNorm, dropped, linear
from memories.backbones.revin import RevIN, within

Size = Annotated[int, Ge(1)]

PRESETS: Mapping[str, tuple[int, int]] = {
    "ett": (128, 2),
    "etth1": (256, 2),
    "weather": (512, 3),
    "traffic": (512, 4),
}
"""Width of tokens and feed-forward layers, and number of layers."""


@backbone("itransformer", source="Liu et al. 2024")
class ITransformer(Backbone):
    """One linear map of each channel's token after the channels attended to each other.

    u = RevIN(x); the L rows of a channel become one token W u_c + b; encoder layers with layer
    normalisation let channels attend to each other; the forecast is a linear map of each
    channel's normalised token, in the window's units again.

    Presets are the sizes of Liu et al. (2024): width and feed-forward width 128 with 2 layers
    (`ett`), 256 with 2 (`etth1`), 512 with 3 (`weather`, also for electricity) and with 4
    (`traffic`). The parameters whose default is null are set by the preset.

    Args:
        channels: C.
        lookback: L.
        horizon: H.
        preset: Published sizes that the other parameters start from.
        width: Features d of a token.
        heads: Attention heads; they divide the width.
        feedforward: Width of the hidden layer after attention; the token's width in all presets.
        layers: Encoder layers.
        dropout: Rate on tokens, attention weights, what attention returns and the feed-forward
            part.
        revin: Whether windows are normalised by their own mean and spread.
        affine: Whether that normalisation learns a gain and a shift per channel.
        subtract_last: Whether it subtracts the newest row instead of the mean.
        generator: Draws all weights, U(+-1/sqrt(inputs)).

    Raises:
        InvalidParameter: If the heads do not divide the width.
    """

    head: ClassVar[str | None] = "projection"

    def __init__(
        self,
        channels: int,
        lookback: int,
        horizon: int,
        *,
        preset: Literal["ett", "etth1", "weather", "traffic"] = "ett",
        width: Size | None = None,
        heads: Size = 8,
        feedforward: Size | None = None,
        layers: Size | None = None,
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.1,
        revin: bool = True,
        affine: bool = False,
        subtract_last: bool = False,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        published, depth = PRESETS[preset]
        width = width or published
        self.dropout = dropout
        self.revin = RevIN(channels, affine=affine, subtract_last=subtract_last) if revin else None
        self.embedding = linear(lookback, width, generator)
        self.layers = nn.ModuleList(
            EncoderLayer(
                width,
                heads,
                feedforward or published,
                norm="layer",
                dropout=dropout,
                attention_dropout=dropout,
                attended_dropout=dropout,
                generator=generator,
            )
            for _ in range(layers or depth)
        )
        self.final_norm = LayerNorm(width)
        self.projection = linear(width, horizon, generator)

    def forward(self, windows: Tensor, training: Training | None = None) -> Tensor:
        """Forecasts [B, H, C] of windows [B, L, C]."""
        series = windows.transpose(-1, -2)
        leads = within(self.revin, series, lambda normal: self._leads(normal, training))
        return leads.transpose(-1, -2)

    def _leads(self, series: Tensor, training: Training | None) -> Tensor:
        """Forecasts [B, C, H] of normalised series [B, C, L]."""
        tokens: Tensor = self.embedding(series.flatten(0, 1))
        tokens = dropped(tokens, self.dropout, training)
        for layer in self.layers:
            tokens, _ = layer(tokens, series.shape[1], None, training)
        leads: Tensor = self.projection(self.final_norm(tokens))
        return leads.view(*series.shape[:2], -1)
