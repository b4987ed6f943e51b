"""PatchTST: a Transformer over patches of one channel, the same for every channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn

from bench.registry import backbone
from memories.backbones.base import Backbone, Training
from memories.backbones.encoder import EncoderLayer
from memories.backbones.layers import BatchNorm, ChannelLinear, dropped, linear
from memories.backbones.patches import PatchEmbedding
from memories.backbones.revin import RevIN, within

Size = Annotated[int, Ge(1)]
Rate = Annotated[float, Ge(0), Lt(1)]


@dataclass(frozen=True)
class _Preset:
    """What a published configuration sets; see the parameters of the same names."""

    width: int
    heads: int
    feedforward: int
    layers: int
    dropout: float
    attention_dropout: float = 0.0
    head_dropout: float = 0.0
    res_attention: bool = True
    norm: Literal["batch", "layer"] = "batch"
    final_norm: bool = False
    position: Literal["learned", "sinusoidal"] = "learned"
    patch_bias: bool = True
    drops_attended_twice: bool = True

    @property
    def attended_dropout(self) -> float:
        """Rate on what attention returns; two dropouts in a row are one that keeps (1 - r)^2."""
        return 1 - (1 - self.dropout) ** (2 if self.drops_attended_twice else 1)


PRESETS: Mapping[str, _Preset] = {
    "ett-hour": _Preset(width=16, heads=4, feedforward=128, layers=3, dropout=0.3),
    "large": _Preset(width=128, heads=16, feedforward=256, layers=3, dropout=0.2),
    "mid": _Preset(width=64, heads=16, feedforward=128, layers=3, dropout=0.2),
    "tsl": _Preset(
        width=512,
        heads=8,
        feedforward=2048,
        layers=1,
        dropout=0.1,
        attention_dropout=0.1,
        head_dropout=0.1,
        res_attention=False,
        norm="layer",
        final_norm=True,
        position="sinusoidal",
        patch_bias=False,
        drops_attended_twice=False,
    ),
}


@backbone("patchtst", source="Nie et al. 2023")
class PatchTST(Backbone):
    """One linear map of all patches of a channel after they attended to each other.

    Each channel alone: u = RevIN(x); N overlapping patches of u become tokens
    z_i = W u_i + b + pos_i; encoder layers with residual attention (He et al. 2021) and batch
    normalisation refine them; the forecast is one linear map of all N tokens, in the window's
    units again. N = (L - patch) // stride + 1, plus one with `pad_end`.

    Presets: `ett-hour`, `large` and `mid` are the sizes that Nie et al. (2023) use for hourly ETT
    and weekly illness, for the large and the quarter-hourly sets, and those Zhao & Shen (2025) use
    for others. `tsl` is the variant of the Time-Series-Library with a fixed position code, no
    residual attention, layer normalisation inside a layer and one batch normalisation after the
    last, and with its heads for the horizon.

    The parameters below whose default is null are set by the preset.

    Args:
        channels: C.
        lookback: L, at least one patch.
        horizon: H.
        preset: Published configuration that the other parameters start from.
        width: Features d of a token.
        heads: Attention heads; they divide the width.
        feedforward: Width of the hidden layer after attention.
        layers: Encoder layers.
        dropout: Rate on tokens, on what attention returns and in the feed-forward part.
        attention_dropout: Rate on the attention weights.
        head_dropout: Rate on the forecast before it is denormalised.
        patch: Rows of a patch.
        stride: Rows between the starts of two patches.
        pad_end: Whether the newest row is repeated `stride` times, for one more patch.
        res_attention: Whether a layer's scores start from those of the layer below.
        norm: Normalise features over the batch, as published, or within a token.
        final_norm: Whether a batch normalisation follows the last layer.
        position: Positions as weights, or the fixed sines of Vaswani et al. (2017).
        patch_bias: Whether the map from patch to token has a bias.
        individual: Whether every channel has a head of its own.
        revin: Whether windows are normalised by their own mean and spread.
        affine: Whether that normalisation learns a gain and a shift per channel.
        subtract_last: Whether it subtracts the newest row instead of the mean.
        generator: Draws the weights: linear maps U(+-1/sqrt(inputs)), positions U(+-0.02).

    Raises:
        InvalidParameter: If a patch is longer than the lookback or the heads do not divide the
            width.
    """

    head: ClassVar[str | None] = "projection"

    def __init__(
        self,
        channels: int,
        lookback: int,
        horizon: int,
        *,
        preset: Literal["ett-hour", "large", "mid", "tsl"] = "ett-hour",
        width: Size | None = None,
        heads: Size | None = None,
        feedforward: Size | None = None,
        layers: Size | None = None,
        dropout: Rate | None = None,
        attention_dropout: Rate | None = None,
        head_dropout: Rate | None = None,
        patch: Size = 16,
        stride: Size = 8,
        pad_end: bool = True,
        res_attention: bool | None = None,
        norm: Literal["batch", "layer"] | None = None,
        final_norm: bool | None = None,
        position: Literal["learned", "sinusoidal"] | None = None,
        patch_bias: bool | None = None,
        individual: bool = False,
        revin: bool = True,
        affine: bool = False,
        subtract_last: bool = False,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        own = {
            "width": width, "heads": heads, "feedforward": feedforward, "layers": layers,
            "dropout": dropout, "attention_dropout": attention_dropout,
            "head_dropout": head_dropout, "res_attention": res_attention, "norm": norm,
            "final_norm": final_norm, "position": position, "patch_bias": patch_bias,
        }  # fmt: skip
        settings = _settings(preset, horizon, own)
        self.head_dropout, self.res_attention = settings.head_dropout, settings.res_attention
        self.revin = RevIN(channels, affine=affine, subtract_last=subtract_last) if revin else None
        self.embedding = _embedding(settings, lookback, patch, stride, pad_end, generator)
        self.layers = _layers(settings, generator)
        self.final_norm = BatchNorm(settings.width) if settings.final_norm else None
        sizes = (self.embedding.count * settings.width, horizon)
        self.projection: nn.Module = (
            ChannelLinear(channels, *sizes, generator) if individual else linear(*sizes, generator)
        )

    def forward(self, windows: Tensor, training: Training | None = None) -> Tensor:
        """Forecasts [B, H, C] of windows [B, L, C]."""
        series = windows.transpose(-1, -2)
        leads = within(self.revin, series, lambda normal: self._leads(normal, training))
        return leads.transpose(-1, -2)

    def _leads(self, series: Tensor, training: Training | None) -> Tensor:
        """Forecasts [B, C, H] of normalised series [B, C, L]."""
        tokens = self._refined(self.embedding(series, training), training)
        leads: Tensor = self.projection(tokens.view(*series.shape[:2], -1))
        return dropped(leads, self.head_dropout, training)

    def _refined(self, tokens: Tensor, training: Training | None) -> Tensor:
        """Tokens [B C N, d] after all encoder layers."""
        scores = None
        for layer in self.layers:
            tokens, scores = layer(tokens, self.embedding.count, scores, training)
            if not self.res_attention:
                scores = None
        return tokens if self.final_norm is None else self.final_norm(tokens, training)


def _settings(preset: str, horizon: int, own: Mapping[str, Any]) -> _Preset:
    """The preset with the parameters that were given instead of its own."""
    chosen = PRESETS[preset]
    if preset == "tsl":  # the scripts set 2 heads up to 96 rows, 8 up to 336, 16 beyond
        chosen = replace(chosen, heads=2 if horizon <= 96 else 8 if horizon <= 336 else 16)
    return replace(chosen, **{name: value for name, value in own.items() if value is not None})


def _embedding(
    own: _Preset,
    lookback: int,
    patch: int,
    stride: int,
    pad_end: bool,
    generator: torch.Generator,
) -> PatchEmbedding:
    return PatchEmbedding(
        lookback,
        own.width,
        patch=patch,
        stride=stride,
        pad_end=pad_end,
        position=own.position,
        bias=own.patch_bias,
        dropout=own.dropout,
        generator=generator,
    )


def _layers(own: _Preset, generator: torch.Generator) -> nn.ModuleList:
    return nn.ModuleList(
        EncoderLayer(
            own.width,
            own.heads,
            own.feedforward,
            norm=own.norm,
            dropout=own.dropout,
            attention_dropout=own.attention_dropout,
            attended_dropout=own.attended_dropout,
            generator=generator,
        )
        for _ in range(own.layers)
    )
