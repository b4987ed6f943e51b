"""Names and numbers in a sentence, in as few words as still tell which."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

MANY = 8
"""Memories from which it may be shorter to name those left out."""


def listed(names: Iterable[str]) -> str:
    """The names after one another, each once."""
    return ", ".join(dict.fromkeys(names))


def span(numbers: Iterable[int]) -> str:
    """``5``, or ``3 to 5`` whatever lies between."""
    found = sorted(set(numbers))
    return f"{found[0]}" if len(found) == 1 else f"{found[0]} to {found[-1]}"


def seeds(numbers: Sequence[int]) -> str:
    """``seed 3``, ``seeds 0, 2, 5``, or ``seeds 0 to 9`` where none is missing between."""
    found = sorted(set(numbers))
    if len(found) == 1:
        return f"seed {found[0]}"
    if len(found) > 2 and found == list(range(found[0], found[-1] + 1)):
        return f"seeds {found[0]} to {found[-1]}"
    return f"seeds {', '.join(map(str, found))}"


def tasks(found: Iterable[str], known: Collection[str], everywhere: str = "every task") -> str:
    """Task points by what they have in common, in the order of the suite.

    Points of one grid, such as ``a[k=1]`` and ``a[k=2]``, are written ``a[k=1, 2]``, and
    ``a[..] (all 7)`` where it is the whole grid.

    Args:
        found: Labels of the points.
        known: Labels of all points that could have been named.
        everywhere: What is said where it is all of several.
    """
    wanted, order = set(found), list(dict.fromkeys(known))
    if len(order) > 1 and wanted.issuperset(order):
        return everywhere
    grids: dict[str, list[str]] = {}
    for label in [*order, *sorted(wanted.difference(order))]:
        if label in wanted:
            grids.setdefault(_stem(label), []).append(label)
    sizes = {stem: sum(_stem(label) == stem for label in order) for stem in grids}
    return ", ".join(_grid(stem, points, sizes[stem]) for stem, points in grids.items())


def memories(found: Iterable[str], known: Collection[str]) -> str:
    """Labels of memories, or ``all memories but ...`` where that is much shorter."""
    wanted, order = set(found), list(dict.fromkeys(known))
    if len(order) > 1 and wanted.issuperset(order):
        return "all memories"
    left = [label for label in order if label not in wanted]
    if wanted.issubset(order) and len(wanted) >= MANY and 3 * len(left) <= len(wanted):
        return f"all memories but {', '.join(left)}"
    return listed(label for label in [*order, *sorted(wanted.difference(order))] if label in wanted)


def _stem(label: str) -> str:
    """What the points of a grid have in common: the name with the bracket that opens."""
    name, bracket, _ = label.partition("[")
    return name + bracket if label.endswith("]") else label


def _grid(stem: str, points: Sequence[str], size: int) -> str:
    """The points of one grid."""
    if len(points) == 1:
        return points[0]
    if len(points) == size:
        return f"{stem}..] ({'both' if size == 2 else f'all {size}'})"
    inside = [point[len(stem) : -1] for point in points]
    parameter, equals, _ = inside[0].partition("=")
    values = [each.removeprefix(parameter + equals) for each in inside]
    single = all(each.startswith(parameter + equals) for each in inside)
    if equals and single and not any(sign in value for value in values for sign in ",="):
        return f"{stem}{parameter}={', '.join(values)}]"
    return stem + ", [".join(f"{each}]" for each in inside)
