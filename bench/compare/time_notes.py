"""What must stand below a table about tests over time, planned looks and outperformance."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain

from bench import in_words
from bench.compare.model import Comparison, Contrast, Options, Section
from bench.compare.time_model import Claim, Gap, TimeTest
from bench.stats.outperformance import GAMMA, LEAST_PAIRS

CLAIMS: dict[Claim, str] = {
    "both": "A difference on a fixed series is marked only where p over seeds and time p are both "
    "below alpha.",
    "time": "Marks on a fixed series rest on time p alone: they say nothing about other "
    "initialisations.",
    "seed": "Marks on a fixed series rest on seeds alone: they say nothing about other times.",
}
GAPS: dict[Gap, str] = {
    "not stored": "some trials stored no losses",
    "not the metric": "the stored losses do not average to the metric",
    "too short": "fewer than 8 origins for each step of the horizon",
    "undefined": "the losses differ by a constant",
}


def sentences(comparison: Comparison) -> list[str]:
    """The sentences, in a fixed order; none where nothing of the kind was done."""
    parts = (
        _tests(comparison),
        _claim(comparison),
        _deterministic(comparison),
        _gaps(comparison),
        _reported(comparison),
        _own_series(comparison),
        _looks(comparison),
        _outperformance(comparison),
    )
    return list(chain.from_iterable(parts))


def left_open(section: Section, options: Options) -> str:
    """What the seeds of a fixed series leave open, and what answers it."""
    if section.losses:
        return "time p says whether differences hold from origin to origin"
    if options.claim == "seed":
        return "whether differences hold over time is another question"
    return "differences stand without a test; whether they hold over time is another question"


def _timed(comparison: Comparison) -> list[tuple[Section, Contrast, TimeTest]]:
    return [
        (section, contrast, contrast.time)
        for section in comparison.sections
        for contrast in section.contrasts
        if contrast.time is not None
    ]


def _tests(comparison: Comparison) -> list[str]:
    sizes: dict[tuple[int, int, int], list[str]] = defaultdict(list)
    for section, _, test in _timed(comparison):
        if test.decision is not None and test.decision.testable:
            sizes[test.origins, test.horizon, test.decision.df].append(section.task_label)
    if not sizes:
        return []
    listed = "; ".join(
        f"T = {origins} origins, h = {horizon}, {df} degrees of freedom on "
        f"{in_words.tasks(tasks, comparison.tasks)}"
        for (origins, horizon, df), tasks in sizes.items()
    )
    most: dict[str, int] = {}
    for family in comparison.time_families:
        most[family.metric] = max(family.m, most.get(family.metric, 0))
    m = ", ".join(f"m = {size} for {metric}" for metric, size in most.items())
    options = comparison.options
    raw = options.correction == "none" or options.family == "none"
    corrected = "not corrected" if raw else "corrected apart from p over seeds"
    return [
        "time p: Diebold-Mariano test of the losses at each origin, averaged over seeds, with the "
        f"equal-weighted cosine variance (Lazarus et al. 2018): {listed}; {corrected}: {m}.",
        "time p compares forecasts on this path: it says nothing about other seeds, other series "
        "or later regimes.",
    ]


def _claim(comparison: Comparison) -> list[str]:
    claim = comparison.options.claim
    fixed = any(s.tested and not s.seeded and s.contrasts for s in comparison.sections)
    if claim == "seed":
        return [CLAIMS[claim]] if fixed else []
    return [CLAIMS[claim]] if _timed(comparison) else []


def _deterministic(comparison: Comparison) -> list[str]:
    """Contrasts of two memories whose difference no seed can change."""
    if comparison.options.claim != "both":
        return []
    names = []
    for section, contrast, test in _timed(comparison):
        a, b = section.row(contrast.label), section.row(contrast.against)
        if test.p is not None and a and b and a.deterministic and b.deterministic:
            names.append(f"{contrast.label} and {contrast.against} on {section.task_label}")
    if not names:
        return []
    return [f"The same for every seed, so that time p alone decides: {in_words.listed(names)}."]


def _gaps(comparison: Comparison) -> list[str]:
    found: dict[Gap, list[str]] = defaultdict(list)
    for section, contrast, test in _timed(comparison):
        if test.gap in GAPS:
            found[test.gap].append(f"{contrast.label} on {section.task_label}")
    return [
        f"No time p ({GAPS[gap]}), so no mark: {in_words.listed(who)}."
        for gap, who in found.items()
    ]


def _reported(comparison: Comparison) -> list[str]:
    """How far the statistic that papers report can be trusted here."""
    known = [test.reported for _, _, test in _timed(comparison) if test.reported is not None]
    undefined = sum(hln.undefined for hln in known)
    unstable = sum(hln.unstable for hln in known)
    if not undefined and not unstable:
        return []
    return [
        f"Of {len(known)} Harvey-Leybourne-Newbold statistics, which CSV and JSON hold, "
        f"{undefined} are undefined and {unstable} unstable: their variance is not positive, or "
        "nearly zero."
    ]


def _own_series(comparison: Comparison) -> list[str]:
    if not comparison.own_series or comparison.options.claim == "seed":
        return []
    where = in_words.tasks(comparison.own_series, comparison.tasks)
    return [f"On {where} each seed has a series of its own: claims there rest on seeds alone."]


def _looks(comparison: Comparison) -> list[str]:
    options = comparison.options
    if not options.two_stage:
        return []
    now = "This is the second: it uses all seeds. " if comparison.seeds_extended else ""
    return [
        f"Two looks were planned, each at half the level, alpha = {options.alpha:g}. {now}"
        "A third is not covered."
    ]


def _outperformance(comparison: Comparison) -> list[str]:
    if not comparison.options.pab:
        return []
    found = [
        "P(A>B): share of paired seeds on which a memory is better, with its percentile bootstrap "
        "interval (Bouthillier et al. 2021): not significant if the interval reaches 0.5; "
        f"meaningful if it lies above and reaches beyond {GAMMA:g}; not corrected."
    ]
    few = [
        f"{contrast.label} on {section.task_label}"
        for section in comparison.sections
        for contrast in section.contrasts
        if section.tested and contrast.outperformance is None
    ]
    if few:
        found.append(f"No P(A>B) below {LEAST_PAIRS} paired seeds: {in_words.listed(few)}.")
    return found
