"""What is wrong with a dataset, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DataProblem(Exception):
    """A series cannot be used as asked; the user can mend it.

    Attributes:
        message: The finding, one line.
        place: Where it stands: a file, a file and line, or a dataset's name; may be empty.
        help: What to do about it; may be empty.
    """

    def __init__(self, message: str, place: str = "", help: str = "") -> None:
        self.message = message
        self.place = place
        self.help = help
        super().__init__(message)

    def __str__(self) -> str:
        """The finding, its place and the remedy on one line each."""
        lines = [self.message]
        if self.place:
            lines.append(f"  --> {self.place}")
        if self.help:
            lines.append(f"  help: {self.help}")
        return "\n".join(lines)


def did_you_mean(name: str, known: Iterable[str], like: str) -> str:
    """A phrase naming the known name closest to ``name``, or an empty string.

    Args:
        name: What was typed; case does not count, nor whether words are joined by ``_`` or ``-``.
        known: The names there are.
        like: The sign that joins words in ``known``, ``-`` or ``_``.
    """
    spelled = name.lower().replace("_" if like == "-" else "-", like)
    match = difflib.get_close_matches(spelled, sorted(known), n=1, cutoff=0.6)
    return f"did you mean '{match[0]}'?" if match else ""
