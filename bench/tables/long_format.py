"""The comparison as plain values, one mapping per memory, task and metric."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from bench.compare.incomplete import holes
from bench.compare.model import Comparison, Contrast, Row, Section
from bench.stats.effects import Effect, cliffs_delta, magnitude
from bench.stats.intervals import Interval

DIGITS = 10
"""Significant digits of inferred numbers: what differs between machines lies beyond."""

Value: TypeAlias = str | int | float | bool | None
"""What a field of a file may hold; None where there is nothing."""


def lines(comparison: Comparison) -> Iterator[dict[str, Value]]:
    """One mapping per row of each section, or one per contrast where a row has several."""
    for section in comparison.sections:
        for row in section.rows:
            own = {**section_fields(section), **row_fields(row)}
            judged = [contrast_fields(c) for c in section.contrasts if c.label == row.label]
            for fields in judged or [{}]:
                yield {**own, **fields}


def section_fields(section: Section) -> dict[str, Value]:
    """What a section is about."""
    return {
        "task": section.task,
        "task_label": section.task_label,
        "task_params": section.task_params,
        "block": section.block,
        "metric": section.metric,
        "x": section.x,
        "unit": section.unit,
        "direction": section.direction,
        "kind": section.kind,
        "seeded": section.seeded,
        "varies": section.varies,
        "tested": section.tested,
        "chance": section.chance,
        "ceiling": section.ceiling,
    }


def row_fields(row: Row) -> dict[str, Value]:
    """A memory's own result."""
    return {
        "memory": row.memory,
        "label": row.label,
        "memory_params": row.params,
        "state": row.state,
        "deterministic": row.deterministic,
        "n": row.n,
        "n_planned": row.n_planned,
        "n_eval": row.n_eval,
        "mean": row.mean,
        "sd": row.sd,
        **_interval("ci", row.interval),
        "all_equal": row.all_equal,
        "standing": row.standing,
        "ranked": row.ranked,
        "fill": row.fill,
        "row_marks": "; ".join(row.marks),
        "at_chance": row.at_chance,
        "failures": holes(row),
    }


def contrast_fields(contrast: Contrast) -> dict[str, Value]:
    """A memory's difference to another, with every number behind the verdict."""
    test = contrast.significance
    return {
        "against": contrast.against,
        "n_pairs": contrast.n,
        "n_unpaired": contrast.pairs.unpaired,
        "correlation": _inferred(contrast.pairs.correlation),
        "difference": _inferred(contrast.difference),
        **_interval("difference", contrast.interval),
        "relative": _inferred(contrast.relative),
        "in_family": contrast.in_family,
        "test": test.test if test else None,
        "statistic": _inferred(test.statistic) if test else None,
        "df": _inferred(test.df) if test else None,
        "p_raw": _inferred(contrast.p_raw),
        "p_adjusted": _inferred(contrast.p_adjusted),
        "p_flip": _inferred(test.p_flip) if test else None,
        "p_min": test.p_min if test else None,
        "unresolvable": contrast.unresolvable,
        "d_z": _inferred(contrast.d_z),
        **_ends("d_z", contrast.d_z_interval),
        **_effects(contrast),
        "detectable": _inferred(contrast.detectable),
        "seeds_needed": contrast.seeds_needed,
        **_equivalence(contrast),
        **_time(contrast),
        **_outperformance(contrast),
        "verdict": contrast.verdict,
        "marks": " ".join(contrast.marks),
    }


def _effects(contrast: Contrast) -> dict[str, Value]:
    share, size = contrast.superiority, contrast.g_z
    unpaired = contrast.unpaired is not None
    return {
        **_effect("g_z", size),
        "g_z_word": magnitude("g", size.value) if size else None,
        **_effect("superiority", share),
        "cliffs_delta": _inferred(cliffs_delta(share.value)) if share and unpaired else None,
        **_effect("ratio", contrast.ratio),
    }


def _equivalence(contrast: Contrast) -> dict[str, Value]:
    found = contrast.equivalence
    return {
        "margin": _inferred(contrast.margin),
        "p_equivalence": _inferred(found.p) if found else None,
    }


def _time(contrast: Contrast) -> dict[str, Value]:
    """The test over time: the statistic that decides, and the one that papers report."""
    time = contrast.time
    test, hln = (time.decision, time.reported) if time else (None, None)
    return {
        "time_origins": time.origins if time else None,
        "time_horizon": time.horizon if time else None,
        "time_gap": time.gap if time else None,
        "time_error": _inferred(test.error) if test else None,
        "time_statistic": _inferred(test.statistic) if test else None,
        "time_df": test.df if test else None,
        "time_p_raw": _inferred(test.p) if test else None,
        "time_p_adjusted": _inferred(time.p_adjusted) if time else None,
        "time_unsettled": time.unsettled if time else None,
        "time_equivalent": time.equivalent if time else None,
        "time_hln": _inferred(hln.statistic) if hln else None,
        "time_hln_p": _inferred(hln.p) if hln else None,
        "time_hln_undefined": hln.undefined if hln else None,
        "time_hln_unstable": hln.unstable if hln else None,
    }


def _outperformance(contrast: Contrast) -> dict[str, Value]:
    found = contrast.outperformance
    return {
        **_ends("outperformance", found.interval if found else None),
        "meaning": found.meaning if found else None,
    }


def _effect(name: str, effect: Effect | None) -> dict[str, Value]:
    value = _inferred(effect.value) if effect else None
    return {name: value, **_ends(name, effect.interval if effect else None)}


def _interval(name: str, interval: Interval | None) -> dict[str, Value]:
    return {**_ends(name, interval), f"{name}_method": interval.method if interval else None}


def _ends(name: str, interval: Interval | None) -> dict[str, Value]:
    return {
        f"{name}_lo": _inferred(interval.lo) if interval else None,
        f"{name}_hi": _inferred(interval.hi) if interval else None,
    }


def _inferred(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")
