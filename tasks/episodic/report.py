"""The numbers of one seed: all its test episodes' questions together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.base import Metric
from tasks.episodic.questions import BIN_NAMES, BIN_STARTS, Booleans, Questions
from tasks.episodic.scoring import by_bin, f1, over_bins
from tasks.episodic.templates import ATTRIBUTES, DETAIL
from tasks.episodic.timeline import OrderScores


@dataclass(frozen=True)
class Answered:
    """Questions with the answers given to them.

    Attributes:
        questions: All questions about values or details.
        predicted: The answers, bool [K, W].
        order: Scores of the questions of order.
    """

    questions: Questions
    predicted: Booleans
    order: OrderScores

    @classmethod
    def of(
        cls,
        questions: Sequence[Questions],
        predicted: Sequence[Booleans],
        order: Sequence[OrderScores],
    ) -> Answered:
        """Several episodes as one."""
        return cls(
            Questions(
                np.concatenate([q.template for q in questions]),
                np.concatenate([q.cue for q in questions]),
                np.concatenate([q.matches for q in questions]),
                np.concatenate([q.truth for q in questions]),
            ),
            np.concatenate(predicted),
            OrderScores(
                [score for o in order for score in o.latest],
                [score for o in order for score in o.complete],
                [score for o in order for score in o.tau],
            ),
        )

    @property
    def n_questions(self) -> int:
        """Questions asked, those of order included."""
        return len(self.predicted) + len(self.order.latest) + len(self.order.complete)

    def bin_names(self) -> list[str]:
        """Names of the bins that occur, over which means are taken."""
        return [BIN_NAMES[b] for b in np.unique(self.questions.bin)]

    def metrics(self) -> list[Metric]:
        """All scores; those of a kind of question that was never asked are left out."""
        exact = f1(self.predicted, self.questions.truth)
        lenient = f1(self.predicted, self.questions.truth, lenient=True)
        bin_of = self.questions.bin
        # whoever answers nothing is right where nothing matches
        chance = float((np.unique(bin_of) == 0).mean())
        found = [
            _share("f1", over_bins(exact, bin_of), primary=True, chance=chance),
            _share("f1_lenient", over_bins(lenient, bin_of), chance=chance),
        ]
        for name, score in (("f1_by_matches", exact), ("f1_lenient_by_matches", lenient)):
            found += [
                _share(name, mean, x=BIN_STARTS[b]) for b, mean in by_bin(score, bin_of).items()
            ]
        for size in (1, 2, 3, 4):
            own = self.questions.cue_size == size
            if own.any():
                found.append(_share("f1_by_cue_size", over_bins(exact[own], bin_of[own]), x=size))
        for asked, name in enumerate(ATTRIBUTES):
            own = self.questions.asked == asked
            found.append(_share(f"f1_asked_{name}", over_bins(exact[own], bin_of[own])))
        return [*found, *self._details(), *self._order()]

    def _details(self) -> list[Metric]:
        """How often the detail of an event that happened was given."""
        own = (self.questions.asked == DETAIL) & (self.questions.matches > 0)
        right = (self.predicted[own] == self.questions.truth[own]).all(-1)
        return [_share("detail_accuracy", float(right.mean()))]

    def _order(self) -> list[Metric]:
        """The latest, complete lists, their order, and what these come to."""
        if not self.order.latest:
            return []
        latest = float(np.mean(self.order.latest))
        complete = float(np.mean(self.order.complete))
        tau = float(np.mean(self.order.tau)) if self.order.tau else 0.0
        chronological = complete * max(0.0, tau)
        found = [
            _share("latest", latest),
            _share("chronological", chronological),
            _share("chronological_awareness", (latest + chronological) / 2),
            _share("complete_lists", complete),
        ]
        if self.order.tau:
            found.append(
                Metric("kendall_tau", tau, "higher", bounds=(-1.0, 1.0), chance=0.0, ceiling=1.0)
            )
        return found


def _share(
    name: str,
    value: float,
    *,
    primary: bool = False,
    x: float | None = None,
    chance: float | None = None,
) -> Metric:
    """A proportion: at most 1."""
    return Metric(
        name,
        value,
        "higher",
        primary=primary,
        x=x,
        bounds=(0.0, 1.0),
        chance=chance,
        ceiling=1.0,
    )
