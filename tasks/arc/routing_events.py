"""Labelled context codes: the events that routers learn, and those that they are asked about.

Everything here is a function of the seed and of the setting: tasks that agree in both hand out
the same events, whatever else they do with them.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from tasks.arc.codes import PAIRS, Raw, demonstrated, encode
from tasks.arc.episodes import SPLITS, EpisodeSplit
from tasks.arc.families import FAMILIES
from tasks.arc.features import OF_INPUT, WIDTHS, FeatureSet, Floats

Preset: TypeAlias = Literal["easy", "default", "hard"]
Features: TypeAlias = Literal["full", "basic", "input-only"]
"""All features, those of the first five blocks, or those of the inputs, which show no rule."""
Counts: TypeAlias = npt.NDArray[np.int64]

PRESETS: dict[Preset, tuple[int, float]] = {"easy": (3, 0.0), "default": (2, 0.3), "hard": (1, 0.5)}
"""Demonstrations k and noise sigma of a code."""
NOISE = zlib.crc32(b"arc-encoder-noise")


@dataclass(frozen=True)
class Encoding:
    """How an episode becomes a code.

    Attributes:
        demos: Demonstrations k that a code is the mean of.
        noise: sigma of the encoder.
        features: Which features enter.
        dim: Width d of codes.
    """

    demos: int
    noise: float
    features: Features = "full"
    dim: int = 64

    @classmethod
    def of(cls, preset: Preset, features: Features, dim: int) -> Encoding:
        """That of a preset."""
        return cls(*PRESETS[preset], features, dim)

    def codes(
        self, pairs: npt.NDArray[np.float32], seed: int, split: EpisodeSplit, *, held: bool = False
    ) -> Floats:
        """Unit codes [F, n, d] of the pairs' features [F, n, 2 K, 60].

        Args:
            pairs: Of the first n episodes of each family.
            seed: Seed of the noise.
            split: Which episodes they are.
            held: Whether the pairs behind the demonstrations are meant.
        """
        measured = demonstrated(pairs, self.demos, held_out=held)
        # a stream for each family: more episodes leave the noise of the others as it is
        streams = [
            noise_rng(seed, SPLITS.index(split), family, int(held))
            for family in range(len(measured))
        ]
        coded = [self.encode(own, rng) for own, rng in zip(measured, streams, strict=True)]
        return np.stack(coded)

    def encode(self, measured: Floats, rng: np.random.Generator) -> Floats:
        """Unit codes [n, d] of mean features [n, 60], noise included."""
        kind: FeatureSet = "basic" if self.features == "basic" else "full"
        if self.features == "input-only":
            shown = np.isin(np.arange(WIDTHS["full"]), OF_INPUT)
            measured = np.where(shown, measured, 0.0)
        return encode(measured, self.dim, kind=kind, noise=self.noise, rng=rng)


def noise_rng(seed: int, *path: int) -> np.random.Generator:
    """Source of the encoder's noise, of no task in particular: tasks share their events."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(NOISE, *path)))


@dataclass(frozen=True)
class Events:
    """N labelled codes, family by family.

    Attributes:
        z: float32 [N, d].
        labels: Families, [N].
        ids: Which event each is, [N], counted from 0.
    """

    z: npt.NDArray[np.float32]
    labels: Counts
    ids: Counts

    @classmethod
    def of(cls, raw: Raw, encoding: Encoding, seed: int, split: EpisodeSplit) -> Events:
        """Those of all episodes of a split."""
        pairs = raw[f"{split}/{PAIRS}"].astype(np.float32)
        codes = encoding.codes(pairs, seed, split)
        families, n, dim = codes.shape
        labels = np.repeat(np.arange(families, dtype=np.int64), n)
        return cls(
            codes.reshape(-1, dim).astype(np.float32),
            labels,
            np.arange(len(labels), dtype=np.int64),
        )

    def take(self, rows: Counts) -> Events:
        """These events in this order."""
        return Events(self.z[rows], self.labels[rows], self.ids[rows])

    @classmethod
    def joined(cls, parts: Sequence[Events]) -> Events:
        """Several as one, in order."""
        return cls(
            np.concatenate([part.z for part in parts]),
            np.concatenate([part.labels for part in parts]),
            np.concatenate([part.ids for part in parts]),
        )

    def relabelled(self, rng: np.random.Generator) -> Events:
        """The same codes with labels permuted among all events: there is nothing to learn."""
        return Events(self.z, rng.permutation(self.labels), self.ids)


def rounds(per_family: int, shots: Sequence[int], rng: np.random.Generator) -> list[Counts]:
    """Rows of the training events in the order in which they are shown, cut at check-points.

    After the check-point of n the first n events of every family have been shown; between two
    check-points they come in a random order.

    Args:
        per_family: Events of each family.
        shots: Increasing n, the last one at most `per_family`.
        rng: Source of the order.
    """
    starts = per_family * np.arange(len(FAMILIES), dtype=np.int64)
    parts = []
    for before, after in zip([0, *shots], [*shots, per_family], strict=False):
        rows = (starts[:, None] + np.arange(before, after)).ravel()
        if len(rows):
            parts.append(rng.permutation(rows))
    return parts


def batches(rows: int, steps: int, size: int, rng: np.random.Generator) -> Counts:
    """Rows [T, B] of each training step: one random permutation after another, cut into batches."""
    needed = steps * size
    drawn = [rng.permutation(rows) for _ in range(-(-needed // rows))]
    if not drawn:
        return np.zeros((0, size), dtype=np.int64)
    return np.concatenate(drawn)[:needed].reshape(steps, size).astype(np.int64)
