"""What is known of a cell before it runs: how its memory was sized, whether it is ranked, and why.

A table compares memories of equal state. A memory that is larger than the budget, or that has no
size to choose, is shown beside the others and never stands out.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.reading import params, values
from bench.registry import Entry

if TYPE_CHECKING:
    from memories.base import Memory

LEAST_FILL = 0.9
"""A memory that uses less of its budget is marked: more state might have served it."""


@dataclass(frozen=True)
class Standing:
    """What a table says about a cell whatever its results.

    Attributes:
        ranked: Whether it may stand out.
        fill: Share of the budget that its state takes; None without a budget.
        marks: Short labels, e.g. ``untrained``.
    """

    ranked: bool = True
    fill: float | None = None
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sizing:
    """How a memory meets a budget.

    Attributes:
        settings: Its parameters, the sizing ones included.
        sized: Whether it has a size to choose.
        refused: Why no size meets the budget; empty if one does.
    """

    settings: dict[str, Any]
    sized: bool
    refused: str = ""


def sized(
    entry: Entry,
    settings: Mapping[str, Any],
    given: Container[str],
    budget: int,
    dictated: Mapping[str, Any],
) -> Sizing:
    """The parameters with which a memory fills a budget of state floats.

    Args:
        entry: The memory.
        settings: Its parameters, resolved.
        given: Which of them the suite gave; what is a default the budget may change.
        budget: State floats per lane.
        dictated: What the task gives; the widths of keys, values and contexts decide.

    Raises:
        InvalidParameter: If the memory refuses one of its own parameters.
    """
    from memories.base import InvalidParameter

    taken = set(params.dictated(entry)) & dictated.keys()
    own = {name: value for name, value in settings.items() if name in given}
    try:
        chosen = entry.cls.from_budget(
            budget,
            dictated["key_dim"],
            dictated["value_dim"],
            **values.arguments(entry, own),
            **{name: dictated[name] for name in ("context_dim", "max_events") if name in taken},
        )
    except NotImplementedError:
        return Sizing(dict(settings), sized=False)
    except InvalidParameter as refused:
        if refused.parameter != "budget":
            raise
        return Sizing(dict(settings), sized=True, refused=f"budget {refused.message}")
    resolved, wrong = values.resolve(entry, {**settings, **chosen})
    if wrong:
        raise TypeError(f"from_budget of {entry.name}: {wrong[0].message}")
    return Sizing(resolved, sized=True)


def of(
    memory: Memory,
    *,
    budget: int | None,
    is_sized: bool,
    by_state: bool,
    untrained: bool,
    beside_trained: bool,
) -> Standing:
    """The standing of a memory as it will run.

    Args:
        memory: The memory, built for the task.
        budget: State floats it was to fill, or None.
        is_sized: Whether it has a size that was chosen for the budget.
        by_state: Whether what the task asks for is bought with state, so that memories of their
            default sizes are not ranked.
        untrained: Whether it has slow weights that could be trained for the task and are not.
        beside_trained: Whether the same memory also stands in the table meta-trained.
    """
    from memories.base import state_floats

    marks, fill = [], None
    ranked = not beside_trained and (budget is not None or not by_state)
    if untrained:
        marks.append("untrained")
    if not getattr(memory, "composes", True):
        marks.append("writes do not compose")
    if budget is not None:
        floats = state_floats(memory.init_state())
        fill = floats / budget
        if not is_sized or floats > budget:
            ranked = False
            marks.append("not sized to the budget")
        elif fill < LEAST_FILL:
            marks.append(f"fills less than {LEAST_FILL:.0%} of the budget")
    return Standing(ranked, fill, tuple(marks))
