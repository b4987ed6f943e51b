"""Families of tests, their correction, and the word for each contrast."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from bench.compare.lost import Lost, lost
from bench.compare.model import Contrast, Family, Mark, Options, Row, Section, Verdict
from bench.compare.time_model import TimeTest, Unsettled
from bench.stats.corrections import Correction, adjust
from bench.stats.paired import LEAST_PAIRS
from bench.stats.permutation import pairs_to_resolve, smallest_p
from bench.stats.power import detectable_effect, seeds_needed

MOST_RESOLVED = 18
"""Pairs from which on a permutation test's smallest p is that of its random patterns."""
FAMILYWISE = ("holm", "hommel", "bonferroni")
"""Corrections whose smallest p has to pass alpha/m."""

_Place = tuple[int, int]


def judged(
    sections: Sequence[Section], options: Options
) -> tuple[list[Section], tuple[Family, ...]]:
    """The sections with adjusted p-values and verdicts, and the families behind them.

    A planned contrast whose trials failed enters its family with p = 1, so that a failure never
    makes another claim easier. What the plan itself leaves untestable does not enter.
    """
    members = _families(sections, options)
    gone = lost(sections, options)
    contrasts = [list(section.contrasts) for section in sections]
    families = []
    for (metric, task_label), places in members.items():
        group = [contrasts[i][j] for i, j in places]
        others = 0 if task_label else gone.get(metric, Lost()).seeds
        for (i, j), contrast in zip(places, _corrected(group, others, options), strict=True):
            contrasts[i][j] = contrast
        failed = sum(contrast.significance is None for contrast in group)
        families.append(Family(metric, task_label, len(group) + others, failed + others))
    done = [
        replace(section, contrasts=tuple(_judge(section, c, options) for c in found))
        for section, found in zip(sections, contrasts, strict=True)
    ]
    return done, tuple(families)


def _corrected(group: Sequence[Contrast], others: int, options: Options) -> list[Contrast]:
    """The contrasts of a family, `others` of whose tests failed before they had a metric."""
    method: Correction = "none" if options.family == "none" else options.correction
    p = _adjusted([1.0 if c.p_raw is None else c.p_raw for c in group], others, method)
    floors = [c.significance.p_min if c.significance else 1.0 for c in group]
    least = _adjusted(floors, others, method)
    closed = [c.significance is not None and f >= options.alpha
              for c, f in zip(group, least, strict=True)]  # fmt: skip
    needed = _pairs_to_resolve(floors, others, method, options.alpha) if any(closed) else None
    m = len(group) + others
    return [
        replace(
            contrast,
            p_adjusted=p[i],
            unresolvable=closed[i],
            pairs_to_resolve=needed if closed[i] else None,
            detectable=_detectable(contrast, p[i], options),
            seeds_needed=_seeds_needed(contrast, p[i], m, options),
        )
        for i, contrast in enumerate(group)
    ]


def _adjusted(p: Sequence[float], others: int, method: Correction) -> list[float]:
    found: list[float] = adjust([*p, *[1.0] * others], method).tolist()
    return found[: len(p)]


def _pairs_to_resolve(
    floors: Sequence[float], others: int, method: Correction, alpha: float
) -> int | None:
    """Pairs in each permutation test of a family at which one of them could be significant."""
    permuted = [i for i, floor in enumerate(floors) if 0 < floor < 1]
    for n in range(LEAST_PAIRS, MOST_RESOLVED + 1):
        at_n = [smallest_p(n) if i in permuted else floor for i, floor in enumerate(floors)]
        if _adjusted(at_n, others, method)[permuted[0]] < alpha:
            return n
    return None


def _families(sections: Sequence[Section], options: Options) -> dict[tuple[str, str], list[_Place]]:
    """Places of the contrasts of each family, by metric and, where families are per task, task."""
    # against the best of each task the opponent changes from task to task
    per_task = options.family == "task" or options.mode == "vs-best"
    members: dict[tuple[str, str], list[_Place]] = defaultdict(list)
    for i, section in enumerate(sections):
        for j, contrast in enumerate(section.contrasts):
            if contrast.in_family:
                members[section.metric, section.task_label if per_task else ""].append((i, j))
    return members


def _detectable(contrast: Contrast, p: float, options: Options) -> float | None:
    """Smallest difference these pairs would have found, where the verdict is open."""
    if p < options.alpha or contrast.sd is None:
        return None
    return contrast.sd * detectable_effect(contrast.n, options.alpha)


def _seeds_needed(contrast: Contrast, p: float, m: int, options: Options) -> int | None:
    """Pairs that would resolve the observed difference within its family."""
    if p < options.alpha or contrast.d_z is None:
        return None
    familywise = options.correction in FAMILYWISE and options.family != "none"
    level = options.alpha / m if familywise else options.alpha
    found = seeds_needed(contrast.d_z, alpha=level)
    permuted = contrast.significance is not None and contrast.significance.p_min > 0
    if not found or not permuted:
        return found
    return max(found, pairs_to_resolve(level)) if level > smallest_p(MOST_RESOLVED) else None


def _judge(section: Section, contrast: Contrast, options: Options) -> Contrast:
    rows = {row.label: row for row in section.rows}
    a, b = rows[contrast.label], rows[contrast.against]
    verdict = _verdict(a, b, contrast, options)
    if contrast.time is not None and verdict == "n.s.":
        unsettled = _unsettled(contrast, contrast.time, options)
        contrast = replace(contrast, time=replace(contrast.time, unsettled=unsettled))
    return replace(contrast, verdict=verdict, marks=_marks(a, b, contrast, verdict, options))


def _verdict(a: Row, b: Row, contrast: Contrast, options: Options) -> Verdict:
    if not (a.values and b.values):
        return "fail"
    if contrast.time is not None:
        return _over_time(a, b, contrast, contrast.time, options)
    if not contrast.in_family:
        if a.deterministic and b.deterministic:
            return "det"
        few = min(a.n_planned, b.n_planned) < LEAST_PAIRS
        return "n<3" if few and not (a.seedless or b.seedless) else "untested"
    if contrast.significance is None or contrast.p_adjusted is None:
        return "n<3"
    same = contrast.equivalence is not None and contrast.equivalence.equivalent
    return _word(contrast, contrast.p_adjusted, same, options)


def _over_time(a: Row, b: Row, contrast: Contrast, time: TimeTest, options: Options) -> Verdict:
    """The verdict on a fixed series: of two tests the less certain one.

    Requiring both is an intersection-union test: each at its level keeps that level for the claim
    (Berger 1982). Both being corrected apart, the chance of any false claim in a table is at most
    twice the level: claims that seeds should have stopped, and claims that time should have.
    Between two deterministic memories the difference is the same for every seed, so only time can
    speak against it.
    """
    on_time_alone = options.claim == "time" or (a.deterministic and b.deterministic)
    if on_time_alone:
        if time.p_adjusted is None:
            return "untested"
        return _word(contrast, time.p_adjusted, bool(time.equivalent), options)
    if contrast.significance is None or contrast.p_adjusted is None:
        return "n<3"
    if time.p_adjusted is None:
        return "untested"
    same = contrast.equivalence is not None and contrast.equivalence.equivalent
    p = max(contrast.p_adjusted, time.p_adjusted)
    return _word(contrast, p, same and bool(time.equivalent), options)


def _unsettled(contrast: Contrast, time: TimeTest, options: Options) -> Unsettled:
    over_time = time.p_adjusted is not None and time.p_adjusted >= options.alpha
    p = contrast.p_adjusted if options.claim == "both" else None
    if p is None or p < options.alpha:
        return "time" if over_time else ""
    return "seeds and time" if over_time else "seeds"


def _word(contrast: Contrast, p: float, equivalent: bool, options: Options) -> Verdict:
    if p >= options.alpha:
        return "equiv" if equivalent else "n.s."
    if contrast.significance is not None and contrast.significance.opposed:
        return "n.s."  # significant, but the two measures of a difference disagree on its sign
    return "better" if _favours(contrast) else "worse"


def _favours(contrast: Contrast) -> bool:
    """Whether the difference speaks for the memory judged."""
    sign = -1 if contrast.direction == "lower" else 1
    return sign * (contrast.difference or 0.0) > 0


def _marks(
    a: Row, b: Row, contrast: Contrast, verdict: Verdict, options: Options
) -> tuple[Mark, ...]:
    marks: list[Mark] = []
    if verdict in ("better", "worse"):
        marks.append("better" if verdict == "better" else "worse")
        on_seeds = contrast.time is None or options.claim != "time"
        if on_seeds and contrast.significance is not None and contrast.significance.fragile:
            marks.append("fragile")
        if contrast.margin is not None and abs(contrast.difference or 0.0) < contrast.margin:
            marks.append("within-margin")
    if (
        options.mode == "vs-best"
        and verdict in ("n.s.", "equiv")
        and not (contrast.unresolvable and options.claim != "time")
        and a.state == "complete"
    ):
        marks.append("not-separated")
    if "partial" in (a.state, b.state):
        marks.append("partial")
    return tuple(marks)
