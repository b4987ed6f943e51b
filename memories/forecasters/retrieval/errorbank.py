"""A frozen backbone corrected by remembered errors; any associative memory is the bank."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from bench.registry import memory
from memories.base import MemorySlot, OnlineForecaster, State

BANK = "bank/"
"""Prefix of the bank's entries in the forecaster's state."""


@memory("errorbank", family="retrieval", source="H-Mem's error memory with any memory in its slot")
class ErrorBank(OnlineForecaster):
    """Adds to each forecast the residual that an associative memory recalls for the newest rows.

    Key: the last P rows, flattened. Value: the residual of the forecast issued at origin tau, over
    its whole horizon. The value is known, and written, when row tau + H is revealed: one event per
    origin, target and forecast of the same origin. Nothing is written for an origin at which no
    forecast was issued. What is stored is the backbone's error, not the corrected forecast's: a
    bank that stored its own success would forget it.

    Args:
        channels: C.
        lookback: L.
        horizon: H.
        backbone: Pre-trained module, [B, L, C] to [B, H, C].
        memory: The associative memory that serves as bank.
        key_ratio: P as a share of H (at least one row, at most L).
        capacity: Events the bank is built for.
        min_entries: Errors that must have been stored before a forecast is corrected.
        strength: Factor on the recalled residual.
        max_correction: Largest absolute correction, in standard deviations of the training rows;
            memories that sum their values (`linear-assoc`) need it.
        generator: Initialises the bank.
    """

    strength: Tensor

    def __init__(
        self,
        channels: int,
        lookback: int,
        horizon: int,
        backbone: nn.Module,
        *,
        memory: MemorySlot,
        key_ratio: Annotated[float, Gt(0)] = 0.5,
        capacity: Annotated[int, Ge(1)] = 1000,
        min_entries: Annotated[int, Ge(1)] = 1,
        strength: Annotated[float, Ge(0), Le(1)] = 1.0,
        max_correction: Annotated[float, Gt(0)] = 5.0,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.channels, self.horizon = channels, horizon
        self.key_rows = min(lookback, max(1, int(key_ratio * horizon)))
        self.min_entries, self.max_correction = min_entries, max_correction
        self.backbone = backbone.eval()
        self.bank = memory(
            key_dim=self.key_rows * channels,
            value_dim=horizon * channels,
            context_dim=0,
            max_events=capacity,
            generator=generator,
        )
        self.vectorized = self.bank.vectorized
        self.scalar("strength", strength)

    def init_state(self) -> State:
        """An empty bank, and a ring of the last H issued forecasts [H, H, C]."""
        h, device = self.horizon, self.strength.device
        counter = torch.zeros((), dtype=torch.int64, device=device)
        return {
            **{BANK + name: entry for name, entry in self.bank.init_state().items()},
            "issued": torch.zeros(h, h, self.channels, device=device),
            "issued_at": torch.full((h,), -1, dtype=torch.int64, device=device),
            "step": counter,
            "stored": counter.clone(),
        }

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:  # noqa: ARG002
        """The state after the error of origin t-H, now complete, was written to the bank."""
        window, target = recent
        step = state["step"] + 1
        here = torch.arange(self.horizon, device=step.device) == step % self.horizon
        issued = torch.where(here[:, None, None], state["issued"], 0.0).sum(0)
        complete = (torch.where(here, state["issued_at"], 0).sum() == step - self.horizon) & (
            step > self.horizon
        )
        bank = _bank(state)
        written = self.bank.write(bank, self._key(window), (target - issued).reshape(1, -1))
        kept = {
            BANK + name: torch.where(complete, entry, bank[name]) for name, entry in written.items()
        }
        return {**state, **kept, "step": step, "stored": state["stored"] + complete}

    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        """The backbone's forecast [H, C] plus the recalled residual, and the state after it."""
        base: Tensor = self.backbone(window[None])[0]
        recalled = self.bank.read(_bank(state), self._key(window)).reshape(base.shape)
        correction = (self.strength * recalled).clamp(-self.max_correction, self.max_correction)
        enough = state["stored"] >= self.min_entries
        here = torch.arange(self.horizon, device=base.device) == state["step"] % self.horizon
        issued = torch.where(here[:, None, None], base, state["issued"])
        issued_at = torch.where(here, state["step"], state["issued_at"])
        forecast = base + torch.where(enough, correction, 0.0)
        return forecast, {**state, "issued": issued, "issued_at": issued_at}

    def _key(self, window: Tensor) -> Tensor:
        """The newest P rows of a window as one key [1, P C]."""
        return window[-self.key_rows :].reshape(1, -1)


def _bank(state: State) -> State:
    return {
        name.removeprefix(BANK): entry for name, entry in state.items() if name.startswith(BANK)
    }
