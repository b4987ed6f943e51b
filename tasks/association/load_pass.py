"""One pass of writes with reads at check-points, so that a curve over the load costs one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from memories.base import State
from tasks.base import Lanes


def reads_at(
    lanes: Lanes,
    write: Callable[[State, int, int], State],
    queries: Tensor,
    loads: Sequence[int],
    ends: Sequence[int],
    value_dim: int,
) -> Iterator[tuple[int, int, Tensor]]:
    """Each load, its number of events and the reads [S, load, V] of its queries.

    A memory whose writes do not compose is written anew, in one call, for every load.

    Args:
        lanes: The memories.
        write: The state after events `start` to `end` - 1, called with state, start and end.
        queries: [S, Q, D]; the first `load` of them are read at a load.
        loads: Increasing.
        ends: Events written when each load is reached.
        value_dim: V, which reads must have.
    """
    state, written = lanes.init_state(), 0
    for load, end in zip(loads, ends, strict=True):
        if not lanes.memory.composes:
            state, written = lanes.init_state(), 0
        state = write(state, written, end)
        written = end
        yield load, end, lanes.read(state, queries[:, :load], value_dim=value_dim)
