"""How long the data of one seed take to generate and to measure."""

from __future__ import annotations

import time

import pytest

from tasks.arc.codes import raw_codes
from tasks.arc.real import load, real_features

pytestmark = pytest.mark.perf


def test_all_episodes_of_a_seed_take_less_than_twenty_seconds() -> None:
    began = time.process_time()
    raw = raw_codes(0)
    took = time.process_time() - began
    assert raw["train/pairs"].shape == (24, 40, 6, 60)
    assert took < 20


def test_the_features_of_the_real_corpus_take_less_than_five_seconds() -> None:
    load("union")
    began = time.process_time()
    measured = real_features("union")
    assert time.process_time() - began < 5
    assert len(measured.tests) == 800
