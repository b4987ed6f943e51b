"""How the numbers of online forecasting are written down: losses, skills, ratios."""

from __future__ import annotations

from tasks.base import Metric


def loss(
    name: str, value: float, unit: str = "", x: float | None = None, *, primary: bool = False
) -> Metric:
    """A mean error: lower is better, 0 is best."""
    bounds = (0.0, None)
    at = None if x is None else float(x)
    return Metric(
        name, float(value), "lower", unit, primary=primary, x=at, bounds=bounds, ceiling=0.0
    )


def skill(name: str, value: float, x: float | None = None) -> Metric:
    """A share of a yardstick's error that was avoided: 0 is as good as the yardstick, 1 perfect."""
    at = None if x is None else float(x)
    return Metric(name, float(value), "higher", x=at, bounds=(None, 1.0), chance=0.0, ceiling=1.0)


def amount(name: str, value: float, unit: str = "", x: float | None = None) -> Metric:
    """A positive ratio, count or share of which less is better and whose best is not known."""
    at = None if x is None else float(x)
    return Metric(name, float(value), "lower", unit, x=at, bounds=(0.0, None))
