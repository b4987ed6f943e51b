"""What finished trials warn of, as sentences: each warning once, with who says it and where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from bench import in_words

Said = Mapping[tuple[str, str], Counter[str]]
"""By task point and warning how many trials of each memory give it."""


def sentences(said: Said, planned: Mapping[str, Counter[str]]) -> list[str]:
    """One sentence per warning, in the order in which they are first given.

    Memories that give it on the same task points are named together; a memory of which only some
    trials give it is followed by their number over those points.

    Args:
        said: Who warns of what, and how often.
        planned: By task point how many trials of each memory the plan holds.
    """
    places: dict[str, dict[str, list[str]]] = {}
    for (task, warning), labels in said.items():
        for label in labels:
            places.setdefault(warning, {}).setdefault(label, []).append(task)
    return [
        f"{_capital('; '.join(_groups(warning, by_label, said, planned)))}: {warning}"
        for warning, by_label in places.items()
    ]


def _groups(
    warning: str,
    by_label: Mapping[str, Sequence[str]],
    said: Said,
    planned: Mapping[str, Counter[str]],
) -> list[str]:
    """Who warns on which task points, memories of the same points together."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for label, on in by_label.items():
        alike.setdefault(tuple(on), []).append(label)
    found = []
    for on, labels in alike.items():
        giving = {label: sum(said[task, warning][label] for task in on) for label in labels}
        asked = {label: sum(planned[task][label] for task in on) for label in labels}
        known = list(dict.fromkeys(label for task in on for label in planned[task]))
        noun = "seeds" if len(on) == 1 else "trials"
        found.append(f"{_who(giving, asked, known, noun)} on {in_words.tasks(on, list(planned))}")
    return found


def _who(
    giving: Mapping[str, int], asked: Mapping[str, int], known: Sequence[str], noun: str
) -> str:
    """The memories, with the number of their trials where not all of them warn."""
    some = {
        label: f"{n} of {asked[label]} {noun}" for label, n in giving.items() if n < asked[label]
    }
    text = in_words.memories(giving, known)
    alike = len(set(some.values())) == 1 or len(giving) >= in_words.MANY
    if len(giving) > 1 and len(some) == len(giving) and alike:
        counts = f"{in_words.span(giving.values())} of {in_words.span(asked.values())}"
        return f"{text} ({counts} {noun} each)"
    if text.startswith("all memories") and 0 < len(some) < len(giving):
        return f"{text} ({', '.join(f'{label} in {n}' for label, n in some.items())})"
    if not some:
        return text
    return ", ".join(f"{label} ({some[label]})" if label in some else label for label in giving)


def _capital(text: str) -> str:
    return f"All{text[3:]}" if text.startswith("all memories") else text
