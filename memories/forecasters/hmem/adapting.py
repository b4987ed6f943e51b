"""The first stage of H-Mem: a frozen backbone whose weights a fast memory adapts."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor, nn

from memories.base import OnlineForecaster, State, Unsuitable
from memories.forecasters.hmem.adapter import Adapter
from memories.forecasters.hmem.consolidation import Consolidation
from memories.forecasters.hmem.contradictions import check_snma, refuse_unread
from memories.forecasters.hmem.lora import Injection
from memories.forecasters.hmem.sizes import SIZES, SizeName
from memories.forecasters.hmem.snma import SNMA, Surprise, Update
from memories.forecasters.hmem.state import CONSOLIDATION, SNMA_STATE, under, within

Count = Annotated[int, Ge(1)]
Kept = Annotated[float, Ge(0), Lt(1)]

MOMENTUM = 0.9
"""Of the statistics of the surprise, where none is given."""
EVERY = 100
"""Forecasts between two consolidations, where no number is given."""


class Adapted(NamedTuple):
    """What SNMA makes of one origin; without it the backbone's forecast and zeros.

    Attributes:
        forecast: [H, C].
        flat: Low-rank weights [T]; None without SNMA.
        state: SNMA's state after the origin.
        surprise: Scalar.
        surprise_loss: What trains the surprise, a scalar.
        encoding: [de]; None without SNMA.
        memory: What the hypernetwork reads [m].
    """

    forecast: Tensor
    flat: Tensor | None
    state: State
    surprise: Tensor
    surprise_loss: Tensor
    encoding: Tensor | None
    memory: Tensor


class Adapting(OnlineForecaster):
    """A backbone with low-rank weights that SNMA generates from the newest rows.

    Args:
        channels: C.
        lookback: L.
        horizon: H.
        backbone: Pre-trained module, [B, L, C] to [B, H, C].
        size: Sets `rank`, `alpha`, `memory_dim`, `encoding_dim`, `bottleneck`, `feature_dim` and
            `capacity` where they are null: ``full`` to 8, 16, 256, 128, 32, 128 and 1000,
            ``small`` to 2, 4, 32, 16, 8, 16 and 128.
        snma: Whether the backbone is adapted.
        pogt_ratio: How many of the newest rows are looked at, as a share of H: P, at least one.
        pogt_lag: Rows by which these are taken too early; 0 is up to date, H as published.
        surprise: ``ar``, an error of predicting row from row; ``recon``, a distance of the
            encoding to its reconstruction; ``forecast``, the error of an earlier forecast.
        update: Rule by which the memory M moves.
        hypernet: ``flat`` (one narrow network) or ``per-layer`` (factors in (-1, 1)).
        b_init: ``zero`` starts as the backbone, ``default`` with a random update.
        rank: Rank of the low-rank weights.
        alpha: Scale of the update, times the rank.
        targets: Substrings of the paths of layers to adapt; null for all.
        memory_dim: m, width of M.
        encoding_dim: Width of the encoding of the newest rows.
        bottleneck: Inner width of the hypernetwork.
        momentum: Share of the old that the statistics of the surprise keep, and M itself under
            ``gated-momentum``.
        smooth_form: Form of the factor on the step of ``smoothed``.
        frozen_memory: Whether M stays zero, which leaves one trained low-rank update.
        reset_each_step: Whether M is emptied before every update.
        scales: Whether three memories of different time constants take the place of M.
        combine: How the three are read.
        lora_ema: Share of the former low-rank weights in the present ones. A replay smooths with
            the average of its own time, not with that of the origin.
        consolidate: Whether low-rank weights that pay off sink into the backbone.
        consolidate_every: Forecasts between two consolidations.
        generator: Draws all weights.

    Raises:
        InvalidParameter: If options contradict each other.
        Unsuitable: If the window is shorter than the newest rows that are looked at.
    """

    def __init__(
        self,
        channels: int,
        lookback: int,
        horizon: int,
        backbone: nn.Module,
        *,
        size: SizeName = "full",
        snma: bool = True,
        pogt_ratio: Annotated[float, Gt(0), Le(1)] = 0.5,
        pogt_lag: Annotated[int, Ge(0)] = 0,
        surprise: Surprise = "recon",
        update: Update = "smoothed",
        hypernet: Literal["flat", "per-layer"] = "per-layer",
        b_init: Literal["zero", "default"] = "zero",
        rank: Count | None = None,
        alpha: Annotated[float, Gt(0)] | None = None,
        targets: tuple[str, ...] | None = None,
        memory_dim: Count | None = None,
        encoding_dim: Count | None = None,
        bottleneck: Count | None = None,
        momentum: Kept = MOMENTUM,
        smooth_form: Literal["sigmoid", "centered"] = "sigmoid",
        frozen_memory: bool = False,
        reset_each_step: bool = False,
        scales: bool = False,
        combine: Literal["concat", "attn"] = "concat",
        lora_ema: Kept = 0.0,
        consolidate: bool = False,
        consolidate_every: Count = EVERY,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.channels, self.horizon, self.size = channels, horizon, size
        self.rows, self.lag = max(1, int(pogt_ratio * horizon)), pogt_lag
        if self.rows + self.lag > lookback:
            raise Unsuitable(
                f"it looks at {self.rows} rows that lag by {self.lag}, and a window has {lookback}"
            )
        self.memory_dim = memory_dim or SIZES[size].memory_dim
        self.encoding_dim = encoding_dim or SIZES[size].encoding_dim
        self.lora_ema, self.partial = lora_ema, snma and surprise == "forecast"
        self.adapter = Adapter(backbone.eval())
        self.injection: Injection | None = None
        self.consolidation: Consolidation | None = None
        if not snma:
            given = {"lora_ema": lora_ema > 0, "consolidate": consolidate}
            refuse_unread("needs SNMA, which is off", "set snma: true", **given)
            return
        check_snma(
            surprise,
            update,
            momentum_given=momentum != MOMENTUM,
            smooth_form=smooth_form,
            scales=scales,
            combine=combine,
        )
        own = SIZES[size]
        self.injection = Injection(backbone, rank or own.rank, alpha or own.alpha, targets)
        self.lora_scale = self.injection.scale
        if consolidate:
            self.consolidation = Consolidation(backbone, self.injection, consolidate_every)
        else:
            given = {"consolidate_every": consolidate_every != EVERY}
            refuse_unread("needs consolidation, which is off", "set consolidate: true", **given)
        part = SNMA(
            channels,
            self.rows,
            self.injection,
            memory_dim=self.memory_dim,
            encoding_dim=self.encoding_dim,
            bottleneck=bottleneck or own.bottleneck,
            surprise=surprise,
            update=update,
            hypernet=hypernet,
            b_init=b_init,
            momentum=momentum,
            smooth_form=smooth_form,
            reset_each_step=reset_each_step,
            frozen_memory=frozen_memory,
            scales=scales,
            combine=combine,
            generator=generator,
        )
        self.adapter.add("snma", part)

    @property
    def backbone(self) -> nn.Module:
        """The backbone with its pre-trained weights."""
        return self.adapter.backbone

    def newest(self, window: Tensor) -> Tensor:
        """The newest rows [P, C] of a window [L, C] that are looked at."""
        stop = window.shape[0] - self.lag
        return window[stop - self.rows : stop]

    def adapting_state(self, device: torch.device) -> dict[str, Tensor]:
        """What this stage adds to the state before any row."""
        state: dict[str, Tensor] = {}
        if self.adapter.snma is not None and self.injection is not None:
            state |= under(SNMA_STATE, self.adapter.snma.init_state())
            if self.lora_ema:
                state["lora_ema"] = torch.zeros(self.injection.size, device=device)
        if self.consolidation is not None:
            state |= under(CONSOLIDATION, self.consolidation.init_state(device))
        return state

    def adapting_record(self) -> dict[str, tuple[int, ...]]:
        """What a replay of this stage needs of its time, as names and shapes."""
        if self.adapter.snma is None:
            return {}
        fields = {"M": (self.adapter.snma.memory_size,), "age": (), "mu": (), "var": ()}
        return {**fields, "partial": (self.rows, self.channels)} if self.partial else fields

    def unadapted(self, state: State, window: Tensor) -> Tensor:
        """The backbone's forecast [H, C] from a window [L, C]."""
        return self._forecast(state, None, window)

    def adapt(
        self,
        adapter: Adapter,
        state: State,
        snma: State,
        rows: Tensor,
        partial: Tensor,
        window: Tensor,
        *,
        guard: bool = False,
    ) -> Adapted:
        """The adapted forecast of an origin.

        Args:
            adapter: The parts with their present weights.
            state: State of the forecaster.
            snma: State of SNMA before the origin.
            rows: Newest rows [P, C].
            partial: Error of an earlier forecast on them [P, C].
            window: [L, C].
            guard: Whether low-rank weights that are not finite are left out, so that the forecast
                is the backbone's.
        """
        if adapter.snma is None:
            zero, nothing = window.new_zeros(()), window.new_zeros(self.memory_dim)
            forecast = self._forecast(state, None, window)
            return Adapted(forecast, None, {}, zero, zero, None, nothing)
        flat, moved, info = adapter.snma(snma, rows, partial)
        if guard:
            flat = torch.where(flat.isfinite().all(), flat, 0.0)
        if self.lora_ema:
            smooth = torch.lerp(flat, state["lora_ema"], self.lora_ema)
            flat = torch.where(state["issued"] > 0, smooth, flat)
        forecast = self._forecast(state, flat, window)
        told = (info[name] for name in ("surprise", "surprise_loss", "encoding", "memory"))
        return Adapted(forecast, flat, moved, *told)

    def after_adapting(self, state: State, adapted: Adapted, warm: Tensor) -> dict[str, Tensor]:
        """The entries that change when an adapted forecast is issued.

        Args:
            state: State, this forecast counted.
            adapted: What was issued.
            warm: Whether the warm-up is over.
        """
        if adapted.flat is None:
            return {}
        new = under(SNMA_STATE, adapted.state)
        if self.lora_ema:
            new["lora_ema"] = adapted.flat
        if self.consolidation is not None:
            time = warm & (state["issued"] % self.consolidation.every == 0)
            own = within(state, CONSOLIDATION)
            own = self.consolidation.absorb(own, self.backbone, adapted.flat, time)
            new |= under(CONSOLIDATION, own)
        return new

    def _forecast(self, state: State, flat: Tensor | None, window: Tensor) -> Tensor:
        """The backbone's forecast [H, C] with low-rank weights [T], or without any."""
        if self.injection is None:
            plain: Tensor = self.backbone(window[None])[0]
            return plain
        if self.consolidation is None:
            return self.injection.forecast(self.backbone, flat, window[None])[0]
        shift = state[CONSOLIDATION + "shift"]
        return self.consolidation.forecast(self.backbone, shift, flat, window[None])[0]
