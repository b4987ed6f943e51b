"""Which positions of a list are recalled: the first, the last, and neighbours in context."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor
from typing_extensions import override

from bench.registry import task
from memories.base import InvalidParameter
from tasks.association.contexts import drifting_contexts
from tasks.association.episode_lanes import EpisodeLanes, mean
from tasks.association.keys import unit_keys
from tasks.association.recall import code_sequence, cosines, hits
from tasks.association.recall_metrics import accuracy, cosine, difference
from tasks.association.task import AssociativeTask
from tasks.base import Metric, Outcome, Workbench

ENDS = 5
"""Positions at either end of the list that count as first and as last."""
MIDDLE = 10
"""Positions in the middle that both ends are compared to."""
FARTHEST = 5
"""Largest lag of the contiguity curve."""


@task("serial-position", family="associative", source="Murdock 1962; Kahana 1996")
class SerialPosition(AssociativeTask):
    """Recall by position in a list of N pairs that is written in one go.

    `acc_code` over position 1 to N; `recency` is the mean of the last five positions minus that of
    the middle ten, `primacy` that of the first five. A list longer than a memory's slots shows
    which events it gives up.

    With ``context: drift`` every event comes in a context that drifts, and after the recall by key
    each event's context is given alone, with a zero key. `contiguity` over lag -5 to 5 is the
    share of those answers that lie nearest to the value `lag` positions later, among the values
    written and where that position exists.

    Args:
        dim: Width of keys and values where `key_dim` or `value_dim` is not given.
        items: Pairs N.
        context: Whether events come in a drifting context.
        context_dim: Width of contexts, with ``context: drift``.
        drift: Share of an event's context that is new; the cosine over a lag is about
            (1 - drift^2)^(lag/2).
        pool: Number of value codes; chance is 1/pool.
        episodes: Independent lists per seed.
        key_dim: Width of keys.
        value_dim: Width of values.

    Raises:
        InvalidParameter: If there are more items than codes.
    """

    def __init__(
        self,
        *,
        dim: Annotated[int, Ge(2)] = 64,
        items: Annotated[int, Ge(2 * ENDS + MIDDLE)] = 20,
        context: Literal["none", "drift"] = "none",
        context_dim: Annotated[int, Ge(2)] = 16,
        drift: Annotated[float, Gt(0), Le(1)] = 0.4,
        pool: Annotated[int, Ge(2)] = 1024,
        episodes: Annotated[int, Ge(1)] = 20,
        key_dim: Annotated[int, Ge(2)] | None = None,
        value_dim: Annotated[int, Ge(2)] | None = None,
    ) -> None:
        if items > pool:
            raise InvalidParameter("items", f"{items} items need {items} codes", "raise pool")
        self.items = items
        self.context_dim = context_dim if context == "drift" else 0
        self.drift = drift
        self.pool = pool
        self.episodes = episodes
        self.key_dim = key_dim or dim
        self.value_dim = value_dim or dim

    @override
    def requires(self) -> frozenset[str]:
        """Values that differ from their keys, and use of contexts where they are given."""
        return super().requires() | ({"uses_context"} if self.context_dim else set())

    @override
    def dictates(self) -> dict[str, int]:
        """Sizes of keys, values and contexts, and the length of the list."""
        return self.sizes(self.items)

    @override
    def run(self, bench: Workbench) -> list[Outcome]:
        """One outcome per seed, averaged over its episodes."""
        episodes = EpisodeLanes(bench, self.dictates(), self.episodes)
        keys, values, book, codes, drifting = episodes.draw(self._list)
        contexts = drifting if self.context_dim else None
        state = episodes.lanes.write(episodes.fresh, keys, values, None, contexts)
        bench.progress(1, 2)
        reads = episodes.read("position", state, keys)
        scores = {"acc_code": hits(reads, book, codes), "cosine": cosines(reads, book, codes)}
        nearest: dict[int, Tensor] = {}
        if contexts is not None:
            cued = episodes.read("contiguity", state, torch.zeros_like(keys), None, contexts)
            nearest = {lag: _at_lag(cued, values, lag) for lag in range(-FARTHEST, FARTHEST + 1)}
        bench.progress(2, 2)
        return episodes.outcomes(lambda rows: self._outcome(scores, nearest, rows))

    def _list(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Keys, values, codebook, codes, and contexts [N, C], of no width without drift."""
        keys = unit_keys(generator, self.items, self.key_dim)
        book = unit_keys(generator, self.pool, self.value_dim)
        codes = code_sequence(generator, self.items, self.pool)
        contexts = torch.zeros(self.items, 0)
        if self.context_dim:
            contexts = drifting_contexts(generator, self.items, self.context_dim, self.drift)
        return keys, book[codes], book, codes, contexts

    def _outcome(
        self, scores: dict[str, Tensor], nearest: dict[int, Tensor], rows: slice
    ) -> Outcome:
        acc, chance = scores["acc_code"], 1 / self.pool
        middle = (self.items - MIDDLE) // 2
        between = mean(acc[:, middle : middle + MIDDLE], rows)
        metrics = [
            accuracy(
                "acc_code_mean",
                mean(acc, rows),
                chance,
                primary=True,
                answers=self.items * self.episodes,
            ),
            cosine("cosine_mean", mean(scores["cosine"], rows)),
            difference("recency", mean(acc[:, -ENDS:], rows) - between, "higher"),
            difference("primacy", mean(acc[:, :ENDS], rows) - between, "higher"),
        ]
        for position in range(self.items):
            at = mean(acc[:, position], rows)
            metrics.append(accuracy("acc_code", at, chance, x=position + 1))
        metrics += self._contiguity(nearest, rows)
        queries = self.items * (2 if nearest else 1)
        return Outcome(metrics=metrics, n_eval=queries * self.episodes)

    def _contiguity(self, nearest: dict[int, Tensor], rows: slice) -> list[Metric]:
        return [
            accuracy("contiguity", mean(share, rows), 1 / self.items, x=lag)
            for lag, share in nearest.items()
        ]


def _at_lag(reads: Tensor, values: Tensor, lag: int) -> Tensor:
    """Share of a hit [S, n] on the value `lag` positions later, where that position exists."""
    positions = torch.arange(values.shape[1], device=values.device) + lag
    inside = (positions >= 0) & (positions < values.shape[1])
    asked = reads[:, inside]
    return hits(asked, values, positions[inside].expand(asked.shape[0], -1))
