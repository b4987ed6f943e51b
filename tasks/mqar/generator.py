"""Token sequences of multi-query associative recall (Arora, Eyuboglu et al. 2023).

A context of key-value pairs, then slots in which every key is asked for once; the answer is no
part of the input. Deviations from the published generator, each of which removes a shortcut or an
accident: all draws come from the generator that is passed in; the slot of a query does not depend
on when its key was written; fillers never repeat a key of their sequence; a rewritten key never
gets a value that its sequence has already used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from memories.base import InvalidParameter

Variant: TypeAlias = Literal["standard", "forgetting", "compositional"]
Fillers: TypeAlias = Literal["blank", "random"]

BLANK = 0
"""The token of unused positions; it is neither a key nor a value."""
REWRITES = 4
"""Keys that ``forgetting`` gives a new value where no number is asked for, as published."""


@dataclass(frozen=True)
class Sequences:
    """B sequences of T tokens with n queries each.

    Attributes:
        tokens: [B, T].
        at: Positions of the queries, [B, n]; query i asks for the i-th key written.
        answers: Their values, [B, n].
        gaps: Tokens from the value that answers a query to the query, [B, n], at least 1.
    """

    tokens: Tensor
    at: Tensor
    answers: Tensor
    gaps: Tensor


@dataclass(frozen=True)
class SequenceFormat:
    """What sequences look like: k_1 v_1 ... k_n v_n, then G slots of which n hold a query.

    Of a vocabulary V, 1..V/2-1 are keys and V/2..V-1 values. Slot g = 0..G-1 is drawn with weight
    (g+1)^(power-1), without replacement: the power law is in the distance from the end of the
    context, not from the key's own pair. Where slots are as many as queries it has no effect.

    The variants: ``forgetting`` appends pairs that give some of the keys a new value, which is the
    one asked for; in ``compositional`` keys are all pairs of sqrt(n) first and sqrt(n) second
    tokens, from the first and second third of the vocabulary, values are from the last, and
    neither token alone determines the value.

    Attributes:
        vocabulary: V, more than `length`.
        length: T, even.
        pairs: n.
        variant: Which of the three.
        rewrites: Keys that get a new value, with ``forgetting``; `REWRITES` if None.
        passes: How often the block of pairs is written, each time in another order.
        power: Exponent a of the slots' weights; 1 is uniform.
        fillers: What stands at unused positions.
        legacy_order: Give the slots to the keys in the order in which they were drawn, so that
            keys written first tend to be asked for first, as published.
        legacy_fillers: Let random fillers repeat keys of their sequence, as published.

    Raises:
        InvalidParameter: If the sequences cannot be made.
    """

    vocabulary: int
    length: int
    pairs: int
    variant: Variant = "standard"
    rewrites: int | None = None
    passes: int = 1
    power: float = 0.01
    fillers: Fillers = "blank"
    legacy_order: bool = False
    legacy_fillers: bool = False

    def __post_init__(self) -> None:
        if self.length % 2:
            raise InvalidParameter("length", f"must be even, got {self.length}")
        if self.vocabulary <= self.length:
            message = f"must be > length ({self.length}), got {self.vocabulary}"
            raise InvalidParameter("vocabulary", message)
        if self.variant == "compositional" and math.isqrt(self.pairs) ** 2 != self.pairs:
            message = f"must be a square with variant 'compositional', got {self.pairs}"
            raise InvalidParameter("pairs", message, help="keys form a square grid: 4, 9, 16, ...")
        if self.rewrites is not None and self.variant != "forgetting":
            message = f"has no meaning with variant '{self.variant}'"
            raise InvalidParameter("rewrites", message, help="set variant: forgetting")
        if self.n_rewritten > self.pairs:
            message = f"must be <= pairs ({self.pairs}), got {self.n_rewritten}"
            raise InvalidParameter("rewrites", message)
        needed = self.context_length + self.pairs * self.pair_length
        if needed > self.length:
            message = f"context and queries take {needed} tokens, length is {self.length}"
            raise InvalidParameter("pairs", message, help="lower pairs, or raise length")

    @property
    def key_length(self) -> int:
        """Tokens of a key."""
        return 2 if self.variant == "compositional" else 1

    @property
    def pair_length(self) -> int:
        """Tokens of a pair, and of a slot: a key's and one more."""
        return self.key_length + 1

    @property
    def n_rewritten(self) -> int:
        """Keys that get a new value."""
        if self.variant != "forgetting":
            return 0
        return REWRITES if self.rewrites is None else self.rewrites

    @property
    def n_written(self) -> int:
        """Pairs that the context writes."""
        return self.pairs * self.passes + self.n_rewritten

    @property
    def context_length(self) -> int:
        """Tokens of the context."""
        return self.n_written * self.pair_length

    @property
    def slots(self) -> int:
        """G."""
        return (self.length - self.context_length) // self.pair_length

    @property
    def first_value(self) -> int:
        """The smallest value token."""
        return self.key_length * (self.vocabulary // self.pair_length)

    @property
    def n_values(self) -> int:
        """How many tokens are values."""
        return self.vocabulary - self.first_value

    def draw(self, count: int, generator: torch.Generator) -> Sequences:
        """B = count sequences, on the CPU."""
        keys = self._keys(count, generator)
        values = _distinct(count, self.n_values, self.pairs + self.n_rewritten, generator)
        values = values + self.first_value
        which, written = self._events(values, generator)
        start = self.context_length + self.pair_length * self._slots(count, generator)
        tokens = self._unused(keys, generator)
        context = torch.cat([_rows(keys, which), written[..., None]], dim=-1)
        tokens[:, : self.context_length] = context.flatten(1)
        for part in range(self.key_length):
            tokens.scatter_(1, start + part, keys[..., part])
        # a query is answered after the last token of its key
        at = start + self.key_length - 1
        order = torch.arange(self.n_written).expand(count, -1)
        last = torch.zeros(count, self.pairs, dtype=torch.int64)
        last = last.scatter_reduce(1, which, order, "amax")
        answered_by = (last + 1) * self.pair_length - 1
        return Sequences(tokens, at, written.gather(1, last), at - answered_by)

    def _keys(self, count: int, generator: torch.Generator) -> Tensor:
        """Distinct keys [B, n, key_length]."""
        if self.variant != "compositional":
            first = _distinct(count, self.first_value - 1, self.pairs, generator) + 1
            return first[..., None]
        third, side = self.vocabulary // 3, math.isqrt(self.pairs)
        first = _distinct(count, third - 1, side, generator) + 1
        second = _distinct(count, self.first_value - third, side, generator) + third
        cell = _distinct(count, self.pairs, self.pairs, generator)
        return torch.stack([first.gather(1, cell // side), second.gather(1, cell % side)], dim=-1)

    def _events(self, values: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Which key each written pair has, and its value, both [B, n_written]."""
        count = values.shape[0]
        passes = [torch.arange(self.pairs).expand(count, -1)]
        for _ in range(self.passes - 1):
            passes.append(_distinct(count, self.pairs, self.pairs, generator))
        again = _distinct(count, self.pairs, self.n_rewritten, generator)
        written = [values.gather(1, order) for order in passes]
        return torch.cat([*passes, again], dim=1), torch.cat(
            [*written, values[:, self.pairs :]], dim=1
        )

    def _slots(self, count: int, generator: torch.Generator) -> Tensor:
        """The slot of each key, [B, n].

        Arrivals of independent exponential clocks at the slots' rates are a draw without
        replacement, in its order.
        """
        rate = torch.arange(1, self.slots + 1, dtype=torch.float64) ** (self.power - 1)
        clocks = torch.empty(count, self.slots, dtype=torch.float64)
        drawn = (clocks.exponential_(generator=generator) / rate).argsort(1)[:, : self.pairs]
        if self.legacy_order:
            return drawn
        return drawn.gather(1, _distinct(count, self.pairs, self.pairs, generator))

    def _unused(self, keys: Tensor, generator: torch.Generator) -> Tensor:
        """Sequences [B, T] of nothing but fillers."""
        size = (keys.shape[0], self.length)
        if self.fillers == "blank":
            return torch.full(size, BLANK)
        if self.legacy_fillers:
            return torch.randint(self.vocabulary, size, generator=generator)
        live = _live(keys)
        left = self.vocabulary - live.shape[1]
        rank = torch.randint(left, size, generator=generator)
        # the r-th token that is no key lies above those keys that have at most r others below them
        below = live - torch.arange(live.shape[1])
        return rank + torch.searchsorted(below, rank, right=True)


def _distinct(count: int, pool: int, picks: int, generator: torch.Generator) -> Tensor:
    """Per row `picks` of `pool` numbers in random order, without repetition, [count, picks]."""
    return torch.rand(count, pool, generator=generator).topk(picks, dim=1).indices


def _rows(keys: Tensor, which: Tensor) -> Tensor:
    """The keys [B, E, k] of each sequence's own indices [B, E]."""
    return keys.gather(1, which[..., None].expand(-1, -1, keys.shape[-1]))


def _live(keys: Tensor) -> Tensor:
    """The tokens of which each sequence's keys consist, sorted and each once, [B, m].

    Every sequence has as many: n, or the two sides of its grid.
    """
    ordered = keys.flatten(1).sort(1).values
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    return ordered[first].view(keys.shape[0], -1)
