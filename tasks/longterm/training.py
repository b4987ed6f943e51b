"""Training encoder and memory together, epoch by epoch, until validation stops improving."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from memories.base import State
from memories.token_training.chronicle import Snapshots
from memories.token_training.lanes import TokenLanes
from tasks.base import Workbench
from tasks.longterm.best import Best
from tasks.longterm.evaluation import before_validation, trained_pass, validated
from tasks.longterm.occupancy import Occupancy
from tasks.longterm.plan import SNAPSHOT_EVERY, Plan
from tasks.longterm.windows import LaneWindows

Order = Callable[[int], np.random.Generator]
"""Generator of an epoch's order of windows; epochs count from 1."""
STATE, SNAPSHOT, AFTER = "state/", "snapshot/", "after/"
"""Prefixes of what a check-point keeps of memories."""


class JointTraining:
    """One training of all lanes, which can be left at any step and continued bit-equal.

    Args:
        lanes: Models as initialised; trained in place.
        windows: Of their series.
        plan: What is trained on, how long, and with which memory.
        orders: One per seed.

    Attributes:
        best: The best epoch of every lane.
        occupancy: How many rows each memory held, epoch by epoch.
        done: Steps taken.
    """

    def __init__(
        self, lanes: TokenLanes, windows: LaneWindows, plan: Plan, orders: Sequence[Order]
    ) -> None:
        self.lanes, self.windows, self.plan, self.orders = lanes, windows, plan, orders
        self.state = lanes.init_state()
        self.snapshots: Snapshots | None = None
        self.best = Best(lanes, self.state)
        self.occupancy = Occupancy.empty(plan.recipe.max_epochs, len(lanes.numbers))
        self.done = 0

    @property
    def per_epoch(self) -> int:
        """Steps of an epoch; a partial batch is one too."""
        return -(-len(self.plan.training) // self.plan.recipe.batch)

    @property
    def steps(self) -> int:
        """Steps at most."""
        return self.plan.recipe.max_epochs * self.per_epoch

    def run(self, bench: Workbench, total: int) -> None:
        """Train to the end, with check-points and progress out of so many positions."""
        while self.done < self.steps and len(self.lanes.numbers):
            epoch, batch = self.done // self.per_epoch + 1, self.done % self.per_epoch
            if batch == 0:
                self._begin(epoch)
            self._step(epoch, batch)
            self.done += 1
            if self.done % self.per_epoch == 0:
                self._end(epoch)
            bench.checkpoint(self.done, self.tensors)
            bench.progress(self.done, total)
        self.done = self.steps

    def _begin(self, epoch: int) -> None:
        """Empty the memory if it is to be; draw up snapshots before the first epoch."""
        if self.plan.train_memory == "trajectory":
            if self.plan.resets or epoch == 1:
                self.state = self.lanes.init_state()
        elif self.snapshots is None:
            self.snapshots = trained_pass(self.lanes, self.windows, self.plan)
        at_start = self.state if self.plan.train_memory == "trajectory" else self.lanes.init_state()
        self.occupancy.note(self.lanes, epoch, "training", 0, at_start)

    def _step(self, epoch: int, batch: int) -> None:
        places = self._places(epoch, batch)
        training = self.plan.training
        windows, targets = self.windows.batch(training.start + training.step * places)
        share = self.plan.recipe.share(epoch)
        if self.snapshots is not None:
            picks = self.snapshots.before(places).to(windows.device)
            held = self.snapshots.stacked
            self.lanes.step(windows, targets, held, picks, step=self.done, share=share)
            return
        snapshot = self.lanes.snapshot(self.state)
        hidden = self.lanes.step(windows, targets, snapshot, None, step=self.done, share=share)
        if hidden is not None:
            self.state = self.lanes.absorb(self.state, hidden)

    def _places(self, epoch: int, batch: int) -> Tensor:
        """Which training windows each lane's batch holds, [N, B]."""
        size, count = self.plan.recipe.batch, len(self.plan.training)
        rows = [
            self.orders[int(lane)](epoch).permutation(count)[batch * size : (batch + 1) * size]
            for lane in self.lanes.numbers
        ]
        return torch.from_numpy(np.stack(rows))

    def _end(self, epoch: int) -> None:
        """Validate, keep what is best, and drop the lanes that have stopped improving."""
        trained = self._trained()
        by_steps = self.plan.train_memory == "trajectory"
        held = self.state if by_steps else trained
        self.occupancy.note(self.lanes, epoch, "training", 1, held)
        state = before_validation(self.lanes, self.windows, self.plan, trained)
        self.occupancy.note(self.lanes, epoch, "validation", 0, state)
        losses, state = validated(self.lanes, self.windows, self.plan, state)
        self.occupancy.note(self.lanes, epoch, "validation", 1, state)
        self.best.offer(epoch, self._error(epoch, losses), self.lanes, trained)
        waited = epoch - self.best.epoch[self.lanes.numbers]
        self._select((waited < self.plan.recipe.patience).nonzero()[:, 0])

    def _trained(self) -> State:
        """What the memory is left with: the rows of the batches, or of a pass in order of time."""
        if self.plan.train_memory == "snapshot":
            self.snapshots = trained_pass(self.lanes, self.windows, self.plan)
            return self.snapshots.after
        if self.plan.memory_eval == "stream":
            return trained_pass(self.lanes, self.windows, self.plan).after
        return self.state

    def _error(self, epoch: int, losses: Tensor) -> Tensor:
        """Mean over batches of their mean error [N], as validation batches are shuffled."""
        errors = []
        for lane, own in zip(self.lanes.numbers, losses, strict=True):
            # of the epoch's own generator, past what ordered its training windows
            generator = self.orders[int(lane)](epoch)
            generator.permutation(len(self.plan.training))
            order = torch.from_numpy(generator.permutation(len(own)))
            batches = own[order].split(self.plan.recipe.batch)
            errors.append(torch.stack([batch.mean() for batch in batches]).mean())
        return torch.stack(errors)

    def _select(self, lanes: Tensor) -> None:
        if len(lanes) == len(self.lanes.numbers):
            return
        self.lanes.select(lanes)
        device = self.lanes.weights.device
        self.state = {name: entry[lanes.to(device)] for name, entry in self.state.items()}
        if self.snapshots is not None:
            self.snapshots = self.snapshots.select(lanes)

    def tensors(self) -> dict[str, Tensor]:
        """All that is needed to go on from here."""
        kept = self.lanes.tensors() | self.best.tensors() | self.occupancy.tensors()
        parts: dict[str, State] = {STATE: self.state}
        if self.snapshots is not None:
            parts |= {SNAPSHOT: self.snapshots.stacked, AFTER: self.snapshots.after}
        return kept | {p + name: entry for p, part in parts.items() for name, entry in part.items()}

    def restore(self, kept: Mapping[str, Tensor], done: int) -> None:
        """Go back to where `tensors` was taken, after so many steps."""
        self.lanes.restore(kept)
        self.best.restore(kept)
        self.occupancy.restore(kept)
        self.state = _part(kept, STATE)
        if stacked := _part(kept, SNAPSHOT):
            self.snapshots = Snapshots(SNAPSHOT_EVERY, stacked, _part(kept, AFTER))
        self.done = done


def _part(kept: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in kept.items() if k.startswith(prefix)}
