"""Headline sentences of a report: only what a test backs, with its name, n and correction.

A memory is said to be better or worse where its corrected p says so, and nowhere else; what could
not be told, and what failed, is said as plainly.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from bench.compare.model import Comparison, Contrast, Mark, Options, Section
from bench.compare.notes import CORRECTIONS, TESTS
from bench.compare.overall_model import Omnibus, Overall
from bench.report.model import Finding, Mishap
from bench.tables import digits as write
from bench.tables.suite_wide import SCOPES

MOST_NAMES = 12
"""Names listed in one sentence; the tables hold all of them."""
FEW_TASKS = 3
"""Up to so many task points each gets a sentence with the size of its differences."""
WEAKNESSES: Mapping[Mark, str] = {
    "fragile": "hangs on one seed",
    "within-margin": "too small to matter",
    "partial": "of the seeds that did not fail",
}
"""Marks that a claim carries with it."""
FRIEDMAN = {
    "permutation": "Friedman test, p by permutation within rows",
    "f": "Friedman test, Iman-Davenport F",
    "wilcoxon": "Wilcoxon signed-rank test over rows",
}
POSTHOC = {
    "wilcoxon": "Wilcoxon signed-rank over rows, Holm",
    "nemenyi": "Nemenyi",
    "reference": "against the reference, Holm",
}

TIME_TEST = "Diebold-Mariano test over time, equal-weighted cosines"

_Found = tuple[Section, Contrast]
_Basis = Literal["seeds", "seeds and time", "time"]


def findings(comparison: Comparison, failures: Sequence[Mishap]) -> tuple[Finding, ...]:
    """The sentences, most general first, cautions last."""
    found = [finding for overall in comparison.overall for finding in _overall(overall, comparison)]
    for (metric, basis), contrasts in _tested(comparison).items():
        found += _of_metric(comparison, metric, basis, contrasts)
    found += _open(comparison)
    found += _untested(comparison)
    found += _failed(failures)
    if comparison.seeds_extended:
        text = "Seeds were added after results were seen: the p-values do not account for it."
        found.append(Finding(text, "", "caution"))
    if not any(finding.tone == "claim" for finding in found):
        text = "No difference between memories is established by a test in this run."
        found.insert(0, Finding(text, "", "open"))
    return tuple(found)


def _overall(overall: Overall, comparison: Comparison) -> Iterator[Finding]:
    omnibus, alpha = overall.omnibus, comparison.options.alpha
    by = "blocks of tasks" if overall.by == "block" else "tasks"
    field = (
        f"{len(overall.entrants)} memories over {len(overall.rows)} {by} ({SCOPES[overall.scope]})"
    )
    if omnibus.p >= alpha:
        text = f"Over the whole suite no difference in rank is established among {field}."
        yield Finding(text, _friedman(omnibus, overall, alpha), "open")
        return
    yield Finding(f"{field} do not all rank alike.", _friedman(omnibus, overall, alpha), "claim")
    if overall.pairs:
        yield from _separated(overall, alpha)


def _friedman(omnibus: Omnibus, overall: Overall, alpha: float) -> str:
    p = write.p_value(omnibus.p)
    equals = "p " if p.startswith("<") else "p = "
    return (
        f"{FRIEDMAN[omnibus.method]}, N = {len(overall.rows)}, k = {len(overall.entrants)}, "
        f"{equals}{p}, alpha = {alpha:g}"
    )


def _separated(overall: Overall, alpha: float) -> Iterator[Finding]:
    """Whom the first in mean rank is separated from, of those it was tested against."""
    first = overall.entrants[0].label
    found: dict[bool, list[str]] = {True: [], False: []}
    for pair in overall.pairs:
        if first in (pair.label, pair.against):
            other = pair.against if pair.label == first else pair.label
            found[pair.p_adjusted < alpha].append(other)
    evidence = f"{POSTHOC[overall.posthoc]}, N = {len(overall.rows)}, alpha = {alpha:g}"
    if found[True]:
        yield Finding(f"{first} ranks above {names(found[True])}.", evidence, "claim")
    if found[False]:
        text = f"{first} has the best mean rank and is not separated from {names(found[False])}."
        yield Finding(text, evidence, "open")


def _tested(comparison: Comparison) -> dict[tuple[str, _Basis], list[_Found]]:
    """Tested contrasts by metric and by what their verdict rests on, in the order of sections."""
    found: dict[tuple[str, _Basis], list[_Found]] = defaultdict(list)
    for section in comparison.sections:
        for contrast in section.contrasts:
            basis = _basis(contrast, comparison.options)
            if basis is not None:
                found[section.metric, basis].append((section, contrast))
    return found


def _basis(contrast: Contrast, options: Options) -> _Basis | None:
    """What a verdict rests on; None where there is no test."""
    if contrast.verdict in ("untested", "det", "n<3"):
        return None
    if contrast.time is None or options.claim == "seed":
        return "seeds" if contrast.in_family else None
    return "seeds and time" if contrast.in_family and options.claim == "both" else "time"


def _of_metric(
    comparison: Comparison, metric: str, basis: _Basis, contrasts: Sequence[_Found]
) -> Iterator[Finding]:
    evidence = _evidence(comparison, metric, basis, [contrast for _, contrast in contrasts])
    mode = comparison.options.mode
    if mode == "vs-best":
        yield from _against_best(contrasts, evidence)
        return
    if mode == "all-pairs":
        differ = sum(c.verdict in ("better", "worse") for _, c in contrasts)
        text = f"{differ} of {len(contrasts)} pairs of memories differ in {metric}."
        yield Finding(text, evidence, "claim" if differ else "open")
        return
    tasks: dict[str, list[Contrast]] = defaultdict(list)
    for section, contrast in contrasts:
        tasks[section.task_label].append(contrast)
    if len(tasks) > FEW_TASKS:
        yield from _over_tasks(metric, contrasts, evidence)
        return
    for task, found in tasks.items():
        yield from _on_task(task, metric, found, _evidence(comparison, metric, basis, found))


def _against_best(contrasts: Sequence[_Found], evidence: str) -> Iterator[Finding]:
    by_section: dict[tuple[str, str], list[Contrast]] = defaultdict(list)
    for section, contrast in contrasts:
        by_section[section.task_label, section.metric].append(contrast)
    for (task, metric), found in by_section.items():
        worse = [c.label for c in found if c.verdict == "worse"]
        rest = len(found) - len(worse)
        left = f"; {rest} not separated from it" if rest else ""
        text = f"On {task}, {len(worse)} of {len(found)} memories are worse in {metric} than the "
        text += f"best mean, that of {found[0].against}{left}."
        yield Finding(text, evidence, "claim" if worse else "open")


def _on_task(
    task: str, metric: str, contrasts: Sequence[Contrast], evidence: str
) -> Iterator[Finding]:
    """Who is better and worse on one task, with the differences."""
    for word in ("better", "worse"):
        hit = [contrast for contrast in contrasts if contrast.verdict == word]
        for against, group in _grouped(hit).items():
            ordered = sorted(group, key=lambda c: -abs(c.difference or 0.0))
            listed = names([f"{c.label} ({_difference(c)})" for c in ordered])
            yield Finding(
                f"On {task}, {word} than {against} in {metric}: {listed}.", evidence, "claim"
            )


def _over_tasks(metric: str, contrasts: Sequence[_Found], evidence: str) -> Iterator[Finding]:
    """Who is better and worse than the reference, and on how many task points."""
    for against in dict.fromkeys(contrast.against for _, contrast in contrasts):
        tallies: dict[str, list[str]] = defaultdict(list)
        for _, contrast in contrasts:
            if contrast.against == against:
                tallies[contrast.label].append(contrast.verdict)
        head = f"than {against} in {metric}"
        for text in _sentences(tallies, head):
            yield Finding(text, evidence, "claim")


def _sentences(tallies: Mapping[str, Sequence[str]], head: str) -> Iterator[str]:
    kinds: dict[str, list[tuple[int, str]]] = defaultdict(list)
    whole: dict[str, list[str]] = defaultdict(list)
    for label, verdicts in tallies.items():
        better, worse = verdicts.count("better"), verdicts.count("worse")
        n = len(verdicts)
        if n in (better, worse):
            whole["better" if better else "worse"].append(label)
        elif better and worse:
            kinds["mixed"].append(
                (better, f"{label} (better on {better}, worse on {worse} of {n})")
            )
        elif better or worse:
            count = max(better, worse)
            kinds["better" if better else "worse"].append((count, f"{label} ({count} of {n})"))
    for word in ("better", "worse"):
        if whole[word]:
            yield f"{word.capitalize()} {head} on every task point: {names(whole[word])}."
        if kinds[word]:
            listed = names(_most_first(kinds[word]))
            yield f"{word.capitalize()} {head} on some task points: {listed}."
    if kinds["mixed"]:
        listed = names(_most_first(kinds["mixed"]))
        yield f"Better {head} on some task points and worse on others: {listed}."


def _most_first(counted: Iterable[tuple[int, str]]) -> list[str]:
    return [text for _, text in sorted(counted, key=lambda entry: -entry[0])]


def _grouped(contrasts: Iterable[Contrast]) -> dict[str, list[Contrast]]:
    found: dict[str, list[Contrast]] = defaultdict(list)
    for contrast in contrasts:
        found[contrast.against].append(contrast)
    return found


def _difference(contrast: Contrast) -> str:
    """The difference, and what weakens the claim."""
    assert contrast.difference is not None
    decimals = write.decimals_of(contrast.sd, contrast.difference)
    weak = [text for mark, text in WEAKNESSES.items() if mark in contrast.marks]
    return "; ".join([write.signed(contrast.difference, decimals), *weak])


def _evidence(
    comparison: Comparison, metric: str, basis: _Basis, contrasts: Sequence[Contrast]
) -> str:
    """Tests, n, corrections with m, level."""
    parts = []
    if basis != "time":
        m = [family.m for family in comparison.families if family.metric == metric]
        parts.append(f"{_over_seeds(contrasts)}, {_correction(comparison.options, m)}")
    if basis != "seeds":
        m = [family.m for family in comparison.time_families if family.metric == metric]
        origins = _span(c.time.origins for c in contrasts if c.time is not None)
        parts.append(f"{TIME_TEST}, T = {origins}, {_correction(comparison.options, m)}")
    return f"{'; and '.join(parts)}; alpha = {comparison.options.alpha:g}"


def _over_seeds(contrasts: Sequence[Contrast]) -> str:
    used: dict[str, set[int]] = defaultdict(set)
    for contrast in contrasts:
        if contrast.significance is not None:
            n = contrast.n if contrast.unpaired is None else min(map(len, contrast.unpaired))
            used[TESTS[contrast.significance.test]].add(n)
    return " and ".join(f"{name}, n = {_span(counts)}" for name, counts in used.items())


def _correction(options: Options, m: Sequence[int]) -> str:
    corrected = options.correction != "none" and options.family != "none"
    name = CORRECTIONS[options.correction].partition(" (")[0] if corrected else "no"
    return f"{name} correction over m = {_span(m)}" if corrected else f"{name} correction"


def _span(numbers: Iterable[int]) -> str:
    found = sorted(set(numbers))
    return f"{found[0]:,}" if len(found) == 1 else f"{found[0]:,} to {found[-1]:,}"


def _open(comparison: Comparison) -> Iterator[Finding]:
    """How many comparisons are not resolved, and what would resolve them."""
    tested = _tested(comparison)
    contrasts = [contrast for found in tested.values() for _, contrast in found]
    unresolved = [c for c in contrasts if c.verdict == "n.s."]
    ties = sum(c.significance is not None and c.significance.tie for c in unresolved)
    if not unresolved:
        return
    text = f"{len(unresolved)} of {len(contrasts)} comparisons are open: no difference is shown, "
    text += "which does not mean that there is none."
    if ties:
        text += f" In {ties} of them all seeds are exactly equal."
    # no number of seeds settles what is open over time
    over_seeds = [c for (_, basis), found in tested.items() if basis == "seeds" for _, c in found]
    needed = [
        c.seeds_needed for c in over_seeds if c.verdict == "n.s." and c.seeds_needed is not None
    ]
    if needed:
        text += (
            f" {len(needed)} would be resolved by at most 200 seeds if the observed difference is "
            f"the true one, half of them by about {statistics.median_high(needed)}."
        )
    yield Finding(text, "", "open")


def _untested(comparison: Comparison) -> Iterator[Finding]:
    """Headline metrics whose differences stand without a test."""
    tasks = [
        section.task_label
        for section in comparison.sections
        if section.tested
        and section.contrasts
        and all(_basis(c, comparison.options) is None for c in section.contrasts)
    ]
    if tasks:
        text = f"Nothing is claimed on {names(dict.fromkeys(tasks))}: differences there stand "
        yield Finding(f"{text}without a test.", "", "caution")


def _failed(failures: Sequence[Mishap]) -> Iterator[Finding]:
    count = sum(mishap.trials for mishap in failures)
    if count:
        labels = dict.fromkeys(place.label for mishap in failures for place in mishap.places)
        trials = "1 trial has" if count == 1 else f"{count} trials have"
        text = f"{trials} no value: {names(labels)}. See failures below."
        yield Finding(text, "", "caution")


def names(found: Iterable[str]) -> str:
    """Names after one another, the rest counted where there are too many."""
    listed = list(found)
    if len(listed) > MOST_NAMES + 1:
        return f"{', '.join(listed[:MOST_NAMES])} and {len(listed) - MOST_NAMES} more"
    return ", ".join(listed)
