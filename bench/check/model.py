"""What a check holds: everything a table, a report file or an exit code needs, and no formatting.

A check is one `CheckReport` per baseline; what renders or counts takes the sequence of them.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from bench.stats.intervals import Interval
from bench.stats.pairing import Direction
from bench.tolerances import Tolerance

Mode = Literal["auto", "statistical", "exact"]
FailOn = Literal["regressed", "inconclusive"]
PerfPolicy = Literal["report", "gate"]
Kind = Literal["quality", "static", "perf"]

Verdict = Literal["regressed", "inconclusive", "ok"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

Detail = Literal[
    # regressed
    "beyond-tolerance",
    "missing",
    "missing-seeds",
    "failed",
    # inconclusive
    "suspect",
    "noisy",
    "n<3",
    "not-comparable",
    # ok
    "identical",
    "within-tolerance",
    "slightly-better",
    "improved",
    "worse-within-tolerance",
    "changed",
    "known-failure",
    "fixed",
    "new",
    "noisy-perf",
    # regressed or ok: compared directly, nothing is random
    "det",
]

Environment = Mapping[str, Any]
"""python, torch, numpy, device, cpu, cores, threads, dtype, deterministic, machine_id."""


@dataclass(frozen=True)
class Repeats:
    """Timed repeats of one cost.

    Attributes:
        raw: In the metric's unit.
        calibrated: Each over the time of the calibration workload in the same round; unitless.
    """

    raw: tuple[float, ...]
    calibrated: tuple[float, ...]


@dataclass(frozen=True)
class Cell:
    """One number of one memory on one task point over seeds: a line of a baseline.

    Attributes:
        cell_id: Identity: hash over protocol, memory, parameters, metric and coordinate.
        row_id: The same without metric and coordinate: the trials behind it.
        label: The memory's label in the suite.
        memory: Its registry name.
        memory_params: Its resolved parameters.
        task: Registry name of the task.
        task_label: The task point's label in the suite.
        task_params: Its resolved parameters.
        protocol_hash: Identity of the task point, its data and its version.
        metric: Name of the metric; empty where every trial failed before one was known.
        x: Coordinate of a curve point or size of a measured call; None for a scalar.
        unit: Unit of the values.
        direction: Which values are better.
        kind: ``quality``, ``static`` or ``perf``.
        bounds: Attainable range, None where open.
        resolution: Smallest step of the value.
        primary: Whether it is tested by default.
        deterministic: Whether nothing depends on the seed.
        tolerance: Largest change that does not matter.
        exact_rtol: Relative difference that still counts as identical.
        values: Value by seed, None where the trial has none; the seed of a cell without seeds is
            None.
        failures: Why a seed has no value, ``status: message``.
        repeats: Timings of a cost; None for anything else.
        wall_s: Seconds its trials took together; 0 where unknown.
    """

    cell_id: str
    row_id: str
    label: str
    memory: str
    memory_params: Mapping[str, Any]
    task: str
    task_label: str
    task_params: Mapping[str, Any]
    protocol_hash: str
    metric: str
    x: float | None
    unit: str
    direction: Direction
    kind: Kind
    bounds: tuple[float | None, float | None]
    resolution: float
    primary: bool
    deterministic: bool
    tolerance: Tolerance
    exact_rtol: float
    values: Mapping[int | None, float | None]
    failures: Mapping[int | None, str] = field(default_factory=dict)
    repeats: Repeats | None = None
    wall_s: float = 0.0

    @property
    def found(self) -> dict[int | None, float]:
        """Values that are there, by seed."""
        return {seed: value for seed, value in self.values.items() if value is not None}

    @property
    def mean(self) -> float | None:
        """Mean of its values (median of a cost's repeats); None without any."""
        if self.repeats is not None:
            return statistics.median(self.repeats.raw)
        return statistics.fmean(self.found.values()) if self.found else None

    @property
    def name(self) -> str:
        """The cell in words, e.g. ``delta on recall: accuracy at 64``."""
        at = "" if self.x is None else f" at {self.x:g}"
        return f"{self.label} on {self.task_label}: {self.metric or 'every trial failed'}{at}"


@dataclass(frozen=True)
class Policy:
    """The rule a check applies.

    Attributes:
        mode: ``auto``, ``statistical`` or ``exact``.
        alpha: Significance level of the whole check.
        two_stage: Whether one second look with more seeds was declared: each look has alpha/2.
        strict_margin: Whether only a loss that provably exceeds the tolerance is an alarm.
        fail_on: From which verdict on the check fails.
        perf: Whether slower is reported or fails the check.
        metrics: Names asked for; None for the primary ones and counts.
        tolerances: Those given for this call, by metric; others stand in the baseline.
        allow_failures: Whether a baseline may hold failed trials.
        allow_env_change: Whether exact mode accepts another machine or other versions.
        allow_improvement: Whether exact mode accepts a change for the better.
        correction: Correction of the one-sided tests: Holm's.
    """

    mode: Mode = "auto"
    alpha: float = 0.05
    two_stage: bool = False
    strict_margin: bool = False
    fail_on: FailOn = "regressed"
    perf: PerfPolicy = "report"
    metrics: tuple[str, ...] | None = None
    tolerances: Mapping[str, Tolerance] = field(default_factory=dict)
    allow_failures: bool = False
    allow_env_change: bool = False
    allow_improvement: bool = False
    correction: Literal["holm"] = "holm"

    @property
    def level(self) -> float:
        """Significance level of this look."""
        return self.alpha / 2 if self.two_stage else self.alpha


@dataclass(frozen=True)
class CellVerdict:
    """What a check says about one cell, with every number it used.

    Attributes:
        cell: What the cell is (the baseline's description; the current one of a new cell).
        verdict: ``regressed``, ``inconclusive`` or ``ok``.
        detail: Why, in one word.
        message: The same for people, with what to do; may be empty.
        gates: Whether the verdict counts for the exit code.
        n: Number of pairs (of repeats, for a cost).
        seeds: The common seeds, ascending; empty for a cell without seeds.
        baseline_mean: Mean of the baseline over them (median of repeats, for a cost).
        current_mean: The same of the current run.
        sd: Standard deviation of the paired changes, not below the resolution floor.
        worsening: Mean oriented change; positive where the current run is worse.
        delta: The margin: changes up to it do not matter; in the metric's units.
        change: Relative change of the raw mean, e.g. 0.02 for +2 %; None at a baseline of 0.
        change_interval: Its 95% interval.
        p_worse: One-sided p of "not worse" (of "not slower", for a cost); None if not tested.
        p_worse_holm: The same after Holm over the check's quality cells.
        p_ni: One-sided p of "worse by delta or more".
        p_improved: One-sided p of "not better".
        p_improved_holm: The same after Holm, in a family of its own.
        seeds_to_clear: About how many seeds would call it ok if nothing had changed; None if the
            verdict is not open or more than 500.
        seeds_to_confirm: About how many would confirm the observed loss.
        open_advice: Whether the verdict is open, so that seeds advice was computed.
        wall_s: Seconds the current trials took.
    """

    cell: Cell
    verdict: Verdict
    detail: Detail
    message: str = ""
    gates: bool = True
    n: int = 0
    seeds: tuple[int, ...] = ()
    baseline_mean: float | None = None
    current_mean: float | None = None
    sd: float | None = None
    worsening: float | None = None
    delta: float | None = None
    change: float | None = None
    change_interval: Interval | None = None
    p_worse: float | None = None
    p_worse_holm: float | None = None
    p_ni: float | None = None
    p_improved: float | None = None
    p_improved_holm: float | None = None
    seeds_to_clear: int | None = None
    seeds_to_confirm: int | None = None
    open_advice: bool = False
    wall_s: float = 0.0

    def is_alarm(self, policy: Policy) -> bool:
        """Whether it makes a check exit with 1: a regression, or any change in exact mode."""
        changed = self.detail == "changed" and not policy.allow_improvement
        return self.gates and (changed or self.verdict == "regressed")

    @property
    def is_open(self) -> bool:
        """Whether it counts for the exit code and is neither ok nor regressed."""
        return self.gates and self.verdict == "inconclusive"


@dataclass(frozen=True)
class Source:
    """Where one side of a check comes from.

    Attributes:
        path: File of the baseline or folder of the run.
        suite: Name of the suite.
        created: When it was written or started, ISO 8601; empty if unknown.
        memb_version: Version of memb.
        git_commit: Commit of memb's source tree; None outside of a clone.
        environment: Versions and machine.
    """

    path: str
    suite: str
    created: str
    memb_version: str
    git_commit: str | None
    environment: Environment


@dataclass(frozen=True)
class EnvironmentDifference:
    """One fact that the two sides do not share."""

    key: str
    baseline: Any
    current: Any


@dataclass(frozen=True)
class CheckReport:
    """A run checked against one baseline.

    Attributes:
        exit_code: 0 no regression, 1 at least one, 3 inconclusive under ``fail_on``.
        suite: Name of the current run's suite.
        policy: The rule that was applied.
        m: Number of p-values corrected together.
        cells: Verdicts, by severity, then in the baseline's order.
        environment: What differs between the two environments.
        warnings: Sentences that must be seen beside the verdicts.
        baseline: Where the baseline comes from.
        current: Where the current run comes from.
    """

    exit_code: int
    suite: str
    policy: Policy
    m: int
    cells: tuple[CellVerdict, ...]
    environment: tuple[EnvironmentDifference, ...]
    warnings: tuple[str, ...]
    baseline: Source
    current: Source

    @property
    def counts(self) -> dict[str, int]:
        """Number of cells by verdict, zeros included."""
        found = Counter(cell.verdict for cell in self.cells)
        return {verdict: found[verdict] for verdict in VERDICTS}

    @property
    def details(self) -> dict[str, int]:
        """Number of cells by detail, those that occur."""
        found = Counter(cell.detail for cell in self.cells)
        return {detail: found[detail] for detail in get_args(Detail) if found[detail]}


def exit_code(reports: Sequence[CheckReport]) -> int:
    """The exit code of a check against several baselines: every one must pass."""
    codes = {report.exit_code for report in reports}
    return next((code for code in (1, 3) if code in codes), 0)
