"""Two lists of pairs whose keys resemble each other, and control lists whose keys do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import normalize

from tasks.association.contexts import list_contexts
from tasks.association.keys import at_cosine, orthogonal_to, unit_keys
from tasks.association.recall import codebooks

Cue: TypeAlias = Literal["none", "context", "time", "wrong-context"]
"""What is given with a query, by the word a suite uses."""


@dataclass(frozen=True)
class PairList:
    """One list of events over all lanes.

    Attributes:
        keys: [S, n, D].
        values: [S, n, V].
        codes: Of the values, [S, n].
        rivals: Codes of the values that a similar key of the other list has, [S, n, r]; -1 where
            there is none.
        times: [S, n], or None.
        contexts: Of the events, [S, n, C], or None.
        own: Context that belongs with each query, [S, n, C], or None.
        other: Context of the other list for each query, [S, n, C], or None.
    """

    keys: Tensor
    values: Tensor
    codes: Tensor
    rivals: Tensor
    times: Tensor | None = None
    contexts: Tensor | None = None
    own: Tensor | None = None
    other: Tensor | None = None


@dataclass(frozen=True)
class PairedLists:
    """Both lists, and for each a control whose keys resemble nothing in the other.

    Attributes:
        first: A-B.
        second: A'-C.
        control_second: The second list under unrelated keys.
        control_first: The first list under unrelated keys.
        book: Unit vectors that reads are decoded among, [S, P, V].
        partners: How many events of either list have one at the same place in the other.
    """

    first: PairList
    second: PairList
    control_second: PairList
    control_first: PairList
    book: Tensor
    partners: int


def similar_lists(
    generators: Sequence[torch.Generator],
    device: torch.device,
    *,
    items: int,
    similarity: float,
    key_dim: int,
    value_dim: int,
    pool: int,
    context_dim: int,
    timed: bool,
) -> PairedLists:
    """Two lists of codes under unit keys, partners at exactly one cosine, controls at cosine 0.

    Args:
        generators: Source of each lane's lists.
        device: Where they live.
        items: n, pairs per list.
        similarity: Cosine between partner keys.
        key_dim: D.
        value_dim: V.
        pool: P, number of value codes.
        context_dim: C, width of the lists' orthonormal contexts; none if 0.
        timed: Whether events have times, counted through both lists.
    """
    book = codebooks(list(generators), pool, value_dim).to(device)

    def draw(generator: torch.Generator) -> tuple[Tensor, ...]:
        a = unit_keys(generator, items, key_dim)
        beside = orthogonal_to(generator, a)
        a2 = at_cosine(a, beside, similarity)
        codes = torch.randperm(pool, generator=generator)[: 2 * items]
        unrelated = orthogonal_to(generator, a2)
        own, events = torch.zeros(2, 0), torch.zeros(2, items, 0)
        if context_dim:
            own, events = list_contexts(generator, 2, items, context_dim)
        return a, a2, beside, unrelated, codes, own, events

    a, a2, beside, unrelated, codes, own, events = _stacked(generators, draw, device)
    cues = own[:, :, None].expand(-1, -1, items, -1)

    def pairs(keys: Tensor, which: int) -> PairList:
        part, rest = ((slice(items), slice(items, None))[k] for k in (which, 1 - which))
        index = codes[:, part]
        values = book.gather(1, index[..., None].expand(-1, -1, value_dim))
        times = which * items + torch.arange(items, dtype=keys.dtype, device=device)
        contexts = (events[:, which], cues[:, which], cues[:, 1 - which])
        return PairList(
            keys, values, index, codes[:, rest, None],
            times.expand(len(generators), -1) if timed else None,
            *(contexts if context_dim else ()),
        )  # fmt: skip

    return PairedLists(
        pairs(a, 0), pairs(a2, 1), pairs(beside, 1), pairs(unrelated, 0), book, items
    )


@dataclass(frozen=True)
class SourceDesign:
    """A design of Gaussian keys, values and contexts, none of them normalised.

    The second list's keys are the first `partners` ones, tiled, plus noise N(0, s^2 I): a cosine
    of about 1/sqrt(1 + s^2). Controls have fresh Gaussian keys. Reads are decoded among the values
    of both lists.

    Attributes:
        dim: D and V.
        first: Pairs of the first list.
        partners: How many of them have similar keys in the second.
        tiles: How often.
        noise: s.
        context_dim: Width of each event's own context; 0 for none.
    """

    dim: int
    first: int
    partners: int
    tiles: int
    noise: float
    context_dim: int

    @property
    def second(self) -> int:
        """Pairs of the second list."""
        return self.partners * self.tiles

    def draw(self, generators: Sequence[torch.Generator], device: torch.device) -> PairedLists:
        """The lists of each lane."""
        keys, partner_keys, controls, values, contexts = _stacked(generators, self._events, device)
        first = self.first
        codes = torch.arange(first + self.second, device=device)
        # event j of the second list was tiled from event j mod partners of the first
        tiled = torch.arange(self.second, device=device) % self.partners
        rivals = torch.full((first, self.tiles), -1, device=device)
        rivals[: self.partners] = codes[first:].reshape(self.tiles, self.partners).T
        others = torch.cat([codes[first : 2 * first], tiled])

        def pairs(keys: Tensor, part: slice, rivals: Tensor) -> PairList:
            own, other = contexts[:, part], contexts[:, others[part]]
            return PairList(
                keys, values[:, part], codes[part].expand(len(generators), -1),
                rivals.expand(len(generators), -1, -1), None,
                *((own, own, other) if self.context_dim else ()),
            )  # fmt: skip

        a, c = slice(0, first), slice(first, None)
        return PairedLists(
            pairs(keys, a, rivals),
            pairs(partner_keys, c, tiled[:, None]),
            pairs(controls[:, c], c, tiled[:, None]),
            pairs(controls[:, a], a, rivals),
            normalize(values, dim=-1),
            self.partners,
        )

    def _events(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Keys of both lists and of the controls, values and contexts of both lists."""
        n = self.first + self.second
        keys = torch.randn(self.first, self.dim, generator=generator)
        noise = torch.randn(self.second, self.dim, generator=generator)
        partners = keys[: self.partners].repeat(self.tiles, 1) + self.noise * noise
        controls = torch.randn(n, self.dim, generator=generator)
        values = torch.randn(n, self.dim, generator=generator)
        contexts = torch.randn(n, self.context_dim, generator=generator)
        return keys, partners, controls, values, contexts


SOURCES = {
    "ar-source": SourceDesign(dim=32, first=5, partners=5, tiles=1, noise=0.1, context_dim=0),
    "episodic-source": SourceDesign(
        dim=32, first=5, partners=3, tiles=5, noise=0.2, context_dim=16
    ),
}
"""Designs of earlier comparisons: one of AR memories, one of episodic memories."""


def _stacked(
    generators: Sequence[torch.Generator],
    draw: Callable[[torch.Generator], tuple[Tensor, ...]],
    device: torch.device,
) -> tuple[Tensor, ...]:
    rows = [draw(generator) for generator in generators]
    return tuple(torch.stack(part).to(device) for part in zip(*rows, strict=True))
