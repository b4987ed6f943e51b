"""The sentences about what tests could not say: too few seeds, too little power, no one answer."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain
from statistics import median

from bench import in_words
from bench.compare.model import Comparison, Contrast, Section
from bench.stats.permutation import MONTE_CARLO_FLIPS
from bench.stats.power import detectable_effect


def sentences(comparison: Comparison) -> list[str]:
    """The sentences, in a fixed order; none where every test had its say."""
    parts = (
        _unresolvable(comparison),
        _detectable(comparison),
        _constant(comparison),
        _opposed(comparison),
    )
    return list(chain.from_iterable(parts))


def _contrasts(comparison: Comparison) -> list[tuple[Section, Contrast]]:
    return [(s, contrast) for s in comparison.sections for contrast in s.contrasts]


def _unresolvable(comparison: Comparison) -> list[str]:
    sizes = {(f.metric, f.task_label): f.m for f in comparison.families}
    found = []
    for section, contrast in _contrasts(comparison):
        if not contrast.unresolvable or contrast.significance is None:
            continue
        m = sizes.get((section.metric, "")) or sizes[section.metric, section.task_label]
        found.append(
            f"{section.metric} is unresolvable at n={contrast.n}, m={m}: the smallest p is "
            f"{contrast.significance.p_min:.4g}; {_remedy(contrast)}."
        )
    return found


def _remedy(contrast: Contrast) -> str:
    """What it would take for an unresolvable contrast to be significant."""
    least = contrast.pairs_to_resolve
    if least is None:
        patterns = f"{MONTE_CARLO_FLIPS:,} random sign patterns"
        return f"no n is enough with {patterns}; --test t has no such limit"
    return f"needs n >= {least}{' in the other tests too' if least <= contrast.n else ''}"


def _detectable(comparison: Comparison) -> list[str]:
    options = comparison.options
    sizes = sorted({c.n for _, c in _contrasts(comparison) if c.detectable is not None})
    if not sizes:
        return []
    effects = ", ".join(f"{detectable_effect(n, options.alpha):.3g} at n = {n}" for n in sizes)
    return [
        f"Detectable with 80% power, before correction: a mean difference of {effects} standard "
        f"deviations of the difference; {_medians(comparison)}. Seed counts are about right at "
        "best: the spread is itself estimated from few seeds."
    ]


def _medians(comparison: Comparison) -> str:
    """The median detectable difference of each metric, in its units."""
    found: dict[str, list[float]] = defaultdict(list)
    for section, contrast in _contrasts(comparison):
        if contrast.detectable is not None:
            found[f"{section.metric} {section.unit}".rstrip()].append(contrast.detectable)
    medians = ", ".join(f"{median(sizes):.3g} of {name}" for name, sizes in found.items())
    return f"the median over open comparisons is {medians}"


def _constant(comparison: Comparison) -> list[str]:
    names = in_words.listed(
        f"{contrast.label} on {section.task_label} ({section.metric})"
        for section, contrast in _contrasts(comparison)
        if contrast.significance is not None and contrast.significance.constant
    )
    if not names:
        return []
    return [f"All seeds differ by the same amount, t is undefined, exact permutation p: {names}."]


def _opposed(comparison: Comparison) -> list[str]:
    names = in_words.listed(
        f"{contrast.label} on {section.task_label} ({section.metric})"
        for section, contrast in _contrasts(comparison)
        if contrast.significance is not None
        and contrast.significance.opposed
        and (contrast.p_adjusted or 0.0) < comparison.options.alpha
    )
    if not names:
        return []
    return [
        "Nothing is claimed where Wilcoxon's ranks and the mean difference point in opposite "
        f"directions, however small p: {names}."
    ]
