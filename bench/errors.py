"""What a user sees when an input is wrong: the cause, the place, the remedy; never a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an input.

    Attributes:
        message: The finding, one line, e.g. ``unknown memory 'hmemm'``.
        place: Where it stands, ``file:line:col``, or empty.
        path: The key inside the file, e.g. ``memories[2].name``, or empty.
        help: What to do about it, one line, or empty.
    """

    message: str
    place: str = ""
    path: str = ""
    help: str = ""

    def render(self) -> str:
        """The problem as one to three lines of text."""
        lines = [self.message]
        where = "   ".join(part for part in (self.place, self.path) if part)
        if where:
            lines.append(f"  --> {where}")
        if self.help:
            lines.append(f"  help: {self.help}")
        return "\n".join(lines)


class MembError(Exception):
    """A mistake in what the user gave; printed without a traceback, exit code 2.

    Args:
        problems: What is wrong: one message, or all problems found.
        summary: First line when there are several problems, e.g. ``3 problems in a.yaml``.
        place: Where, if ``problems`` is one message.
        help: The remedy, if ``problems`` is one message.
    """

    exit_code = 2

    def __init__(
        self,
        problems: str | Sequence[Problem],
        *,
        summary: str = "",
        place: str = "",
        help: str = "",
    ) -> None:
        if isinstance(problems, str):
            problems = [Problem(problems, place=place, help=help)]
        self.problems = list(problems)
        self.summary = summary
        super().__init__(self.render())

    def render(self) -> str:
        """The whole error as it is printed after ``error:``."""
        if len(self.problems) == 1:
            return self.problems[0].render()
        head = self.summary or f"{len(self.problems)} problems"
        return "\n".join([head, *("- " + problem.render() for problem in self.problems)])


class StorageError(MembError):
    """The results folder cannot take another record (disk full, gone, read-only): exit code 3.

    Records written before it stay intact.
    """

    exit_code = 3


def nearest(name: str, known: Iterable[str]) -> str:
    """A phrase naming the known name closest to ``name``, or an empty string.

    An underscore where the known name has a hyphen is always recognised.
    """
    names = sorted(set(known))
    hyphened = name.replace("_", "-")
    if hyphened in names:
        return f"did you mean '{hyphened}'?"
    match = difflib.get_close_matches(name, names, n=1, cutoff=0.6) or difflib.get_close_matches(
        hyphened, names, n=1, cutoff=0.6
    )
    return f"did you mean '{match[0]}'?" if match else ""
