"""From a memory that returns one vector per query to a set of values: scores and a threshold.

An answer is the set of values whose score exceeds a threshold. The amplitude of a code is
measured in units of a scale, what the memory returns of events that it was shown, so that one
grid of thresholds serves every memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.episodic.codes import SHARE
from tasks.episodic.questions import Booleans, Questions, answer_width
from tasks.episodic.recall import Recall, in_parts
from tasks.episodic.templates import ABSENT, DETAIL

SMALLEST_SCALE = 1e-6
"""A memory that returns less of its own events than this answers nothing."""
PRESENT = 0.5
"""Part of the scale at which a single read counts as a memory of the cue."""
MARGIN = 1e-5
"""By how much a score exceeds a threshold: more than rounding, so that equality never does."""

Decoder = Literal["verify", "superpose"]
Floats = NDArray[np.float64]
Decode: TypeAlias = Callable[[Recall, Tensor, Tensor, Tensor], Tensor]
"""Scores [S, K, U] of all values, from cues [S, K, 4], attributes asked [S, K] and scales [S]."""


def verify(recall: Recall, cue: Tensor, asked: Tensor, scale: Tensor) -> Tensor:
    """Recognition: how present the cue is with each value put in, smallest block first.

    One read per value. The score of value u is the smallest amplitude of the codes of the cue and
    of u in read(cue with u), over the scale.
    """
    universe = recall.table.universe
    values = torch.arange(universe, device=cue.device)[:, None]

    def part(cue: Tensor, asked: Tensor) -> Tensor:
        is_asked = torch.arange(cue.shape[-1], device=cue.device) == asked[..., None, None]
        candidates = torch.where(is_asked, values, cue[:, :, None]).flatten(1, 2)
        blocks, _ = recall.read(candidates)
        return recall.presence(candidates, blocks).reshape(*cue.shape[:2], universe)

    presence = in_parts(part, recall.per_call(universe), cue, asked)
    return relative(presence, scale)


def superpose(recall: Recall, cue: Tensor, asked: Tensor, scale: Tensor) -> Tensor:
    """What a single read contains: the amplitude of each value over that of the strongest one.

    -inf, so that nothing is answered, where the cue is not in the read at more than half the
    scale, or no value has an amplitude.
    """

    def part(cue: Tensor, asked: Tensor) -> Tensor:
        blocks, _ = recall.read(cue)
        present = relative(recall.presence(cue, blocks), scale) > PRESENT + MARGIN
        amplitude = relative(recall.of_values(blocks, asked), scale)
        strongest = amplitude.amax(-1, keepdim=True)
        share = amplitude / torch.where(strongest > 0, strongest, 1.0)
        return torch.where(present[..., None] & (strongest > 0), share, -torch.inf)

    # the amplitudes of all values of a block read all its codes once more
    return in_parts(part, recall.per_call(recall.table.universe), cue, asked)


DECODERS: dict[Decoder, Decode] = {"verify": verify, "superpose": superpose}


def relative(amplitude: Tensor, scale: Tensor) -> Tensor:
    """Amplitudes [S, ...] over each lane's scale [S]; -inf where that is next to nothing."""
    scale = scale.reshape(-1, *[1] * (amplitude.dim() - 1))
    usable = scale.abs() >= SMALLEST_SCALE
    return torch.where(usable, amplitude / torch.where(usable, scale, 1.0), -torch.inf)


def details(recall: Recall, cue: Tensor, scale: Tensor, decoder: Decoder) -> Tensor:
    """Scores [S, K, 30] of the details of whole events [S, K, 4]; -inf for all but the likeliest.

    Its score is how present the event is, -inf if no detail has an amplitude; with ``superpose``
    inf where the event is present at more than one half.
    """

    def part(cue: Tensor) -> Tensor:
        blocks, detail = recall.read(cue)
        presence = relative(recall.presence(cue, blocks), scale)
        if decoder == "superpose":
            presence = torch.where(presence > PRESENT + MARGIN, torch.inf, -torch.inf)
        amplitude = relative(detail @ recall.table.details.transpose(1, 2) / SHARE, scale)
        strongest, best = amplitude.max(-1, keepdim=True)
        likeliest = torch.arange(amplitude.shape[-1], device=cue.device) == best
        return torch.where(likeliest & (strongest > 0), presence[..., None], -torch.inf)

    return in_parts(part, recall.per_call(1), cue)


def scores(
    recall: Recall, questions: Sequence[Questions], scale: Tensor, decoder: Decoder
) -> list[Floats]:
    """Scores [K, W] of the possible answers to each lane's questions."""
    of_detail = [q.asked == DETAIL for q in questions]
    values = [q.only(~mask) for q, mask in zip(questions, of_detail, strict=True)]
    whole = [q.only(mask) for q, mask in zip(questions, of_detail, strict=True)]
    device = recall.codes.device
    cue, asked = padded([q.cue for q in values], device), padded([q.asked for q in values], device)
    of_values = DECODERS[decoder](recall, cue, asked.clamp(min=0), scale).cpu().numpy()
    of_details = details(recall, padded([q.cue for q in whole], device), scale, decoder)
    found = []
    for lane, mask in enumerate(of_detail):
        filled = np.full((len(mask), answer_width(recall.table.universe)), -np.inf)
        filled[~mask, : of_values.shape[2]] = of_values[lane, : (~mask).sum()]
        filled[mask, : of_details.shape[2]] = of_details[lane, : mask.sum()].cpu().numpy()
        found.append(filled)
    return found


def answers(scores: Floats, threshold: float) -> Booleans:
    """The values whose score exceeds the threshold, bool like `scores`."""
    chosen: Booleans = scores > threshold + MARGIN
    return chosen


def padded(rows: Sequence[NDArray[np.int64]], device: torch.device, fill: int = ABSENT) -> Tensor:
    """Integers [K_i, ...] of all lanes as one tensor [S, max K, ...]."""
    longest = max(len(row) for row in rows)
    full = np.full((len(rows), longest, *rows[0].shape[1:]), fill, dtype=np.int64)
    for lane, row in enumerate(rows):
        full[lane, : len(row)] = row
    return torch.from_numpy(full).to(device)
