"""Pictures of 8 x 8 cells, stored as vectors of 64 that are their own keys, and their likeness."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

SIDE = 8
WIDTH = SIDE * SIDE
NAMES = ("diagonal", "cross", "border", "checkerboard", "ring")
"""The structured patterns, in the order in which they are numbered from 1."""
PEAK = 0.5
"""Cells above this value are a picture's peaks."""
N_FIXED = 3 * SIDE
"""Patterns of `stepwise` before the random ones."""
FLOOR = 1e-8
"""Added to a norm before dividing by it."""


def structures() -> Tensor:
    """Five structured patterns [5, 64] of zeros and ones, in the order of `NAMES`.

    The cross runs through row and column 4; the ring is where the distance to cell (4, 4) is
    strictly between 1 and 3.
    """
    row, column = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    middle, last = SIDE // 2, SIDE - 1
    distance = ((row - middle) ** 2 + (column - middle) ** 2).sqrt()
    patterns = [
        row == column,
        (row == middle) | (column == middle),
        (row == 0) | (row == last) | (column == 0) | (column == last),
        (row + column) % 2 == 0,
        (distance - 2).abs() < 1,
    ]
    return torch.stack(patterns).flatten(1).float()


def stepwise(noise: Tensor) -> Tensor:
    """Patterns [S, 24 + R, 64]: rows of ones, columns of ones, cells of the diagonal, then noise.

    A random pattern x becomes x - <x, y> y for each earlier y in turn, and is then normalised.
    That is meant to make all of them orthogonal and does not: rows and columns have norm sqrt 8,
    so the step overshoots; a row and a column have cosine 1/8, and together they span 15
    dimensions, not 16.

    Args:
        noise: The random patterns before that, [S, R, 64].
    """
    eye = torch.eye(SIDE, device=noise.device)
    rows = eye[:, :, None].expand(-1, -1, SIDE)
    fixed = torch.cat([rows, rows.mT, eye[:, :, None] * eye[:, None, :]]).flatten(1)
    patterns = list(fixed[:, None].expand(-1, noise.shape[0], -1))
    for drawn in noise.unbind(1):
        pattern = drawn
        for earlier in patterns:
            pattern = pattern - (pattern * earlier).sum(-1, keepdim=True) * earlier
        patterns.append(pattern / (pattern.norm(dim=-1, keepdim=True) + FLOOR))
    return torch.stack(patterns, dim=1)


def likeness(recalled: Tensor, original: Tensor) -> dict[str, Tensor]:
    """How alike pictures [..., 64] are, each [...].

    ``frobenius_cosine``; ``pearson``, the correlation over cells; ``peak_overlap``, the share of
    the original's peaks that are peaks of what was recalled. A constant picture has correlation 0,
    a zero picture cosine 0.
    """
    peaks = original > PEAK
    kept = (peaks & (recalled > PEAK)).sum(-1)
    return {
        "frobenius_cosine": cosine_similarity(recalled, original, dim=-1),
        "pearson": cosine_similarity(_centred(recalled), _centred(original), dim=-1),
        "peak_overlap": kept / peaks.sum(-1),
    }


def _centred(pictures: Tensor) -> Tensor:
    return pictures - pictures.mean(-1, keepdim=True)
