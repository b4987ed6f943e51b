"""Ranks of memories over many tasks, whether they differ, and scores: one outcome per field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bench.compare import fields
from bench.compare.fields import Field, title
from bench.compare.measured import Measured, MeasuredRow, measure
from bench.compare.model import Options, Section
from bench.compare.overall_model import Entrant, Omnibus, Overall, RankPair
from bench.compare.overall_scores import (
    Scores,
    has_cost,
    lost_reference,
    row_ranks,
    scores,
    what_to_resample,
)
from bench.stats.arrays import FloatArray
from bench.stats.pairing import significant
from bench.stats.permutation import pairs_to_resolve
from bench.stats.posthoc import (
    PairTest,
    against_reference,
    cliques,
    nemenyi,
    nemenyi_critical_difference,
    pair_differences,
    pairwise_wilcoxon,
)
from bench.stats.ranks import friedman, permutation_p

LAW_FROM_ROWS, LAW_FROM_MEMORIES = 11, 6
"""From this many rows and memories on F follows its law well enough to decide (Demsar 2006)."""


def overall(
    sections: Sequence[Section], labels: Sequence[str], options: Options
) -> tuple[Overall, ...]:
    """Ranks, tests on ranks and scores of every field of memories that meet on several rows.

    Args:
        sections: Results by task and metric, summarised.
        labels: Memories, in the suite's order.
        options: What was asked.
    """
    return tuple(_of(field, options) for field in fields.find(sections, labels, options.rows))


def _of(field: Field, options: Options) -> Overall:
    field = _best_first(field)
    rows = measure(field)
    ranks = np.array([row_ranks(row)[0] for row in rows])
    reference = next((name for name in options.references if name in field.labels), None)
    place = None if reference is None else field.labels.index(reference)
    resample, no_interval = what_to_resample(rows, options.resample)
    found = scores(rows, place, resample, options)
    d = _differences(rows)
    omnibus = _omnibus(ranks, d, options)
    pairs, groups = _separated(ranks, d, omnibus, place, options)
    seeded = [row.n for row in rows if row.seeded and not row.apart]
    k, against = len(field.labels), options.posthoc == "reference"
    return Overall(
        scope=field.scope,
        rows=tuple(row.name for row in rows),
        by=options.rows,
        tasks=tuple((section.task_label, section.metric) for section in field.sections),
        reference=reference,
        entrants=_entrants(field, rows, ranks, found),
        ranks=tuple(tuple(float(rank) for rank in row) for row in ranks),
        omnibus=omnibus,
        posthoc=options.posthoc,
        pairs=tuple(
            RankPair(*_names(pair, field, against), pair.p_raw, pair.p_adjusted) for pair in pairs
        ),
        groups=tuple(tuple(field.labels[i] for i in group) for group in groups),
        least_rows=pairs_to_resolve(options.alpha, k * (k - 1) // 2),
        critical_difference=(
            nemenyi_critical_difference(k, len(rows), options.alpha)
            if options.posthoc == "nemenyi" and pairs
            else None
        ),
        resample=resample,
        no_interval=no_interval,
        apart=tuple(row.name for row in rows if row.apart),
        uncommon=tuple(name for row in rows for name in row.uncommon),
        n_seeds=(min(seeded, default=0), max(seeded, default=0)),
        **_left_out(field, rows, place),
    )


def _best_first(field: Field) -> Field:
    """The field with its memories by mean rank; ties stay in the suite's order."""
    mean = significant(np.mean([row_ranks(row)[0] for row in measure(field)], axis=0))
    order = np.argsort(mean, kind="stable")
    return replace(field, labels=tuple(field.labels[i] for i in order))


def _entrants(
    field: Field, rows: Sequence[MeasuredRow], ranks: FloatArray, found: Scores
) -> tuple[Entrant, ...]:
    incomplete = np.sum([x.incomplete for row in rows for x in row.sections], axis=0)
    return tuple(
        Entrant(
            label=label,
            mean_rank=float(ranks[:, j].mean()),
            win_rate=found.win_rate[j],
            skill=found.skill[j] if found.skill else None,
            iqm=found.iqm[j] if found.iqm else None,
            optimality_gap=found.optimality_gap[j] if found.optimality_gap else None,
            improvement=found.improvement[j] if found.improvement else None,
            incomplete=int(incomplete[j]),
        )
        for j, label in enumerate(field.labels)
    )


def _differences(rows: Sequence[MeasuredRow]) -> FloatArray:
    """Differences of every pair on every row, averaged over its tasks: [pairs, rows]."""
    span = shared_span([found.section for row in rows for found in row.sections])
    by_row = []
    for row in rows:
        costs = np.array([_pair_costs(found, span) for found in row.sections])
        by_row.append(pair_differences(costs, span=span).mean(axis=1))
    return np.round(np.stack(by_row, axis=1), 12)


def shared_span(sections: Sequence[Section]) -> float | None:
    """The range of the metric that all sections share; None if they share none or it is open."""
    kinds = {(s.metric, s.unit, s.direction, s.bounds) for s in sections}
    lo, hi = sections[0].bounds
    return hi - lo if len(kinds) == 1 and np.isfinite([lo, hi]).all() else None


def _pair_costs(found: Measured, span: float | None) -> FloatArray:
    means = found.values.mean(axis=1)
    costs = found.costs(means) if span is None else None
    return found.rank_costs(means) if costs is None else np.where(found.incomplete, np.inf, costs)


def _omnibus(ranks: FloatArray, d: FloatArray, options: Options) -> Omnibus:
    n, k = ranks.shape
    corrected, plain = friedman(ranks), friedman(ranks, tie_corrected=False)
    if k == 2:
        p, method = pairwise_wilcoxon(d, rng=options.rng())[0].p_raw, "wilcoxon"
    elif n < LAW_FROM_ROWS or k < LAW_FROM_MEMORIES:
        p, method = permutation_p(ranks, rng=options.rng()), "permutation"
    else:
        p, method = corrected.f_p, "f"
    return Omnibus(
        chi2=corrected.chi2,
        chi2_p=corrected.chi2_p,
        f=corrected.f,
        f_p=corrected.f_p,
        chi2_plain=plain.chi2,
        f_plain=plain.f,
        p=p,
        method=method,
    )


_Groups = tuple[tuple[int, ...], ...]


def _separated(
    ranks: FloatArray,
    d: FloatArray,
    omnibus: Omnibus,
    reference: int | None,
    options: Options,
) -> tuple[list[PairTest], _Groups]:
    """Tests of pairs, where the omnibus test allows them, and who is not separated by them."""
    n, k = ranks.shape
    everybody: _Groups = (tuple(range(k)),)
    few = options.posthoc == "wilcoxon" and n < pairs_to_resolve(options.alpha, k * (k - 1) // 2)
    if omnibus.p >= options.alpha or few:
        return [], everybody
    if options.posthoc == "reference":
        return _beside_reference(ranks, reference, options.alpha)
    if options.posthoc == "nemenyi":
        pairs = nemenyi(ranks.mean(axis=0), n)
    else:
        pairs = pairwise_wilcoxon(d, rng=options.rng())
    differ = np.zeros((k, k), dtype=np.bool_)
    for pair in pairs:
        differ[pair.first, pair.second] = pair.p_adjusted < options.alpha
    return pairs, cliques(differ | differ.T)


def _beside_reference(
    ranks: FloatArray, reference: int | None, alpha: float
) -> tuple[list[PairTest], _Groups]:
    if reference is None:
        return [], ()
    pairs = against_reference(ranks.mean(axis=0), ranks.shape[0], reference)
    near = sorted([reference, *(pair.second for pair in pairs if pair.p_adjusted >= alpha)])
    return pairs, (tuple(near),) if len(near) > 1 else ()


def _names(pair: PairTest, field: Field, against: bool) -> tuple[str, str]:
    """The pair's labels, the reference last where all are tested against it."""
    first, second = field.labels[pair.first], field.labels[pair.second]
    return (second, first) if against else (first, second)


def _left_out(
    field: Field, rows: Sequence[MeasuredRow], reference: int | None
) -> dict[str, tuple[str, ...]]:
    """What the scores leave out or fill in, by name."""
    found = [x for row in rows for x in row.sections]
    filled: dict[bool, list[str]] = {True: [], False: []}
    for x in found:
        for label, hole, imputed in zip(field.labels, x.incomplete, x.imputed, strict=True):
            if hole:
                filled[bool(imputed)].append(f"{label} on {title(x.section)}")
    return {
        "without_cost": tuple(title(x.section) for x in found if not has_cost(x)),
        "without_anchors": tuple(title(x.section) for x in found if x.anchors(reference) is None),
        "without_reference": tuple(
            title(x.section) for x in found if has_cost(x) and lost_reference(x, reference)
        ),
        "from_reference": tuple(
            title(x.section)
            for x in found
            if x.from_reference(reference) and x.anchors(reference) is not None
        ),
        "imputed": tuple(filled[True]),
        "at_bound": tuple(filled[False]),
    }
