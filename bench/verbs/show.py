"""What `memb show` prints: samples of a task's data, drawn or as JSON."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from bench import console, registry, seeds
from bench.errors import MembError, Problem
from bench.reading import values
from bench.registry import Entry

if TYPE_CHECKING:
    import numpy as np
    import torch
    from rich.console import Console

    from tasks.base import Split, Task
    from tasks.samples.sample import Sample

SCHEMA = "memb-show/1"

Format = Literal["rich", "json"]


class TaskStreams:
    """The generators that a run gives a task.

    Args:
        task: Its name.
    """

    def __init__(self, task: str) -> None:
        self._task = task

    def rng(self, seed: int, split: Split, *key: int | str) -> np.random.Generator:
        """A NumPy generator of the task's data."""
        return seeds.numpy_generator(seed, self._stream(split), self._task, *key)

    def torch_rng(self, seed: int, split: Split, *key: int | str) -> torch.Generator:
        """A torch generator of the task's data."""
        return seeds.torch_generator(seed, self._stream(split), self._task, *key)

    def _stream(self, split: Split) -> int:
        from bench.running.workbench import STREAMS

        return STREAMS[split]


def show(name: str, set_: Sequence[str], *, seed: int, n: int, format: Format) -> None:
    """Print samples of a task at one setting of its parameters.

    Args:
        name: A registered task.
        set_: Parameters, ``NAME=VALUE`` each.
        seed: Seed of the data.
        n: Number of samples.
        format: Drawn, or as one JSON object.

    Raises:
        MembError: If there is no such task, it has no samples, or a parameter is wrong.
    """
    from bench.audit.run import assignments

    entry = registry.get("task", name)
    if not _has_samples(entry):
        able = ", ".join(e.name for e in registry.entries("task") if _has_samples(e))
        raise MembError(f"task '{name}' has no samples to show", help=f"these have: {able}")
    settings = _resolved(entry, assignments(set_))
    drawn = _build(entry, settings).samples(n, seed, TaskStreams(entry.name))
    if format == "json":
        samples = [sample.data() for sample in drawn]
        facts = {"schema": SCHEMA, "task": entry.name, "params": settings, "seed": seed}
        console.print_json({**facts, "samples": samples})
        return
    _draw(drawn)


def _has_samples(entry: Entry) -> bool:
    from tasks.base import Task

    return entry.cls.samples is not Task.samples


def _resolved(entry: Entry, given: dict[str, Any]) -> dict[str, Any]:
    """All parameters of the task, defaults filled in.

    Raises:
        MembError: If any of those given is wrong; names all of them.
    """
    settings, wrong = values.resolve(entry, given)
    if wrong:
        problems = []
        for finding in wrong:
            path = ".".join(str(part) for part in finding.path)
            said = finding.message if finding.whole else f"{path} {finding.message}"
            problems.append(Problem(said, place=f"--set {path}", help=finding.help))
        raise MembError(problems)
    return settings


def _build(entry: Entry, settings: dict[str, Any]) -> Task:
    """The task.

    Raises:
        MembError: If it refuses a parameter's value.
    """
    from bench.running.construct import build_task
    from memories.base import InvalidParameter

    try:
        return build_task(entry.name, settings)
    except InvalidParameter as wrong:
        place = f"--set {wrong.parameter}"
        raise MembError(str(wrong), place=place, help=wrong.help) from wrong


def _draw(samples: Sequence[Sample]) -> None:
    """Print samples one under the other; in a pipe without blanks at the ends of lines."""
    from rich.console import Console

    screen = console.stdout()
    if screen.is_terminal:
        _print(screen, samples)
        return
    # as on a terminal, what stdout can encode decides whether only ASCII is drawn
    drawn = io.TextIOWrapper(io.BytesIO(), encoding=screen.encoding, newline="\n")
    plain = Console(file=drawn, width=console.PIPE_WIDTH, color_system=None, force_terminal=False)
    _print(plain, samples)
    drawn.seek(0)
    console.write("".join(f"{line.rstrip()}\n" for line in drawn))


def _print(screen: Console, samples: Sequence[Sample]) -> None:
    from rich.text import Text

    for number, sample in enumerate(samples):
        if number:
            screen.print()
        screen.print(Text(sample.title, style="bold"), soft_wrap=True)
        for at, part in enumerate(sample.parts):
            if at:
                screen.print()
            screen.print(part)
