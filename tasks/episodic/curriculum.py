"""Training episodes of the kind that `episodic-events` asks about, from universes of their own."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from tasks.base import Curriculum, Episodes
from tasks.episodic.codes import BLOCKS, Codebook, CodeTable, TimeCode, stacked
from tasks.episodic.events import EventSampler, Integers
from tasks.episodic.questions import Booleans
from tasks.episodic.templates import ABSENT

TRAINING_EVENTS = 32
PARTS: Booleans = np.array(
    [
        [attribute in part for attribute in range(BLOCKS)]
        for size in range(1, BLOCKS)
        for part in combinations(range(BLOCKS), size)
    ]
)
"""The 14 ways to give some but not all attributes, bool [14, 4]."""


def episode(
    generator: torch.Generator,
    *,
    n_events: int = TRAINING_EVENTS,
    dim: int = 64,
    sampler: EventSampler | None = None,
    time_code: TimeCode = "random",
) -> dict[str, Tensor]:
    """Events to write and cues with the values wanted, in a universe with codes of its own.

    Of every event three cues are asked: all of it; a random part that no other event has (nobody
    is at two places at a time); and what ``verify`` asks of a right candidate, a part with one
    attribute more, which others may share. The value wanted is the mean over matching events.

    Args:
        generator: Source of the episode.
        n_events: Events N.
        dim: D, a multiple of four.
        sampler: Law of the events; the default one if None.
        time_code: As in the task.

    Returns:
        ``keys`` [N, D], ``values`` [N, 5 D/4], ``queries`` [3 N, D], ``targets`` [3 N, 5 D/4].
    """
    sampler = sampler or EventSampler()
    rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    events = sampler.draw(rng, n_events)
    book = Codebook.draw(rng, sampler.universe, dim // BLOCKS, time_code)
    cues = np.concatenate([events.codes, *_parts(rng, events.codes)])
    matching = ((cues[:, None] == events.codes) | (cues == ABSENT)[:, None]).all(-1)
    shares = torch.from_numpy(matching / matching.sum(1, keepdims=True)).float()
    table, (codes, details) = CodeTable.of([book]), stacked([events])
    values = table.values(codes, details)[0]
    return {
        "keys": table.cues(codes)[0],
        "values": values,
        "queries": table.cues(torch.from_numpy(cues)[None])[0],
        "targets": shares @ values,
    }


def _parts(rng: np.random.Generator, codes: Integers) -> tuple[Integers, Integers]:
    """For each event [N, 4] a part that is its alone, and a part of two or more attributes."""
    same = codes[:, None] == codes
    # [14, N, N]: whether event j agrees with event i on all that the part gives
    shared = (same | ~PARTS[:, None, None]).all(-1)
    alone = (shared.sum(-1) == 1).T
    wide = np.broadcast_to(PARTS.sum(1) > 1, alone.shape)
    chosen = [
        np.where(allowed, rng.random(allowed.shape), -1.0).argmax(1) for allowed in (alone, wide)
    ]
    first, second = (np.where(PARTS[part], codes, ABSENT) for part in chosen)
    return first, second


class EpisodicCurriculum(Curriculum):
    """Episodes of 32 events with fresh codes.

    Args:
        dim: D.
        sampler: Law of the events, the task's own.
        time_code: The task's own.
    """

    def __init__(self, dim: int, sampler: EventSampler, time_code: TimeCode = "random") -> None:
        self.dim, self.sampler, self.time_code = dim, sampler, time_code

    @override
    def identity(self) -> dict[str, Any]:
        return {
            "curriculum": "episodic-events",
            "dim": self.dim,
            "universe": self.sampler.universe,
            "distribution": self.sampler.distribution,
            "p": self.sampler.p,
            "order": self.sampler.order,
            "time_code": self.time_code,
        }

    @override
    def training(self, step: int, n: int, generator: torch.Generator) -> Episodes:
        return self._draw(n, generator)

    @override
    def validation(self, n: int, generator: torch.Generator) -> list[Episodes]:
        return [self._draw(n, generator)]

    def _draw(self, n: int, generator: torch.Generator) -> Episodes:
        drawn = [
            episode(
                generator,
                n_events=TRAINING_EVENTS,
                dim=self.dim,
                sampler=self.sampler,
                time_code=self.time_code,
            )
            for _ in range(n)
        ]
        return Episodes(**{name: torch.stack([d[name] for d in drawn]) for name in drawn[0]})
