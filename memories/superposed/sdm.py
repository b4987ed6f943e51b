"""Sparse distributed memory: each event is added at the few hard locations nearest to its key."""

from __future__ import annotations

from math import comb
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, InvalidParameter, State
from memories.binary.signs import signs
from memories.features import unit
from memories.slots.blocks import in_blocks

SHARE = 0.01
"""Share of the locations that one key activates, but for the least number of them."""
LEAST = 4


@memory("sdm", family="superposed", source="Kanerva 1988")
class SparseDistributedMemory(AssociativeMemory):
    """Recalls the mean of what was added at the hard locations near the query.

    z(x) in {0, 1}^M marks the active locations of a key; an event adds its value to the row of
    each, S <- S + z(k)^T v; a read is z(q) S / |z(q)|. Keys that share few active locations leak
    little into each other. With k of M locations active the leak of another key has energy
    1/M + k^2/M^2 plus a term of order 1/D, whatever the width of the values.

    State: ``sums`` [M, V], ``hits`` [M] how often each location was written, ``count``.

    Args:
        key_dim: D.
        value_dim: V.
        locations: Hard locations M, random directions, never changed.
        activation: ``nearest`` activates the `top_k` locations of largest inner product with the
            key. ``radius`` activates those whose bits differ from the signs of the key in at most
            `radius` places (Kanerva's form); locations are then random bits.
        top_k: Active locations k; one percent of them, at least four, if not given.
        radius: Hamming radius; if not given, the smallest in which k locations lie on average.
        norm: ``active`` divides by the number of active locations; ``hits`` by the number of
            times they were written, so that a read is a weighted mean of values, which serves
            keys that cluster.
        generator: Source of the locations.

    Raises:
        InvalidParameter: If `top_k` exceeds `locations`, `radius` exceeds `key_dim`, or one of
            them is given that the activation does not use.
    """

    addresses: Tensor

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        locations: Annotated[int, Ge(1)] = 1024,
        activation: Literal["nearest", "radius"] = "nearest",
        top_k: Annotated[int, Ge(1)] | None = None,
        radius: Annotated[int, Ge(0)] | None = None,
        norm: Literal["active", "hits"] = "active",
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        _check(key_dim, locations, activation, top_k, radius)
        self.value_dim = value_dim
        self.locations = locations
        self.activation = activation
        self.norm = norm
        self.top_k = _active(locations) if top_k is None else top_k
        drawn = torch.randn(locations, key_dim, generator=generator)
        self.register_buffer("addresses", unit(drawn) if activation == "nearest" else signs(drawn))
        self.radius = 0
        if activation == "radius":
            self.radius = _radius(key_dim, self.top_k / locations) if radius is None else radius

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        locations, least = budget // (value_dim + 1), params.get("top_k") or 1
        if locations < least:
            raise InvalidParameter(
                "budget",
                f"must be >= {least * (value_dim + 1)}, the size of {least} location(s), "
                f"got {budget}",
                help="raise the budget, or leave this memory out",
            )
        return {"locations": locations}

    @override
    def init_state(self) -> State:
        return {
            "sums": self.addresses.new_zeros(self.locations, self.value_dim),
            "hits": self.addresses.new_zeros(self.locations),
            "count": self.addresses.new_zeros((), dtype=torch.int64),
        }

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        active = self._active(keys)
        return {
            "sums": state["sums"] + active.mT @ values,
            "hits": state["hits"] + active.sum(0),
            "count": state["count"] + keys.shape[0],
        }

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        def recall(queries: Tensor) -> Tensor:
            active = self._active(queries)
            weight = active.sum(-1) if self.norm == "active" else active @ state["hits"]
            return (active @ state["sums"]) / weight.clamp(min=1)[:, None]

        return in_blocks(recall, queries)

    def _active(self, x: Tensor) -> Tensor:
        """z(x) [n, M], zeros and ones."""
        if self.activation == "radius":
            products = signs(x) @ self.addresses.mT
            # D bits that differ in h places have the product D - 2h
            return (products >= x.shape[-1] - 2 * self.radius).to(x.dtype)
        # in float64, so that two computations of one product do not choose different locations
        scores = x.detach().double() @ self.addresses.double().mT
        chosen = scores.topk(self.top_k, dim=-1, sorted=False).indices
        return torch.zeros_like(scores, dtype=x.dtype).scatter(-1, chosen, 1.0)


def _check(
    key_dim: int, locations: int, activation: str, top_k: int | None, radius: int | None
) -> None:
    if top_k is not None and top_k > locations:
        raise InvalidParameter(
            "top_k",
            f"must be <= locations ({locations}), got {top_k}",
            help="lower it, or leave it out for one percent of the locations",
        )
    if radius is not None and activation == "nearest":
        raise InvalidParameter(
            "radius",
            "is not used with activation 'nearest'",
            help="set activation 'radius', or give top_k instead",
        )
    if radius is not None and top_k is not None:
        raise InvalidParameter(
            "top_k",
            "is not used where a radius is given",
            help="give one of the two: top_k chooses the radius that activates as many",
        )
    if radius is not None and radius > key_dim:
        raise InvalidParameter("radius", f"must be <= key_dim ({key_dim}), got {radius}")


def _active(locations: int) -> int:
    """Number of locations that one key activates."""
    return min(locations, max(LEAST, round(SHARE * locations)))


def _radius(key_dim: int, share: float) -> int:
    """Smallest Hamming radius around a key that holds this share of random bit vectors."""
    inside, radius = 1, 0
    while inside < share * 2**key_dim:
        radius += 1
        inside += comb(key_dim, radius)
    return radius
