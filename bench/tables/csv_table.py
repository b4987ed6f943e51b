"""The comparison as CSV: long format, full precision, no signs."""

from __future__ import annotations

import csv
import io

from bench.compare.model import Comparison
from bench.tables.long_format import lines


def render(comparison: Comparison) -> str:
    """One line per task, memory and metric (per pair in all-pairs mode); empty = nothing."""
    rows = list(lines(comparison))
    fields = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, fields, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
