"""A temporal convolutional network whose last step is mapped to all leads and channels."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn
from torch.nn import functional as F

from bench.registry import backbone
from memories.backbones.base import Backbone, Training
from memories.backbones.layers import dropped, linear
from memories.backbones.revin import RevIN, within
from memories.base import InvalidParameter

Size = Annotated[int, Ge(1)]


class DilatedConvolution(nn.Module):
    """A dilated convolution over rows with zeros beyond both ends, as one linear map.

    y_t = sum_k W_k x_{t + (k - (K - 1)/2) dilation} + b. The taps W_k [outputs, inputs] lie side
    by side in the weight of one `torch.nn.Linear`, the oldest row's first.

    Args:
        inputs: Features of a row.
        outputs: Features of a row of the result.
        kernel: Odd number of taps K.
        dilation: Rows between two taps.
        generator: Draws the weights, uniform in +-1/sqrt(inputs K).
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, dilation: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.kernel, self.dilation = kernel, dilation
        self.taps = linear(inputs * kernel, outputs, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Rows [B, L, outputs] of rows [B, L, inputs]."""
        length, inputs = x.shape[-2:]
        reach = self.kernel // 2
        if self.dilation >= length:  # every tap but the middle one sees zeros
            seen = F.pad(x, (reach * inputs, reach * inputs))
        else:
            padded = F.pad(x, (0, 0, reach * self.dilation, reach * self.dilation))
            starts = range(0, self.kernel * self.dilation, self.dilation)
            seen = torch.cat([padded[..., s : s + length, :] for s in starts], dim=-1)
        mapped: Tensor = self.taps(seen.flatten(0, 1))
        return mapped.view(*x.shape[:-1], -1)


class ResidualBlock(nn.Module):
    """x + conv(gelu(conv(gelu(x)))), with x mapped linearly where `projected`.

    Args:
        inputs: Features of a row.
        outputs: Features of a row of the result.
        kernel: Taps of both convolutions.
        dilation: Rows between two taps.
        projected: Whether x is mapped before it is added.
        generator: Draws all weights.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        dilation: int,
        *,
        projected: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.first = DilatedConvolution(inputs, outputs, kernel, dilation, generator)
        self.second = DilatedConvolution(outputs, outputs, kernel, dilation, generator)
        self.shortcut = linear(inputs, outputs, generator) if projected else None

    def forward(self, x: Tensor) -> Tensor:
        """Rows [B, L, outputs] of rows [B, L, inputs]."""
        refined: Tensor = self.second(F.gelu(self.first(F.gelu(x))))
        return refined + (x if self.shortcut is None else self.shortcut(x))


@backbone("tcn", source="Yue et al. 2022; Pham et al. 2023")
class TCN(Backbone):
    """One linear map of the newest row's features after dilated convolutions over the window.

    Bai et al. 2018 with the encoder of Yue et al. (2022), as Pham et al. (2023) forecast with it:
    rows become `width` features; residual blocks of dilation 1, 2, 4, ..., 2^depth follow, the
    last with `features` outputs; those of the newest row are mapped to all H C numbers.
    Convolutions look both ways, inside the window. A block whose dilation is not shorter than
    the window acts on each row alone, so from there on only the newest row is computed.

    Args:
        channels: C.
        lookback: L.
        horizon: H.
        width: Features of a row in all blocks but the last.
        features: Features of a row after the last block.
        depth: Blocks before the last one.
        kernel: Odd number of taps of a convolution.
        dropout: Rate on the newest row's features, in training.
        revin: Whether windows are normalised by their own mean and spread.
        affine: Whether that normalisation learns a gain and a shift per channel.
        generator: Draws all weights, U(+-1/sqrt(inputs)).

    Raises:
        InvalidParameter: If the kernel is even.
    """

    head: ClassVar[str | None] = "projection"

    def __init__(
        self,
        channels: int,
        lookback: int,
        horizon: int,
        *,
        width: Size = 64,
        features: Size = 320,
        depth: Annotated[int, Ge(0)] = 10,
        kernel: Size = 3,
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.1,
        revin: bool = True,
        affine: bool = True,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise InvalidParameter("kernel", f"must be odd, got {kernel}", help="try 3")
        self.dropout = dropout
        self.pointwise_from = next((i for i in range(depth + 1) if 2**i >= lookback), depth + 1)
        self.revin = RevIN(channels, affine=affine) if revin else None
        self.embedding = linear(channels, width, generator)
        self.blocks = nn.ModuleList(
            ResidualBlock(
                width,
                width if i < depth else features,
                kernel,
                2**i,
                projected=i == depth,
                generator=generator,
            )
            for i in range(depth + 1)
        )
        self.projection = linear(features, horizon * channels, generator)

    def forward(self, windows: Tensor, training: Training | None = None) -> Tensor:
        """Forecasts [B, H, C] of windows [B, L, C]."""
        series = windows.transpose(-1, -2)
        leads = within(self.revin, series, lambda normal: self._leads(normal, training))
        return leads.transpose(-1, -2)

    def _leads(self, series: Tensor, training: Training | None) -> Tensor:
        """Forecasts [B, C, H] of normalised series [B, C, L]."""
        hidden: Tensor = self.embedding(series.transpose(-1, -2))
        for i, block in enumerate(self.blocks):
            if i == self.pointwise_from:
                hidden = hidden[..., -1:, :]
            hidden = block(hidden)
        newest = dropped(hidden[..., -1, :], self.dropout, training)
        leads: Tensor = self.projection(newest)
        # the map's outputs are lead by lead, as in the original
        return leads.view(len(series), -1, series.shape[1]).transpose(-1, -2)
