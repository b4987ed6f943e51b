"""In what the cells of several runs differ, and what rows and tasks are called where they do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from bench.running.cache import canonical, digest

Cell = Mapping[str, Any]
Setting = dict[str, Any]
_Key = TypeVar("_Key")

ENGINES = range(1, 50)
"""Protocol versions of the engine that a trial key is tried with."""
MAX_SHOWN = 3
"""Parameters that a mark names before it breaks off."""


@dataclass(frozen=True)
class Planned:
    """The plan of one run, under the name that tells the run from others.

    Attributes:
        run: Its name.
        cells: The cells of its plan.
        device: Kind of device its trials ran on.
        dtype: Their number format.
    """

    run: str
    cells: Sequence[Cell]
    device: str
    dtype: str

    def machine(self, cell: Cell) -> dict[str, str]:
        """Device and number format of a cell; one of a merged run has its own."""
        own: dict[str, str] = cell.get("machine") or {"device": self.device, "dtype": self.dtype}
        return own


@dataclass(frozen=True)
class Naming:
    """What tasks and rows are called once several runs stand together.

    Attributes:
        tasks: New label of a task by run and old label.
        labels: New label of a memory by run and old label.
        marks: By run, old label and old task label: what differs; absent where nothing does.
    """

    tasks: Mapping[tuple[str, str], str]
    labels: Mapping[tuple[str, str], str]
    marks: Mapping[tuple[str, str, str], tuple[str, ...]]


def naming(plans: Sequence[Planned]) -> Naming:
    """Labels under which nothing that differs shares a row or a task.

    A task label that stands for several protocols becomes ``task@run``, a memory's label that
    stands for several settings on one protocol ``label@run``, with the names of all runs that
    agree: ``label@a+b``.
    """
    protocols = _protocols(plans)
    tasks: dict[tuple[str, str], str] = {}
    marks: dict[tuple[str, str, str], tuple[str, ...]] = defaultdict(tuple)
    told: dict[tuple[str, str], str] = {}
    for label, by_run in protocols.items():
        names = _names(label, by_run, lambda a, b: bool(a["protocol"] == b["protocol"]))
        tasks.update({(run, label): name for run, name in names.items()})
        if len(set(names.values())) > 1:
            told.update({(run, label): _protocol_mark(run, by_run) for run in by_run})
    labels: dict[tuple[str, str], str] = {}
    for label, settings in _settings(plans, tasks).items():
        names = _names(label, settings, _agree)
        labels.update({(run, label): name for run, name in names.items()})
        for run, by_task in settings.items():
            for task, own in by_task.items():
                if apart := _setting_mark(own, _others(task, run, names, settings)):
                    marks[run, label, own["task_label"]] += (apart,)
    for plan in plans:
        for cell in plan.cells:
            if (plan.run, cell["task_label"]) in told:
                mark = told[plan.run, cell["task_label"]]
                marks[plan.run, cell["label"], cell["task_label"]] += (mark,)
    return Naming(tasks, labels, dict(marks))


def _protocols(plans: Sequence[Planned]) -> dict[str, dict[str, Setting]]:
    """By task label and run, the task as that run meant it."""
    found: dict[str, dict[str, Setting]] = {}
    for plan in plans:
        for cell in plan.cells:
            found.setdefault(cell["task_label"], {}).setdefault(
                plan.run,
                {
                    "protocol": cell["protocol_hash"],
                    "task": cell["task"],
                    "parameters": cell["task_params"],
                },
            )
    return found


def _settings(
    plans: Sequence[Planned], tasks: Mapping[tuple[str, str], str]
) -> dict[str, dict[str, dict[str, Setting]]]:
    """By memory label, run and new task label, everything a result depends on but the task."""
    found: dict[str, dict[str, dict[str, Setting]]] = {}
    for plan in plans:
        for cell in plan.cells:
            task = tasks[plan.run, cell["task_label"]]
            by_run = found.setdefault(cell["label"], {}).setdefault(plan.run, {})
            by_run[task] = _setting(cell, plan.machine(cell))
    return found


def _setting(cell: Cell, machine: Mapping[str, str]) -> Setting:
    return {
        "task_label": cell["task_label"],
        "trials": dict(map(tuple, cell["trials"])),
        "memory": cell["memory"],
        "parameters": cell["memory_params"],
        "tuning": cell["tune"],
        "meta-training": cell["meta"],
        "code": cell["code"],
        "support": cell["skipped"],
        **machine,
        "engine": engine(cell, machine),
    }


def engine(cell: Cell, machine: Mapping[str, str]) -> int:
    """Protocol version of the engine behind a cell's trial keys; 0 if they tell of none."""
    identity = [
        cell["protocol_hash"], cell["memory"], cell["memory_params"], cell["tune"], cell["code"],
        *([] if cell["meta"] == "none" else [cell["meta"]]),
        *([cell["skipped"]] if cell["skipped"] else []),
    ]  # fmt: skip
    for seed, key in cell["trials"][:1]:
        for version in ENGINES:
            if digest([*identity, version, machine["dtype"], machine["device"], seed]) == key:
                return version
    return 0


_DECIDING = (
    "memory", "parameters", "tuning", "meta-training", "code", "support", "device", "dtype",
)  # fmt: skip


def _differing(a: Setting, b: Setting) -> list[str]:
    found = [part for part in _DECIDING if canonical(a[part]) != canonical(b[part])]
    if a["engine"] and b["engine"] and a["engine"] != b["engine"]:
        found.append("engine")
    common = a["trials"].keys() & b["trials"].keys()
    if not found and any(a["trials"][seed] != b["trials"][seed] for seed in common):
        return ["engine"]  # an unknown one: nothing else is in the key
    return found


def _agree(a: Mapping[str, Setting], b: Mapping[str, Setting]) -> bool:
    return not any(_differing(a[task], b[task]) for task in a.keys() & b.keys())


def _names(
    label: str,
    meanings: Mapping[str, _Key],
    agree: Callable[[_Key, _Key], bool],
) -> dict[str, str]:
    """By run, the label itself if all runs mean the same, else with the runs that do."""
    groups: list[list[str]] = []
    for run, meaning in meanings.items():
        for group in groups:
            if all(agree(meaning, meanings[other]) for other in group):
                group.append(run)
                break
        else:
            groups.append([run])
    if len(groups) == 1:
        return dict.fromkeys(meanings, label)
    return {run: f"{label}@{'+'.join(group)}" for group in groups for run in group}


def _others(
    task: str,
    run: str,
    names: Mapping[str, str],
    settings: Mapping[str, Mapping[str, Setting]],
) -> list[Setting]:
    """What the rows of other names are on the same task."""
    return [
        by_task[task]
        for other, by_task in settings.items()
        if names[other] != names[run] and task in by_task
    ]


def _setting_mark(own: Setting, others: Sequence[Setting]) -> str:
    found = dict.fromkeys(part for other in others for part in _differing(own, other))
    if not found:
        return ""
    details = {
        "memory": lambda: f"memory ({own['memory']})",
        "parameters": lambda: _parameters(
            "parameters", own["parameters"], [other["parameters"] for other in others]
        ),
        "device": lambda: f"device ({own['device']})",
        "dtype": lambda: f"dtype ({own['dtype']})",
    }
    return "differs: " + ", ".join(details.get(part, lambda p=part: p)() for part in found)


def _protocol_mark(run: str, by_run: Mapping[str, Setting]) -> str:
    own = by_run[run]
    others = [other for other in by_run.values() if other["protocol"] != own["protocol"]]
    if any(other["task"] != own["task"] for other in others):
        return f"differs: protocol (task {own['task']})"
    return "differs: " + _parameters(
        "protocol", own["parameters"], [other["parameters"] for other in others]
    )


def _parameters(word: str, own: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> str:
    """The word with the parameters that differ, as they are on this side."""
    keys = [
        key
        for key in dict.fromkeys(_keys([own, *others]))
        if any(canonical(own.get(key)) != canonical(other.get(key)) for other in others)
    ]
    if not keys:
        return f"{word} (data or version of the task)" if word == "protocol" else word
    shown = [f"{key}={_value(own[key])}" if key in own else f"no {key}" for key in keys]
    return f"{word} ({', '.join(shown[:MAX_SHOWN])}{', ...' if len(shown) > MAX_SHOWN else ''})"


def _keys(parameters: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for given in parameters:
        yield from given


def _value(value: Any) -> str:
    if isinstance(value, Mapping) and "name" in value:
        return str(value["name"])
    return value if isinstance(value, str) else canonical(value)
