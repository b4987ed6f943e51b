"""From episodes to unit codes: features of the demonstrations, projected, with noise.

The features of a seed's pairs are measured once, for the largest number of demonstrations; fewer
demonstrations are the first of them. Nothing is standardised by what the data look like, which
would tell of the test episodes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.arc.episodes import MOST_DEMOS, SPLITS, EpisodeSplit, episodes
from tasks.arc.families import FAMILIES
from tasks.arc.family import Family
from tasks.arc.features import WIDTHS, FeatureSet, Floats, features

PROJECTION_SEED = 1234
"""Seed of the projection, the same for all data."""
PAIRS = "pairs"
PRIMITIVES = "primitives"

Raw = dict[str, npt.NDArray[np.float32] | npt.NDArray[np.int64]]


@dataclass(frozen=True)
class EpisodeCounts:
    """Episodes per family of each split."""

    train: int = 40
    validation: int = 10
    test: int = 40

    def of(self, split: EpisodeSplit) -> int:
        """The number of a split."""
        number: int = getattr(self, split)
        return number


def raw_codes(
    seed: int,
    *,
    counts: EpisodeCounts | None = None,
    demos: int = MOST_DEMOS,
    families: Sequence[Family] = FAMILIES,
) -> Raw:
    """What the pairs of all episodes of a seed look like, and which rules they follow.

    A function of its arguments alone, made to be cached: about seven seconds of one core for 24
    families with 90 episodes each.

    Args:
        seed: Seed of the data.
        counts: Episodes per family; 40, 10 and 40 if None.
        demos: k of the largest setting; each episode has 2 k pairs.
        families: F families.

    Returns:
        For each split with n episodes per family, ``<split>/pairs``: features of every pair,
        float32 [F, n, 2 k, 60]; and ``<split>/primitives``: numbers int64 [F, n], equal where
        the rules are.
    """
    counts = counts or EpisodeCounts()
    raw: Raw = {}
    for split in SPLITS:
        drawn = list(episodes(seed, split, counts.of(split), demos=demos, families=families))
        shape = (len(families), counts.of(split))
        measured = features([pair for episode in drawn for pair in episode.pairs])
        numbers = [episode.primitive for episode in drawn]
        raw[f"{split}/{PAIRS}"] = measured.reshape(*shape, 2 * demos, WIDTHS["full"])
        raw[f"{split}/{PRIMITIVES}"] = np.array(numbers, dtype=np.int64).reshape(shape)
    return raw


def demonstrated(pairs: npt.NDArray[np.float32], demos: int, *, held_out: bool = False) -> Floats:
    """Mean features over the first k pairs of each episode, or over the k pairs behind them.

    Args:
        pairs: Features [..., 2 K, 60] with K >= k.
        demos: k.
        held_out: Whether the pairs k+1 to 2k are meant.

    Returns:
        float64 [..., 60].

    Raises:
        ValueError: If there are fewer pairs.
    """
    first = demos if held_out else 0
    if not 0 < demos <= pairs.shape[-2] - first:
        raise ValueError(f"{pairs.shape[-2]} pairs have no {demos} from number {first + 1} on")
    mean: Floats = pairs[..., first : first + demos, :].mean(axis=-2, dtype=np.float64)
    return mean


def projection(dim: int, kind: FeatureSet = "full") -> Floats:
    """The fixed random projection [60, d], or [41, d]: N(0, 1) over the root of the features."""
    width = WIDTHS[kind]
    rng = np.random.Generator(np.random.PCG64(PROJECTION_SEED))
    drawn: Floats = rng.standard_normal((width, dim)) / math.sqrt(width)
    return drawn


def encode(
    measured: Floats,
    dim: int = 64,
    *,
    kind: FeatureSet = "full",
    noise: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Floats:
    """Unit codes z of mean features v: z = unit(unit(v P) + sigma xi / sqrt(d)), xi ~ N(0, I).

    Args:
        measured: v, [..., 60].
        dim: d.
        kind: Whether all 60 features enter or the 41 basic ones.
        noise: sigma; a code's cosine to the one without noise is about 1 / sqrt(1 + sigma^2).
        rng: Source of the noise, independent for every code; not used without noise.

    Returns:
        float64 [..., d].

    Raises:
        ValueError: If there is noise but no source of it.
    """
    codes = _unit(measured[..., : WIDTHS[kind]] @ projection(dim, kind))
    if noise == 0:
        return codes
    if rng is None:
        raise ValueError("noise needs a generator")
    return _unit(codes + noise * rng.standard_normal(codes.shape) / math.sqrt(dim))


def _unit(vectors: Floats) -> Floats:
    """Vectors of length one; zeros stay."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: Floats = vectors / np.where(length > 0, length, 1)
    return unit
