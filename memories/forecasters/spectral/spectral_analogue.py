"""Spectral memory with a second one beside it, of what followed after similar windows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor, nn

from bench.registry import memory
from memories.base import InvalidParameter, State
from memories.forecasters.online.generator_training import Pairs
from memories.forecasters.spectral.analogues import Analogues, Ridge
from memories.forecasters.spectral.joint_training import SNAPSHOT_EVERY
from memories.forecasters.spectral.spectral_online import START, SpectralOnline

Size = Annotated[int, Ge(1)]

ANALOGUES = "analogues/"
"""Prefix of what the analogues keep, in the state and among the buffers it starts from."""
LEAST_WEIGHT = 1e-4
"""The weight of what is recalled is learned between this and one minus this."""


@memory("spectral-analogue", family="spectral", source="after Marquez 2025; Massy 1965")
class SpectralAnalogue(SpectralOnline):
    """`spectral-online` mixed with the target that is recalled for windows like the newest one.

        yhat = (1 - g) f(X_t; tokens) + g (m_t + d_t r(s_t))

    s_t is the row that the window leaves in the token memory, r a regression on the principal
    directions of earlier rows (`spectral-kv`), from which the targets of their windows are
    recalled, each in units of its own window; m_t and d_t are mean and spread of the newest. A
    target is written when its last row is revealed, H rows after its window was seen.

    After `fit` of what `spectral-online` fits, the training rows are run through once more in the
    order of time, and g is what would have had the least squared error there, between 0.0001 and
    0.9999. The encoder was trained on those targets and the regression was not, so that g is small
    rather than large. The stream goes on from what that left. g is 0 until twice
    `analogue_components` targets are stored.

    State: as of `spectral-online`; under ``analogues/`` the moments of the regression, and the
    keys and moments of the newest H windows.

    Args:
        channels: C.
        lookback: L.
        horizon: H.
        backbone: As `spectral-online` takes it.
        analogue_dim: Width of a key; at most the width of a row.
        analogue_components: Principal directions K of the regression.
        analogue_decay: What remains of an event's weight at each new one.
        analogue_ridge: Added to eigenvalues; ``auto`` takes a thousandth of their mean.
        analogue_weight: g before it is learned.
        generator: Draws the head's weights and the projection to keys.
        options: Of `spectral-online`.

    Raises:
        Unsuitable: If the backbone takes no memory tokens.
        InvalidParameter: If there are more components than a key is wide, or if settings of the
            memory contradict each other.
    """

    def __init__(
        self,
        channels: int,
        lookback: int,
        horizon: int,
        backbone: nn.Module,
        *,
        analogue_dim: Size = 32,
        analogue_components: Size = 16,
        analogue_decay: Annotated[float, Gt(0), Le(1)] = 0.999,
        analogue_ridge: Ridge = "auto",
        analogue_weight: Annotated[float, Gt(0), Lt(1)] = 0.02,
        generator: torch.Generator,
        **options: Any,
    ) -> None:
        super().__init__(lookback, horizon, backbone, generator=generator, **options)
        width = self.model.encoder.token_dim
        key_dim = min(analogue_dim, width)
        if analogue_components > key_dim:
            raise InvalidParameter(
                "analogue_components",
                f"must be <= {key_dim}, the width of a key, got {analogue_components}",
                help="lower analogue_components or raise analogue_dim, up to the token's width",
            )
        self.analogues = Analogues(
            width, channels, horizon, key_dim=key_dim, components=analogue_components,
            decay=analogue_decay, ridge=analogue_ridge, generator=generator,
        )  # fmt: skip
        self.logit = nn.Parameter(torch.tensor(_logit(analogue_weight)))
        for name, entry in self.analogues.init_state().items():
            self.register_buffer(START + ANALOGUES + name, entry)

    def fit(self, train: Mapping[str, Tensor], generator: torch.Generator) -> None:
        """Fit as `spectral-online` does, then lead the analogues through the training rows.

        Args:
            train: Scaled rows: ``train`` [a, C], a >= L + H, and ``validation`` [n, C], n >= H.
            generator: Draws the order of the batches and the dropout.
        """
        super().fit(train, generator)
        rows = torch.cat([train["train"], train["validation"]])
        self._learn_weight(rows, len(train["train"]))

    @torch.no_grad()
    def _learn_weight(self, rows: Tensor, border: int) -> None:
        """Fit g by least squares on targets within the training rows; keep the state after them."""
        pairs = Pairs(rows, self.lookback, self.horizon)
        origins = self.windows_before(border)
        forecasts, summaries = self._training_pass(pairs, origins)
        state: State = self.analogues.init_state()
        gained = explained = 0.0
        for place, origin in enumerate(origins):
            state = self.analogues.revealed(state, rows[origin - self.horizon + 1 : origin + 1])
            pair = pairs.at([origin])
            enough = bool(self.analogues.enough(state))
            recalled, state = self.analogues.asked(state, summaries[place], pairs.windows(pair)[0])
            if enough and origin < border - self.horizon:
                pull = (recalled - forecasts[place]).double()
                missing = (pairs.targets(pair)[0] - forecasts[place]).double()
                gained += float((pull * missing).sum())
                explained += float(pull.square().sum())
        if explained > 0:
            self.logit.fill_(_logit(gained / explained))
        for name, entry in state.items():
            self.get_buffer(START + ANALOGUES + name).copy_(entry)

    def _training_pass(self, pairs: Pairs, origins: range) -> tuple[Tensor, Tensor]:
        """Forecasts [n, H, C] and rows [n, d] of windows passed in the order of time."""
        held, forecasts, rows = self.spectral.init_state(), [], []
        for start in range(0, len(origins), SNAPSHOT_EVERY):
            now = origins[start : start + SNAPSHOT_EVERY]
            made, left = self.passed(held, pairs.windows(pairs.at(now)))
            held = self.spectral.write(held, left)
            forecasts.append(made)
            rows.append(left)
        return torch.cat(forecasts), torch.cat(rows)

    def init_state(self) -> State:
        """What the training rows left in both memories, and nothing pending."""
        names = self.analogues.init_state()
        left = {ANALOGUES + n: self.get_buffer(START + ANALOGUES + n).clone() for n in names}
        return {**super().init_state(), **left}

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:  # noqa: ARG002
        """The state after the target of origin t-H, now complete, was written."""
        after = self.analogues.revealed(self._analogues(state), recent[1])
        return {**state, **{ANALOGUES + name: entry for name, entry in after.items()}}

    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        """The mixed forecast [H, C], and the state in which the window waits for its target."""
        forecast, after = super().predict(state, window)
        kept = self._analogues(state)
        recalled, kept = self.analogues.asked(kept, after["pend"], window)
        mixed = torch.lerp(forecast, recalled, torch.sigmoid(self.logit))
        forecast = torch.where(self.analogues.enough(kept), mixed, forecast)
        return forecast, {**after, **{ANALOGUES + name: entry for name, entry in kept.items()}}

    def report(self, state: State) -> Mapping[str, Tensor]:
        """As of `spectral-online`, with the analogues stored and their weight in the forecast."""
        kept = self._analogues(state)
        weight = torch.where(self.analogues.enough(kept), torch.sigmoid(self.logit), 0.0)
        stored = self.analogues.stored(kept)
        return {**super().report(state), "analogues": stored, "analogue_weight": weight}

    @staticmethod
    def _analogues(state: State) -> dict[str, Tensor]:
        return {
            name.removeprefix(ANALOGUES): entry
            for name, entry in state.items()
            if name.startswith(ANALOGUES)
        }


def _logit(weight: float) -> float:
    weight = min(max(weight, LEAST_WEIGHT), 1 - LEAST_WEIGHT)
    return math.log(weight / (1 - weight))
