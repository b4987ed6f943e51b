"""Dense associative memory: stored bit patterns that pull harder the closer they are."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal, TypeAlias

import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, InvalidParameter, State
from memories.binary.signs import signs
from memories.slots.blocks import in_blocks
from memories.slots.masked_softmax import masked_softmax
from memories.slots.nearest import rounding
from memories.slots.ring import capacity_within, ring_valid, ring_write

Degree: TypeAlias = Annotated[int, Ge(2)] | Literal["exp"]
"""The interaction F: the power of an overlap, or its exponential."""


@memory("dense-am", family="slots", source="Krotov & Hopfield 2016; Demircigil et al. 2017")
class DenseAm(AssociativeMemory):
    """Recalls bits of stored patterns, each bit set to lower an energy of high-order overlaps.

    Patterns P and states s are signs, sign(0) = +1, n bits. A sweep sets all bits at once,
    s_i <- sign(sum_mu F(P_mu_i + r_mu_i) - F(-P_mu_i + r_mu_i)), r_mu_i the overlap of pattern mu
    with the other bits, F(z) = z^degree or e^z. A bit whose field is zero up to rounding stays as
    it is. Degree 2 is the Hopfield network; about n^(degree-1) / (2 (2 degree - 3)!! ln n) random
    patterns are kept without an error, exponentially many with e^z.

    State: ``keys`` [M, D] as signs, ``values`` [M, V] (signs, in mode hetero as given, in mode
    auto absent), ``count``.

    Args:
        key_dim: D.
        value_dim: V.
        capacity: Slots M; beyond them the oldest pattern is overwritten.
        degree: Power of the interaction F, or ``exp``.
        rectified: Whether a negative z counts as zero in z^degree.
        mode: ``auto-concat`` stores [key; value], n = D + V, holds the key's bits fixed and
            recalls the value's, unknown at first. ``auto`` stores the key alone, n = D = V, and
            repairs the query. ``hetero`` recalls in one step the mean of the values as they were
            given, weighted by F of the overlaps of their keys with the query, as cosines for a
            power; with ``exp`` that is softmax attention over signs with beta = D.
        steps: Sweeps; hetero has none.

    Raises:
        InvalidParameter: If mode auto meets key_dim != value_dim, hetero an interaction whose
            weights can be negative, or ``rectified`` is combined with ``exp``.
    """

    slot_state = ("keys", "values")
    blank: Tensor

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        capacity: Annotated[int, Ge(1)] = 1024,
        degree: Degree = 3,
        rectified: bool = False,
        mode: Literal["auto", "auto-concat", "hetero"] = "auto-concat",
        steps: Annotated[int, Ge(1)] = 1,
    ) -> None:
        super().__init__()
        _check(key_dim, value_dim, degree, rectified, mode)
        self.key_dim = key_dim
        self.value_dim = value_dim
        self.capacity = capacity
        self.degree = degree
        self.rectified = rectified
        self.mode = mode
        self.steps = steps
        self.n_bits = {"auto": key_dim, "auto-concat": key_dim + value_dim, "hetero": key_dim}[mode]
        # says where the state lives and in which precision
        self.scalar("blank", 0.0)

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        words = key_dim if params.get("mode") == "auto" else key_dim + value_dim
        return capacity_within(budget, words)

    @override
    def init_state(self) -> State:
        state = {
            "keys": self.blank.new_zeros(self.capacity, self.key_dim),
            "count": self.blank.new_zeros((), dtype=torch.int64),
        }
        if self.mode != "auto":
            state["values"] = self.blank.new_zeros(self.capacity, self.value_dim)
        return state

    @override
    def valid(self, state: State) -> Tensor:
        return ring_valid(state["count"], self.capacity)

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        events = {"keys": signs(keys)}
        if self.mode != "auto":
            events["values"] = signs(values) if self.mode == "auto-concat" else values
        slots = ring_write({name: state[name] for name in events}, events, state["count"])
        return {**slots, "count": state["count"] + keys.shape[0]}

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        valid = self.valid(state)
        # zero where no event is, whatever lies there
        stored = {n: torch.where(valid[:, None], state[n], 0.0) for n in state if n != "count"}
        if self.mode == "hetero":
            return in_blocks(partial(self._weighted_mean, stored, valid), queries)
        patterns = torch.cat([stored[name] for name in ("keys", "values") if name in stored], -1)
        return in_blocks(partial(self._settle, patterns, valid), queries)

    def _settle(self, patterns: Tensor, valid: Tensor, queries: Tensor) -> Tensor:
        """Bits [Q, V] after all sweeps; zeros without a pattern."""
        probe = signs(queries)
        if self.mode == "auto":
            fixed, bits, free, sweeps = probe[:, :0], probe, patterns, self.steps
        else:
            free = patterns[:, self.key_dim :]
            pull = self._pulls(probe @ patterns[:, : self.key_dim].mT, valid, (0,))[0]
            unknown = probe.new_zeros(probe.shape[0], self.value_dim)
            fixed, bits, sweeps = probe, _decided(pull @ free, pull, unknown), self.steps - 1
        for _ in range(sweeps):
            overlaps = torch.cat([fixed, bits], dim=-1) @ patterns.mT
            bits = self._sweep(overlaps, bits, free, valid)
        return torch.where(valid.any(), bits, 0.0)

    def _sweep(self, overlaps: Tensor, bits: Tensor, patterns: Tensor, valid: Tensor) -> Tensor:
        """Bits [Q, B] after all of them were set at once, from overlaps [Q, M].

        F(P + r) - F(-P + r) = P G(r) with G(r) = F(r+1) - F(r-1), and r = o - P s for overlap o:
        it takes three values, o - 1, o and o + 1, so that no [Q, M, B] array is needed.
        """
        agree, unknown, differ = self._pulls(overlaps, valid, (1, 0, -1))
        steady = bits * (agree - differ).sum(-1, keepdim=True)
        known = ((agree + differ) @ patterns + steady) / 2
        # a bit that an earlier sweep could not decide has no overlap to leave out
        field = torch.where(bits == 0, unknown @ patterns, known)
        return _decided(field, agree.abs() + differ.abs(), bits)

    def _pulls(self, overlaps: Tensor, valid: Tensor, bits: tuple[int, ...]) -> list[Tensor]:
        """G(o - bit) [Q, M] of each overlap o, for each of the given bits; zero where not valid."""
        if self.degree == "exp":
            # a factor common to all patterns changes no sign, and keeps the exponent below one
            overlaps = torch.where(valid, overlaps, -self.n_bits)
            overlaps = overlaps - overlaps.amax(-1, keepdim=True)
        return [torch.where(valid, self._pull(overlaps - bit), 0.0) for bit in bits]

    def _pull(self, overlaps: Tensor) -> Tensor:
        """G(r) = F(r + 1) - F(r - 1) up to a constant factor, of overlaps with the other bits."""
        if self.degree == "exp":
            return overlaps.exp()
        degree = int(self.degree)
        up, down = (overlaps + 1) / self.n_bits, (overlaps - 1) / self.n_bits
        if self.rectified:
            up, down = up.relu(), down.relu()
        # a^p - b^p as (a - b) times a sum: the difference of two powers would cancel
        terms = [up**i * down ** (degree - 1 - i) for i in range(degree)]
        return (up - down) * torch.stack(terms).sum(0)

    def _weighted_mean(self, stored: State, valid: Tensor, queries: Tensor) -> Tensor:
        """Values [Q, V] weighted by the interaction."""
        overlaps = signs(queries) @ stored["keys"].mT
        if self.degree == "exp":
            return masked_softmax(overlaps, valid) @ stored["values"]
        cosines = overlaps / self.n_bits
        if self.rectified:
            cosines = cosines.relu()
        weights = torch.where(valid, cosines ** int(self.degree), 0.0)
        total = weights.sum(-1, keepdim=True)
        return weights / torch.where(total > 0, total, 1.0) @ stored["values"]


def _decided(field: Tensor, terms: Tensor, bits: Tensor) -> Tensor:
    """The field's signs [Q, B]; the old bit where it is zero up to the rounding of its terms."""
    slack = rounding(field) * terms.abs().sum(-1, keepdim=True)
    return torch.where(field.abs() <= slack, bits, field.sign())


def _check(
    key_dim: int, value_dim: int, degree: int | Literal["exp"], rectified: bool, mode: str
) -> None:
    if mode == "auto" and key_dim != value_dim:
        raise InvalidParameter(
            "mode",
            f"'auto' recalls the key itself, but key_dim is {key_dim} and value_dim {value_dim}",
            help="use mode 'auto-concat' or 'hetero'",
        )
    if rectified and degree == "exp":
        raise InvalidParameter(
            "rectified",
            "means nothing with degree 'exp', which is never negative",
            help="leave rectified out, or choose a power",
        )
    if mode == "hetero" and degree != "exp" and degree % 2 and not rectified:
        raise InvalidParameter(
            "degree",
            f"{degree} gives negative weights in mode 'hetero'",
            help="use an even degree, 'exp', or rectified: true",
        )
