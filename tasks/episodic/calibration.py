"""What is fixed on validation episodes before a test question is asked: scale and threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.episodic.decoders import Floats, answers
from tasks.episodic.questions import Questions
from tasks.episodic.scoring import f1, over_bins

THRESHOLDS: tuple[float, ...] = tuple(step / 20 for step in range(1, 27))
"""0.05 to 1.30 in steps of 0.05; above 1 a memory says less than it recalls of its own events."""


@dataclass(frozen=True)
class Calibration:
    """The decoder's settings of one memory.

    Attributes:
        scale: Amplitude that counts as one.
        threshold: Score above which a value is answered.
        f1: What they reached on validation: the mean over bins.
    """

    scale: float
    threshold: float
    f1: float


def calibrate(
    scale: float, scores: Sequence[Floats], questions: Sequence[Questions]
) -> Calibration:
    """The threshold of the best mean F1 over bins; of several equally good ones the middle one.

    Args:
        scale: The scale that the scores were made with.
        scores: Of each validation episode, [K, W].
        questions: Those of the episodes.
    """
    bin_of = np.concatenate([q.bin for q in questions])
    reached = []
    for threshold in THRESHOLDS:
        parts = zip(scores, questions, strict=True)
        own = np.concatenate([f1(answers(part, threshold), q.truth) for part, q in parts])
        reached.append(over_bins(own, bin_of))
    best = max(reached)
    equal = [t for t, value in zip(THRESHOLDS, reached, strict=True) if value == best]
    return Calibration(scale, equal[(len(equal) - 1) // 2], best)
