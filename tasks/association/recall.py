"""How recalled vectors are scored against a codebook of values.

Values are codes: unit vectors of a pool whose size fixes the chance level and the information per
item. A recalled vector is decoded to the code with the largest inner product. Axis letters:
S lanes, Q queries, P pool size, V value width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

TIE = 1e-6
"""Scores closer than this share of the largest absolute score count as tied."""
BLOCK = 2**21
"""Scores held at once while decoding: more would be paged in anew at every call."""


def codebooks(generators: list[torch.Generator], pool: int, value_dim: int) -> Tensor:
    """One codebook of unit vectors per generator, [S, P, V]."""
    drawn = [torch.randn(pool, value_dim, generator=g) for g in generators]
    return torch.nn.functional.normalize(torch.stack(drawn), dim=-1)


def code_sequence(generator: torch.Generator, n: int, pool: int) -> Tensor:
    """Codes [n] of n events: independent permutations of the pool, one after another.

    No code repeats within a permutation, so that up to P events have distinct values.
    """
    rounds = max(1, math.ceil(n / pool))
    return torch.cat([torch.randperm(pool, generator=generator) for _ in range(rounds)])[:n]


def hits(reads: Tensor, codebook: Tensor, targets: Tensor, pool: Tensor | None = None) -> Tensor:
    """Share of a hit per query, [S, Q]: 1 if the target code scores highest, 1/k among k tied.

    Args:
        reads: [S, Q, V]; a zero vector ties with the whole pool, so it scores chance.
        codebook: [S, P, V].
        targets: Codes [S, Q].
        pool: Which codes compete, bool [S, P]; all of them if None.
    """
    parts = []
    for lane, scores, slack in _scored(reads, codebook):
        if pool is not None:
            scores = scores.masked_fill(~pool[lane, None, :], -math.inf)
        tied = scores >= scores.amax(-1, keepdim=True) - slack
        hit = tied.gather(-1, targets[lane, :, None]).squeeze(-1)
        parts.append(hit / tied.sum(-1))
    return torch.cat(parts)


def reciprocal_ranks(reads: Tensor, codebook: Tensor, targets: Tensor) -> Tensor:
    """One over the target's rank among all codes, [S, Q]; the mean over its ranks where it ties.

    Args:
        reads: [S, Q, V]; a zero vector ties with the whole pool: `chance_reciprocal_rank`.
        codebook: [S, P, V].
        targets: Codes [S, Q].
    """
    ranks = torch.arange(1, codebook.shape[1] + 1, device=reads.device)
    summed = torch.cat([ranks.new_zeros(1), (1 / ranks).cumsum(0)])
    parts = []
    for lane, scores, slack in _scored(reads, codebook):
        own = scores.gather(-1, targets[lane, :, None])
        above = (scores > own + slack).sum(-1)
        tied = ((scores - own).abs() <= slack).sum(-1)
        parts.append((summed[above + tied] - summed[above]) / tied)
    return torch.cat(parts)


def chance_reciprocal_rank(pool: int) -> float:
    """Mean reciprocal rank of guessing among P codes: (1 + 1/2 + ... + 1/P) / P."""
    return math.fsum(1 / rank for rank in range(1, pool + 1)) / pool


def _scored(reads: Tensor, codebook: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Blocks of lanes, their scores [s, Q, P], and how close scores [s, Q, 1] count as tied."""
    rows = max(1, BLOCK // max(1, reads.shape[1] * codebook.shape[1]))
    for start in range(0, reads.shape[0], rows):
        lane = slice(start, start + rows)
        scores = reads[lane] @ codebook[lane].transpose(1, 2)
        yield lane, scores, TIE * scores.abs().amax(-1, keepdim=True)


def cosines(reads: Tensor, codebook: Tensor, targets: Tensor) -> Tensor:
    """Cosine between each read and its target value, [S, Q]; 0 for a zero read."""
    wanted = codebook.gather(1, targets[..., None].expand(-1, -1, codebook.shape[-1]))
    norms = reads.norm(dim=-1) * wanted.norm(dim=-1)
    return (reads * wanted).sum(-1) / torch.where(norms > 0, norms, 1.0)


def bits_per_item(accuracy: float, pool: int) -> float:
    """Information recovered per item, in bits: a symmetric channel over P codes (Fano).

    log2 P + a log2 a + (1-a) log2((1-a)/(P-1)); log2 P at a = 1, 0 at or below chance.
    """
    if accuracy <= 1 / pool:
        return 0.0
    error = 1 - accuracy
    lost = 0.0 if error == 0 else error * math.log2(error / (pool - 1))
    return math.log2(pool) + accuracy * math.log2(accuracy) + lost


def first_crossing(loads: list[int], curve: list[float], threshold: float) -> tuple[float, str]:
    """Largest load that a curve sustains at a threshold, and how it is censored.

    The curve is made non-increasing by its running minimum; the first downward crossing is
    interpolated linearly in the load.

    Args:
        loads: Increasing loads.
        curve: Accuracy at each load.
        threshold: Accuracy to sustain.

    Returns:
        The capacity in items and ``""``, ``"right"`` (never below: the largest load) or ``"left"``
        (below at the first load: 0).
    """
    if curve[0] < threshold:
        return 0.0, "left"
    best = curve[0]
    for k in range(1, len(loads)):
        value = min(best, curve[k])
        if value < threshold:
            share = (best - threshold) / (best - value)
            return loads[k - 1] + share * (loads[k] - loads[k - 1]), ""
        best = value
    return float(loads[-1]), "right"
