"""Learned maps from the K spectral components to the M memory tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memories.backbones.base import Training
from memories.backbones.layers import LayerNorm, dropped, linear
from memories.spectral.spectrum import Spectrum

HeadName = Literal["anchor", "bottleneck", "mix", "dense", "diamond"]
BOTTLENECK = 64
"""Width between the two maps of the bottleneck head."""


class Head(nn.Module, ABC):
    """Maps a spectrum with any leading axes to tokens [..., M, d]."""

    needs_basis: bool = False
    """Whether it reads directions in feature space, which time kernels do not have."""

    @abstractmethod
    def forward(self, spectrum: Spectrum, training: Training | None = None) -> Tensor:
        """Tokens [..., M, d]; dropout only where a `training` brings its noise."""


class Bottleneck(Head):
    """vec(C) W1, GELU, dropout, W2: no bias, no normalisation; K d -> 64 -> M d.

    Args:
        width: d.
        components: K.
        tokens: M.
        dropout: Rate after the GELU.
        generator: Draws the weights.
    """

    def __init__(
        self, width: int, components: int, tokens: int, dropout: float, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.shape, self.dropout = (tokens, width), dropout
        self.reduce = linear(components * width, BOTTLENECK, generator, bias=False)
        self.expand = linear(BOTTLENECK, tokens * width, generator, bias=False)

    def forward(self, spectrum: Spectrum, training: Training | None = None) -> Tensor:
        """Tokens [..., M, d]."""
        hidden = F.gelu(self.reduce(spectrum.components.flatten(-2)))
        flat: Tensor = self.expand(dropped(hidden, self.dropout, training))
        return flat.reshape(*flat.shape[:-1], *self.shape)


class Mix(Head):
    """LayerNorm(A C + a): each token is a learned mixture of components, with a bias a_m.

    Args:
        width: d.
        components: K.
        tokens: M.
        dropout: Not used.
        generator: Draws the weights.
    """

    def __init__(
        self,
        width: int,
        components: int,
        tokens: int,
        dropout: float,  # noqa: ARG002
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.mixture = linear(components, tokens, generator)
        self.norm = LayerNorm(width)

    def forward(self, spectrum: Spectrum, training: Training | None = None) -> Tensor:  # noqa: ARG002
        """Tokens [..., M, d]."""
        tokens: Tensor = self.norm(self.mixture(spectrum.components.mT).mT)
        return tokens


class Dense(Head):
    """LayerNorm(W2 dropout(GELU(W1 vec(C) + b1)) + b2) of width 2 K d between the maps.

    Its first map alone has 2 (K d)^2 weights: 134 million at K = 16, d = 512.

    Args:
        width: d.
        components: K.
        tokens: M.
        dropout: Rate after the GELU.
        generator: Draws the weights.
    """

    def __init__(
        self, width: int, components: int, tokens: int, dropout: float, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.shape, self.dropout = (tokens, width), dropout
        self.expand = linear(components * width, 2 * components * width, generator)
        self.contract = linear(2 * components * width, tokens * width, generator)
        self.norm = LayerNorm(width)

    def forward(self, spectrum: Spectrum, training: Training | None = None) -> Tensor:
        """Tokens [..., M, d]."""
        hidden = F.gelu(self.expand(spectrum.components.flatten(-2)))
        flat: Tensor = self.contract(dropped(hidden, self.dropout, training))
        tokens: Tensor = self.norm(flat.reshape(*flat.shape[:-1], *self.shape))
        return tokens


class Diamond(Head):
    """One network d -> 2d -> d for every component, then a mixture of components, LayerNorm.

    Args:
        width: d.
        components: K.
        tokens: M.
        dropout: Rate after the GELU.
        generator: Draws the weights.
    """

    def __init__(
        self, width: int, components: int, tokens: int, dropout: float, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.expand = linear(width, 2 * width, generator)
        self.contract = linear(2 * width, width, generator)
        self.mixture = linear(components, tokens, generator)
        self.norm = LayerNorm(width)

    def forward(self, spectrum: Spectrum, training: Training | None = None) -> Tensor:
        """Tokens [..., M, d]."""
        hidden = F.gelu(self.expand(spectrum.components))
        refined: Tensor = self.contract(dropped(hidden, self.dropout, training))
        tokens: Tensor = self.norm(self.mixture(refined.mT).mT)
        return tokens


class Anchor(Head):
    """LayerNorm(W_o sum_k g_k w_k (w_k^T a_m)) + b_m with learned anchors a_m.

    g_k = lambda_k / max(lambda_1, 1e-12). The sum is a function of the weighted projector on the
    leading directions: neither the sign of a direction nor a turn among directions of equal
    eigenvalue changes it. W_o starts as the identity, anchors as N(0, 1 / d), biases as zero.

    Args:
        width: d.
        components: K, of any number.
        tokens: M.
        dropout: Not used.
        generator: Draws the anchors.
    """

    needs_basis = True

    def __init__(
        self,
        width: int,
        components: int,  # noqa: ARG002
        tokens: int,
        dropout: float,  # noqa: ARG002
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        drawn = torch.randn(tokens, width, generator=generator)
        self.anchors = nn.Parameter(drawn / width**0.5)
        self.output = nn.Parameter(torch.eye(width))
        self.norm = LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(tokens, width))

    def forward(self, spectrum: Spectrum, training: Training | None = None) -> Tensor:  # noqa: ARG002
        """Tokens [..., M, d]."""
        basis, values = spectrum.basis, spectrum.eigenvalues
        assert basis is not None  # a memory whose kernel has no basis refuses this head
        gains = values / values[..., :1].clamp(min=1e-12)
        projected = (self.anchors @ basis.mT * gains[..., None, :]) @ basis
        tokens: Tensor = self.norm(projected @ self.output.mT) + self.bias
        return tokens


HEADS: dict[HeadName, type[Bottleneck | Mix | Dense | Diamond | Anchor]] = {
    "anchor": Anchor,
    "bottleneck": Bottleneck,
    "mix": Mix,
    "dense": Dense,
    "diamond": Diamond,
}
