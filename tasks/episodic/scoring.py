"""How sets and ordered lists are scored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

from tasks.episodic.events import Integers
from tasks.episodic.questions import Booleans

Floats = NDArray[np.float64]


def f1(predicted: Booleans, truth: Booleans, *, lenient: bool = False) -> Floats:
    """F1 of predicted sets [..., W] against true ones [..., W]: 2 hits / (predicted + true).

    1 if both are empty, 0 if one is. Lenient as in Huet, Ben Houidi & Rossi (2025): the number of
    predictions is capped at that of true values where there are any, so that predicting
    everything scores 1 on every question that has an answer.
    """
    hits = (predicted & truth).sum(-1)
    n_true = np.broadcast_to(truth.sum(-1), hits.shape)
    n_predicted = predicted.sum(-1)
    if lenient:
        n_predicted = np.where(n_true > 0, np.minimum(n_predicted, n_true), n_predicted)
    total = n_predicted + n_true
    return np.where(total > 0, 2 * hits / np.maximum(total, 1), 1.0)


def by_bin(score: Floats, bin_of: Integers) -> dict[int, float]:
    """Mean score of the questions [K] of each bin that occurs."""
    return {int(b): float(score[bin_of == b].mean()) for b in np.unique(bin_of)}


def over_bins(score: Floats, bin_of: Integers) -> float:
    """Unweighted mean over the bins that occur of the mean score in each."""
    means = by_bin(score, bin_of)
    return sum(means.values()) / len(means)


def kendall(predicted: Sequence[float]) -> float:
    """Kendall's tau (b) between the moments given to events and the events' true order.

    Args:
        predicted: Moment of each event, the events in their true order; at least two. Where all
            are alike no order was given, and tau is 0.
    """
    if len(set(predicted)) == 1:
        return 0.0
    return float(kendalltau(np.arange(len(predicted)), predicted).statistic)
