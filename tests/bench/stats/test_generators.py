"""No statistic touches a global generator, and none imports torch."""

from __future__ import annotations

import random

import numpy as np

from bench.stats import effects, intervals, paired
from tests.bench.stats.worked import A, B, generator


def test_global_generators_are_left_alone() -> None:
    numpy_before, python_before = np.random.get_state(), random.getstate()
    d = generator().normal(size=(2, 20))
    paired.paired_tests(d, rng=generator())
    intervals.bootstrap_interval(d[0], rng=generator())
    effects.vargha_delaney_effect(A, B, "lower", rng=generator())
    effects.superiority([0.0, 1.0, 1.0, -1.0, 1.0], rng=generator())
    numpy_after = np.random.get_state()
    assert numpy_before[0] == numpy_after[0]
    assert (numpy_before[1] == numpy_after[1]).all()
    assert numpy_before[2:] == numpy_after[2:]
    assert python_before == random.getstate()
