"""Published numbers set beside the rows of a comparison, with a verdict where we run the same.

A number is reproduced where the whole 95% interval of our difference to it lies within the margin
that does not matter, not reproduced where all of it lies outside, and else inconclusive.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench import tolerances
from bench.compare.model import Comparison, Options, Row, Section
from bench.compare.published_model import Beside, Published, PublishedVerdict
from bench.errors import MembError
from bench.stats.pairing import Direction
from bench.stats.replication import LEAST_VALUES, Agreement, replication

if TYPE_CHECKING:
    from bench.published import PublishedFile, PublishedNumber


def beside(sections: Sequence[Section], options: Options, choice: str) -> tuple[Published, ...]:
    """The published numbers of each section, in its order, one entry per file that has some.

    Args:
        sections: What is shown.
        options: What was asked of the comparison.
        choice: ``auto`` for what ships with memb, ``none``, or a file.

    Raises:
        MembError: If a file is wrong, or has no number of a task point and metric that is shown.
    """
    if choice == "none":
        return ()
    from bench import published

    files = published.load(choice, {section.task for section in sections})
    found = _found(sections, options, files)
    if not found and choice != "auto":
        metrics = ", ".join(dict.fromkeys(n.metric for file in files for n in file.results))
        raise MembError(
            "none of its numbers is of a task point and metric that is shown",
            place=choice,
            help=f"its metrics are {metrics}; show one with --metric, and see its params",
        )
    return tuple(found)


def _found(
    sections: Sequence[Section], options: Options, files: Sequence[PublishedFile]
) -> list[Published]:
    found = []
    for section in sections:
        params = json.loads(section.task_params or "{}")
        for file in files:
            entry = _entry(section, params, options, file)
            found += [entry] if entry else []
    return found


def _entry(
    section: Section, params: Mapping[str, Any], options: Options, file: PublishedFile
) -> Published | None:
    from bench.published import holds, in_words

    if section.task != file.task or section.x is not None or not holds(file.params, params):
        return None
    numbers = [n for n in file.results if n.metric == section.metric and holds(n.params, params)]
    if not numbers:
        return None
    used = dict.fromkeys(number.source for number in numbers)
    comparable = file.comparable_at(params)
    requires = "" if comparable or isinstance(file.comparable, bool) else in_words(file.comparable)
    return Published(
        task_label=section.task_label,
        metric=section.metric,
        comparable=comparable,
        requires=requires,
        remark=file.remark,
        meaning=file.metrics[section.metric],
        citations=tuple((key, file.sources[key]) for key in used),
        rows=tuple(
            row for number in numbers for row in _rows(number, section, options, judge=comparable)
        ),
    )


def _rows(
    number: PublishedNumber, section: Section, options: Options, *, judge: bool
) -> Iterator[Beside]:
    """The number beside each row of ours that is meant to give it, alone if there is none."""
    alone = Beside(
        number.name, number.mean, number.spread, number.runs, number.source,
        runs=tuple(number.values or ()), seeds=tuple(number.seeds or ()),
    )  # fmt: skip
    ours = [row for row in section.rows if judge and _meant(number, row)]
    if not ours:
        yield alone
    for row in ours:
        yield _judged(alone, row, section, options)


def _meant(number: PublishedNumber, row: Row) -> bool:
    from bench.published import holds

    known = json.loads(row.params or "{}")
    return row.memory == number.memory and holds(number.memory_params, known)


def _judged(alone: Beside, row: Row, section: Section, options: Options) -> Beside:
    own = replace(alone, label=row.label, n_ours=row.n)
    if row.mean is None:
        return replace(own, verdict="no result")
    bounds = section.bounds
    declared = options.margins.get(section.metric)
    tolerance = declared or tolerances.default(section.kind, section.unit, bounds)
    margin = tolerance.margin(alone.value)
    own = replace(own, ours=row.mean, difference=row.mean - alone.value, margin=margin)
    if row.deterministic:
        return replace(own, verdict=_exact(row.mean - alone.value, margin, section.direction))
    if row.n < LEAST_VALUES:
        return replace(own, verdict="n<3")
    found = replication(row.values, alone.value, sd=alone.sd, n=alone.n)
    # what is left of a partial cell is a biased sample: it can show nothing
    verdict: PublishedVerdict = "inconclusive"
    if row.state == "complete":
        verdict = _verdict(found.agreement(margin), section.direction)
    return replace(own, difference=found.difference, replication=found, verdict=verdict)


def _exact(difference: float, margin: float, direction: Direction) -> PublishedVerdict:
    """The verdict on one value that holds for every seed."""
    if abs(difference) <= margin:
        return "reproduced"
    return _verdict("higher" if difference > 0 else "lower", direction)


def _verdict(agreement: Agreement, direction: Direction) -> PublishedVerdict:
    if agreement in ("reproduced", "inconclusive"):
        return "reproduced" if agreement == "reproduced" else "inconclusive"
    return "better" if agreement == direction else "worse"


def sentences(comparison: Comparison) -> list[str]:
    """What must stand below a table of published numbers."""
    if not comparison.published:
        return []
    found = []
    verdicts = {row.verdict for entry in comparison.published for row in entry.rows} - {""}
    if verdicts:
        found.append(
            "Published numbers: reproduced = the 95% interval of our difference lies within the "
            "margin of the number, not reproduced = all of it lies outside, else inconclusive. "
            f"{_whose_spread(comparison)}The margin is "
            f"{_margins(comparison)}; nothing is corrected for many of them."
        )
    for entry in comparison.published:
        found += [" ".join(entry.remark.split())] if entry.remark else []
    for entry in comparison.published:
        if entry.requires:
            found.append(
                f"Numbers of {', '.join(key for key, _ in entry.citations)} at {entry.task_label} "
                f"are for reference: comparable with ours are those at {entry.requires}."
            )
        elif not entry.comparable:
            found.append(
                f"Published numbers of {entry.metric} are not comparable with ours: "
                f"{entry.meaning}."
            )
    found += _single_runs(comparison)
    citations = {k: v for entry in comparison.published for k, v in entry.citations}
    found += [f"Source {key}: {text}." for key, text in citations.items()]
    return list(dict.fromkeys(found))


def _single_runs(comparison: Comparison) -> list[str]:
    """Single runs of the sources, seed by seed, where they name the seeds."""
    return [
        f"Runs of {row.name} ({row.source}) at {entry.task_label}, {entry.metric} by seed: "
        f"{_by_seed(row)}."
        for entry in comparison.published
        for row in entry.rows
        if row.seeds
    ]


def _by_seed(row: Beside) -> str:
    runs = [f"{run:.{row.decimals}f}" for run in row.runs]
    return ", ".join(f"{seed}: {run}" for seed, run in zip(row.seeds, runs, strict=True))


def _whose_spread(comparison: Comparison) -> str:
    """How a published number's own uncertainty enters the intervals."""
    rows = [row for entry in comparison.published for row in entry.rows]
    methods = {row.replication.method for row in rows if row.replication is not None}
    parts = []
    if "t" in methods:
        parts.append("a number without its count of runs is taken as it stands")
    if "prediction" in methods:
        parts.append("a mean of n runs is given our spread over n")
    if "welch" in methods:
        parts.append("a published spread enters by Welch's interval")
    return f"In the interval {'; '.join(parts)}. " if parts else ""


def _margins(comparison: Comparison) -> str:
    shown: dict[str, str] = {}
    for entry in comparison.published:
        for section in comparison.sections:
            if (section.task_label, section.metric) == (entry.task_label, entry.metric) and any(
                row.margin is not None for row in entry.rows
            ):
                declared = comparison.options.margins.get(section.metric)
                tolerance = declared or tolerances.default(
                    section.kind, section.unit, section.bounds
                )
                shown[section.metric] = _words(tolerance)
    return ", ".join(f"{words} for {metric}" for metric, words in shown.items())


def _words(tolerance: tolerances.Tolerance) -> str:
    parts = [f"{100 * tolerance.rel:g}% of it"] if tolerance.rel else []
    parts += [f"{tolerance.abs:g}"] if tolerance.abs else []
    return " or ".join(parts) or "0"
