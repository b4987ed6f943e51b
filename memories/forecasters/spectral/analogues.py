"""What followed after windows like this one, recalled from the windows' summaries."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from annotated_types import Ge
from torch import Tensor, nn

from memories.backbones.revin import Moments, RevIN
from memories.base import State
from memories.forecasters.hmem.issued import IssuedRing
from memories.forecasters.retrieval.conditional_write import write_if
from memories.spectral.spectral_kv import SpectralKv

EVENTS, RING = "events/", "waiting/"
"""Prefixes of the state's entries: of the key-value memory, and of the keys that wait."""

Ridge = Annotated[float, Ge(0)] | Literal["auto"]


class Analogues(nn.Module):
    """Recalls a target for a window by regression on the principal directions of earlier keys.

    Key: the summary s of a window, projected and of unit length, P s / |P s|. Value: the window's
    target in units of the window itself, (y - m) / d, with m its mean and d the root of its
    variance plus 1e-5. The value is known, and written, when its last row is revealed: key and
    moments wait in a ring until then. What is recalled is put into the units of the window that
    asks. An older event counts `decay` times as much at each new one.

    State: the memory's own under ``events/``, the ring under ``waiting/``, ``step``, the rows
    revealed.

    Args:
        width: Width of a summary.
        channels: C.
        horizon: H.
        key_dim: Width of a key, at most that of a summary.
        components: Directions K of the regression.
        decay: See above.
        ridge: Added to the eigenvalues; see `spectral-kv`.
        generator: Draws the projection, whose rows are orthonormal.
    """

    projection: Tensor

    def __init__(
        self,
        width: int,
        channels: int,
        horizon: int,
        *,
        key_dim: int,
        components: int,
        decay: float,
        ridge: Ridge,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.channels, self.horizon, self.least = channels, horizon, 2 * components
        drawn = torch.randn(width, key_dim, generator=generator)
        self.register_buffer("projection", torch.linalg.qr(drawn).Q)
        self.memory = SpectralKv(
            key_dim, horizon * channels, context_dim=0, components=components, ridge=ridge,
            decay=decay, generator=generator,
        )  # fmt: skip
        self.units = RevIN(channels)
        shapes = {"key": (key_dim,), "centre": (channels,), "scale": (channels,)}
        self.ring = IssuedRing(horizon, shapes)

    def init_state(self) -> dict[str, Tensor]:
        """No events, none waiting, no rows."""
        device, dtype = self.projection.device, self.projection.dtype
        waiting = self.ring.init_state(device)
        return {
            **_under(EVENTS, self.memory.init_state()),
            **_under(RING, {**waiting, "record": waiting["record"].to(dtype)}),
            "step": torch.zeros((), dtype=torch.int64, device=device),
        }

    def revealed(self, state: State, target: Tensor) -> dict[str, Tensor]:
        """The state after one more row, which completes a target [H, C]: that of origin t-H."""
        step = state["step"] + 1
        record, waited = self.ring.get(_part(RING, state), step - self.horizon)
        scale = torch.where(waited, record["scale"], 1.0)
        value = ((target - record["centre"]) / scale).reshape(-1)
        events = write_if(self.memory, _part(EVENTS, state), record["key"], value, waited)
        return {**state, **_under(EVENTS, events), "step": step}

    def asked(
        self, state: State, summary: Tensor, window: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The target [H, C] recalled for a window, and the state in which the window waits.

        Args:
            state: State after `revealed`.
            summary: Of the window [width].
            window: [L, C].
        """
        _, moments = self.units.normalise(window.mT)
        key = summary @ self.projection
        read = self.memory.read(_part(EVENTS, state), key[None])
        normal = read.view(self.horizon, self.channels).mT
        record = {"key": key, "centre": moments.centre, "scale": moments.scale}
        waiting = self.ring.put(_part(RING, state), state["step"], record)
        recalled = self.units.denormalise(normal, Moments(*moments)).mT
        return recalled, {**state, **_under(RING, waiting)}

    def enough(self, state: State) -> Tensor:
        """Whether 2 K events are stored, a bool scalar."""
        return self.stored(state) >= self.least

    def stored(self, state: State) -> Tensor:
        """Events ever stored, int64."""
        return state[EVENTS + "count"]


def _under(prefix: str, entries: State) -> dict[str, Tensor]:
    return {prefix + name: entry for name, entry in entries.items()}


def _part(prefix: str, state: State) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): entry for k, entry in state.items() if k.startswith(prefix)}
