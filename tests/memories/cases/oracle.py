"""The ceiling of exact look-up."""

from __future__ import annotations

from tests.memories.case import Case
from tests.reference import oracle_table

CASES = [
    Case("oracle-table", reference=lambda _: oracle_table.recall, differentiable=False),
]
