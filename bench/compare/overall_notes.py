"""The sentences that must stand below ranks and scores over tasks."""

from __future__ import annotations

import math

from bench import in_words
from bench.compare import fields
from bench.compare.model import Comparison
from bench.compare.overall import shared_span
from bench.compare.overall_model import Omnibus, Overall
from bench.stats.resampling import REPLICATES

FEW_RESAMPLED = 10
"""Percentile intervals of fewer seeds or rows are narrower than they say."""
SMALLEST_P = 1e-4
EVERYWHERE = "all tasks"
CLAIMS = {
    "seeds": "seeds are drawn within each {row}, the same for all memories: they speak of these "
    "tasks alone",
    "tasks": "{row}s are drawn: they speak of other tasks like these",
    "both": "{row}s are drawn, and seeds within each: they speak of other tasks like these",
}


def sentences(comparison: Comparison) -> list[str]:
    """What was ranked, tested, resampled, filled in and left out; empty without ranks."""
    said = [_about(overall, comparison) for overall in comparison.overall]
    by_all = set.intersection(*map(set, said)) if said else set()
    names = [_name(overall) for overall in comparison.overall]
    found = []
    for overall, own, name in zip(comparison.overall, said, names, strict=True):
        if names.count(name) > 1:
            name = f"{overall.entrants[0].label} among {name}"
        found += [x if x in by_all else f"{x.removesuffix('.')} ({name})." for x in own]
    return found + _alone(comparison)


def _about(overall: Overall, comparison: Comparison) -> list[str]:
    return [
        *_ranked(overall, comparison),
        _omnibus(overall),
        _pairs(overall, comparison),
        *_scores(overall),
        *_intervals(overall, comparison),
        *_incomplete(overall),
    ]


def _name(overall: Overall) -> str:
    """A few words that tell one field from the others."""
    return f"{len(overall.entrants)} memories, {_count(len(overall.rows), overall.by)}"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' if n != 1 else ''}"


def _p(p: float) -> str:
    return f"p < {SMALLEST_P:g}" if p < SMALLEST_P else f"p = {p:.3g}"


def _ranked(overall: Overall, comparison: Comparison) -> list[str]:
    rows = _count(len(overall.rows), overall.by)
    found = [f"Mean ranks over {rows}: {in_words.listed(overall.rows)}."]
    if overall.scope == "full":
        found = [
            f"Mean ranks over {rows} that not all memories meet, of the memories that meet them "
            f"all: {in_words.listed(overall.rows)}."
        ]
    elif overall.scope == "common":
        found = [
            f"Mean ranks over the {rows} that all memories meet: {in_words.listed(overall.rows)}."
        ]
    merged = len(overall.tasks) - len(overall.rows)
    if overall.by == "block" and merged:
        found.append(
            f"Within a block the ranks of its tasks and metrics ({len(overall.tasks)} in all) are "
            "averaged and ranked again, so that related ones count once."
        )
    elif overall.by == "task" and len(_blocks(overall, comparison)) < len(overall.rows):
        found.append(
            "Every task and metric is a row of its own: related ones are counted as if they were "
            "independent."
        )
    return found


def _blocks(overall: Overall, comparison: Comparison) -> set[str]:
    inside = set(overall.tasks)
    return {
        section.block or section.task
        for section in comparison.sections
        if (section.task_label, section.metric) in inside
    }


def _omnibus(overall: Overall) -> str:
    test = overall.omnibus
    n, k = len(overall.rows), len(overall.entrants)
    if test.method == "wilcoxon":
        return f"Two memories over {n} rows: Wilcoxon signed-rank, {_p(test.p)}."
    degrees = f"{k - 1}, {(k - 1) * (n - 1)}"
    f = "infinite" if math.isinf(test.f) else f"{test.f:.4g}"
    law = f"chi2({k - 1}) = {test.chi2:.4g}, F({degrees}) = {f}"
    return f"Whether all rank alike (Friedman, ties corrected): {law}, {_decision(test)}."


def _decision(test: Omnibus) -> str:
    method = "of F" if test.method == "f" else "by permutation within rows"
    return f"{_p(test.p)} {method}"


def _pairs(overall: Overall, comparison: Comparison) -> str:
    alpha, n = comparison.options.alpha, len(overall.rows)
    k = len(overall.entrants)
    if overall.omnibus.p >= alpha:
        return "No two memories are separated by their ranks: not resolved, which is not equal."
    if overall.posthoc == "wilcoxon" and n < overall.least_rows:
        return (
            f"Ranks are descriptive: at N = {n} rows no pair of {k} memories could be told apart "
            f"by pairwise Wilcoxon tests with Holm; it takes N >= {overall.least_rows}."
        )
    if overall.posthoc == "reference" and overall.reference is None:
        return "The reference is not among these memories: no pairs of ranks are tested."
    apart = sum(pair.p_adjusted < alpha for pair in overall.pairs)
    return f"{_posthoc(overall, comparison)}: {apart} of {len(overall.pairs)} pairs differ."


def _posthoc(overall: Overall, comparison: Comparison) -> str:
    if overall.posthoc == "nemenyi":
        return (
            "Pairs of ranks by Nemenyi's test, critical difference "
            f"{overall.critical_difference:.3f}; it depends on which memories are compared"
        )
    if overall.posthoc == "reference":
        return (
            f"Ranks against {overall.reference} by z and Holm; the outcome depends on which "
            "memories are compared"
        )
    inside = set(overall.tasks)
    sections = [s for s in comparison.sections if (s.task_label, s.metric) in inside]
    kind = "differences" if shared_span(sections) is not None else "relative differences of cost"
    return f"Pairs by Wilcoxon signed-rank tests over rows on {kind}, Holm"


def _scores(overall: Overall) -> list[str]:
    if overall.reference is None:
        found = ["No skill and no improvement: the reference is not among these memories."]
    else:
        found = [
            f"Skill is 1 - the geometric mean of error over that of {overall.reference}, ratios "
            "clipped to [0.01, 100]; P(better) is the share of seeds on which a memory beats it."
        ]
        if overall.without_cost:
            found.append(
                f"Left out of skill, having no best value: {in_words.listed(overall.without_cost)}."
            )
        if overall.without_reference:
            found.append(
                "Left out of skill, the reference being incomplete: "
                f"{in_words.listed(overall.without_reference)}."
            )
    scored = any(entrant.iqm is not None for entrant in overall.entrants)
    if overall.without_anchors and scored:
        found.append(
            "Left out of IQM and optimality gap, chance or ceiling being unknown: "
            f"{in_words.listed(overall.without_anchors)}."
        )
    if overall.from_reference:
        found.append(
            f"For IQM and optimality gap 0 is {overall.reference} and 1 no error on "
            f"{in_words.listed(overall.from_reference)}."
        )
    return found


def _intervals(overall: Overall, comparison: Comparison) -> list[str]:
    found = []
    if overall.uncommon:
        found.append(
            "Ranks and scores use only the seeds that all memories have on "
            f"{in_words.listed(overall.uncommon)}."
        )
    if overall.apart:
        found.append(
            "No seed is common to all memories on "
            f"{in_words.listed(overall.apart)}: their means are ranked as they are."
        )
    if overall.resample is None:
        return [*found, f"No intervals of scores over tasks: {overall.no_interval}."]
    claim = CLAIMS[overall.resample].format(row=overall.by)
    instead = (
        ", there being too few seeds" if overall.resample != comparison.options.resample else ""
    )
    found.append(
        f"95% intervals of scores over tasks: percentiles of {REPLICATES:,} bootstrap replicates"
        f"{instead}; {claim}."
    )
    least = min(_drawn(overall))
    if least < FEW_RESAMPLED:
        found.append(f"Bootstrap intervals below n = {FEW_RESAMPLED} cover about 85-90%, not 95%.")
    return found


def _drawn(overall: Overall) -> list[int]:
    """From how many rows, or seeds, is drawn."""
    rows = [len(overall.rows)] if overall.resample != "seeds" else []
    return rows + ([overall.n_seeds[0]] if overall.resample != "tasks" else [])


def _incomplete(overall: Overall) -> list[str]:
    found = []
    if overall.imputed or overall.at_bound:
        found.append("Incomplete cells rank last on their task.")
    if overall.imputed:
        found.append(
            "Counted with the largest error ratio of their task, and at least the reference's: "
            f"{in_words.listed(overall.imputed)}."
        )
    if overall.at_bound:
        found.append(
            "Failed seeds count as the worst value of the metric: "
            f"{in_words.listed(overall.at_bound)}."
        )
    return found


def _alone(comparison: Comparison) -> list[str]:
    """Why memories that share several results are not ranked over them."""
    ranked = {entrant.label for overall in comparison.overall for entrant in overall.entrants}
    found = []
    for group in fields.components(comparison.sections, comparison.labels):
        if len(group.sections) < fields.LEAST_ROWS or ranked.intersection(group.labels):
            continue
        rows = fields.rows_of(group.sections, comparison.options.rows)
        points = [section.task_label for section in group.sections]
        names = in_words.tasks(points, comparison.tasks, EVERYWHERE)
        if len(rows) < fields.LEAST_ROWS:
            found.append(
                f"No ranks over tasks: {names} are one block, {rows[0].name}, and count once; "
                "--rows task ranks them each."
            )
        else:
            where = names if names == EVERYWHERE else f"all of {names}"
            found.append(f"No ranks over tasks: too few memories meet on {where}.")
    return found
