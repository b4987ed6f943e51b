"""What became of one law, and how to try one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True)
class Verdict:
    """The outcome of one law on one memory.

    Attributes:
        law: Its name.
        claim: What it says, one line.
        outcome: ``held``, ``broken``, or ``n/a`` where the memory does not claim it.
        detail: What was seen, or why it does not apply.
    """

    law: str
    claim: str
    outcome: Literal["held", "broken", "n/a"]
    detail: str = ""


class Broken(AssertionError):
    """A law does not hold; the text says what was seen."""


class NotClaimed(Exception):
    """The memory does not claim this law; the text says why."""


@dataclass(frozen=True)
class Law:
    """A named claim and the function that tries to refute it.

    The function returns a detail worth printing, or raises `Broken` or `NotClaimed`.
    """

    name: str
    claim: str
    attempt: Callable[..., str | None]

    def verdict(self, *subject: object) -> Verdict:
        """Try the law; anything the memory raises breaks it."""
        try:
            detail = self.attempt(*subject)
        except NotClaimed as reason:
            return Verdict(self.name, self.claim, "n/a", str(reason))
        except Broken as seen:
            return Verdict(self.name, self.claim, "broken", str(seen))
        except Exception as failure:  # noqa: BLE001 - a memory that raises here breaks the law
            first = str(failure).strip().split("\n", 1)[0]
            seen_text = f"raised {type(failure).__name__}: {first}"
            return Verdict(self.name, self.claim, "broken", seen_text)
        return Verdict(self.name, self.claim, "held", detail or "")


def clone(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A copy of every entry."""
    return {name: entry.clone() for name, entry in state.items()}


def same_bits(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors have equal shape, dtype and bits; NaN equals the same NaN."""
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    a, b = first.contiguous(), second.contiguous()
    if a.dim() == 0:
        a, b = a[None], b[None]
    return torch.equal(a.view(torch.uint8), b.view(torch.uint8))


def differing(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> list[str]:
    """Names of state entries that are not bit-equal, or not in both."""
    names = sorted(set(first) | set(second))
    return [
        name
        for name in names
        if name not in first or name not in second or not same_bits(first[name], second[name])
    ]


def require_close(seen: Tensor, expected: Tensor, tolerance: float, what: str) -> str:
    """A word on how close they are.

    Raises:
        Broken: If |seen - expected| > tolerance * max(1, |expected|) anywhere.
    """
    if seen.shape != expected.shape:
        raise Broken(f"{what}: shape {list(seen.shape)}, expected {list(expected.shape)}")
    if same_bits(seen, expected):
        return "bit-equal"
    gap = (seen.double() - expected.double()).abs() / expected.double().abs().clamp(min=1)
    worst = float(gap.max()) if gap.numel() else 0.0
    if not worst <= tolerance:
        raise Broken(f"{what}: differs by {worst:.2g}, allowed {tolerance:.0e}")
    return f"within {worst:.1e}"
