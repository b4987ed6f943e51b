"""Vectors for events: one code per value, a block of the vector per attribute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.episodic.events import N_DETAILS, Events
from tasks.episodic.templates import TIME

BLOCKS = 4
SHARE = 0.5
"""Weight of each block: four unit codes make a unit vector."""
N_DAYS = 1095
"""Three years, from which the days of a universe are taken."""

TimeCode = Literal["random", "fourier"]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Codebook:
    """Unit codes of one episode's universe.

    Attributes:
        attributes: float [4, U, d], the times in chronological order.
        details: float [30, d].
    """

    attributes: Floats
    details: Floats

    @classmethod
    def draw(
        cls, rng: np.random.Generator, universe: int, width: int, time_code: TimeCode = "random"
    ) -> Codebook:
        """Random codes; with ``fourier`` those of near days are alike."""
        attributes = _unit(rng.standard_normal((BLOCKS, universe, width)))
        details = _unit(rng.standard_normal((N_DETAILS, width)))
        if time_code == "fourier":
            days = np.sort(rng.choice(N_DAYS, size=universe, replace=False))
            attributes[TIME] = fourier(days * universe / N_DAYS, width, universe)
        return cls(attributes, details)


def fourier(moments: Floats, width: int, span: int) -> Floats:
    """Unit codes [T, width] of moments [T] in [0, span): near moments have similar codes.

    Pairs (sin, cos)(t / w_i) / sqrt(h), w_i = (2 span)^(i/(h-1)), for i < h = width/2: wavelengths
    from one step to twice the span.
    """
    pairs = width // 2
    phase = moments[:, None] / (2 * span) ** (np.arange(pairs) / (pairs - 1))
    codes: Floats = np.stack([np.sin(phase), np.cos(phase)], axis=-1).reshape(-1, width)
    codes /= pairs**0.5
    return codes


def _unit(x: Floats) -> Floats:
    unit: Floats = x / np.linalg.norm(x, axis=-1, keepdims=True)
    return unit


@dataclass(frozen=True)
class CodeTable:
    """The codebooks of all lanes as they enter vectors; the last row of a block is zero.

    Attributes:
        blocks: [S, 4, U + 1, d], already at the weight of a block.
        details: [S, 30, d], likewise.
    """

    blocks: Tensor
    details: Tensor

    @classmethod
    def of(cls, books: Sequence[Codebook], device: torch.device | None = None) -> CodeTable:
        """The table of one codebook per lane."""
        attributes = np.stack([book.attributes for book in books])
        attributes = np.concatenate([attributes, 0 * attributes[:, :, :1]], axis=2)
        details = np.stack([book.details for book in books])
        blocks, rows = (
            torch.from_numpy(SHARE * part).float().to(device) for part in (attributes, details)
        )
        return cls(blocks, rows)

    @property
    def universe(self) -> int:
        """Values per attribute U."""
        return self.blocks.shape[2] - 1

    @property
    def width(self) -> int:
        """Width of a code d."""
        return self.blocks.shape[3]

    def cues(self, codes: Tensor) -> Tensor:
        """Vectors [S, Q, 4d] of values [S, Q, 4]; the block of an absent value is zero."""
        lane = torch.arange(codes.shape[0], device=codes.device)[:, None, None]
        # ABSENT is -1, the zero row at the end
        parts = self.blocks[lane, torch.arange(BLOCKS, device=codes.device), codes]
        return parts.flatten(2)

    def values(self, codes: Tensor, details: Tensor) -> Tensor:
        """What is stored under events [S, N, 4], [S, N]: their vector, then their detail's code."""
        lane = torch.arange(codes.shape[0], device=codes.device)[:, None]
        return torch.cat([self.cues(codes), self.details[lane, details]], dim=-1)


def stacked(events: Sequence[Events], device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Codes [S, N, 4] and details [S, N] of the events of all lanes."""
    codes = torch.from_numpy(np.stack([e.codes for e in events]))
    details = torch.from_numpy(np.stack([e.details for e in events]))
    return codes.to(device), details.to(device)
