"""The comparison as one JSON object, schema ``memb-compare/1``."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bench.compare.model import Comparison, Failure, Row, Section
from bench.tables import published
from bench.tables.long_format import contrast_fields, row_fields, section_fields

SCHEMA = "memb-compare/1"


def render(comparison: Comparison) -> str:
    """The whole comparison as JSON text; strict, with null for what does not exist."""
    return json.dumps(document(comparison), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def document(comparison: Comparison) -> dict[str, Any]:
    """The comparison as nested plain values: everything the tables are made from."""
    options = asdict(comparison.options)
    states = Counter(row.state for section in comparison.sections for row in section.rows)
    found = {
        "schema": SCHEMA,
        "suite": comparison.suite,
        "suite_hash": comparison.suite_hash,
        "options": options,
        "labels": list(comparison.labels),
        "states": dict(sorted(states.items())),
        "families": [asdict(family) for family in comparison.families],
        "time_families": [asdict(family) for family in comparison.time_families],
        "sections": [_section(section) for section in comparison.sections],
        "overall": [asdict(overall) for overall in comparison.overall],
        "dropped": list(comparison.dropped),
        "seeds_extended": comparison.seeds_extended,
        "notes": list(comparison.notes),
        "runs": [dict(run) for run in comparison.runs],
        "published": published.document(comparison),
    }
    return {key: _strict(value) for key, value in found.items()}


def _section(section: Section) -> dict[str, Any]:
    return {
        **section_fields(section),
        "bounds": list(section.bounds),
        "best": section.best,
        "rows": [_row(row, section) for row in section.rows],
        "contrasts": [
            {
                "label": contrast.label,
                **contrast_fields(contrast),
                "marks": list(contrast.marks),
                "differences": {
                    str(seed): d
                    for seed, d in zip(contrast.pairs.seeds, contrast.pairs.d, strict=True)
                },
            }
            for contrast in section.contrasts
        ],
    }


def _row(row: Row, section: Section) -> dict[str, Any]:
    return {
        **row_fields(row),
        "values": (
            list(row.values)
            if row.seedless
            else {str(seed): v for seed, v in zip(row.seeds, row.values, strict=True)}
        ),
        "failures": [_failure(failure) for failure in row.failures],
        "rule_of_three": _rule_of_three(row, section),
    }


def _failure(failure: Failure) -> dict[str, Any]:
    return asdict(failure)


def _rule_of_three(row: Row, section: Section) -> float | None:
    """One-sided 95% bound 3/n on the rate never seen, for a proportion at an end of [0, 1].

    Hanley & Lippman-Hand 1983; n counts the trials behind one seed's value.
    """
    at_end = row.mean in section.bounds and section.bounds == (0.0, 1.0)
    if not (at_end and row.n_eval) or not (row.all_equal or row.n == 1):
        return None
    return 3 / row.n_eval


def _strict(value: Any) -> Any:
    """The value with mappings and sequences made plain and non-finite numbers made null."""
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return str(value)
