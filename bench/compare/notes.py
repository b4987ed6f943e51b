"""The sentences that must stand below any table: what was tested, how, and what went wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from bench import in_words
from bench.compare import limit_notes, overall_notes, published, time_notes
from bench.compare.incomplete import hole
from bench.compare.model import STATES, Comparison, Contrast, Row, Section
from bench.compare.selection import Plan
from bench.stats.intervals import LEAST_FOR_BOOTSTRAP
from bench.stats.paired import LEAST_PAIRS
from bench.tolerances import Tolerance

TESTS = {
    "t": "paired t",
    "signflip": "sign-flip permutation",
    "wilcoxon": "Wilcoxon signed-rank",
    "welch": "Welch t (unpaired)",
    "permutation": "two-sample permutation",
}
CORRECTIONS = {
    "holm": "Holm",
    "bh": "Benjamini-Hochberg (false discovery rate)",
    "hommel": "Hommel",
    "bonferroni": "Bonferroni",
    "none": "no",
}
FEWEST_FOR_BH = 20
"""Tests from which on a bound on the share of false claims says something."""
HASH_DIGITS = 8
"""Digits of the suite's identity that a footer shows."""
PAPER_SEEDS = 10
"""Seeds from which a published table is advised to be made."""


def sentences(comparison: Comparison, plan: Plan) -> tuple[str, ...]:
    """Everything a reader has to know, in a fixed order; each sentence stands alone."""
    parts = (
        _seeds(comparison),
        _what_seeds_vary(comparison),
        _opponent(comparison, plan),
        _tests(comparison),
        time_notes.sentences(comparison),
        published.sentences(comparison),
        limit_notes.sentences(comparison),
        _pairing(comparison),
        _intervals(comparison),
        _equivalence(comparison),
        _standings(comparison),
        overall_notes.sentences(comparison),
        _holes(comparison),
        _advice(comparison),
        [f"{remark}." for remark in plan.remarks],
        _suite(comparison),
        [_run(run) for run in comparison.runs],
    )
    return tuple(dict.fromkeys(chain.from_iterable(parts)))


def _rows(comparison: Comparison) -> list[tuple[Section, Row]]:
    return [(section, row) for section in comparison.sections for row in section.rows]


def _contrasts(comparison: Comparison) -> list[tuple[Section, Contrast]]:
    return [(s, contrast) for s in comparison.sections for contrast in s.contrasts]


def _seeds(comparison: Comparison) -> list[str]:
    counts = {row.n for _, row in _rows(comparison) if row.n and not row.seedless}
    found = []
    if counts:
        found.append(f"n = {in_words.span(counts)} seeds per cell.")
    if comparison.seeds_extended and not comparison.options.two_stage:
        found.append(
            "Seeds were added after results were seen: the p-values do not account for that look."
        )
    return found


def _what_seeds_vary(comparison: Comparison) -> list[str]:
    tasks: dict[tuple[str, str], list[str]] = defaultdict(list)
    for section in comparison.sections:
        if section.tested:
            rest = "" if section.seeded else time_notes.left_open(section, comparison.options)
            tasks[section.varies, rest].append(section.task_label)
    found = []
    for (varies, rest), names in tasks.items():
        everywhere = len(tasks) == 1 and not rest
        where = f"on {'every task' if everywhere else in_words.tasks(names, comparison.tasks)}"
        if rest:
            found.append(f"The series is fixed {where}: seeds vary {varies} only, so {rest}.")
        else:
            found.append(f"Seeds vary {varies} {where}.")
    return found


def _opponent(comparison: Comparison, plan: Plan) -> list[str]:
    options = comparison.options
    if options.mode == "all-pairs":
        return ["Differences are the first memory of a pair minus the second."]
    if options.mode == "vs-best":
        return [
            "Differences are memory minus the best of the same task and metric. The set not "
            "separated from the best is large when n is small, and the best was picked by the "
            "same data."
        ]
    either = " or, where it is not planned, ".join(options.references)
    found = [f"Differences are memory minus {either}, in the metric's own units."]
    gone = [label for label in plan.references if label not in comparison.labels]
    found += [f"The suite's reference {x} is not among the memories compared here." for x in gone]
    absent = [
        section.task_label
        for section in comparison.sections
        if all(section.row(label) is None for label in options.references)
    ]
    if absent:
        names = " and ".join(options.references)
        found.append(
            f"{names} {_is(options.references)} not planned on "
            f"{in_words.tasks(absent, comparison.tasks)}: no differences there."
        )
    return found


def _is(several: Sequence[str]) -> str:
    return "is" if len(several) == 1 else "are"


def _tests(comparison: Comparison) -> list[str]:
    options = comparison.options
    used: dict[str, set[int]] = defaultdict(set)
    for _, contrast in _contrasts(comparison):
        if contrast.significance is not None:
            n = contrast.n if contrast.unpaired is None else min(map(len, contrast.unpaired))
            used[TESTS[contrast.significance.test]].add(n)
    found = []
    if used:
        tests = "; ".join(f"{name} (n = {in_words.span(ns)})" for name, ns in used.items())
        found.append(f"Tests over seeds, two-sided, alpha = {options.alpha:g}: {tests}.")
    if comparison.families:
        found.append(_correction(comparison))
    untested = in_words.listed(s.metric for s in comparison.sections if s.metric and not s.tested)
    if untested:
        found.append(f"Shown without a test, not being headline metrics: {untested}.")
    return found


def _correction(comparison: Comparison) -> str:
    options = comparison.options
    sizes: dict[str, list[int]] = defaultdict(list)
    for family in comparison.families:
        sizes[family.metric].append(family.m)
    m = ", ".join(f"m = {in_words.span(found)} for {metric}" for metric, found in sizes.items())
    if options.family == "none" or options.correction == "none":
        total = sum(family.m for family in comparison.families)
        return (
            f"Warning: p-values are not corrected for their number ({m}); if no memory differed, "
            f"about {total * options.alpha:.2g} of {total} would still come out significant."
        )
    small = [family.m for family in comparison.families if family.m < FEWEST_FOR_BH]
    if options.correction == "bh" and small:
        m += f"; meant for sweeps of {FEWEST_FOR_BH} tests and more, Holm is safer below"
    scope = "task and metric" if any(f.task_label for f in comparison.families) else "metric"
    failed = sum(family.failed for family in comparison.families)
    lost = f"; {failed} of them failed, counted as p = 1" if failed else ""
    return f"{CORRECTIONS[options.correction]} correction over each {scope}: {m}{lost}."


def _pairing(comparison: Comparison) -> list[str]:
    found = []
    paired = [(s, c) for s, c in _contrasts(comparison) if c.in_family and c.unpaired is None]
    # on a fixed series equal seeds share no data that could make values move together
    drawn = [contrast for section, contrast in paired if section.seeded]
    known = [r for c in drawn if c.n >= 5 and (r := c.pairs.correlation) is not None]
    below = [r for r in known if r < 0]
    if below:
        found.append(
            f"Values of {len(below)} of {len(known)} pairs are negatively correlated over seeds "
            f"(lowest r = {min(below):.2f}): check that equal seeds mean equal data."
        )
    alone = [seeds for section, c in paired if (seeds := _planned_alone(section, c))]
    if alone:
        found.append(
            f"{len(alone)} pairs were planned with different seeds: only common ones are compared, "
            f"{sum(map(len, alone))} values are not."
        )
    return found


def _planned_alone(section: Section, contrast: Contrast) -> set[int]:
    """Seeds that the plan holds for one side of a pair only; one value may stand for all."""
    sides = (section.row(contrast.label), section.row(contrast.against))
    a, b = (set(row.planned) if row and not row.seedless else None for row in sides)
    return set() if a is None or b is None else a ^ b


def _intervals(comparison: Comparison) -> list[str]:
    options = comparison.options
    if options.ci == "t":
        return []
    found = []
    counts = {row.n for _, row in _rows(comparison) if row.n > 1}
    few = {n for n in counts if n < LEAST_FOR_BOOTSTRAP}
    if few:
        found.append(
            f"No {options.ci} interval at n = {in_words.span(few)}: too few distinct resamples; "
            "use --ci t."
        )
    if any(LEAST_FOR_BOOTSTRAP <= n < 10 for n in counts):
        found.append("Bootstrap intervals below n = 10 cover about 85-90%, not 95%.")
    methods = [row.interval.method for _, row in _rows(comparison) if row.interval]
    methods += [c.interval.method for _, c in _contrasts(comparison) if c.interval]
    other = sum(method == "percentile" for method in methods)
    if options.ci == "bca" and other:
        found.append(f"BCa is degenerate for {other} intervals: percentile intervals there.")
    if "welch" in methods:
        found.append("Differences without pairs have Welch's t interval.")
    return found


def _equivalence(comparison: Comparison) -> list[str]:
    options = comparison.options
    if not options.margins:
        return []
    margins = ", ".join(_margin(metric, known) for metric, known in options.margins.items())
    level = 100 * (1 - 2 * options.alpha)
    return [
        f"equiv: the {level:g}% interval of the difference lies within the margin ({margins}); "
        "not adjusted for the number of claims."
    ]


def _margin(metric: str, margin: Tolerance) -> str:
    """``0.01 for accuracy`` or ``2% of the mean compared with for mse``."""
    parts = [f"{margin.abs:g}"] if margin.abs else []
    parts += [f"{100 * margin.rel:g}% of the mean compared with"] if margin.rel else []
    return f"{' or '.join(parts)} for {metric}"


def _standings(comparison: Comparison) -> list[str]:
    found = []
    rows = _rows(comparison)
    guessed = {s.metric: s.chance for s, row in rows if row.at_chance and s.chance is not None}
    if guessed:
        values = ", ".join(f"{chance:.3g} for {metric}" for metric, chance in guessed.items())
        found.append(
            f"at chance: the 95% interval of the mean reaches the value of guessing ({values})."
        )
    if any(row.fill is not None for _, row in rows):
        found.append(
            "budget used: the measured state of a memory over the state floats allowed on the task."
        )
    sections = [section for section in comparison.sections if section.tested]
    without = [section for section in sections if not any(row.ranked for row in section.rows)]
    if without:
        where = in_words.tasks([s.task_label for s in without], comparison.tasks, "any task")
        found.append(
            f"No ranks on {where}: memories of different state are shown side by side; a budget "
            "makes them equal."
        )
    if any(not r.ranked and r.mean is not None for s, r in rows if s.tested and s not in without):
        found.append(
            "Shown without a rank: memories that are not sized to the budget, and untrained ones "
            "that also stand in the table meta-trained."
        )
    return found


def _holes(comparison: Comparison) -> list[str]:
    found = []
    if comparison.dropped:
        dropped = in_words.tasks(comparison.dropped, [*comparison.dropped, *comparison.tasks])
        left = len(comparison.tasks)
        found.append(f"Dropped for incomplete cells: {dropped}; task points left: {left}.")
    states = Counter(row.state for _, row in _rows(comparison))
    if set(states) != {"complete"}:
        counts = ", ".join(f"{states[state]} {state}" for state in STATES if states[state])
        found.append(f"Cells: {counts}.")
    return found + _reasons(comparison)


def _reasons(comparison: Comparison) -> list[str]:
    """What is missing and why, cells that miss the same for the same reason together."""
    places: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for section, row in _rows(comparison):
        if row.failures:
            places[row.state, hole(row), row.label].append(section.task_label)
    alike: dict[tuple[str, str, tuple[str, ...]], list[str]] = defaultdict(list)
    for (state, reason, label), on in places.items():
        alike[state, reason, tuple(dict.fromkeys(on))].append(label)
    return [
        f"{state}: {in_words.listed(labels)} on {in_words.tasks(on, comparison.tasks)}"
        f"{': ' * bool(reason)}{reason}."
        for (state, reason, on), labels in alike.items()
    ]


def _advice(comparison: Comparison) -> list[str]:
    planned = [
        row.n_planned
        for section, row in _rows(comparison)
        if section.tested and section.seeded and not row.seedless
    ]
    if not planned or min(planned) >= PAPER_SEEDS:
        return []
    few = "Fewer than 3 seeds are not tested. " if min(planned) < LEAST_PAIRS else ""
    return [
        f"{few}3 seeds serve as a smoke test, 5 as a check, 10 for a published table; choose "
        "their number before looking at results, not until a difference is significant."
    ]


def _suite(comparison: Comparison) -> list[str]:
    name = f"Suite {comparison.suite}" if comparison.suite else "Suite"
    return [f"{name}, tasks and protocols {comparison.suite_hash[:HASH_DIGITS]}."]


def _run(run: Mapping[str, Any]) -> str:
    parts: Sequence[str] = [
        str(run.get("path") or ""),
        _commit(run.get("git") or {}),
        f"memb {run['memb']}" if run.get("memb") else "",
        f"torch {run['torch']}" if run.get("torch") else "",
        _machine(run),
        str(run.get("started") or "").partition("T")[0],
    ]
    return f"Run: {', '.join(part for part in parts if part) or 'provenance unknown'}."


def _machine(run: Mapping[str, Any]) -> str:
    """The device that trials ran on, and the processor of the host."""
    cpu = f" ({run['cpu']})" if run.get("cpu") else ""
    return f"on {run['device']}{cpu}" if run.get("device") else ""


def _commit(git: Mapping[str, Any]) -> str:
    commit = str(git.get("commit") or "")
    changed = " with uncommitted changes" if git.get("dirty") else ""
    return f"git {commit[:12]}{changed}" if commit else ""
