"""Which memories are ranked together: those that meet on the same tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.compare.model import Section
from bench.compare.overall_model import Rows, Scope

LEAST_ROWS = 2
"""On a single row there is nothing to aggregate."""


@dataclass(frozen=True)
class RankedRow:
    """What counts once where memories are ranked.

    Attributes:
        name: Of the block, or of the task, with its metric where it has several.
        sections: The results that are averaged in it.
    """

    name: str
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Field:
    """Memories and the rows that all of them have a result or a failure on.

    Attributes:
        scope: How they were selected from those connected by common tasks.
        labels: Memories, in the suite's order.
        rows: What they are ranked on, in the suite's order.
    """

    scope: Scope
    labels: tuple[str, ...]
    rows: tuple[RankedRow, ...]

    @property
    def sections(self) -> tuple[Section, ...]:
        """All results that enter."""
        return tuple(section for row in self.rows for section in row.sections)


def find(sections: Sequence[Section], labels: Sequence[str], by: Rows) -> list[Field]:
    """The fields of a comparison, in the suite's order.

    Memories are in one field if common tasks connect them. Where some are not compared on some of
    its tasks, means over different tasks would stand in one column; instead there are two fields,
    one of all tasks and the memories that meet them all, one of all memories and the tasks that
    all of them meet, as far as each has at least 2 memories and 2 rows.

    Args:
        sections: Results by task and metric.
        labels: Memories, in the suite's order.
        by: Whether a row is a block or a task.
    """
    return [
        field
        for group in components(sections, labels)
        for field in _scopes(group, by)
        if len(field.labels) > 1 and len(field.rows) >= LEAST_ROWS
    ]


@dataclass(frozen=True)
class Component:
    """Memories connected by common tasks, and those tasks.

    Attributes:
        labels: Memories, in the suite's order.
        sections: Results, in the suite's order.
    """

    labels: tuple[str, ...]
    sections: tuple[Section, ...]


def components(sections: Sequence[Section], labels: Sequence[str]) -> list[Component]:
    """Memories in groups that no common task connects, each with its tasks.

    A memory is on a task if it is planned there, ranked, and not skipped; a task counts if it is
    tested, measures quality and has at least 2 memories.
    """
    usable = [section for section in sections if len(meeting(section)) > 1]
    home = {label: label for label in labels}
    for section in usable:
        joined = {home[label] for label in meeting(section)}
        first = min(joined, key=list(labels).index)
        home = {label: first if at in joined else at for label, at in home.items()}
    groups = []
    for root in dict.fromkeys(home.values()):
        members = tuple(label for label in labels if home[label] == root)
        if len(members) > 1:
            on = tuple(section for section in usable if home[meeting(section)[0]] == root)
            groups.append(Component(members, on))
    return groups


def apart(sections: Sequence[Section]) -> list[list[Section]]:
    """Sections in groups such that no memory has results in two of them, in the suite's order."""
    groups: list[tuple[set[str], list[Section]]] = []
    for section in sections:
        labels = {row.label for row in section.rows if row.state != "skipped"}
        touched = [group for group in groups if group[0] & labels]
        merged = labels.union(*(known for known, _ in touched))
        own = [each for _, inside in touched for each in inside] + [section]
        groups = [group for group in groups if group not in touched] + [(merged, own)]
    place = {id(section): i for i, section in enumerate(sections)}
    found = [sorted(own, key=lambda section: place[id(section)]) for _, own in groups]
    return sorted(found, key=lambda own: place[id(own[0])])


def meeting(section: Section) -> tuple[str, ...]:
    """Labels that are ranked on a section; none where it is not tested or measures a cost."""
    if not section.tested or section.kind != "quality":
        return ()
    return tuple(row.label for row in section.rows if row.ranked and row.state != "skipped")


def _scopes(group: Component, by: Rows) -> list[Field]:
    present = [set(meeting(section)) for section in group.sections]
    everywhere = tuple(label for label in group.labels if all(label in on for on in present))
    if everywhere == group.labels:
        return [Field("all", group.labels, rows_of(group.sections, by))]
    shared = [
        section
        for section, on in zip(group.sections, present, strict=True)
        if on == set(group.labels)
    ]
    return [
        Field("full", everywhere, rows_of(group.sections, by)),
        Field("common", group.labels, rows_of(shared, by)),
    ]


def rows_of(sections: Sequence[Section], by: Rows) -> tuple[RankedRow, ...]:
    """The sections as rows: one per block, or one each."""
    if by == "block":
        blocks: dict[str, list[Section]] = {}
        for section in sections:
            blocks.setdefault(section.block or section.task, []).append(section)
        return tuple(RankedRow(name, tuple(inside)) for name, inside in blocks.items())
    labels = [section.task_label for section in sections]
    return tuple(
        RankedRow(
            section.task_label if labels.count(section.task_label) == 1 else title(section),
            (section,),
        )
        for section in sections
    )


def title(section: Section) -> str:
    """A section in words: its task and metric."""
    return f"{section.task_label} ({section.metric})"
