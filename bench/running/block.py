"""Running one block: a cell over some of its seeds, in whatever process it was handed to.

A failure is kept where it belongs: a block that raises is run again lane by lane, so that the
failure lands on its seed and the others are scored.
"""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import StorageError
from bench.plan import Cell
from bench.running.cache import Cache, digest
from bench.running.checkpoint import EVERY_S, Checkpoint
from bench.store import RECORD_SCHEMA, Record

if TYPE_CHECKING:
    from bench.running.metatraining import MetaTraining
    from tasks.base import Metric, Outcome

MESSAGE_LENGTH = 500
"""Characters of a failure's reason that a record keeps; the traceback is kept whole."""


@dataclass(frozen=True)
class Block:
    """Work that is handed out as one piece.

    Attributes:
        cell: The cell.
        seeds: Which of its seeds; (None,) for a deterministic cell; none to measure its costs.
        call_id: The call it belongs to.
        folder: The run's folder, for check-points.
        device: Torch device name.
        timeout_s: Seconds it may take; None for no limit.
        checkpoint_s: Seconds between check-points.
        plugins: Plug-ins to load first, as given to the parent.
        cache: Root of the shared cache; the user's if None.
    """

    cell: Cell
    seeds: tuple[int | None, ...]
    call_id: str
    folder: Path
    device: str = "cpu"
    timeout_s: float | None = None
    checkpoint_s: float = EVERY_S
    plugins: tuple[str, ...] = ()
    cache: Path | None = None

    @property
    def key(self) -> str:
        """Names the block's check-point: its trials, whatever the order."""
        return digest(sorted(self.cell.trials[seed] for seed in self.seeds))

    @property
    def keys(self) -> set[str]:
        """Its own key and those of its lanes alone; of a measurement of costs, none."""
        return {self.key, *(alone.key for alone in self.alone())} if self.seeds else set()

    def alone(self) -> list[Block]:
        """The block cut into single lanes, each with its share of the time."""
        share = None if self.timeout_s is None else self.timeout_s / len(self.seeds)
        return [replace(self, seeds=(seed,), timeout_s=share) for seed in self.seeds]


@dataclass
class BlockResult:
    """What a block came to.

    Attributes:
        block: The block.
        records: One per seed, or that of the costs, ready to be stored; series not yet written.
        series: Long per-step series by trial key.
        wall_s: Seconds it took.
    """

    block: Block
    records: list[Record]
    series: dict[str, dict[str, Any]] = field(default_factory=dict)
    wall_s: float = 0.0


Report = Callable[[str, int, int], None]
"""Receives (block key, done, total) while a block runs."""


def run_block(block: Block, report: Report | None = None) -> BlockResult:
    """Run a block; failures become records, never exceptions.

    Raises:
        KeyboardInterrupt: Passed on.
        StorageError: If a check-point or the shared cache cannot be written: no trial's fault.
    """
    if not block.seeds:
        return BlockResult(block, [_costs(block)])
    start = time.perf_counter()
    try:
        result = _attempt(block, report)
    except (KeyboardInterrupt, StorageError):
        raise
    except BaseException as failure:  # noqa: BLE001 - the boundary of a trial: it becomes a record
        if len(block.seeds) > 1:
            result = _lane_by_lane(block, report)
        else:
            result = BlockResult(block, [failed(block, *_describe(failure))])
    result.wall_s = time.perf_counter() - start
    for record in result.records:
        record["wall_s"] = round(result.wall_s / len(result.records), 6)
    return result


def _lane_by_lane(block: Block, report: Report | None) -> BlockResult:
    merged = BlockResult(block, [])
    for alone in block.alone():
        result = run_block(alone, report)
        merged.records += result.records
        merged.series |= result.series
    return merged


def _attempt(block: Block, report: Report | None) -> BlockResult:
    from bench.running import construct
    from bench.running.workbench import Workbench

    task = construct.build_task(block.cell.task, block.cell.task_params)
    key = block.key
    file = block.folder / "checkpoints" / f"{key}.safetensors"
    bench = Workbench(
        block.cell,
        [0 if seed is None else seed for seed in block.seeds],
        device=block.device,
        cache=Cache(block.cache) if block.cache else None,
        checkpoint=Checkpoint(file, block.checkpoint_s),
        progress=(lambda done, total: report(key, done, total)) if report else None,
    )
    outcomes = task.run(bench)
    costs: dict[str, float] = {}
    if bench.built is not None:
        costs = {
            "state_floats": bench.built.state_floats(bench.built.init_state()),
            "param_floats": bench.built.param_floats(),
        }
    result = BlockResult(block, [])
    for seed, outcome in zip(block.seeds, outcomes, strict=True):
        training = bench.trainings.get(0 if seed is None else seed)
        record = _scored(block, seed, outcome, costs)
        if training is not None:
            _tell(record, block.cell.meta, training)
        result.records.append(record)
        if outcome.series and record["status"] == "ok":
            result.series[record["trial_key"]] = dict(outcome.series)
    return result


def _scored(block: Block, seed: int | None, outcome: Outcome, costs: Mapping[str, float]) -> Record:
    record = _record(block, seed)
    bad = next((m for m in outcome.metrics if not math.isfinite(m.value)), None)
    if outcome.status == "ok" and bad is not None:
        return record | {"status": "nonfinite", "message": f"metric {bad.name} is {bad.value}"}
    return record | {
        "status": outcome.status,
        "message": outcome.message[:MESSAGE_LENGTH],
        "n_eval": outcome.n_eval,
        "metrics": [_plain(metric) for metric in outcome.metrics],
        "costs": dict(costs),
        "notes": outcome.notes,
        "marks": list(outcome.marks),
    }


def _tell(record: Record, budget: str, training: MetaTraining) -> None:
    """Put what the meta-training came to into a trial's record."""
    record["costs"]["meta_s"] = round(training.seconds, 3)
    record["notes"]["meta_training"] = {
        "budget": budget,
        "validation": [loss if math.isfinite(loss) else None for loss in training.validation],
        "best": training.best,
    }
    record["marks"].append(f"trained on up to {training.events} events")
    if training.warning:
        record["notes"].setdefault("warnings", []).append(training.warning)


def _costs(block: Block) -> Record:
    """The record of the cell's costs; what goes wrong while measuring is kept in it."""
    from bench.running import costs

    try:
        metrics = costs.measure(block.cell, block.device)
        return _record(block, None) | {"status": "ok", "metrics": metrics}
    except Exception as failure:  # noqa: BLE001 - the boundary of a trial: it becomes a record
        return failed(block, *_describe(failure))


def _plain(metric: Metric) -> dict[str, Any]:
    plain = {
        "name": metric.name,
        "value": metric.value,
        "unit": metric.unit,
        "direction": metric.direction,
        "kind": "quality",
        "bounds": list(metric.bounds),
        "resolution": metric.resolution,
        "primary": metric.primary,
        "chance": metric.chance,
        "ceiling": metric.ceiling,
    }
    return plain if metric.x is None else plain | {"x": metric.x}


def failed(block: Block, status: str, message: str, trace: str = "") -> Record:
    """The record of a block of one lane, or of a measurement of costs, that came to nothing."""
    record = _record(block, *(block.seeds or (None,)))
    return record | {"status": status, "message": message[:MESSAGE_LENGTH], "traceback": trace}


def skipped(block: Block) -> list[Record]:
    """The records of a cell whose memory lacks what the task needs."""
    reason = block.cell.skipped
    return [_record(block, seed) | {"status": "skipped", "message": reason} for seed in block.seeds]


def _record(block: Block, seed: int | None) -> Record:
    cell = block.cell
    return {
        "schema": RECORD_SCHEMA,
        "kind": "trial" if block.seeds else "costs",
        "trial_key": cell.trials[seed] if block.seeds else cell.cost_key(block.device),
        "cell_key": cell.cell_key,
        "protocol_hash": cell.protocol_hash,
        "memory": cell.memory,
        "label": cell.label,
        "memory_params": dict(cell.memory_params),
        "task": cell.task,
        "task_label": cell.task_label,
        "task_params": dict(cell.task_params),
        "block": cell.block,
        "seed": seed,
        "status": "",
        "message": "",
        "traceback": "",
        "n_eval": 0,
        "metrics": [],
        "costs": {},
        "notes": {},
        "marks": [],
        "series": None,
        "wall_s": 0.0,
        "call_id": block.call_id,
    }


def _describe(failure: BaseException) -> tuple[str, str, str]:
    """Status, reason and traceback of what a trial raised."""
    trace = "".join(traceback.format_exception(failure))
    reason = f"{type(failure).__name__}: {failure}".strip().split("\n", 1)[0]
    return ("oom" if _out_of_memory(failure) else "error"), reason, trace


def _out_of_memory(failure: BaseException) -> bool:
    if isinstance(failure, MemoryError) or type(failure).__name__ == "OutOfMemoryError":
        return True
    # torch reports a failed CPU allocation as a plain RuntimeError
    return isinstance(failure, RuntimeError) and "can't allocate memory" in str(failure)
