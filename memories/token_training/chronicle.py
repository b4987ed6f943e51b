"""Passing windows in the order of time: read what was stored before, forecast, then store.

The row of a window whose newest observation is row o may be read by windows that end later than o
and by no other. A chunk of consecutive windows reads the state before the chunk and is then written
in order: longer chunks only make what is read up to a chunk older.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from memories.base import State
from memories.token_training.lanes import TokenLanes

Windows = Callable[[Sequence[int]], Tensor]
"""Gives the windows [N, B, L, C], or [B, L, C] for all lanes, that end at these rows."""


@dataclass(frozen=True)
class Passed:
    """One chunk of windows that was passed.

    Attributes:
        origins: Newest row of each.
        before: State that they read [N, ...].
        snapshot: What their tokens were made from.
        forecasts: [N, B, H, C].
        after: State once they are written.
    """

    origins: Sequence[int]
    before: State
    snapshot: State
    forecasts: Tensor
    after: State


def chronicle(
    lanes: TokenLanes,
    windows: Windows,
    origins: Sequence[int],
    state: State,
    *,
    chunk: int,
    written: Callable[[int], bool],
) -> Iterator[Passed]:
    """Pass windows in order of time, chunk after chunk.

    Args:
        lanes: Models, in evaluation.
        windows: Gives windows by their newest rows.
        origins: Newest rows of the windows, ascending.
        state: State before the first.
        chunk: Windows that read the same state.
        written: Whether the window that ends at this row is stored.
    """
    for start in range(0, len(origins), chunk):
        now = origins[start : start + chunk]
        snapshot = lanes.snapshot(state)
        forecasts, hidden = lanes.forecast(windows(now), snapshot)
        stored = [place for place, origin in enumerate(now) if written(origin)]
        after = state
        if stored:
            kept = torch.tensor(stored, device=hidden.device)
            after = lanes.absorb(state, hidden.index_select(1, kept))
        yield Passed(now, state, snapshot, forecasts, after)
        state = after


def always(_origin: int) -> bool:
    """Every window is stored."""
    return True


class Snapshots:
    """What a memory held every so many windows of a chronological pass over training windows.

    Args:
        every: Windows between two.
        stacked: Snapshots in order [N, n, ...].
        after: State after the last window.
    """

    def __init__(self, every: int, stacked: State, after: State) -> None:
        self.every, self.stacked, self.after = every, stacked, after

    @classmethod
    def taken(
        cls, lanes: TokenLanes, windows: Windows, origins: Sequence[int], every: int
    ) -> Snapshots:
        """Those of a pass over these windows from an empty memory, with the present weights."""
        state = lanes.init_state()
        taken = []
        for passed in chronicle(lanes, windows, origins, state, chunk=every, written=always):
            taken.append(passed.snapshot)
            state = passed.after
        stacked = {name: torch.stack([s[name] for s in taken], dim=1) for name in taken[0]}
        return cls(every, stacked, state)

    def select(self, lanes: Tensor) -> Snapshots:
        """Those of these lanes only, by their place [n]."""
        return Snapshots(
            self.every,
            {name: entry[lanes.to(entry.device)] for name, entry in self.stacked.items()},
            {name: entry[lanes.to(entry.device)] for name, entry in self.after.items()},
        )

    def before(self, places: Tensor) -> Tensor:
        """For windows by their place in the pass, the newest snapshot that holds none of them."""
        return places // self.every
