"""A comparison in one sentence that its tests back, for an index of many."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from bench.compare.model import Comparison, Contrast, Section
from bench.compare.notes import CORRECTIONS, TESTS
from bench.compare.overall_model import Overall

POSTHOC = {
    "wilcoxon": "Wilcoxon over rows, Holm",
    "nemenyi": "Nemenyi",
    "reference": "ranks against the reference, Holm",
}
_Judged = tuple[Section, Contrast]


def headline(comparison: Comparison) -> str:
    """The sentence, with test, number of seeds, correction and level.

    It says who ranks first over the whole suite, if a test separates it from any other; else how
    many memories differ from the reference, in the metric that is tested most often.
    """
    for overall in comparison.overall:
        if said := _first_of_all(overall, comparison.options.alpha):
            return said
    judged: dict[str, list[_Judged]] = defaultdict(list)
    for section in comparison.sections:
        for contrast in section.contrasts:
            if contrast.in_family:
                judged[section.metric].append((section, contrast))
    if not judged:
        return "Nothing is tested: differences stand with their intervals alone."
    metric = max(judged, key=lambda name: len(judged[name]))
    evidence = _evidence(comparison, metric, [contrast for _, contrast in judged[metric]])
    return f"{_tally(metric, judged[metric])} ({evidence})."


def _first_of_all(overall: Overall, alpha: float) -> str:
    first = overall.entrants[0]
    below = sum(
        first.label in (pair.label, pair.against) and pair.p_adjusted < alpha
        for pair in overall.pairs
    )
    if not below:
        return ""
    rows = "blocks of tasks" if overall.by == "block" else "tasks"
    return (
        f"{first.label} has the best mean rank, {first.mean_rank:.2f} over {len(overall.rows)} "
        f"{rows}, and ranks above {below} of {len(overall.entrants) - 1} others "
        f"({POSTHOC[overall.posthoc]}, alpha = {alpha:g})."
    )


def _tally(metric: str, judged: Sequence[_Judged]) -> str:
    """How many memories are better and worse than what they are compared with, and the leader."""
    better, worse = (
        Counter(contrast.label for _, contrast in judged if contrast.verdict == word)
        for word in ("better", "worse")
    )
    points = list(dict.fromkeys(section.task_label for section, _ in judged))
    others = list(dict.fromkeys(contrast.against for _, contrast in judged))
    than = others[0] if len(others) == 1 else "the memory of reference"
    k = len({contrast.label for _, contrast in judged})
    several = len(points) > 1
    if not better and not worse:
        where = f"any of {len(points)} task points" if several else points[0]
        return f"On {where} no difference to {than} in {metric} is shown for any of {k} memories"
    where = f"at least one of {len(points)} task points" if several else points[0]
    word, other = ("better", "worse") if better else ("worse", "better")
    found, rest = (better, worse) if better else (worse, better)
    also = f"{_are(len(rest))} {other}" + (" on at least one" if several and rest else "")
    verb = "is" if len(found) == 1 else "are"
    return (
        f"On {where} {len(found)} of {k} memories {verb} {word} than {than} in {metric}, and "
        f"{also}{_leader(better) if several else ''}"
    )


def _are(count: int) -> str:
    return {0: "none is", 1: "1 is"}.get(count, f"{count} are")


def _leader(better: Counter[str]) -> str:
    if not better:
        return ""
    most = max(better.values())
    leaders = [label for label, count in better.items() if count == most]
    listed = ", ".join(leaders[:3]) + (f" and {len(leaders) - 3} more" if len(leaders) > 3 else "")
    return f"; most often better, on {most}: {listed}"


def _evidence(comparison: Comparison, metric: str, contrasts: Sequence[Contrast]) -> str:
    options = comparison.options
    tests = dict.fromkeys(TESTS[c.significance.test] for c in contrasts if c.significance)
    seeds = sorted({c.n for c in contrasts if c.significance and c.unpaired is None})
    n = f", n = {seeds[0]}{f' to {seeds[-1]}' if len(seeds) > 1 else ''}" if seeds else ""
    corrected = options.correction != "none" and options.family != "none"
    correction = CORRECTIONS[options.correction].partition(" (")[0] if corrected else "no"
    m = sum(family.m for family in comparison.families if family.metric == metric)
    timed = any(contrast.time is not None for contrast in contrasts) and options.claim != "seed"
    over_time = ", and Diebold-Mariano over time" if timed else ""
    return (
        f"{' and '.join(tests) or 'no test'}{n}{over_time}, {correction} correction over {m}, "
        f"alpha = {options.alpha:g}"
    )
