"""One origin of an online stream taken apart: forecast, gradient, optimiser, harness."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from bench.lanes import Lanes
from bench.running import construct
from bench.running.checkpoint import Checkpoint
from bench.running.workbench import Workbench
from bench.traces import Traces
from memories.adam import adam_step
from memories.base import BackboneSlot, State
from memories.forecasters.hmem.hmem import HMem
from memories.forecasters.hmem.state import TRAINING, within
from tasks.forecasting.online_pass import Pass, drive
from tasks.forecasting.scores import ForecastScores
from tasks.forecasting.stream import CausalStream
from tests.perf.throughput import fastest
from tests.tasks.cells import cell

CHANNELS, HORIZON, ROWS = 7, 24, 2000
WARM_UP = 30


class TimedTraces(Traces):
    """Traces that know how long each method's programs ran, and what they were last given."""

    def __init__(self, *fixed: Any) -> None:
        super().__init__(*fixed)
        self.spent: defaultdict[str, list[float]] = defaultdict(list)
        self.programs: dict[str, Callable[..., Any]] = {}
        self.given: dict[str, tuple[Any, ...]] = {}

    def _program(
        self, name: Hashable, function: Callable[..., Any], arguments: Sequence[Any]
    ) -> Any:
        program = super()._program(name, function, arguments)
        method = name[0] if isinstance(name, tuple) else str(name)
        self.programs[method] = program.function

        self.given[method] = tuple(_tensors(arguments))
        spent, clock = self.spent[method], time.perf_counter

        def timed(*leaves: Any) -> Any:
            start = clock()
            result = program.function(*leaves)
            spent.append(clock() - start)
            return result

        return replace(program, function=timed)


@dataclass(frozen=True)
class Parts:
    """Seconds of one origin, or of anything else that has these parts."""

    forecast: float
    gradient: float
    optimiser: float
    harness: float

    @property
    def whole(self) -> float:
        return self.forecast + self.gradient + self.optimiser + self.harness


@dataclass(frozen=True)
class Work:
    """What a program does: operations that are no views, their arithmetic and their traffic.

    Attributes:
        operations: How many run.
        flops: Of matrix products.
        bytes: Read and written by all of them.
    """

    operations: int
    flops: int
    bytes: int


@dataclass(frozen=True)
class Stepping:
    """A forecaster and its backbone on a stream, driven as the task drives it.

    Attributes:
        memory: Registry name.
        backbone: Registry name.
        lookback: L.
        params: The forecaster's own parameters.
        steps: Origins per timed round.
    """

    memory: str
    backbone: str
    lookback: int = 336
    params: Mapping[str, Any] = field(default_factory=dict)
    steps: int = 128

    @property
    def id(self) -> str:
        size = self.params.get("size", "")
        return "-".join(filter(None, [self.memory, size, self.backbone, str(self.lookback)]))

    def lanes(self, count: int, folder: Path) -> Driven:
        """So many lanes, built as the task builds them but without pre-training."""
        slot = {"name": self.backbone, "params": {}}
        given = {"dataset": "synth-drift", "lookback": self.lookback, "horizon": HORIZON}
        options = {"rows": ROWS, "channels": CHANNELS}
        made = cell(
            self.memory, "online-tsf", {**given, "backbone": slot, "options": options}, self.params
        )
        checkpoint = Checkpoint(folder / "checkpoint")
        bench = Workbench(made, range(count), checkpoint=checkpoint, progress=lambda *_: None)
        dictated = construct.build_task(made.task, made.task_params).dictates()
        sizes = {"channels": CHANNELS, "lookback": self.lookback, "horizon": HORIZON}
        backbones = [
            construct.build_backbone(
                BackboneSlot(self.backbone), {**sizes, "generator": bench.init_rng(seed)}
            )
            for seed in range(count)
        ]
        lanes = bench.lanes([{**dictated, "backbone": module} for module in backbones])
        generator = torch.Generator().manual_seed(0)
        rows = torch.randn(1, ROWS, CHANNELS, generator=generator)
        return Driven(self, lanes, CausalStream(rows, self.lookback, HORIZON), bench)


class Driven:
    """Lanes on a stream, warm and recorded."""

    def __init__(
        self, case: Stepping, lanes: Lanes, stream: CausalStream, bench: Workbench
    ) -> None:
        self.case, self.lanes, self.stream, self.bench = case, lanes, stream, bench
        self.traces = TimedTraces(*lanes._fixed)
        lanes._traces = self.traces
        self.state: State = lanes.init_state()
        self.drive(WARM_UP)

    def drive(self, steps: int | None = None) -> None:
        """Over so many origins, as the task does it; the state goes on from the last call."""
        first = self.case.lookback + HORIZON
        origins = range(first, first + (steps or self.case.steps))
        scores = ForecastScores.empty(self.lanes.size, HORIZON, CHANNELS, len(origins))
        series = [0] * self.lanes.size
        run = Pass(origins, origins, self.lanes, series, self.state, scores)
        drive(run, self.stream, self.bench, before=0, total=len(origins))
        self.state = run.state

    @torch.no_grad()
    def parts(self, rounds: int = 7) -> Parts:
        """Seconds per origin, each part in its least disturbed round."""
        found = []
        for _ in range(rounds):
            for spent in self.traces.spent.values():
                spent.clear()
            start = time.perf_counter()
            self.drive()
            whole = time.perf_counter() - start
            observe, predict = (sum(self.traces.spent[name]) for name in ("observe", "predict"))
            start = time.perf_counter()
            for _ in range(self.case.steps):
                self.optimiser()
            adam = time.perf_counter() - start
            found.append((predict, observe, adam, whole - observe - predict))
        seconds = (min(part) / self.case.steps for part in zip(*found, strict=True))
        forecast, learning, optimiser, harness = seconds
        return Parts(forecast, learning - optimiser, optimiser, harness)

    @cached_property
    def optimiser(self) -> Callable[[], Any]:
        """What `observe` does once it has the gradient, recorded alone."""
        state, memory = self.state, self.lanes.memory
        function: Callable[..., Any] = adam_step
        if isinstance(memory, HMem):
            kept = {name: entry.clone() for name, entry in within(state, TRAINING).items()}
            ones = torch.ones(self.lanes.size)
            gradient = memory.optimiser.weights(kept)
            given: tuple[Any, ...] = (kept, gradient, 0 * ones, ones > 0, 1e-5 * ones)
            function = memory.optimiser.step
        else:
            names = ("weights", "weights", "first_moment", "second_moment", "step")
            rate = torch.full((self.lanes.size,), 1e-5)
            given = (*(state[name].clone() for name in names), rate)
        traces = TimedTraces()
        name = ("optimiser",)
        traces.run(name, vmap(function), given)
        self.traces.programs["optimiser"] = traces.programs["optimiser"]
        self.traces.given["optimiser"] = traces.given["optimiser"]
        return partial(traces.programs["optimiser"], *traces.given["optimiser"])

    @torch.no_grad()
    def work(self) -> dict[str, Work]:
        """What the programs of one origin do, by method and for the optimiser alone."""
        self.optimiser  # noqa: B018 - records it
        found = {}
        for method in ("observe", "predict", "optimiser"):
            program, given = self.traces.programs[method], self.traces.given[method]
            with FlopCounterMode(display=False) as flops:
                program(*given)
            with _Traffic() as traffic:
                program(*given)
            found[method] = Work(traffic.operations, flops.get_total_flops(), traffic.bytes)
        return found


class _Traffic(TorchDispatchMode):
    """Counts operations that compute, and the bytes of what they are given and return."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given, made = _tensors((args, kwargs)), _tensors(result)
        owned = {tensor.untyped_storage().data_ptr() for tensor in given}
        if any(tensor.untyped_storage().data_ptr() not in owned for tensor in made):
            self.operations += 1
            self.bytes += sum(_bytes(tensor) for tensor in (*given, *made))
        return result


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in torch.utils._pytree.tree_leaves(tree) if isinstance(leaf, Tensor)]


def _bytes(tensor: Tensor) -> int:
    """Bytes behind a tensor; what is expanded counts once."""
    sizes = [n for n, step in zip(tensor.shape, tensor.stride(), strict=True) if step or n < 2]
    return int(torch.Size(sizes).numel() * tensor.element_size())


@dataclass(frozen=True)
class Machine:
    """What one thread reaches here: flops and bytes per second, seconds per smallest operation."""

    flops: float
    bandwidth: float
    call: float

    @classmethod
    def measured(cls) -> Machine:
        """A product of 512 x 512 matrices, a copy of 64 MiB, a sum of two numbers."""
        a, b = torch.ones(512, 512), torch.ones(512, 512)
        source, target = torch.ones(2**24), torch.empty(2**24)
        one = torch.ones(1)
        calls = 1000

        def small() -> None:
            for _ in range(calls):
                torch.add(one, one)

        with torch.no_grad():
            product, copy, call = fastest(
                lambda: a @ b, lambda: target.copy_(source), small, rounds=9
            )
        return cls(2 * 512**3 / product, 2 * 4 * 2**24 / copy, call / calls)

    def floor(self, work: Work) -> float:
        """Seconds below which these operations cannot come: arithmetic or traffic, the longer."""
        return max(work.flops / self.flops, work.bytes / self.bandwidth)

    def calls(self, work: Work) -> float:
        """Seconds that calling them costs, whatever they do."""
        return work.operations * self.call
