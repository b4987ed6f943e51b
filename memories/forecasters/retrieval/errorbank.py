"""A frozen backbone corrected by remembered errors; any associative memory is the bank."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Protocol, runtime_checkable

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from bench.registry import memory
from memories.base import MemorySlot, OnlineForecaster, State
from memories.forecasters.retrieval.conditional_write import write_if
from memories.forecasters.retrieval.default_bank import DefaultBank

BANK = "bank/"
"""Prefix of the bank's entries in the forecaster's state."""
PLAIN_SOFT = DefaultBank({"preset": "plain-soft"})
"""The bank that H-Mem's controls use: no age, no threshold, a softmax over five errors."""


@runtime_checkable
class Telling(Protocol):
    """A memory that says what an answer came from."""

    def read_info(self, state: State, queries: Tensor) -> Mapping[str, Tensor]:
        """What was recalled for queries [Q, D], and from where."""


@memory("errorbank", family="retrieval", source="H-Mem's error memory with any memory in its slot")
class ErrorBank(OnlineForecaster):
    """Adds to each forecast the residual that an associative memory recalls for the newest rows.

    Key: the last P rows, flattened. Value: the residual of the forecast issued at origin tau, over
    its whole horizon. The value is known, and written, when row tau + H is revealed: one event per
    origin, target and forecast of the same origin. Nothing is written for an origin at which no
    forecast was issued. What is stored is the backbone's error, not the corrected forecast's: a
    bank that stored its own success would forget it.

    State: the memory's own under ``bank/``; ``issued`` [H, H, C], the backbone's forecasts of the
    last H origins, and ``issued_at`` [H], when; ``step`` and ``stored`` count rows and errors;
    ``query`` [1, P C], what the newest forecast asked for, if the memory tells what it recalls.

    Args:
        channels: C.
        lookback: L.
        horizon: H.
        backbone: Pre-trained module, [B, L, C] to [B, H, C].
        memory: The associative memory that serves as bank: H-Mem's own, which recalls the
            softmax-weighted mean of the errors under the five most similar keys, or any other.
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
        memory: MemorySlot = PLAIN_SOFT,
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
        self.tells = isinstance(self.bank, Telling)
        self.scalar("strength", strength)

    def init_state(self) -> State:
        """An empty bank, and a ring of the last H issued forecasts [H, H, C]."""
        h, device = self.horizon, self.strength.device
        counter = torch.zeros((), dtype=torch.int64, device=device)
        asked = torch.zeros(1, self.key_rows * self.channels, device=device)
        return {
            **{BANK + name: entry for name, entry in self.bank.init_state().items()},
            **({"query": asked} if self.tells else {}),
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
        key, error = self._key(window)[0], (target - issued).reshape(-1)
        bank = write_if(self.bank, _bank(state), key, error, complete)
        kept = {BANK + name: entry for name, entry in bank.items()}
        return {**state, **kept, "step": step, "stored": state["stored"] + complete}

    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        """The backbone's forecast [H, C] plus the recalled residual, and the state after it."""
        base: Tensor = self.backbone(window[None])[0]
        key = self._key(window)
        recalled = self.bank.read(_bank(state), key).reshape(base.shape)
        correction = (self.strength * recalled).clamp(-self.max_correction, self.max_correction)
        enough = state["stored"] >= self.min_entries
        here = torch.arange(self.horizon, device=base.device) == state["step"] % self.horizon
        issued = torch.where(here[:, None, None], base, state["issued"])
        issued_at = torch.where(here, state["step"], state["issued_at"])
        forecast = base + torch.where(enough, correction, 0.0)
        asked = {"query": key} if self.tells else {}
        return forecast, {**state, **asked, "issued": issued, "issued_at": issued_at}

    def report(self, state: State) -> Mapping[str, Tensor]:
        """What the bank holds and what the newest forecast found in it, where the memory tells.

        ``bank_utilisation``, the share of its slots in use; ``retrieved_age``, the mean age of
        what was recalled, weighted as it was used, 1 for the newest error; zero for nothing.
        """
        bank, found = _bank(state), {}
        if self.bank.slot_state:
            found["bank_utilisation"] = self.bank.valid(bank).to(self.strength.dtype).mean()
        if isinstance(self.bank, Telling):
            age = retrieved_age(self.bank.read_info(bank, state["query"]))
            found |= {} if age is None else {"retrieved_age": age}
        return found

    def _key(self, window: Tensor) -> Tensor:
        """The newest P rows of a window as one key [1, P C]."""
        return window[-self.key_rows :].reshape(1, -1)


def _bank(state: State) -> State:
    return {
        name.removeprefix(BANK): entry for name, entry in state.items() if name.startswith(BANK)
    }


def retrieved_age(info: Mapping[str, Tensor]) -> Tensor | None:
    """Weighted mean age of what one query recalled, the newest event's being 1; zero for nothing.

    Args:
        info: What a memory's `read_info` says of it: ``weights`` over slots, or over the slots
            ``idx``, and the slots' ``age`` from 0. None comes back where it says something else.
    """
    weights = info["weights"] if "weights" in info else info.get("found")
    if weights is None or "age" not in info:
        return None
    age = (info["age"][info["idx"]] if "idx" in info else info["age"]) + 1
    if age.shape[-1] != weights.shape[-1]:
        return None
    weights = weights.to(torch.float32)
    total = weights.sum()
    return (weights * age).sum() / torch.where(total > 0, total, 1.0)
