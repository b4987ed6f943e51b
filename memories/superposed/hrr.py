"""Holographic reduced representations: bound pairs added up in one vector."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Gt
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, InvalidParameter, State
from memories.features import KeyNorm, normalise_keys, unit

WIDTH = 4096
"""Default length of a trace in floats."""
BLOCK_FLOATS = 2**20
"""Floats of phasors formed at a time, or of spectra: 4 MB."""


@memory("hrr", family="superposed", source="Plate 1995; Plate 2003")
class HolographicReducedRepresentation(AssociativeMemory):
    """Recalls a value by unbinding the query from the sum of all bound pairs.

    ``phase``: a key is a vector of n/2 phasors e(k) = exp(i W k), rows of W from N(0, I/l^2), a
    value is spread by a random complex P [n/2, V]; T <- T + e(k) * P v, and a read is
    Re(P^H (T * conj e(q))). Two different keys have nearly orthogonal phasors however few
    dimensions they have, so that the noise, N V / n, falls with the length of the trace.

    ``fft``: circular convolution of key and value of one width n, T <- T + k (*) v, undone by
    circular correlation (Plate 1995). The noise is N, or N - 1 if key spectra are brought to
    modulus one (`unitary`).

    State: ``trace``, [n/2, 2] real and imaginary parts, or [n] with fft; ``count``.

    Args:
        key_dim: D.
        value_dim: V.
        encoding: How keys are bound to values.
        width: Length n of the trace in floats, even, at least 2 V; 4096 if not given. With fft
            it is the width of keys and values.
        length_scale: Length l over which phasors of two keys become unlike; phase only.
        unitary: Whether key spectra have modulus one, as phasors always have.
        key_norm: Preprocessing of keys and queries.
        generator: Source of W and P.

    Raises:
        InvalidParameter: If fft meets keys and values of different width, a `width` cannot be
            had, or phase is asked for without `unitary`.
    """

    length_scale: Tensor
    frequencies: Tensor
    spread: Tensor

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        encoding: Literal["phase", "fft"] = "phase",
        width: Annotated[int, Ge(2)] | None = None,
        length_scale: Annotated[float, Gt(0)] = 0.5,
        unitary: bool = True,
        key_norm: KeyNorm = "unit",
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if encoding == "fft":
            _check_fft(key_dim, value_dim, width)
        else:
            _check_phase(value_dim, WIDTH if width is None else width, unitary)
        self.encoding = encoding
        self.unitary = unitary
        self.key_norm: KeyNorm = key_norm
        self.width = key_dim if encoding == "fft" else WIDTH if width is None else width
        self.scalar("length_scale", length_scale)
        if encoding == "phase":
            n = self.width // 2
            self.register_buffer("frequencies", torch.randn(n, key_dim, generator=generator))
            # [V, n]: real parts of P^T, then imaginary ones
            drawn = torch.randn(value_dim, self.width, generator=generator)
            self.register_buffer("spread", drawn / self.width**0.5)

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        fft = params.get("encoding", "phase") == "fft"
        least = key_dim if fft else 2 * value_dim
        if budget < least:
            raise InvalidParameter(
                "budget",
                f"must be >= {least}, the {'only' if fft else 'shortest'} trace, got {budget}",
                help="raise the budget, or leave this memory out",
            )
        return {} if fft else {"width": budget - budget % 2}

    @override
    def init_state(self) -> State:
        shape = (self.width // 2, 2) if self.encoding == "phase" else (self.width,)
        return {
            "trace": self.length_scale.new_zeros(shape),
            "count": self.length_scale.new_zeros((), dtype=torch.int64),
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
        bound = self._bound_phasors if self.encoding == "phase" else self._convolved
        trace = state["trace"]
        blocks = map(self._blocks, (normalise_keys(keys, self.key_norm), values))
        for of_keys, of_values in zip(*blocks, strict=True):
            trace = trace + bound(of_keys, of_values)
        return {"trace": trace, "count": state["count"] + keys.shape[0]}

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        unbind = self._unbound_phasors if self.encoding == "phase" else self._correlated
        probes = self._blocks(normalise_keys(queries, self.key_norm))
        return torch.cat([unbind(state["trace"], block) for block in probes])

    def _blocks(self, events: Tensor) -> tuple[Tensor, ...]:
        """The events [N, ...] in parts whose phasors or spectra stay small."""
        return torch.split(events, max(1, BLOCK_FLOATS // self.width))

    def _phasors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Real and imaginary parts [n, n/2] of exp(i W x)."""
        phases = (x / self.length_scale) @ self.frequencies.mT
        return phases.cos(), phases.sin()

    def _bound_phasors(self, keys: Tensor, values: Tensor) -> Tensor:
        """Sum of e(k) * P v over events, [n/2, 2]."""
        # sum_e e(k) * (P v) has as rows those of P times those of sum_e e(k)^T v
        cos, sin = (values.mT @ part for part in self._phasors(keys))
        real, imaginary = self.spread.chunk(2, dim=-1)
        return torch.stack(
            [(real * cos - imaginary * sin).sum(0), (real * sin + imaginary * cos).sum(0)], dim=-1
        )

    def _unbound_phasors(self, trace: Tensor, queries: Tensor) -> Tensor:
        """Re(P^H (T * conj e(q))), [Q, V]."""
        cos, sin = self._phasors(queries)
        real, imaginary = trace.unbind(-1)
        unbound = torch.cat([real * cos + imaginary * sin, imaginary * cos - real * sin], dim=-1)
        # a sum over the whole trace: in float32 its rounding would show in the sixth digit
        return (unbound.double() @ self.spread.double().mT).to(queries.dtype)

    def _spectra(self, keys: Tensor) -> Tensor:
        """Spectra [n, n/2 + 1] of keys; zero stays zero."""
        spectra: Tensor = torch.fft.rfft(keys)
        if not self.unitary:
            return spectra
        return torch.view_as_complex(unit(torch.view_as_real(spectra)))

    def _convolved(self, keys: Tensor, values: Tensor) -> Tensor:
        """Sum of k (*) v over events, [n]."""
        product = (self._spectra(keys) * torch.fft.rfft(values)).sum(0)
        convolved: Tensor = torch.fft.irfft(product, n=self.width)
        return convolved

    def _correlated(self, trace: Tensor, queries: Tensor) -> Tensor:
        """What is bound to each query, [Q, n]."""
        product = self._spectra(queries).conj() * torch.fft.rfft(trace)
        correlated: Tensor = torch.fft.irfft(product, n=self.width)
        return correlated


def _check_fft(key_dim: int, value_dim: int, width: int | None) -> None:
    if key_dim != value_dim:
        raise InvalidParameter(
            "encoding",
            f"'fft' needs keys as wide as values, but they have {key_dim} and {value_dim}",
            help="use encoding 'phase', which binds any widths",
        )
    if width not in (None, key_dim):
        raise InvalidParameter(
            "width",
            f"is {key_dim}, that of the keys, with encoding 'fft', got {width}",
            help="leave width out, or use encoding 'phase'",
        )


def _check_phase(value_dim: int, width: int, unitary: bool) -> None:
    if width % 2:
        raise InvalidParameter(
            "width",
            f"must be even with encoding 'phase', got {width}",
            help="a phasor takes two floats",
        )
    if width < 2 * value_dim:
        raise InvalidParameter(
            "width",
            f"must be >= {2 * value_dim}, two floats per dimension of a value, got {width}",
            help="give a longer trace",
        )
    if not unitary:
        raise InvalidParameter(
            "unitary",
            "must be true with encoding 'phase', whose phasors have modulus one",
            help="use encoding 'fft' for keys whose spectrum is left as it is",
        )
