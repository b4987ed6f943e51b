"""Validation and test of trained lanes, with the memory that the plan calls for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from memories.base import State
from memories.token_training.chronicle import Passed, Snapshots, chronicle
from memories.token_training.lanes import TokenLanes
from tasks.forecasting.stream import squared_error
from tasks.longterm.plan import SNAPSHOT_EVERY, Plan
from tasks.longterm.windows import LaneWindows


def trained_pass(lanes: TokenLanes, windows: LaneWindows, plan: Plan) -> Snapshots:
    """Snapshots of a chronological pass over the training windows, with the present weights."""
    return Snapshots.taken(lanes, windows, plan.training, SNAPSHOT_EVERY)


def passed(
    lanes: TokenLanes,
    windows: LaneWindows,
    plan: Plan,
    origins: Sequence[int],
    state: State,
) -> Iterator[Passed]:
    """Evaluate windows in order of time, storing those that the plan stores."""
    written = plan.stored if plan.memory_eval == "stream" else _never
    return chronicle(lanes, windows, origins, state, chunk=plan.chunk, written=written)


def advanced(
    lanes: TokenLanes, windows: LaneWindows, plan: Plan, origins: Sequence[int], state: State
) -> State:
    """The state after windows that are not scored, cut into chunks as if they were."""
    if plan.memory_eval != "stream":
        return state
    for start in range(0, len(origins), plan.chunk):
        stored = [o for o in origins[start : start + plan.chunk] if plan.stored(o)]
        for chunk in passed(lanes, windows, plan, stored, state):
            state = chunk.after
    return state


def before_validation(lanes: TokenLanes, windows: LaneWindows, plan: Plan, trained: State) -> State:
    """What the memory holds when validation begins.

    Args:
        lanes: Trained so far.
        windows: Of their series.
        plan: What the memory holds in evaluation.
        trained: State that training left, or that follows a pass over the training windows.
    """
    if plan.memory_eval == "empty":
        return lanes.init_state()
    return advanced(lanes, windows, plan, plan.gap(plan.split.a), trained)


def validated(
    lanes: TokenLanes, windows: LaneWindows, plan: Plan, state: State
) -> tuple[Tensor, State]:
    """Mean squared error of every validation window [N, n], float64, and the state after them."""
    losses = []
    for chunk in passed(lanes, windows, plan, plan.validation, state):
        truth = windows.targets(chunk.origins).transpose(0, 1)
        losses.append(squared_error(chunk.forecasts, truth).double().cpu())
        state = chunk.after
    return torch.cat(losses, dim=1), state


def before_test(lanes: TokenLanes, windows: LaneWindows, plan: Plan, trained: State) -> State:
    """What the memory holds when the test begins: a stream went on through validation."""
    state = before_validation(lanes, windows, plan, trained)
    state = advanced(lanes, windows, plan, plan.validation, state)
    return advanced(lanes, windows, plan, plan.gap(plan.split.b), state)


def _never(_origin: int) -> bool:
    return False
