"""Episodes under a tree of segments: a match of the segment helps each event in it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn
from typing_extensions import override

from bench.registry import memory
from memories.base import InvalidParameter, State
from memories.episodic.episodic_linear import EpisodicLinear
from memories.episodic.tree import EventTree
from memories.features import unit
from memories.slots.ring import ring_age, ring_write


@memory("hier-linear", family="episodic", source="Kurby & Zacks 2008; Ramsauer et al. 2020")
class HierLinear(EpisodicLinear):
    """Recalls like `episodic-linear`, each event helped by how well its segments match the query.

    Events are the leaves of a tree of `levels` levels that is built while they come. A segment of
    level l ends where neighbouring events are more than 2^l `gap` apart in time, on level 1 also
    where the cosine of their contexts is below `context_threshold`, or when it has `fan_out`
    children. It keeps the sums of its events' unit keys and values, also of events whose own slot
    was overwritten: the gist outlives the detail. With S_l(j) the mean key of leaf j's ancestor
    on level l, the score of a leaf gains

        sum_(l >= 1) gamma 2^(-l) beta cos(q, S_l(j))

    over the ancestors that still exist; gamma = 0 is `episodic-linear`. With `level` l >= 1 what
    is recalled is the softmax-weighted mean of the segments' mean values instead, scored by
    beta [cos(q, S) + w_t exp(-d / tau)], d being the time from t_q to the segment.

    State: as `episodic-linear`; ``parents`` [M, levels - 1], the number of each leaf's ancestors;
    the entries of `memories.episodic.tree.EventTree`; with positions ``last_position`` and
    ``has_position``. Slow weights: as `episodic-linear`, gamma, and the summary if learned.

    Args:
        levels: Levels of the tree, leaves included.
        fan_out: Most children of a segment.
        gap: Unit of the pauses that end a segment.
        context_threshold: Cosine of neighbouring contexts below which a segment ends.
        space: ``ctx0`` takes the first coordinate of a context, as it is given, for a position: a
            segment of level l also ends at a step of more than 2^l.
        ancestor_weight: gamma.
        level: Level that is recalled; 0 is the events.
        learn_summary: Whether a segment's key is m + m W_l, with slow W_l that start at zero and
            the mean m, instead of m.

    Raises:
        InvalidParameter: If `level` is not below `levels`, or positions are wanted of events that
            have no contexts.
    """

    ancestor_weight: Tensor
    gap: Tensor
    context_threshold: Tensor

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        context_dim: int,
        levels: Annotated[int, Ge(2)] = 4,
        fan_out: Annotated[int, Ge(2)] = 8,
        gap: Annotated[float, Gt(0)] = 1.0,
        context_threshold: Annotated[float, Ge(-1), Le(1)] = 0.5,
        space: Literal["none", "ctx0"] = "none",
        ancestor_weight: Annotated[float, Ge(0)] = 0.25,
        level: Annotated[int, Ge(0)] = 0,
        learn_summary: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(key_dim, value_dim, context_dim=context_dim, **options)
        if level >= levels:
            raise InvalidParameter(
                "level", f"must be < levels ({levels}), got {level}", help="0 recalls events"
            )
        if space == "ctx0" and not context_dim:
            raise InvalidParameter(
                "space", "'ctx0' needs contexts, and the task has none", help="use space 'none'"
            )
        self.tree = EventTree(self.capacity, levels - 1, fan_out)
        self.level = level
        self.has_positions = space == "ctx0"
        self.scalar("gap", gap)
        self.scalar("context_threshold", context_threshold)
        self.ancestor_weight = nn.Parameter(torch.tensor(float(ancestor_weight)))
        self.summaries = (
            nn.Parameter(torch.zeros(levels - 1, key_dim, key_dim)) if learn_summary else None
        )

    @override
    def init_state(self) -> State:
        like = self.log_beta
        state = {
            **super().init_state(),
            "parents": like.new_zeros(self.capacity, self.tree.levels, dtype=torch.int64),
            **self.tree.init_state(like, self.key_dim, self.value_dim),
        }
        if self.has_positions:
            state["last_position"] = like.new_zeros(())
            state["has_position"] = like.new_zeros((), dtype=torch.bool)
        return state

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        if not keys.shape[0]:
            return state
        rows = self.event_rows(state, keys, values, times, contexts)
        placed = self.tree.place(state, self._apart(state, rows, contexts))
        rows["parents"] = placed.numbers.mT
        slots = ring_write({name: state[name] for name in rows}, rows, state["count"])
        nodes = self.tree.add(state, placed, unit(keys), values, rows["times"])
        after = {**state, **slots, **nodes, "count": state["count"] + keys.shape[0]}
        if self.has_positions and contexts is not None:
            after["last_position"] = contexts[-1, 0].to(state["last_position"].dtype)
            after["has_position"] = torch.ones_like(state["has_position"])
        return after

    def _apart(self, state: State, rows: dict[str, Tensor], contexts: Tensor | None) -> Tensor:
        """Whether each of N events lies apart from the one before, bool [levels - 1, N]."""
        number = torch.arange(rows["times"].shape[0], device=rows["times"].device)
        doubling = 2.0 ** torch.arange(1, self.tree.levels + 1, device=number.device)[:, None]
        first = state["count"] + number == 0
        apart = first | (_steps(self._newest(state, "times"), rows["times"]) > doubling * self.gap)
        if contexts is None or not self.context_dim:
            return apart
        before = torch.cat([self._newest(state, "contexts"), rows["contexts"]])[:-1]
        changed = (rows["contexts"] * before).sum(-1) < self.context_threshold
        apart = torch.cat([apart[:1] | changed, apart[1:]])
        if self.has_positions:
            moved = _steps(state["last_position"][None], contexts[:, 0]).abs() > doubling
            apart = apart | (moved & (state["has_position"] | (number > 0)))
        return apart

    def _newest(self, state: State, name: str) -> Tensor:
        """The newest event's slot [1, ...] of one name; anything where there is none."""
        slot = (state["count"] - 1) % self.capacity
        return state[name].index_select(0, slot[None])

    @override
    def _logits(
        self, state: State, queries: Tensor, times: Tensor | None, contexts: Tensor | None
    ) -> Tensor:
        logits = super()._logits(state, queries, times, contexts)
        for level in range(1, self.tree.levels + 1):
            place, there = self.tree.find(state, level, state["parents"][:, level - 1])
            matches = self._segment_similarity(state, queries, level).index_select(1, place)
            strength = self.ancestor_weight * 2.0**-level * self.log_beta.exp()
            logits = logits + strength * torch.where(there & self.valid(state), matches, 0.0)
        return logits

    @override
    def _attend(
        self, state: State, queries: Tensor, times: Tensor | None, contexts: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Values [Q, V] and weights [Q, M], or [Q, P_l] of segments with a `level` above 0."""
        if not self.level:
            return super()._attend(state, queries, times, contexts)
        weights = self._segment_weights(state, queries, times, self.level)
        return weights @ self.tree.means(state, self.level, "node_values"), weights

    @override
    def read_info(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Values [Q, V] and what they came from; with a `level` above 0 over its P_l places.

        ``weights`` and cosines ``sim`` [Q, M or P_l]; ``valid`` [M or P_l]; ``age`` [M or P_l] in
        events written, or in segments opened, since.
        """
        if not self.level:
            return super().read_info(state, queries, times, contexts)
        opened = state["opened"][self.level - 1]
        queries = self._deepened(state, queries, times, contexts)
        values, weights = self._attend(state, queries, times, contexts)
        return {
            "values": values,
            "weights": weights,
            "sim": self._segment_similarity(state, queries, self.level),
            "valid": self.tree.present(state, self.level),
            "age": ring_age(opened, self.tree.sizes[self.level - 1]),
        }

    def _segment_weights(
        self, state: State, queries: Tensor, times: Tensor | None, level: int
    ) -> Tensor:
        """Weights [Q, P_l] of a level's segments."""
        score = self._segment_similarity(state, queries, level)
        if times is not None:
            nodes = self.tree.nodes(level)
            start, end = state["node_start"][nodes], state["node_end"][nodes]
            outside = torch.maximum(start - times[:, None], times[:, None] - end).clamp(min=0)
            score = score + self.time_weight * (-outside / self.log_time_scale.exp()).exp()
        order = ring_age(state["opened"][level - 1], self.tree.sizes[level - 1])
        return self._chosen(self.log_beta.exp() * score, self.tree.present(state, level), order)

    def _segment_similarity(self, state: State, queries: Tensor, level: int) -> Tensor:
        """Cosines [Q, P_l] of queries and a level's segments."""
        summary = self.tree.means(state, level, "node_keys")
        if self.summaries is not None:
            summary = summary + summary @ self.summaries[level - 1]
        return self._segment_address(queries, level) @ self._segment_address(summary, level).mT

    def _segment_address(self, keys: Tensor, level: int) -> Tensor:  # noqa: ARG002
        """Queries or summaries [N, D] as they are compared on a level."""
        return self._projected(keys)


def _steps(before: Tensor, x: Tensor) -> Tensor:
    """Differences [N] of a sequence [N] to the elements before, the first to `before` [1]."""
    return x - torch.cat([before.to(x.dtype), x])[:-1]
