"""What the tasks of recall have in common: sizes, needs and training episodes."""

from __future__ import annotations

from typing_extensions import override

from tasks.association.curriculum import AssociativeCurriculum
from tasks.base import Curriculum, Task


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

    def sizes(self, max_events: int) -> dict[str, int]:
        """What it dictates to a memory that will be written this many events."""
        return {
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "context_dim": self.context_dim,
            "max_events": max_events,
        }
