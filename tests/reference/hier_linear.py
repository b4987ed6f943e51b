"""A tree of segments grown event by event, and recall of its leaves or of one of its levels."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tests.reference.episodic_linear import (
    Episode,
    ask,
    cosine,
    cues,
    episodes,
    mixed,
)
from tests.reference.features import unit


@dataclass
class Segment:
    """A run of events: sums over them, and when the first and the last came."""

    number: int
    start: Tensor
    end: Tensor
    keys: Tensor
    values: Tensor
    count: int = 0


@dataclass
class Level:
    """The newest segments of a level, the open one last."""

    room: int
    opened: int = 0
    children: int = 0
    segments: list[Segment] = field(default_factory=list)

    def find(self, number: int) -> Segment | None:
        return next((s for s in self.segments if s.number == number), None)


@dataclass(frozen=True)
class Rules:
    """What ends a segment."""

    levels: int = 4
    fan_out: int = 8
    gap: float = 1.0
    context_threshold: float = 0.5
    space: bool = False


def boundaries(
    tree: list[Level], events: list[Episode], i: int, positions: list[float] | None, rules: Rules
) -> list[bool]:
    """On which levels, the lowest first, event i opens a segment."""
    first = i == 0
    pause = 0.0 if first else float(events[i].time - events[i - 1].time)
    step = 0.0 if first or positions is None else abs(positions[i] - positions[i - 1])
    changed = False
    if not first and events[i].context is not None:
        before = events[i - 1].context
        alike = 0.0 if before is None else float(cosine(events[i].context, before))
        changed = alike < rules.context_threshold
    opens = []
    child_opens = True
    for level, nodes in enumerate(tree, start=1):
        apart = pause > 2**level * rules.gap or (rules.space and step > 2**level)
        full = child_opens and nodes.children == rules.fan_out
        child_opens = first or apart or full or (level == 1 and changed)
        opens.append(child_opens)
    return opens


def grow(
    keys: Tensor,
    values: Tensor,
    times: Tensor | None,
    contexts: Tensor | None,
    *,
    capacity: int,
    rules: Rules,
) -> tuple[list[Episode], list[Level]]:
    """The leaves that are still stored, with their ancestors' numbers, and the tree above."""
    tree = [
        Level(max(8, math.ceil(2 * capacity / rules.fan_out**level)))
        for level in range(1, rules.levels)
    ]
    events = episodes(keys, values, len(keys), times, contexts)
    positions = None if contexts is None or not rules.space else contexts[:, 0].tolist()
    for i, event in enumerate(events):
        opens = boundaries(tree, events, i, positions, rules)
        child_opens = True
        for nodes, opening in zip(tree, opens, strict=True):
            if opening:
                zeros = torch.zeros_like(event.key), torch.zeros_like(event.value)
                nodes.segments.append(Segment(nodes.opened, event.time, event.time, *zeros))
                nodes.segments = nodes.segments[-nodes.room :]
                nodes.opened += 1
                nodes.children = 1
            elif child_opens:
                nodes.children += 1
            child_opens = opening
            segment = nodes.segments[-1]
            segment.keys = segment.keys + unit(event.key)
            segment.values = segment.values + event.value
            segment.count += 1
            segment.end = event.time
            event.parents = (*event.parents, segment.number)
    return events[-capacity:], tree


Address = Callable[[Tensor, int], Tensor]
"""A key or query as it is compared on a level, 0 being the events."""


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    times: Tensor | None = None,
    contexts: Tensor | None = None,
    query_times: Tensor | None = None,
    query_contexts: Tensor | None = None,
    *,
    capacity: int,
    scale: Mapping[str, Tensor],
    ancestor_weight: Tensor,
    rules: Rules,
    level: int = 0,
    address: Address = lambda x, _level: x,
    summary: Callable[[Tensor, int], Tensor] = lambda x, _level: x,
    top1: bool = False,
) -> Tensor:
    """Events helped by the match of their segments, or segments alone."""
    leaves, tree = grow(keys, values, times, contexts, capacity=capacity, rules=rules)

    def match(q: Tensor, segment: Segment, at: int) -> Tensor:
        mean = summary(segment.keys / segment.count, at)
        return cosine(address(q, at), address(mean, at))

    def of_events(q: Tensor, time: Tensor | None, context: Tensor | None) -> Tensor:
        scores = []
        for leaf in leaves:
            score = scale["beta"] * cosine(address(q, 0), address(leaf.key, 0))
            score = score + cues(leaf, len(keys), scale, time, context)
            for at, (nodes, number) in enumerate(zip(tree, leaf.parents, strict=True), start=1):
                segment = nodes.find(number)
                if segment is not None:
                    weight = ancestor_weight * 2.0**-at * scale["beta"]
                    score = score + weight * match(q, segment, at)
            scores.append(score)
        return mixed(scores, [leaf.value for leaf in leaves], top1=top1)

    def of_segments(q: Tensor, time: Tensor | None, _context: Tensor | None) -> Tensor:
        segments = tree[level - 1].segments
        scores = []
        for segment in segments:
            score = match(q, segment, level)
            if time is not None:
                outside = max(segment.start - time, time - segment.end, 0 * time)
                score = score + scale["time_weight"] * torch.exp(-outside / scale["time_scale"])
            scores.append(scale["beta"] * score)
        return mixed(scores, [s.values / s.count for s in segments], top1=top1)

    if not len(keys):
        return torch.zeros(len(queries), values.shape[1], dtype=values.dtype)
    return ask(of_segments if level else of_events, queries, query_times, query_contexts)
