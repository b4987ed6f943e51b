"""Losses that ask a router to use all its banks."""

from __future__ import annotations

from torch import Tensor


def batch_balance(probabilities: Tensor, selected: Tensor, top_k: int) -> Tensor:
    """Balance nB sum_b f_b P_b of one batch; 1 where all banks are asked alike.

    f_b is the share of the Q k choices that went to bank b, without a gradient; P_b the mean
    probability of b, through which the router learns (Fedus et al. 2022, for k choices).

    Args:
        probabilities: [Q, nB].
        selected: bool [Q, nB].
        top_k: k.
    """
    shares = selected.to(probabilities.dtype).mean(0) / top_k
    return probabilities.shape[-1] * (shares * probabilities.mean(0)).sum()


def accumulated_balance(
    counts: Tensor, probabilities: Tensor, queries: Tensor, top_k: int
) -> Tensor:
    """The same of sums over an epoch, detached; 1 / k where all banks are asked alike.

    The published code sums the weights, which add up to one per query, and divides by k besides.

    Args:
        counts: Summed weights [nB].
        probabilities: Summed probabilities [nB].
        queries: How many were summed, scalar.
        top_k: k.
    """
    total = queries.clamp(min=1)
    shares, means = counts / (top_k * total), probabilities / total
    return (counts.shape[-1] * (shares * means).sum()).detach()
