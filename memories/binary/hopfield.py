"""The Hopfield network: bit patterns as fixed points of symmetric couplings."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Gt
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, InvalidParameter, State
from memories.binary.signs import signs
from memories.matrix import least_squares
from memories.sizing import only_size

TIE = 1e-9
"""Fields of the projection rule up to this count as zero: what a float64 solve leaves of a tie."""


@memory("hopfield", family="binary", source="Hopfield 1982; Kosko 1988")
class Hopfield(AssociativeMemory):
    """Recalls the bits of a value by letting a network settle with the key's bits held fixed.

    Patterns are signs, sign(0) = +1, n bits. J = (1/n) sum_mu x_mu^T x_mu without its diagonal
    (rule hebb), or the projection on the patterns (Personnaz, Guyon & Dreyfus 1985). A step sets
    s <- sign(s J), a bit whose field is zero staying as it is. About 0.138 n random patterns are
    fixed points up to a few bits; beyond, all are lost together. Steps that set all bits at once
    may end in a cycle of two; the last state counts.

    State: ``couplings``, kept as sums without the factor 1/n, so that they and their ties are
    exact in floats (in float32 up to 2^24 / n patterns), and ``count``. [n, n]; the projection
    keeps the diagonal and is formed when read. Hetero [D, V].

    Args:
        key_dim: D.
        value_dim: V.
        mode: ``auto-concat`` stores [key; value], n = D + V, and recalls the value's bits, which
            are zero (unknown) until the first step. ``auto`` stores keys alone, n = D = V, and
            repairs the query. ``hetero`` keeps J = (1/D) sum sign(key)^T value and recalls
            sign(sign(query) J) in one step (a one-way bidirectional associative memory), zero
            where the field is.
        rule: How couplings are made from patterns; hetero has hebb alone.
        readout: ``sign`` recalls bits; ``linear`` recalls the field of the last step itself, and
            lets hetero store values as they are instead of their signs.
        steps: Steps T, or sweeps if `sequential`; hetero has one.
        sequential: Whether bits are set one after another, in order, each seeing those before.
            Never cycles; a loop of T n steps.
        ridge: Ridge of the projection rule.

    Raises:
        InvalidParameter: If mode auto meets key_dim != value_dim, or hetero the projection rule.
    """

    ridge: Tensor

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        mode: Literal["auto", "hetero", "auto-concat"] = "auto-concat",
        rule: Literal["hebb", "projection"] = "hebb",
        readout: Literal["sign", "linear"] = "sign",
        steps: Annotated[int, Ge(1)] = 20,
        sequential: bool = False,
        ridge: Annotated[float, Gt(0)] = 1e-4,
    ) -> None:
        super().__init__()
        if mode == "auto" and key_dim != value_dim:
            raise InvalidParameter(
                "mode",
                f"'auto' returns keys, but key_dim is {key_dim} and value_dim {value_dim}",
                help="use mode 'auto-concat', which recalls values of any width",
            )
        if mode == "hetero" and rule == "projection":
            raise InvalidParameter(
                "rule",
                "'projection' needs mode 'auto' or 'auto-concat'",
                help="the memory ridge-assoc is the projection rule from keys to values",
            )
        self.key_dim = key_dim
        self.value_dim = value_dim
        self.mode = mode
        self.rule = rule
        self.readout = readout
        self.steps = steps
        self.sequential = sequential
        self.scalar("ridge", ridge)

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        rows, columns = _shape(params.get("mode", "auto-concat"), key_dim, value_dim)
        return only_size(rows * columns, budget)

    @override
    def init_state(self) -> State:
        return {
            "couplings": self.ridge.new_zeros(_shape(self.mode, self.key_dim, self.value_dim)),
            "count": self.ridge.new_zeros((), dtype=torch.int64),
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
        given = signs(keys)
        if self.mode == "hetero":
            couplings = given.mT @ (values if self.readout == "linear" else signs(values))
        else:
            patterns = given if self.mode == "auto" else torch.cat([given, signs(values)], dim=1)
            couplings = patterns.mT @ patterns
        if self.mode != "hetero" and self.rule == "hebb":
            couplings = couplings * (1 - torch.eye(len(couplings), device=couplings.device))
        return {
            "couplings": state["couplings"] + couplings,
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
        given = signs(queries)
        if self.mode == "hetero":
            field = given @ state["couplings"]
            return field.sign() if self.readout == "sign" else field / self.key_dim
        couplings = self._couplings(state)
        given = given.to(couplings.dtype)
        if self.mode == "auto":
            recalled = self._settle(torch.zeros_like(given), given, couplings)
        else:
            drive = given @ couplings[: self.key_dim, self.key_dim :]
            free = couplings[self.key_dim :, self.key_dim :]
            recalled = self._settle(drive, torch.zeros_like(drive), free)
        return torch.where(state["count"] > 0, recalled, 0.0).to(queries.dtype)

    def _couplings(self, state: State) -> Tensor:
        """Couplings n J [n, n]; float64 where it comes from a solve."""
        sums = state["couplings"]
        if self.rule == "hebb":
            return sums
        projection = least_squares.solve(sums, sums, self.ridge, torch.float64)
        return len(sums) * projection

    def _settle(self, drive: Tensor, start: Tensor, couplings: Tensor) -> Tensor:
        """What is read of the free bits [Q, f] after all steps.

        Args:
            drive: Field of the bits that are held fixed, [Q, f].
            start: Free bits before the first step, [Q, f].
            couplings: Among the free bits, [f, f].
        """
        step = self._sweep if self.sequential else self._step
        bits_now = start
        for _ in range(self.steps - (1 if self.readout == "linear" else 0)):
            bits_now = step(drive, bits_now, couplings)
        if self.readout == "sign":
            return bits_now
        n_bits = self.key_dim + (self.value_dim if self.mode == "auto-concat" else 0)
        return (drive + bits_now @ couplings) / n_bits

    def _step(self, drive: Tensor, bits_now: Tensor, couplings: Tensor) -> Tensor:
        return self._signed(drive + bits_now @ couplings, bits_now)

    def _sweep(self, drive: Tensor, bits_now: Tensor, couplings: Tensor) -> Tensor:
        number = torch.arange(bits_now.shape[-1], device=bits_now.device)
        for i in range(bits_now.shape[-1]):
            field = drive[:, i : i + 1] + bits_now @ couplings[:, i : i + 1]
            bits_now = torch.where(number == i, self._signed(field, bits_now), bits_now)
        return bits_now

    def _signed(self, field: Tensor, bits_now: Tensor) -> Tensor:
        """Signs of the field; the old bit where it is zero."""
        tie = TIE if self.rule == "projection" else 0.0
        return torch.where(field.abs() <= tie, bits_now, field.sign())


def _shape(mode: str, key_dim: int, value_dim: int) -> tuple[int, int]:
    """Shape of the couplings."""
    if mode == "hetero":
        return key_dim, value_dim
    n_bits = key_dim + (value_dim if mode == "auto-concat" else 0)
    return n_bits, n_bits
