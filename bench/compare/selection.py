"""What a comparison is about: checked options, labels, tasks, and the memory of reference."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import pandas as pd

from bench.compare.model import FamilyScope, Missing, Mode, Options
from bench.compare.overall_model import Posthoc, Resample, Rows
from bench.compare.records import bare, in_order
from bench.compare.time_model import Claim
from bench.errors import MembError, Problem, nearest
from bench.running.cache import digest
from bench.stats.corrections import Correction
from bench.stats.intervals import IntervalMethod
from bench.stats.paired import Test
from bench.tolerances import Tolerance, of_suite

CHOICES: Mapping[str, tuple[str, ...]] = {
    "mode": get_args(Mode),
    "test": get_args(Test),
    "correction": get_args(Correction),
    "family": get_args(FamilyScope),
    "ci": get_args(IntervalMethod),
    "missing": get_args(Missing),
    "rows": get_args(Rows),
    "posthoc": get_args(Posthoc),
    "resample": get_args(Resample),
    "claim": get_args(Claim),
}
"""The values each option may take, the default first."""
LEAST_ALPHA = 1e-9
"""The smallest level that may be asked for."""


@dataclass(frozen=True)
class Plan:
    """What the frame says about the suite behind it.

    Attributes:
        suite: Its name.
        suite_hash: Identity of its tasks and their protocols, whatever memories and seeds ran.
        labels: Memories present, in the suite's order.
        tasks: Task points present, in the suite's order.
        references: The suite's references; empty if it names none.
        statistics: The suite's statistics block.
        seeds_extended: Whether seeds were added after results were seen.
        runs: Provenance, one mapping per run.
        remarks: What trials warn of, one sentence each.
    """

    suite: str
    suite_hash: str
    labels: tuple[str, ...]
    tasks: tuple[str, ...]
    references: tuple[str, ...]
    statistics: Mapping[str, Any]
    seeds_extended: bool
    runs: tuple[Mapping[str, Any], ...]
    remarks: tuple[str, ...]


def plan_of(frame: pd.DataFrame) -> Plan:
    """The plan behind a frame, from its attributes and what it contains.

    Raises:
        MembError: If the frame is empty.
    """
    attrs = frame.attrs
    if frame.empty:
        raise MembError(
            "nothing to compare: the selection is empty",
            help="check the path and --only; a run that was never started holds no records",
        )
    return Plan(
        suite=str(attrs.get("suite") or ""),
        suite_hash=_hash(frame),
        labels=tuple(in_order(_names(frame, "label"), attrs.get("labels", ()))),
        tasks=tuple(in_order(_names(frame, "task_label"), attrs.get("tasks", ()))),
        references=_listed(attrs.get("reference")),
        statistics=dict(attrs.get("statistics") or {}),
        seeds_extended=bool(attrs.get("seeds_extended", False)),
        runs=tuple(attrs.get("runs") or ()),
        remarks=tuple(attrs.get("remarks") or ()),
    )


def _hash(frame: pd.DataFrame) -> str:
    protocols = bare(frame)[["task_label", "protocol_hash"]].drop_duplicates()
    return digest(sorted((str(task), str(known)) for task, known in protocols.to_numpy()))


def _names(frame: pd.DataFrame, column: str) -> list[str]:
    return [str(name) for name in bare(frame)[column].unique()]


def _listed(reference: str | Sequence[str] | None) -> tuple[str, ...]:
    """One reference, several or none, as a tuple."""
    return (reference,) if isinstance(reference, str) else tuple(reference or ())


def choices(given: Mapping[str, str | None], statistics: Mapping[str, Any]) -> dict[str, str]:
    """Each option's value: as given, else the suite's, else the default.

    Raises:
        MembError: If a value is none of the allowed ones; all such problems at once.
    """
    problems = []
    chosen = {}
    for option, allowed in CHOICES.items():
        asked = given.get(option)
        value = str(statistics.get(option, allowed[0])) if asked is None else asked
        if value not in allowed:
            remedy = f"{nearest(value, allowed)} one of {', '.join(allowed)}".strip()
            problems.append(Problem(f"unknown {option} '{value}'", help=remedy))
        chosen[option] = value
    if problems:
        raise MembError(problems)
    return chosen


def level(given: float | None, statistics: Mapping[str, Any], *, looks: int = 1) -> float:
    """The significance level of each look: as given, else the suite's, else 0.05, over the looks.

    Raises:
        MembError: If it is not between 1e-9 and 1/2: beyond, an interval of equivalence is none,
            and below, quantiles are no longer exact.
    """
    alpha = float(statistics.get("alpha", 0.05) if given is None else given)
    if not LEAST_ALPHA <= alpha < 0.5:
        raise MembError(
            f"alpha must be between {LEAST_ALPHA:g} and 0.5, got {alpha:g}",
            help="0.05 is customary",
        )
    return alpha / looks


def test_of(asked: Test | None, *, unpaired: bool) -> Test | None:
    """The test asked for, Welch's where values are not to be paired.

    Raises:
        MembError: If a paired test is asked for beside.
    """
    if not unpaired:
        return asked
    if asked not in (None, "auto", "welch"):
        raise MembError(
            f"the test '{asked}' pairs values by seed, and none are to be paired",
            help="leave out one of --test and --unpaired",
        )
    return "welch"


def references(asked: str | None, plan: Plan) -> tuple[str, ...]:
    """The labels the others are compared to: as asked, else the suite's, else the first.

    Raises:
        MembError: If the label asked for has no records.
    """
    if asked is None:
        known = tuple(label for label in plan.references if label in plan.labels)
        return known or plan.labels[:1]
    if asked not in plan.labels:
        raise MembError(
            f"unknown reference '{asked}'",
            help=f"{nearest(asked, plan.labels)} compared here: {', '.join(plan.labels)}".strip(),
        )
    return (asked,)


def metrics(
    frame: pd.DataFrame, asked: Sequence[str] | None, everything: bool
) -> tuple[str, ...] | None:
    """The metrics asked for, or None for all primary ones.

    Raises:
        MembError: If a metric is unknown, or nothing primary is there to be shown.
    """
    known = sorted({str(m) for m in bare(frame)["metric"].dropna().unique()} - {""})
    if asked:
        problems = [_unknown(name, known) for name in asked if name not in known]
        if problems:
            raise MembError(problems)
        return tuple(dict.fromkeys(asked))
    headline = bare(frame)["primary"].eq(True) & bare(frame)["x"].isna()
    if known and not everything and not headline.any():
        raise MembError(
            "nothing to compare: no primary metric among the records",
            help=f"name a metric or show all of them; recorded are {', '.join(known)}",
        )
    return None


def margins(
    given: Mapping[str, float | Tolerance] | None,
    statistics: Mapping[str, Any],
    frame: pd.DataFrame,
) -> dict[str, Tolerance]:
    """Margins of equivalence by metric: as given, else what the suite tolerates.

    Raises:
        MembError: If a margin is for an unknown metric, or is not positive.
    """
    known = sorted({str(m) for m in bare(frame)["metric"].dropna().unique()} - {""})
    problems = []
    asked = {
        name: margin if isinstance(margin, Tolerance) else Tolerance(abs=float(margin))
        for name, margin in (given or {}).items()
    }
    for name, margin in asked.items():
        if name not in known:
            problems.append(_unknown(name, known))
        elif not 0 < max(margin.abs, margin.rel) < math.inf or min(margin.abs, margin.rel) < 0:
            problems.append(
                Problem(
                    f"the margin of {name} must be positive, got {margin}",
                    help="it is the largest difference that does not matter, in the metric's units "
                    "or, as rel:, as a share of the mean that is compared with",
                )
            )
    if problems:
        raise MembError(problems)
    declared = of_suite(statistics)
    return {name: declared[name] for name in known if name in declared} | asked


def options(
    frame: pd.DataFrame,
    plan: Plan,
    *,
    given: Mapping[str, str | None],
    asked_reference: str | None,
    asked_metrics: Sequence[str] | None,
    asked_alpha: float | None,
    asked_margins: Mapping[str, float | Tolerance] | None,
    all_metrics: bool,
    two_stage: bool,
    pab: bool,
) -> Options:
    """Everything that was asked, checked and completed.

    Raises:
        MembError: If any of it is unknown or out of range.
    """
    chosen: Any = choices(given, plan.statistics)
    return Options(
        references=references(asked_reference, plan),
        metrics=metrics(frame, asked_metrics, all_metrics),
        alpha=level(asked_alpha, plan.statistics, looks=2 if two_stage else 1),
        all_metrics=all_metrics,
        margins=margins(asked_margins, plan.statistics, frame),
        two_stage=two_stage,
        pab=pab,
        **chosen,
    )


def _unknown(name: str, known: Iterable[str]) -> Problem:
    listed = ", ".join(known)
    return Problem(
        f"unknown metric '{name}'", help=f"{nearest(name, known)} recorded are {listed}".strip()
    )
