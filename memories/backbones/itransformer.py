"""iTransformer: a Transformer whose tokens are whole channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, NamedTuple

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn
from typing_extensions import override

from bench.registry import backbone
from memories.backbones.base import Training
from memories.backbones.encoder import EncoderLayer
from memories.backbones.layers import LayerNorm, dropped, linear
from memories.backbones.memory_tokens import in_front, with_addend
from memories.backbones.revin import RevIN
from memories.backbones.tokens import Addend, TokenBackbone

Size = Annotated[int, Ge(1)]


class _Preset(NamedTuple):
    """What a size sets; see the parameters of the same names."""

    width: int
    layers: int
    feedforward: int
    heads: int = 8


PRESETS: Mapping[str, _Preset] = {
    "ett": _Preset(width=128, layers=2, feedforward=128),
    "etth1": _Preset(width=256, layers=2, feedforward=256),
    "weather": _Preset(width=512, layers=3, feedforward=512),
    "traffic": _Preset(width=512, layers=4, feedforward=512),
    "small": _Preset(width=64, layers=2, feedforward=128, heads=4),
}


@backbone("itransformer", source="Liu et al. 2024")
class ITransformer(TokenBackbone):
    """One linear map of each channel's token after the channels attended to each other.

    u = RevIN(x); the L rows of a channel become one token W u_c + b; encoder layers with layer
    normalisation let channels attend to each other; the forecast is a linear map of each
    channel's normalised token, in the window's units again. Memory tokens come in front of those
    of the channels; hidden states are the normalised tokens that the last map takes, one position
    with C channels.

    Presets are the sizes of Liu et al. (2024): width and feed-forward width 128 with 2 layers
    (`ett`), 256 with 2 (`etth1`), 512 with 3 (`weather`, also for electricity) and with 4
    (`traffic`). `small` is the size at which encoders of memory tokens are compared on a
    processor. The parameters whose default is null are set by the preset.

    Args:
        channels: C.
        lookback: L.
        horizon: H.
        preset: Sizes that the other parameters start from.
        width: Features d of a token.
        heads: Attention heads, 8 as published; they divide the width.
        feedforward: Width of the hidden layer after attention; the token's width as published.
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
        preset: Literal["ett", "etth1", "weather", "traffic", "small"] = "ett",
        width: Size | None = None,
        heads: Size | None = None,
        feedforward: Size | None = None,
        layers: Size | None = None,
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.1,
        revin: bool = True,
        affine: bool = False,
        subtract_last: bool = False,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        sizes = PRESETS[preset]
        self.token_dim = width or sizes.width
        self.dropout = dropout
        self.revin = RevIN(channels, affine=affine, subtract_last=subtract_last) if revin else None
        self.embedding = linear(lookback, self.token_dim, generator)
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
        self.final_norm = LayerNorm(self.token_dim)
        self.projection = linear(self.token_dim, horizon, generator)

    @override
    def with_tokens(
        self,
        windows: Tensor,
        tokens: Tensor,
        training: Training | None = None,
        addend: Addend | None = None,
    ) -> tuple[Tensor, Tensor]:
        series, moments = windows.transpose(-1, -2), None
        if self.revin is not None:
            series, moments = self.revin.normalise(series)
        own = self._encoded(series, tokens, training)
        hidden = own[:, None]
        leads = with_addend(self.projection(own), hidden, addend)
        if self.revin is not None and moments is not None:
            leads = self.revin.denormalise(leads, moments)
        return leads.transpose(-1, -2), hidden

    def _encoded(self, series: Tensor, tokens: Tensor, training: Training | None) -> Tensor:
        """Normalised tokens [B, C, d] of series [B, C, L] after all layers."""
        own: Tensor = self.embedding(series.flatten(0, 1))
        own = dropped(own, self.dropout, training).view(-1, 1, series.shape[1], self.token_dim)
        sequences = in_front(tokens, own)
        rows, length = sequences.flatten(0, 2), sequences.shape[2]
        for layer in self.layers:
            rows, _ = layer(rows, length, None, training)
        own = rows.view(-1, length, self.token_dim)[:, tokens.shape[-2] :]
        normal: Tensor = self.final_norm(own)
        return normal
