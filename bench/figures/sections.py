"""The parts of a comparison that figures are about."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bench.compare.model import Comparison, Contrast, Section


def headline(comparison: Comparison) -> Iterator[Section]:
    """The scalar results that are tested, or were asked for by name, in the suite's order."""
    asked = comparison.options.metrics or ()
    for section in comparison.sections:
        scalar = section.x is None and section.kind == "quality" and bool(section.metric)
        if scalar and (section.tested or section.metric in asked):
            yield section


def against(section: Section, reference: str) -> dict[str, tuple[Contrast, int]]:
    """By memory its contrast to the reference, and -1 where it was taken the other way round."""
    found = {}
    for contrast in section.contrasts:
        if contrast.against == reference:
            found[contrast.label] = contrast, 1
        elif contrast.label == reference:
            found[contrast.against] = contrast, -1
    return found


def cost(value: float, section: Section) -> float | None:
    """Distance of a value from perfect; None where the metric's bounds do not say what that is.

    A loss is its own cost; a metric of which more is better falls short of its upper bound.
    """
    low, high = section.bounds
    perfect = low if section.direction == "lower" else high
    return None if math.isnan(perfect) else abs(value - perfect)
