"""Worked examples with known answers, shared by the tests of the statistics."""

from __future__ import annotations

import numpy as np

# Two losses on five paired seeds; every number derived from them was computed independently.
A = np.array([0.391, 0.402, 0.388, 0.410, 0.399])
B = np.array([0.405, 0.417, 0.397, 0.409, 0.418])
D = np.array([0.014, 0.015, 0.009, -0.001, 0.019])

# Darwin's maize: cross-fertilised minus self-fertilised heights in 1/8 inch (Fisher 1935).
MAIZE = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], dtype=float)

# AUC of C4.5 with tuned pruning against C4.5 on 14 data sets (Demsar 2006, table 6, printed).
C45 = [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1, 0.940, 0.619, 0.972, 0.957]
C45_M = [
    0.768,
    0.591,
    0.971,
    0.661,
    0.888,
    0.931,
    0.668,
    0.583,
    0.838,
    1,
    0.962,
    0.666,
    0.981,
    0.978,
]


def generator() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(0)
