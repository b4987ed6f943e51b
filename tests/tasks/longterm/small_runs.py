"""Small settings of the task, and the same training by the plain loop."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench import seeds as seeding
from bench.plan import Cell
from bench.running import construct
from bench.running.workbench import Workbench
from memories.backbones.tokens import TokenBackbone, TokenModel, WithoutTokens
from memories.base import TokenMemory
from memories.token_training.lanes import TokenLanes
from tasks.data.splits import Split
from tasks.forecasting.recipes import OFFLINE
from tasks.forecasting.stream import CausalStream
from tasks.longterm.plan import Plan
from tasks.longterm.training import JointTraining
from tasks.longterm.windows import LaneWindows
from tasks.tsl_longterm import TslLongterm
from tests.memories.token_training.small_models import (
    CHANNELS,
    HORIZON,
    LOOKBACK,
    Memory,
    former,
    generator,
    lanes,
)
from tests.reference import token_training as reference
from tests.tasks.cells import task_of
from tests.tasks.streams import walk, write_csv

WIDTH = 8
SMALL = {"components": 3, "tokens": 2, "window": 400, "sign": "maxabs"}
"""Few components, whose directions are told apart, and a sign that no rounding turns."""
FORMER: dict[str, Any] = {
    "name": "spectral-former",
    "params": {"width": WIDTH, "heads": 2, "feedforward": 8, "layers": 1, "patch": 4},
}
SPLIT = Split(40, 60, 90)
ROWS = torch.randn(2, SPLIT.e + 5, CHANNELS, generator=generator(0)).cumsum(1) / 3


def settings(folder: Path, **more: Any) -> dict[str, Any]:
    """Of the task on a random walk: 168 rows of training, 24 of validation, 48 of test."""
    dataset = write_csv(folder / "walk.csv", walk(0))
    chosen = {"lookback": 8, "horizon": 3, "encoder": FORMER, "stride": 2, "chunk": 5}
    return {"dataset": dataset, **chosen, "epochs": 2, "learning_rate": 3e-3, **more}


def plan(**more: Any) -> Plan:
    """Of a stream with snapshots on the small split."""
    chosen: dict[str, Any] = {
        "split": SPLIT, "lookback": LOOKBACK, "horizon": HORIZON, "recipe": OFFLINE, "stride": 1,
        "chunk": 4, "fill_gaps": True, "drop_last": False, "memory_eval": "stream",
        "train_memory": "snapshot", "resets": True,
    }  # fmt: skip
    return Plan(**chosen | more)


def windows(of: TokenLanes, rows: torch.Tensor = ROWS[:1]) -> LaneWindows:
    return LaneWindows(CausalStream(rows, LOOKBACK, HORIZON), of)


def training(
    seeds: list[int], memory: Memory, chosen: Plan, rows: torch.Tensor = ROWS[:1]
) -> JointTraining:
    """Of lanes on a series."""
    made = lanes(seeds, memory, former)
    orders = [partial(order, seed) for seed in seeds]
    return JointTraining(made, windows(made, rows), chosen, orders)


def order(seed: int, epoch: int) -> np.random.Generator:
    return np.random.default_rng([seed, epoch])


class Quiet:
    """A workbench that keeps nothing and tells nobody."""

    def checkpoint(self, position: int, tensors: Any) -> None:
        """Nothing."""

    def progress(self, done: int, total: int) -> None:
        """Nothing."""


def by_reference(made: Cell, seed: int) -> tuple[reference.Run, reference.Trained]:
    """What the plain loop makes of a seed of a cell."""
    task = task_of(made)
    assert isinstance(task, TslLongterm)
    bench = Workbench(made, [seed])
    drawn = seeding.torch_generator(seed, seeding.INIT)
    memory = construct.build_memory(made.memory, made.memory_params, task.dictates(), drawn)
    assert isinstance(memory, TokenMemory)
    series = task.sample
    if task.seeded:
        series = task._load(bench.rng(seed, "test", "series"))
    rows = torch.from_numpy(series.scaler().transform(series.values))
    as_published = task.semantics == "as-published"
    emptied = "empty" if memory.resets else "frozen-train"
    protocol = reference.Protocol(
        a=series.split.a, b=series.split.b, e=series.split.e,
        lookback=task.lookback, horizon=task.horizon, stride=task.stride, chunk=task.chunk,
        epochs=task.recipe.max_epochs, learning_rate=task.recipe.learning_rates[0],
        memory_eval=emptied if as_published else memory.memory_eval,
        train_memory=memory.train_memory, resets=memory.resets, fill_gaps=task.fill_gaps,
        whole_batches=task.drop_last_test,
    )  # fmt: skip
    run = reference.Run(
        model_of(task, memory, bench, seed),
        rows,
        protocol,
        partial(bench.rng, seed, "test", "batch order"),
        partial(bench.torch_rng, seed, "test", "dropout"),
    )
    return run, run.run()


def model_of(task: TslLongterm, memory: TokenMemory, bench: Workbench, seed: int) -> TokenModel:
    """A fresh encoder of the seed around a memory."""
    drawn = bench.torch_rng(seed, "test", "encoder")
    build = bench.backbone(memory.replaces or task.encoder)
    encoder = build(
        channels=task.channels, lookback=task.lookback, horizon=task.horizon, generator=drawn
    )
    if memory.replaces is not None:
        encoder = WithoutTokens(encoder)
    assert isinstance(encoder, TokenBackbone)
    return TokenModel(encoder, memory, task.horizon, drawn)
