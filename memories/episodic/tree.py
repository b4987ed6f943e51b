"""A tree that grows over a stream of events and forgets whole branches, oldest first.

Level 0 is the events themselves. A node of level l >= 1 is an unbroken run of events; each level
keeps a ring of its newest nodes, of which the last is open. Nodes are known by their number, in
order of opening: node number i lies in place i mod P_l of its level, so that a number says both
where a node is and whether it is still there. The rings of all levels are parts of one axis P.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor, nn

from memories.base import State

LEAST_NODES = 8
"""Nodes that a level keeps at least, however few events there is room for."""


@dataclass(frozen=True)
class Placement:
    """Where N events go in the tree.

    Attributes:
        opens: Whether an event opens a node of a level, bool [levels, N].
        numbers: Number of the node that takes it, int64 [levels, N].
        children: Children of each level's open node after the last event, int64 [levels].
    """

    opens: Tensor
    numbers: Tensor
    children: Tensor


class EventTree(nn.Module):
    """The levels above the events: which nodes there are and what they sum up.

    A node of level l opens where neighbouring events lie apart by that level's measure, or where
    a child begins while the open node has `fan_out` children. As what is apart on one level is
    apart on those below, a node begins with its first child.

    State: ``node_keys`` [P, D] and ``node_values`` [P, V], sums over the node's events;
    ``node_count`` [P] of them; ``node_start`` and ``node_end`` [P], times of the first and the
    last; ``opened`` [levels], nodes opened so far; ``children`` [levels] of the open ones.

    Args:
        capacity: Events that the level below the tree has room for, M.
        levels: Levels above the events.
        fan_out: b, most children of a node. Level l has room for max(8, ceil(2 M / b^l)) nodes.
    """

    def __init__(self, capacity: int, levels: int, fan_out: int) -> None:
        super().__init__()
        self.levels = levels
        self.fan_out = fan_out
        self.sizes = tuple(
            max(LEAST_NODES, -(-2 * capacity // fan_out**level)) for level in range(1, levels + 1)
        )
        self.starts = (0, *accumulate(self.sizes))

    def init_state(self, like: Tensor, key_dim: int, value_dim: int) -> dict[str, Tensor]:
        """No nodes."""
        total = self.starts[-1]
        return {
            "node_keys": like.new_zeros(total, key_dim),
            "node_values": like.new_zeros(total, value_dim),
            "node_count": like.new_zeros(total, dtype=torch.int64),
            "node_start": like.new_zeros(total),
            "node_end": like.new_zeros(total),
            "opened": like.new_zeros(self.levels, dtype=torch.int64),
            "children": like.new_zeros(self.levels, dtype=torch.int64),
        }

    def nodes(self, level: int) -> slice:
        """The places of a level's nodes, level 1 being the lowest."""
        return slice(self.starts[level - 1], self.starts[level])

    def place(self, state: State, apart: Tensor) -> Placement:
        """Where N >= 1 events go, without a loop over them.

        With p_i the children begun on the level since the newest gap, or since the open node
        began and no gap came after, a child opens a node exactly where p_i is a multiple of b.

        Args:
            state: State before the events.
            apart: Whether an event lies apart from the one before it, by the measure of each
                level, bool [levels, N]; true on all levels for the first event of all.
        """
        opens, left = [], []
        begins = torch.ones_like(apart[0])
        for gaps, children in zip(apart, state["children"], strict=True):
            begun = begins.cumsum(0)
            at_gap = torch.where(gaps, begun, 0).cummax(0).values
            position = begun - torch.where(at_gap > 0, at_gap, 1 - children)
            begins = begins & (position % self.fan_out == 0)
            opens.append(begins)
            left.append(position[-1] % self.fan_out + 1)
        opened = torch.stack(opens)
        numbers = state["opened"][:, None] - 1 + opened.cumsum(1)
        return Placement(opened, numbers, torch.stack(left))

    def add(
        self, state: State, placed: Placement, keys: Tensor, values: Tensor, times: Tensor
    ) -> dict[str, Tensor]:
        """The tree's entries of the state after N >= 1 events.

        Args:
            state: State before the events.
            placed: Where they go.
            keys: [N, D].
            values: [N, V].
            times: [N].
        """
        opened = placed.numbers[:, -1] + 1
        parts = [self._level_after(state, placed, level, (keys, values, times))
                 for level in range(1, self.levels + 1)]  # fmt: skip
        after = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        return {**after, "opened": opened, "children": placed.children}

    def _level_after(
        self, state: State, placed: Placement, level: int, events: tuple[Tensor, Tensor, Tensor]
    ) -> dict[str, Tensor]:
        keys, values, times = events
        size, nodes = self.sizes[level - 1], self.nodes(level)
        opens, numbers = placed.opens[level - 1], placed.numbers[level - 1]
        place = torch.arange(size, device=times.device)
        newest = numbers[-1] - (numbers[-1] - place) % size
        fresh = newest >= state["opened"][level - 1]
        kept = numbers > numbers[-1] - size
        ends = torch.cat([opens[1:], torch.ones_like(opens[:1])])
        # one place more, behind the last, takes what no node keeps
        home = torch.where(kept, numbers % size, size)

        def summed(name: str, rows: Tensor) -> Tensor:
            old = state[name][nodes]
            blank = fresh.reshape(-1, *[1] * (old.dim() - 1))
            added = old.new_zeros(size + 1, *old.shape[1:]).index_add(0, home, rows)
            return torch.where(blank, 0, old) + added[:size]

        def marked(name: str, where: Tensor) -> Tensor:
            old = torch.cat([state[name][nodes], times[:1]])
            return old.index_copy(0, torch.where(where, home, size), times)[:size]

        return {
            "node_keys": summed("node_keys", keys),
            "node_values": summed("node_values", values),
            "node_count": summed("node_count", torch.ones_like(numbers)),
            "node_start": marked("node_start", opens),
            "node_end": marked("node_end", ends),
        }

    def means(self, state: State, level: int, name: str) -> Tensor:
        """Mean key or value of a level's nodes, [P_l, D] or [P_l, V]; zero where none is."""
        nodes = self.nodes(level)
        return state[name][nodes] / state["node_count"][nodes].clamp(min=1)[:, None]

    def present(self, state: State, level: int) -> Tensor:
        """Which places of a level hold a node, bool [P_l]."""
        opened = state["opened"][level - 1]
        return torch.arange(self.sizes[level - 1], device=opened.device) < opened

    def find(self, state: State, level: int, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Place within a level [...] of nodes by number [...], and whether they are still there."""
        size = self.sizes[level - 1]
        return numbers % size, state["opened"][level - 1] - numbers <= size
