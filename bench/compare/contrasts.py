"""The numbers of every pair that is compared: differences, intervals, tests."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bench.compare.model import Contrast, Options, Section
from bench.compare.pairs import Draft, drafts
from bench.compare.significance import Significance
from bench.errors import MembError
from bench.stats.equivalence import Equivalence, tost
from bench.stats.intervals import Interval, TooFewForBootstrap, mean_interval
from bench.stats.outperformance import LEAST_PAIRS as LEAST_FOR_OUTPERFORMANCE
from bench.stats.outperformance import Outperformance, outperformance
from bench.stats.paired import LEAST_PAIRS, PairedTest, Test, choose, is_constant, paired_tests
from bench.stats.permutation import signed_ranks, smallest_p
from bench.stats.student import Welch, paired_t, spread, welch

LEVEL = 0.95


def contrasted(sections: Sequence[Section], options: Options) -> list[Section]:
    """The sections with their contrasts, not yet corrected for how many there are."""
    by_section = [drafts(section, options) for section in sections]
    flat = [draft for group in by_section for draft in group]
    found = iter([_contrast(draft, test, options) for draft, test in _tested(flat, options)])
    return [
        replace(section, contrasts=tuple(next(found) for _ in group))
        for section, group in zip(sections, by_section, strict=True)
    ]


def refuse_undecidable(sections: Sequence[Section], options: Options) -> None:
    """Nothing, unless outperformance is to be decided and no contrast has the pairs for it.

    Raises:
        MembError: Naming how many there are, and how many it takes.
    """
    found = [c for section in sections if section.tested for c in section.contrasts]
    if not options.pab or any(c.outperformance is not None for c in found):
        return
    most = max((c.n for c in found if c.unpaired is None), default=0)
    raise MembError(
        f"whether a memory outperforms another is not decided below {LEAST_FOR_OUTPERFORMANCE} "
        f"paired seeds, and there are at most {most}",
        help=f"run the suite with --seeds {LEAST_FOR_OUTPERFORMANCE}, or leave out --pab: with "
        "fewer seeds it errs in more than 5% of cases, either way",
    )


def _tested(flat: Sequence[Draft], options: Options) -> list[tuple[Draft, PairedTest | None]]:
    """Each draft with its paired test; cells with equally many pairs are tested together."""
    by_n: dict[int, list[int]] = defaultdict(list)
    for position, draft in enumerate(flat):
        if draft.testable and not draft.unpaired:
            by_n[draft.pairs.n].append(position)
    results: dict[int, PairedTest] = {}
    for positions in by_n.values():
        group = [flat[position] for position in positions]
        tests = paired_tests(
            np.array([draft.pairs.d for draft in group]),
            rng=options.rng(),
            test=_paired_test(options),
            alpha=options.alpha,
            scale=np.array([draft.pairs.scale for draft in group]),
            resolution=np.array([draft.resolution for draft in group]),
        )
        results.update(zip(positions, tests, strict=True))
    return [(draft, results.get(position)) for position, draft in enumerate(flat)]


def _paired_test(options: Options) -> Test:
    """The test of values that are compared seed by seed.

    Asking for Welch's test leaves those beside one value that holds for every seed: a side
    without spread, against which Welch's test is the one-sample t-test.
    """
    return "t" if options.test == "welch" else options.test


def _contrast(draft: Draft, test: PairedTest | None, options: Options) -> Contrast:
    two_samples = _welch(draft)
    difference, base = _difference(draft)
    margin = _margin(draft, base, options)
    t, sd = _standardised(draft)
    return Contrast(
        label=draft.a.label,
        against=draft.b.label,
        direction=draft.section.direction,
        pairs=draft.pairs,
        unpaired=(draft.a.values, draft.b.values) if draft.unpaired else None,
        in_family=draft.in_family,
        difference=difference,
        interval=_interval(draft, two_samples, options),
        relative=difference / abs(base) if difference is not None and base else None,
        t=t,
        sd=sd,
        significance=_significance(draft, test, two_samples, options),
        margin=margin,
        equivalence=_equivalence(draft, margin, options),
        outperformance=_outperformance(draft, options),
    )


def _welch(draft: Draft) -> Welch | None:
    if not draft.unpaired or min(draft.a.n, draft.b.n) < 2:
        return None
    return welch(draft.a.values, draft.b.values, level=LEVEL, resolution=draft.resolution)


def _difference(draft: Draft) -> tuple[float | None, float]:
    """mean(a) - mean(b) over what is compared, and mean(b)."""
    if draft.unpaired:
        if not (draft.a.values and draft.b.values):
            return None, 0.0
        base = float(np.mean(draft.b.values))
        return float(np.mean(draft.a.values)) - base, base
    if draft.pairs.n == 0:
        return None, 0.0
    sign = -1 if draft.section.direction == "lower" else 1
    return sign * float(draft.pairs.d.mean()) + 0.0, float(draft.pairs.b.mean())


def _standardised(draft: Draft) -> tuple[float | None, float | None]:
    """Paired t and the standard deviation of the differences, where effect sizes exist."""
    pairs = draft.pairs
    if draft.unpaired or pairs.n < LEAST_PAIRS:
        return None, None
    if is_constant(pairs.d, pairs.scale) and not (draft.resolution and pairs.d.any()):
        return None, None
    t = float(paired_t(pairs.d, draft.resolution)[0][0])
    return t, float(spread(pairs.d, draft.resolution)[0])


def _interval(draft: Draft, two_samples: Welch | None, options: Options) -> Interval | None:
    """Interval of the difference a - b, within what the metric's bounds allow."""
    lo, hi = draft.section.bounds
    if draft.unpaired:
        if two_samples is None:
            return None
        return Interval(two_samples.lo, two_samples.hi, LEVEL, "welch").clip(lo - hi, hi - lo)
    if draft.pairs.n < 2:
        return None
    try:
        found = mean_interval(
            draft.pairs.d,
            rng=options.rng(),
            method=options.ci,
            level=LEVEL,
            resolution=draft.resolution,
        )
    except TooFewForBootstrap:
        return None
    sign = -1 if draft.section.direction == "lower" else 1
    return found.scaled(sign).clip(lo - hi, hi - lo)


def _significance(
    draft: Draft, test: PairedTest | None, two_samples: Welch | None, options: Options
) -> Significance | None:
    if draft.unpaired:
        return _unpaired(draft, two_samples) if draft.testable else None
    if test is None or test.p is None:
        return None
    planned = choose(test.n, _paired_test(options))
    return Significance(
        test=test.test,
        statistic=test.statistic,
        df=test.n - 1 if test.test == "t" else None,
        p=test.p,
        p_flip=test.p_flip,
        p_min=0.0 if planned == "t" else smallest_p(test.n),
        fragile=test.fragile,
        tie=test.tie,
        constant=test.constant,
        opposed=test.test == "wilcoxon" and _opposed(draft),
    )


def _opposed(draft: Draft) -> bool:
    """Whether the ranks of the differences and their mean point in opposite directions."""
    d = draft.pairs.d
    return bool(signed_ranks(d).sum() * d.mean() <= 0)


def _unpaired(draft: Draft, two_samples: Welch | None) -> Significance:
    sign = -1 if draft.section.direction == "lower" else 1
    if two_samples is not None:
        t = sign * two_samples.t
        return Significance("welch", t, two_samples.df, two_samples.p, None, 0.0)
    if draft.a.values[0] == draft.b.values[0]:
        return Significance("welch", 0.0, None, 1.0, None, 0.0, tie=True)
    # Both sides constant leave t undefined. Of all ways to deal the values into two groups of
    # these sizes only the observed one is as extreme, and its mirror if the sizes are equal.
    ways = math.comb(draft.a.n + draft.b.n, draft.a.n)
    p = (2 if draft.a.n == draft.b.n else 1) / ways
    gap = sign * (draft.a.values[0] - draft.b.values[0])
    return Significance("permutation", gap, None, p, None, 0.0, constant=True)


def _margin(draft: Draft, base: float, options: Options) -> float | None:
    """The margin in the metric's units; a share of a mean of 0 is none."""
    tolerance = options.margins.get(draft.section.metric)
    if tolerance is None or not draft.section.tested:
        return None
    return tolerance.margin(base) or None


def _equivalence(draft: Draft, margin: float | None, options: Options) -> Equivalence | None:
    if margin is None or draft.unpaired or not draft.testable:
        return None
    return tost(draft.pairs.d, margin, alpha=options.alpha, resolution=draft.resolution)


def _outperformance(draft: Draft, options: Options) -> Outperformance | None:
    few = draft.pairs.n < LEAST_FOR_OUTPERFORMANCE
    if not options.pab or few or draft.unpaired or not draft.section.tested:
        return None
    return outperformance(draft.pairs.d, rng=options.rng())
