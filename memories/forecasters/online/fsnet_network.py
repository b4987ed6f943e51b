"""The network of FSNet: a temporal convolutional network that is given its coefficients."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memories.backbones.base import Training
from memories.backbones.layers import dropped, linear
from memories.backbones.revin import RevIN, within
from memories.forecasters.online.fsnet_layer import CalibratedConvolutions, Shape, Stack


class Layers:
    """The convolutions of a network in order, and which of them share a shape.

    Args:
        lookback: L, rows of the first block.
        width: Features of a row in all blocks but the last.
        features: Features after the last block.
        depth: Blocks before the last one.
        kernel: Taps.
        trimmed: Whether taps that no row ever reaches are left out.
    """

    def __init__(
        self, lookback: int, width: int, features: int, depth: int, kernel: int, *, trimmed: bool
    ) -> None:
        shapes, rows = [], lookback
        for block in range(depth + 1):
            taps = min(kernel, 2 * rows - 1) if trimmed else kernel
            wide = features if block == depth else width
            shapes += [Shape(width, taps, wide), Shape(wide, taps, wide)]
            rows = -(-rows // 2)
        distinct = list(dict.fromkeys(shapes))
        self.groups = tuple(distinct.index(shape) for shape in shapes)
        """Per convolution the number of its stack."""
        self.stacks = tuple(Stack(shapes.count(shape), shape) for shape in distinct)
        """Those of one shape together."""
        self.width, self.features, self.kernel = width, features, kernel


class FSNetwork(nn.Module):
    """A linear map of the newest row's features after dilated convolutions over the window.

    The network of `memories.backbones.tcn.TCN` with convolutions whose coefficients are given
    (Pham et al. 2023): block i, of dilation 2^i, is x + conv(gelu(conv(gelu(x)))).

    Only the newest row's features are used, and a row of block i depends on rows that lie a
    multiple of 2^i apart. So each block halves the rows, keeping the newest, and its dilated
    convolutions are plain ones on the rows that are left: a third of the work, the same forecast.

    Args:
        channels: C.
        horizon: H.
        layers: The convolutions.
        width: Features of a row in all blocks but the last.
        features: Features after the last block.
        dropout: Rate on the newest row's features, in training.
        revin: Whether windows are normalised by their own mean and spread.
        generator: Draws all weights.
    """

    def __init__(
        self,
        channels: int,
        horizon: int,
        layers: Layers,
        *,
        dropout: float,
        revin: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.layers, self.dropout = layers, dropout
        self.revin = RevIN(channels, affine=True) if revin else None
        self.embedding = linear(channels, layers.width, generator)
        self.convolutions = nn.ModuleList(
            CalibratedConvolutions(*stack, layers.kernel, generator) for stack in layers.stacks
        )
        self.shortcut = linear(layers.width, layers.features, generator)
        self.projection = linear(layers.features, horizon * channels, generator)

    def forward(
        self, windows: Tensor, coefficients: Sequence[Tensor], training: Training | None = None
    ) -> Tensor:
        """Forecasts [B, H, C] of windows [B, L, C].

        Args:
            windows: [B, L, C].
            coefficients: Per shape [N, I, K + 2 O/I].
            training: Dropout, in training.
        """
        series = windows.mT
        return within(
            self.revin, series, lambda normal: self._leads(normal, coefficients, training)
        ).mT

    def _leads(
        self, series: Tensor, coefficients: Sequence[Tensor], training: Training | None
    ) -> Tensor:
        """Forecasts [B, C, H] of normalised series [B, C, L]."""
        stacks = [
            iter(stack(given)) for stack, given in zip(self.convolutions, coefficients, strict=True)
        ]
        convolutions = [next(stacks[group]) for group in self.layers.groups]
        x: Tensor = self.embedding(series.mT)
        for i in range(0, len(convolutions), 2):
            refined = convolutions[i](F.gelu(x))
            kept = x[:, (x.shape[1] - 1) % 2 :: 2]
            residual = self.shortcut(kept) if i == len(convolutions) - 2 else kept
            x = residual + convolutions[i + 1](F.gelu(refined), every=2)
        leads: Tensor = self.projection(dropped(x[:, -1], self.dropout, training))
        return leads.view(len(series), -1, series.shape[1]).mT
