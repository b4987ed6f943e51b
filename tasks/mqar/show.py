"""A sequence of tokens for a person to look at, with what is asked in it."""

from __future__ import annotations

from tasks.mqar.generator import BLANK, SequenceFormat, Sequences
from tasks.samples.sample import Cell, Facts, Sample, Table

SLOTS = 16
"""Slots behind the context that are shown."""


def sequence(layout: SequenceFormat, drawn: Sequences, row: int) -> Sample:
    """One sequence: the pairs of its context, then each query with the value that answers it."""
    tokens = drawn.tokens[row].tolist()
    width = layout.pair_length
    pairs: list[tuple[Cell, ...]] = [
        (at, _keys(tokens[at : at + width - 1]), f"v{tokens[at + width - 1]}")
        for at in range(0, layout.context_length, width)
    ]
    queries: list[tuple[Cell, ...]] = [
        (at, _keys(tokens[at - width + 2 : at + 1]), f"v{answer}", gap)
        for at, answer, gap in sorted(
            zip(
                drawn.at[row].tolist(), drawn.answers[row].tolist(), drawn.gaps[row].tolist(),
                strict=True,
            )
        )
    ]  # fmt: skip
    facts = Facts({
        "tokens": len(tokens),
        "context": layout.context_length,
        "unused": sum(token == BLANK for token in tokens),
    })  # fmt: skip
    written = Table(
        "written", ("position", "key", "value"), pairs[:SLOTS], max(0, len(pairs) - SLOTS)
    )
    asked = Table(
        "asked", ("position", "key", "answer", "tokens since its value"), queries[:SLOTS],
        max(0, len(queries) - SLOTS),
    )  # fmt: skip
    return Sample(f"sequence {row}", (facts, written, asked))


def _keys(tokens: list[int]) -> str:
    return " ".join(f"k{token}" for token in tokens)
