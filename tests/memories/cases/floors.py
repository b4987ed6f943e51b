"""The floors."""

from __future__ import annotations

from tests.memories.case import Case
from tests.reference import floors

CASES = [
    Case("zero", reference=lambda _: floors.zero, differentiable=False),
    Case("mean-value", reference=lambda _: floors.mean_value),
    Case("last-value", reference=lambda _: floors.last_value),
    Case("echo", reference=lambda _: floors.echo, differentiable=False),
]
