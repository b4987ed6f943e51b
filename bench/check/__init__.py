"""Whether a run is worse than a baseline: a verdict per cell, and an exit code for CI.

    from bench.check import check, update

    update(Path("results/quickstart"), Path("baseline.json"))
    reports = check(Path("results/quickstart"), [Path("baseline.json")])

Nothing here formats text for a terminal; `bench.check.render` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.check import environment, performance, verdicts
from bench.check.baseline import Baseline, load
from bench.check.matching import Matched, match
from bench.check.model import (
    Cell,
    CellVerdict,
    CheckReport,
    EnvironmentDifference,
    Policy,
    exit_code,
)
from bench.check.performance import Remeasure
from bench.check.rule import refuse_level
from bench.check.run import Run, place
from bench.check.update import BaselineChange, update
from bench.errors import MembError
from bench.stats.paired import LEAST_PAIRS
from bench.tolerances import of_suite, refuse_unknown

__all__ = [
    "BaselineChange",
    "CellVerdict",
    "CheckReport",
    "Policy",
    "check",
    "exit_code",
    "refuse_level",
    "update",
]


def check(
    current: Path,
    baselines: Sequence[Path],
    policy: Policy | None = None,
    *,
    alpha: float | None = None,
    call: str | None = None,
    remeasure: Remeasure | None = None,
) -> tuple[CheckReport, ...]:
    """A run against baselines, one report each; `exit_code` says whether all of them passed.

    Args:
        current: The run's folder.
        baselines: Files that `update` wrote.
        policy: The rule; its level is that of each baseline unless `alpha` is given.
        alpha: Significance level in place of the baselines'.
        call: The call of the run whose plan is taken; the latest if None.
        remeasure: Times a cost again before a check that gates on time fails.

    Raises:
        MembError: If a baseline or the run cannot be read, they share no cell, a task point was
            run under another protocol, an option names an unknown metric, or exact mode meets
            another environment.
    """
    run, asked = Run(current, call), policy or Policy()
    held = [load(path) for path in baselines]
    known = {cell.metric for baseline in held for cell in baseline.cells}
    refuse_unknown(asked.tolerances, known, "--tolerance")
    refuse_unknown(asked.metrics or (), known, "--metric")
    return tuple(
        _against(run, baseline, _policy(asked, baseline, alpha), remeasure) for baseline in held
    )


def _policy(policy: Policy, baseline: Baseline, alpha: float | None) -> Policy:
    refuse_level(alpha, "alpha")
    refuse_level(baseline.alpha, f"policy.alpha of {baseline.source.path}")
    metrics = baseline.metrics if policy.metrics is None else policy.metrics
    return replace(policy, alpha=baseline.alpha if alpha is None else alpha, metrics=metrics)


def _against(
    run: Run, baseline: Baseline, policy: Policy, remeasure: Remeasure | None
) -> CheckReport:
    """The report on one baseline."""
    cells = _chosen(baseline, policy)
    differing = environment.differences(baseline.source.environment, run.environments)
    if policy.mode == "exact" and not policy.allow_env_change:
        environment.refuse_changed(differing, [baseline.source.environment, *run.environments])
    if policy.mode == "statistical":
        _refuse_untestable(cells)
    matched = match(cells, run)
    exact = policy.mode == "exact"
    m = 0 if exact else sum(verdicts.in_family(cell) for cell in cells)
    judged = (
        verdicts.compare_exactly(matched.pairs)
        if exact
        else verdicts.judge(matched.pairs, policy, m)
    )
    found = [
        *matched.settled,
        *judged,
        *_costs(matched, run, baseline, policy, remeasure),
        *_new(run, baseline, policy),
    ]
    found.sort(key=lambda one: (*verdicts.order(one), *place(one.cell)))
    return CheckReport(
        exit_code=_code(found, policy),
        suite=run.source.suite,
        policy=policy,
        m=m,
        cells=tuple(found),
        environment=differing,
        warnings=tuple(_warnings(run, cells, matched, differing, policy)),
        baseline=baseline.source,
        current=run.source,
    )


def _chosen(baseline: Baseline, policy: Policy) -> list[Cell]:
    """The cells of a baseline that are asked for."""
    chosen = [c for c in baseline.cells if policy.metrics is None or c.metric in policy.metrics]
    if not chosen:
        of = f" of {', '.join(policy.metrics)}" if baseline.cells and policy.metrics else ""
        raise MembError(
            f"nothing to compare: {baseline.source.path} holds no cell{of}",
            help="write it anew with --update-baseline",
        )
    return chosen


def _refuse_untestable(cells: Sequence[Cell]) -> None:
    """Refuse a statistical check of cells that it could only pass.

    Raises:
        MembError: Naming the first of them.
    """
    few = [
        cell
        for cell in cells
        if cell.kind == "quality" and not cell.deterministic and not verdicts.in_family(cell)
    ]
    if few:
        more = f", and {len(few) - 1} more" if len(few) > 1 else ""
        raise MembError(
            f"statistical mode: the baseline has fewer than {LEAST_PAIRS} seeds of {few[0].name}"
            f"{more}",
            help="write a baseline with at least 5 seeds, or use --mode auto",
        )


def _costs(
    matched: Matched, run: Run, baseline: Baseline, policy: Policy, remeasure: Remeasure | None
) -> list[CellVerdict]:
    """Verdicts on timed costs, in no family with quality."""
    machine = baseline.source.environment.get("machine_id")
    return performance.judged(
        matched.costs,
        policy,
        comparable=all(one.get("machine_id") == machine for one in run.environments),
        remeasure=remeasure,
    )


def _new(run: Run, baseline: Baseline, policy: Policy) -> list[CellVerdict]:
    """Cells of the run that the baseline does not hold: shown, never gating."""
    known = {cell.cell_id for cell in baseline.cells}
    unnamed = {cell.row_id for cell in baseline.cells if not cell.metric}
    found = []
    for cell in run.cells(policy.metrics, policy.tolerances):
        if cell.cell_id in known or cell.row_id in unnamed:
            continue
        text = "not in the baseline: write it anew to hold this cell"
        if cell.failures:
            text = f"{text}; {next(iter(cell.failures.values()))}"
        found.append(
            CellVerdict(
                cell, "ok", "new", text, gates=False, n=len(cell.found), current_mean=cell.mean,
                wall_s=cell.wall_s,
            )
        )  # fmt: skip
    return found


def _code(found: Sequence[CellVerdict], policy: Policy) -> int:
    if any(one.is_alarm(policy) for one in found):
        return 1
    return 3 if policy.fail_on == "inconclusive" and any(one.is_open for one in found) else 0


def _warnings(
    run: Run,
    cells: Sequence[Cell],
    matched: Matched,
    differing: Sequence[EnvironmentDifference],
    policy: Policy,
) -> list[str]:
    """Sentences that must be seen beside the verdicts."""
    said = [*environment.warnings(differing), *matched.warnings]
    if not run.finished:
        said.append(
            "This run was stopped, or is still running: trials that never ran are missing here. "
            "The command that began it goes on with it."
        )
    tested = any(not (pair.identical or pair.direct) for pair in matched.pairs)
    if run.seeds_extended and tested and policy.mode != "exact" and not policy.two_stage:
        said.append(
            "Seeds were added to this run after results were seen: a second look that was planned "
            "takes --two-stage, one that was not makes false alarms and passes likelier."
        )
    if len(run.environments) > 1:
        said.append(f"The records of this run come from {len(run.environments)} environments.")
    if policy.mode != "exact" and not any(map(verdicts.in_family, cells)):
        random = [cell for cell in cells if cell.kind == "quality" and not cell.deterministic]
        if random:
            said.append(
                f"No cell has {LEAST_PAIRS} seeds, so nothing is tested: only identical results "
                "pass. Write a baseline with at least 5."
            )
    for metric, asked in of_suite(run.statistics).items():
        held = {c.tolerance for c in cells if c.metric == metric} - {asked}
        if held and metric not in policy.tolerances:
            said.append(
                f"The suite's tolerance of {metric} ({asked}) is not the baseline's "
                f"({next(iter(held))}), which holds until --update-baseline."
            )
    return said
