"""Where randomness comes from: one seed sequence per use, never a global generator.

Every generator is `SeedSequence(seed, spawn_key=(stream, crc32(task), ...))`. Initialisation uses
the key (INIT,) alone, the same for every memory; the data of a seed depend on task and seed only,
never on the memory, and that is what makes a comparison paired.
"""

from __future__ import annotations

import zlib

import numpy as np
import torch

INIT, META, VALIDATION, TEST = range(4)
"""The four streams: initialisation, meta-training, validation, test."""


def sequence(seed: int, stream: int, *key: int | str) -> np.random.SeedSequence:
    """The seed sequence of one use; words of the key enter by their CRC-32."""
    words = tuple(zlib.crc32(part.encode()) if isinstance(part, str) else part for part in key)
    return np.random.SeedSequence(seed, spawn_key=(stream, *words))


def numpy_generator(seed: int, stream: int, *key: int | str) -> np.random.Generator:
    """A fresh NumPy generator for one use."""
    return np.random.default_rng(sequence(seed, stream, *key))


def torch_generator(seed: int, stream: int, *key: int | str) -> torch.Generator:
    """A fresh CPU torch generator for one use."""
    word = int(sequence(seed, stream, *key).generate_state(1, np.uint64)[0])
    generator = torch.Generator()
    generator.manual_seed(word)
    return generator
