"""How unexpected the newest rows are: encoders, raw surprise and its running statistics."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memories.backbones.layers import linear

FLOOR = 1e-8
"""Added under square roots, whose gradient at zero is infinite."""
RELATIVE_SPREAD = 1e-4
"""Smallest standard deviation, relative to 1 + |mean|.

Below it, a constant surprise would be normalised by its own rounding error.
"""


class Encoded(NamedTuple):
    """What an encoder makes of the newest rows.

    Attributes:
        encoding: [de].
        rho: Raw surprise, a scalar.
        loss: What trains the part that makes the surprise, a scalar; 0 where there is none.
    """

    encoding: Tensor
    rho: Tensor
    loss: Tensor


class AutoregressiveEncoder(nn.Module):
    """Surprise as the error of predicting each row from the one before.

    u_i = W2 GELU(LN(W1 x_i)); encoding e = mean_i u_i; xhat_{i+1} = Wp u_i;
    rho = sqrt(mean (xhat_{i+1} - x_{i+1})^2 + 1e-8), and 0 for a single row.

    Args:
        channels: C.
        encoding_dim: de.
        generator: Draws the weights.
    """

    normalised, learns_surprise = False, True

    def __init__(self, channels: int, encoding_dim: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            linear(channels, encoding_dim, generator),
            nn.LayerNorm(encoding_dim),
            nn.GELU(),
            linear(encoding_dim, encoding_dim, generator),
        )
        self.predictor = linear(encoding_dim, channels, generator)

    def forward(self, rows: Tensor, partial_error: Tensor) -> Encoded:  # noqa: ARG002
        """Encoding and surprise of rows [P, C]; the errors are not looked at."""
        steps = self.encoder(rows)
        encoding = steps.mean(0)
        if rows.shape[0] == 1:
            nothing = rows.new_zeros(())
            return Encoded(encoding, nothing, nothing)
        loss = F.mse_loss(self.predictor(steps[:-1]), rows[1:])
        return Encoded(encoding, (loss + FLOOR).sqrt(), loss)


class ReconstructionEncoder(nn.Module):
    """Surprise as the distance between an encoding and its reconstruction.

    u_i = GELU(LN(W1 x_i)); encoding e = mean_i u_i; rho = ||q(e) - e||_1 with q: de -> de, GELU,
    de -> de. Without a loss of its own q is a fixed random map and rho a random score of e.

    Args:
        channels: C.
        encoding_dim: de.
        generator: Draws the weights.
    """

    normalised, learns_surprise = True, True

    def __init__(self, channels: int, encoding_dim: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.encoder = _row_encoder(channels, encoding_dim, generator)
        self.reconstruction = nn.Sequential(
            linear(encoding_dim, encoding_dim, generator),
            nn.GELU(),
            linear(encoding_dim, encoding_dim, generator),
        )

    def forward(self, rows: Tensor, partial_error: Tensor) -> Encoded:  # noqa: ARG002
        """Encoding and surprise of rows [P, C]; the errors are not looked at."""
        encoding = self.encoder(rows).mean(0)
        again = self.reconstruction(encoding)
        loss = F.mse_loss(again, encoding.detach())
        return Encoded(encoding, (again - encoding).abs().sum(), loss)


class ForecastEncoder(nn.Module):
    """Surprise as the size of the newest forecast's error on the rows revealed so far.

    u_i = GELU(LN(W1 x_i)); encoding e = mean_i u_i; rho = sqrt(mean error^2 + 1e-8). The surprise
    depends on no weights.

    Args:
        channels: C.
        encoding_dim: de.
        generator: Draws the weights.
    """

    normalised, learns_surprise = True, False

    def __init__(self, channels: int, encoding_dim: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.encoder = _row_encoder(channels, encoding_dim, generator)

    def forward(self, rows: Tensor, partial_error: Tensor) -> Encoded:
        """Encoding of rows [P, C]; surprise of the partial error [P, C]."""
        rho = (partial_error.square().mean() + FLOOR).sqrt()
        return Encoded(self.encoder(rows).mean(0), rho, rows.new_zeros(()))


def running_statistics(
    rho: Tensor, mean: Tensor, variance: Tensor, momentum: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalised surprise, and the running mean and variance after this one.

    mean' = beta mean + (1 - beta) rho, variance' = beta variance + (1 - beta) (rho - mean)^2,
    s = relu((rho - mean') / max(sqrt(variance'), 1e-4 (1 + |mean'|))). The statistics carry no
    gradient; the surprise does. A constant rho tends to surprise 0: s measures its change.

    Args:
        rho: Raw surprise, a scalar.
        mean: Running mean before.
        variance: Running variance before.
        momentum: beta.
    """
    fixed = rho.detach()
    new_mean = torch.lerp(mean, fixed, 1 - momentum)
    new_variance = torch.lerp(variance, (fixed - mean).square(), 1 - momentum)
    spread = torch.maximum(new_variance.sqrt(), RELATIVE_SPREAD * (1 + new_mean.abs()))
    return torch.relu((rho - new_mean) / spread), new_mean, new_variance


def _row_encoder(channels: int, width: int, generator: torch.Generator) -> nn.Sequential:
    return nn.Sequential(linear(channels, width, generator), nn.LayerNorm(width), nn.GELU())
