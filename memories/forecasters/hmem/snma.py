"""Surprise-driven neural memory that adapts a backbone by generating low-rank weights."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from memories.base import InvalidParameter, State
from memories.forecasters.hmem.hypernetwork import FlatHypernetwork, LayerHypernetwork
from memories.forecasters.hmem.lora import Injection
from memories.forecasters.hmem.memory_update import GatedMomentum, Interpolation
from memories.forecasters.hmem.multiscale import AttentionRead, ConcatRead, MultiScale, widths
from memories.forecasters.hmem.surprise import (
    AutoregressiveEncoder,
    ForecastEncoder,
    ReconstructionEncoder,
    running_statistics,
)

Surprise = Literal["ar", "recon", "forecast"]
Update = Literal["gated-momentum", "surprise-lerp", "clamped", "smoothed"]

ENCODERS: dict[str, type[AutoregressiveEncoder | ReconstructionEncoder | ForecastEncoder]] = {
    "ar": AutoregressiveEncoder,
    "recon": ReconstructionEncoder,
    "forecast": ForecastEncoder,
}
HYPERNETWORKS: dict[str, type[FlatHypernetwork | LayerHypernetwork]] = {
    "flat": FlatHypernetwork,
    "per-layer": LayerHypernetwork,
}
READS: dict[str, type[ConcatRead | AttentionRead]] = {"concat": ConcatRead, "attn": AttentionRead}


class SNMA(nn.Module):
    """A memory vector of the newest rows, and the low-rank weights it generates.

    One call encodes the rows, measures how surprising they are, moves the memory and maps it to
    the weights of an `Injection`. Everything that changes is the state: a replay gives the state
    of its time as an argument, and no gradient reaches further back.

    State: ``M`` [memory_size], ``age`` (updates, int64), ``mu`` and ``var`` (running mean and
    variance of the raw surprise). A replay needs all four.

    Args:
        channels: C.
        rows: P, how many of the newest rows are encoded.
        injection: Layout of the generated weights [T].
        memory_dim: m, width of the memory that the hypernetwork reads.
        encoding_dim: de, width of the rows' encoding; projected to m where the rule needs it.
        bottleneck: b, width of the hypernetwork's inner layers.
        surprise: ``ar`` (error of predicting each row from the one before, not normalised),
            ``recon`` (distance of the encoding to its reconstruction) or ``forecast`` (error of an
            earlier forecast on these rows).
        update: How the memory moves, see `GatedMomentum` and `Interpolation`.
        hypernet: ``flat`` (one narrow network) or ``per-layer`` (bounded factors).
        b_init: ``zero`` starts with the backbone's own forecast, ``default`` does not.
        momentum: Share of the old value that the running statistics keep, and the memory itself
            under ``gated-momentum``; in [0, 1), and above 0 where the surprise is normalised.
        smooth_form: Form of the factor that ``smoothed`` makes of the surprise.
        reset_each_step: Whether the memory is emptied before every update, which leaves a network
            from the newest rows to weights.
        frozen_memory: Whether the memory stays zero, which leaves one trained update of the
            weights.
        scales: Whether three memories of different time constants take the place of one.
        combine: How the three are read.
        generator: Draws all weights.

    Raises:
        InvalidParameter: If options exclude each other or the sizes do not fit.
    """

    def __init__(
        self,
        channels: int,
        rows: int,
        injection: Injection,
        *,
        memory_dim: int = 256,
        encoding_dim: int = 128,
        bottleneck: int = 32,
        surprise: Surprise = "recon",
        update: Update = "smoothed",
        hypernet: Literal["flat", "per-layer"] = "per-layer",
        b_init: Literal["zero", "default"] = "zero",
        momentum: float = 0.9,
        smooth_form: Literal["sigmoid", "centered"] = "sigmoid",
        reset_each_step: bool = False,
        frozen_memory: bool = False,
        scales: bool = False,
        combine: Literal["concat", "attn"] = "concat",
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        _check_sizes(rows, surprise, momentum)
        _check_parts(update, scales, reset_each_step, frozen_memory)
        self.rows, self.momentum = rows, momentum
        self.reset_each_step, self.frozen_memory = reset_each_step, frozen_memory
        self.memory_size = sum(widths(memory_dim)) if scales else memory_dim
        self.encoder = ENCODERS[surprise](channels, encoding_dim, generator=generator)
        self.read: nn.Module | None = None
        if scales:
            self.update: nn.Module = MultiScale(
                memory_dim, encoding_dim, smooth_form=smooth_form, generator=generator
            )
            self.read = READS[combine](memory_dim, encoding_dim, generator=generator)
        elif update == "gated-momentum":
            self.update = GatedMomentum(
                memory_dim, encoding_dim, momentum=momentum, generator=generator
            )
        else:
            self.update = Interpolation(
                memory_dim, encoding_dim, rule=update, smooth_form=smooth_form, generator=generator
            )
        self.hypernetwork = HYPERNETWORKS[hypernet](
            memory_dim, injection, bottleneck=bottleneck, b_init=b_init, generator=generator
        )

    def init_state(self) -> State:
        """An empty memory [memory_size], no updates, and statistics of mean 0 and variance 1."""
        like = self.hypernetwork.generators.weight
        return {
            "M": like.new_zeros(self.memory_size),
            "age": like.new_zeros((), dtype=torch.int64),
            "mu": like.new_zeros(()),
            "var": like.new_ones(()),
        }

    def forward(
        self, state: State, pogt: Tensor, partial_error: Tensor
    ) -> tuple[Tensor, State, dict[str, Tensor]]:
        """Low-rank weights [T], the state after the update, and what led to them.

        Args:
            state: Entries of `init_state`.
            pogt: Newest rows [P, C], the ground truth known so far of an earlier forecast.
            partial_error: That forecast's error on them [P, C]; looked at by ``forecast`` alone.

        Returns:
            The weights, the new state, and: ``surprise``, ``rho`` (raw), ``surprise_loss``
            (trains what measures the surprise), all scalars; ``encoding`` [de]; ``memory`` [m],
            what the hypernetwork reads.
        """
        encoded = self.encoder(pogt, partial_error)
        surprise, mu, var = encoded.rho, state["mu"], state["var"]
        if self.encoder.normalised:
            surprise, mu, var = running_statistics(encoded.rho, mu, var, self.momentum)
        memory, age = self._moved(state, encoded.encoding, surprise)
        read = memory if self.read is None else self.read(memory, encoded.encoding, age)
        info = {
            "surprise": surprise,
            "rho": encoded.rho,
            "surprise_loss": encoded.loss,
            "encoding": encoded.encoding,
            "memory": read,
        }
        new_state = {"M": memory, "age": age, "mu": mu, "var": var}
        return self.hypernetwork(read), new_state, info

    def _moved(self, state: State, encoding: Tensor, surprise: Tensor) -> tuple[Tensor, Tensor]:
        """Memory and age after one update."""
        memory, age = state["M"], state["age"]
        if self.frozen_memory:
            return torch.zeros_like(memory), age
        if self.reset_each_step:
            memory, age = torch.zeros_like(memory), torch.zeros_like(age)
        return self.update(memory, encoding, surprise), age + 1


def _check_sizes(rows: int, surprise: Surprise, momentum: float) -> None:
    if rows < 1:
        raise InvalidParameter("rows", f"must be >= 1, got {rows}")
    if not 0 <= momentum < 1:
        raise InvalidParameter("momentum", f"must lie in [0, 1), got {momentum}")
    if momentum == 0 and ENCODERS[surprise].normalised:
        raise InvalidParameter(
            "momentum",
            f"with 0 the running mean is the newest surprise, and '{surprise}' is always zero",
            "take a momentum above 0, or surprise: ar",
        )


def _check_parts(update: Update, scales: bool, reset_each_step: bool, frozen_memory: bool) -> None:
    if scales and update != "smoothed":
        raise InvalidParameter(
            "update",
            f"memories of several scales are moved by 'smoothed', not by '{update}'",
            "leave update as it is, or set scales: false",
        )
    if reset_each_step and frozen_memory:
        raise InvalidParameter(
            "reset_each_step",
            "has no effect on a memory that stays zero",
            "set one of reset_each_step and frozen_memory",
        )
