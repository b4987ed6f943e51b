"""What a comparison is about: checked options, labels, tasks, and the memory of reference."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import pandas as pd

from bench.compare.model import FamilyScope, Missing, Mode, Options
from bench.compare.records import in_order
from bench.errors import MembError, Problem, nearest
from bench.stats.corrections import Correction
from bench.stats.intervals import IntervalMethod
from bench.stats.paired import Test

CHOICES: Mapping[str, tuple[str, ...]] = {
    "mode": get_args(Mode),
    "test": get_args(Test),
    "correction": get_args(Correction),
    "family": get_args(FamilyScope),
    "ci": get_args(IntervalMethod),
    "missing": get_args(Missing),
}
"""The values each option may take, the default first."""


@dataclass(frozen=True)
class Plan:
    """What the frame says about the suite behind it.

    Attributes:
        suite: Its name.
        labels: Memories present, in the suite's order.
        tasks: Task points present, in the suite's order.
        references: The suite's references; empty if it names none.
        statistics: The suite's statistics block.
        seeds_extended: Whether seeds were added after results were seen.
        runs: Provenance, one mapping per run.
        remarks: What trials warn of, one sentence each.
    """

    suite: str
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
        labels=tuple(in_order(frame["label"].astype(str), attrs.get("labels", ()))),
        tasks=tuple(in_order(frame["task_label"].astype(str), attrs.get("tasks", ()))),
        references=_listed(attrs.get("reference")),
        statistics=dict(attrs.get("statistics") or {}),
        seeds_extended=bool(attrs.get("seeds_extended", False)),
        runs=tuple(attrs.get("runs") or ()),
        remarks=tuple(attrs.get("remarks") or ()),
    )


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


def level(given: float | None, statistics: Mapping[str, Any]) -> float:
    """The significance level: as given, else the suite's, else 0.05.

    Raises:
        MembError: If it is not between 0 and 1.
    """
    alpha = float(statistics.get("alpha", 0.05) if given is None else given)
    if not 0 < alpha < 1:
        raise MembError(f"alpha must be between 0 and 1, got {alpha:g}", help="0.05 is customary")
    return alpha


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
    known = sorted({str(m) for m in frame["metric"].dropna()} - {""})
    if asked:
        problems = [_unknown(name, known) for name in asked if name not in known]
        if problems:
            raise MembError(problems)
        return tuple(dict.fromkeys(asked))
    headline = frame["primary"].eq(True) & frame["x"].isna()
    if known and not everything and not headline.any():
        raise MembError(
            "nothing to compare: no primary metric among the records",
            help=f"name a metric or show all of them; recorded are {', '.join(known)}",
        )
    return None


def margins(given: Mapping[str, float] | None, frame: pd.DataFrame) -> dict[str, float]:
    """Margins of equivalence by metric, checked.

    Raises:
        MembError: If a margin is for an unknown metric, or is not positive.
    """
    known = sorted({str(m) for m in frame["metric"].dropna()} - {""})
    problems = []
    for name, margin in (given or {}).items():
        if name not in known:
            problems.append(_unknown(name, known))
        elif not (margin > 0 and math.isfinite(margin)):
            problems.append(
                Problem(
                    f"the margin of {name} must be positive, got {margin:g}",
                    help="it is the largest difference that does not matter, in the metric's units",
                )
            )
    if problems:
        raise MembError(problems)
    return dict(given or {})


def options(
    frame: pd.DataFrame,
    plan: Plan,
    *,
    given: Mapping[str, str | None],
    asked_reference: str | None,
    asked_metrics: Sequence[str] | None,
    asked_alpha: float | None,
    asked_margins: Mapping[str, float] | None,
    all_metrics: bool,
) -> Options:
    """Everything that was asked, checked and completed.

    Raises:
        MembError: If any of it is unknown or out of range.
    """
    chosen: Any = choices(given, plan.statistics)
    return Options(
        references=references(asked_reference, plan),
        metrics=metrics(frame, asked_metrics, all_metrics),
        alpha=level(asked_alpha, plan.statistics),
        all_metrics=all_metrics,
        margins=margins(asked_margins, frame),
        **chosen,
    )


def _unknown(name: str, known: Iterable[str]) -> Problem:
    listed = ", ".join(known)
    return Problem(
        f"unknown metric '{name}'", help=f"{nearest(name, known)} recorded are {listed}".strip()
    )
