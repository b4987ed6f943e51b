"""What the tasks of recall have in common: sizes, needs and training episodes."""

from __future__ import annotations

import copy

from typing_extensions import override

from tasks.association.curriculum import AssociativeCurriculum
from tasks.base import Curriculum, Randomness, Task
from tasks.samples.sample import Sample


class AssociativeTask(Task):
    """A task that writes pairs and asks for values.

    Attributes:
        key_dim: D.
        value_dim: V.
        context_dim: Width of contexts, 0 if it gives none.
        episodes: Independent episodes per seed.
    """

    key_dim: int
    value_dim: int
    context_dim: int = 0
    episodes: int

    @override
    def requires(self) -> frozenset[str]:
        """Values that differ from their keys."""
        return frozenset({"hetero"})

    @override
    def curriculum(self) -> Curriculum | None:
        """Pairs, interfering lists and, with contexts, reinstated ones, of this task's sizes."""
        return AssociativeCurriculum(self.key_dim, self.value_dim, self.context_dim)

    @override
    def samples(self, n: int, seed: int, source: Randomness) -> list[Sample]:
        """The first episodes of a seed: what is written, and what is asked.

        The task itself is run, with a memory that only takes down what it is told, so that a
        sample shows what a run would show.
        """
        from tasks.association.show import episode
        from tasks.association.transcript import listen

        shown = copy.copy(self)
        shown.episodes = n
        transcript = listen(shown, seed, source)
        return [episode(transcript, lane, f"episode {lane}") for lane in range(n)]

    def sizes(self, max_events: int) -> dict[str, int]:
        """What it dictates to a memory that will be written this many events."""
        return {
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "context_dim": self.context_dim,
            "max_events": max_events,
        }
