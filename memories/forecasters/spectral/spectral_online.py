"""An encoder that reads, at every row, the spectrum of all windows that it has seen before."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor, nn

from bench.registry import memory
from memories.backbones.tokens import TokenBackbone, TokenModel
from memories.base import OnlineForecaster, State, Unsuitable
from memories.forecasters.online.generator_training import Pairs
from memories.forecasters.online.network_training import origins_of
from memories.forecasters.spectral.joint_training import JointTraining
from memories.spectral.heads import HeadName
from memories.spectral.signs import Sign
from memories.spectral.spectrum import Normalise
from memories.spectral.stores import Kernel, Solver
from memories.spectral.summary import Pool
from memories.spectral.token_memory import SpectralMemory

Size = Annotated[int, Ge(1)]

MEMORY, START = "memory/", "start/"
"""Prefixes of the token memory's entries: in the state, and among the buffers it starts from."""
PATIENCE = 3
"""Epochs without a better validation error after which training ends."""


@memory("spectral-online", family="spectral", source="after Marquez 2025")
class SpectralOnline(OnlineForecaster):
    """Forecasts with memory tokens made of the principal directions of all windows so far.

    At each origin the encoder reads M tokens beside its own; the mean of its hidden states becomes
    a row of the memory, which the next origin reads: see `spectral`. Online no weight changes.

    `fit` trains a copy of the backbone together with the head that makes the tokens, on the
    training rows, with memories as a stream would have left them (`JointTraining`). After each
    epoch the validation rows are run through as the stream will be, one window after another from
    what the training rows left in memory, and the best epoch is kept. The first candidate is the
    backbone as pre-trained, which reads no tokens: random ones would disturb an encoder that never
    saw any. Where no epoch is better than that on the validation rows, nothing is learned and the
    forecasts are those of `frozen`; so are they before `fit`. The report ``trained`` tells which.

    State: the memory's own under ``memory/``; ``pend`` [d], the newest window's row, which is
    stored when the next forecast is due, so that no window reads its own row; ``has_pend``.

    Args:
        lookback: L.
        horizon: H.
        backbone: Pre-trained module with an encoder that takes tokens (`spectral-former`,
            `itransformer`); a copy of it is trained.
        kernel: What two rows are compared by.
        components: Eigenpairs K; fewer than max(4, K) rows give tokens of zeros.
        tokens: Tokens M; with 0 `fit` only trains the backbone further, the control of all else.
        window: Newest rows that count; null for all, with a data kernel.
        forgetting: Weight of a row at each further row, without a window.
        solver: Where eigenpairs come from; see `spectral`.
        head: Network from components to tokens.
        dropout: Rate inside the head, in `fit`.
        sign: Convention for the sign of directions.
        normalise: What components are divided by.
        tau: Time constant of a time kernel, in rows.
        pool: Weights of an encoder's positions in a row.
        epochs: Most epochs of `fit`; it ends earlier when three have brought nothing.
        learning_rate: Adam's step size in `fit`.
        stride: Every so many training windows one is trained on; all are stored.
        backbone_competes: Whether the backbone without tokens is a candidate; if not, the best
            epoch is kept even if it is worse.
        generator: Draws the head's weights.

    Raises:
        Unsuitable: If the backbone takes no memory tokens.
        InvalidParameter: If settings of the memory contradict each other.
    """

    learning_rate: Tensor
    reads_tokens: Tensor
    """Whether the trained copy forecasts, with tokens, or the backbone as pre-trained, without."""

    def __init__(
        self,
        lookback: int,
        horizon: int,
        backbone: nn.Module,
        *,
        kernel: Kernel = "empirical",
        components: Size = 16,
        tokens: Annotated[int, Ge(0)] = 4,
        window: Size | None = 3000,
        forgetting: Annotated[float, Gt(0), Le(1)] = 1.0,
        solver: Solver = "auto",
        head: HeadName = "anchor",
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.1,
        sign: Sign = "align",
        normalise: Normalise = "lam1",
        tau: Annotated[float, Gt(0)] = 64.0,
        pool: Pool = "mean",
        epochs: Size = 10,
        learning_rate: Annotated[float, Gt(0)] = 3e-4,
        stride: Size = 1,
        backbone_competes: bool = True,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if not isinstance(backbone, TokenBackbone):
            raise Unsuitable(
                f"{type(backbone).__name__} takes no memory tokens; spectral-former and "
                "itransformer do"
            )
        self.lookback, self.horizon = lookback, horizon
        self.epochs, self.stride, self.backbone_competes = epochs, stride, backbone_competes
        spectral = SpectralMemory(
            backbone.token_dim, kernel=kernel, components=components, tokens=tokens, window=window,
            forgetting=forgetting, solver=solver, head=head, dropout=dropout, sign=sign,
            normalise=normalise, tau=tau, pool=pool, generator=generator,
        )  # fmt: skip
        # the task gives all forecasters of a seed the same module
        encoder = copy.deepcopy(backbone).eval()
        self.model = TokenModel(encoder, spectral, horizon, generator)
        self.scalar("learning_rate", learning_rate)
        self.register_buffer("reads_tokens", torch.tensor(False))
        for name, entry in spectral.init_state().items():
            self.register_buffer(START + name, entry)

    def fit(self, train: Mapping[str, Tensor], generator: torch.Generator) -> None:
        """Train encoder and head together, and keep what does best on the validation rows.

        Args:
            train: Scaled rows: ``train`` [a, C], a >= L + H, and ``validation`` [n, C], n >= H.
            generator: Draws the order of the batches and the dropout.
        """
        rows = torch.cat([train["train"], train["validation"]])
        border = len(train["train"])
        self.to(rows.device)
        pairs = Pairs(rows, self.lookback, self.horizon)
        training, validation = origins_of(border, len(rows), self.lookback, self.horizon)
        best, best_error, best_epoch = self._kept(), math.inf, 0
        if self.backbone_competes:
            best_error = self._error(pairs, validation)
        joint = JointTraining(
            self.model,
            pairs,
            self.windows_before(border),
            training[:: self.stride],
            float(self.learning_rate),
            generator,
        )
        self.reads_tokens.fill_(True)
        for epoch in range(1, self.epochs + 1):
            for name, entry in joint.epoch().items():
                self.get_buffer(START + name).copy_(entry)
            error = self._error(pairs, validation)
            if error < best_error:
                best, best_error, best_epoch = self._kept(), error, epoch
            if epoch - best_epoch >= PATIENCE:
                break
        self.load_state_dict(best)

    def windows_before(self, border: int) -> range:
        """Origins of the windows that lie before a stream whose first origin is border - 1."""
        return range(self.lookback - 1, border - 1)

    def _kept(self) -> dict[str, Tensor]:
        return {name: entry.clone() for name, entry in self.state_dict().items()}

    @torch.no_grad()
    def _error(self, pairs: Pairs, origins: range) -> float:
        """Mean squared error of a stream over these origins."""
        state, total = SpectralOnline.init_state(self), 0.0
        for origin in origins:
            pair = pairs.at([origin])
            forecast, state = SpectralOnline.predict(self, state, pairs.windows(pair)[0])
            total += float((forecast - pairs.targets(pair)[0]).double().square().mean())
        return total / len(origins)

    def init_state(self) -> State:
        """What the training rows left in memory, and nothing pending."""
        names = self.spectral.init_state()
        held = {MEMORY + name: self.get_buffer(START + name).clone() for name in names}
        pend = self.learning_rate.new_zeros(self.model.encoder.token_dim)
        return {**held, "pend": pend, "has_pend": torch.zeros_like(self.reads_tokens)}

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:  # noqa: ARG002
        """The state as it was: what there is to store lies in the windows."""
        return state

    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        """The forecast [H, C] with the tokens of all earlier windows, and the state after it."""
        held = self._committed(state)
        forecasts, rows = self.passed(held, window[None])
        stored = {MEMORY + name: entry for name, entry in held.items()}
        pending = {"pend": rows[0], "has_pend": torch.ones_like(state["has_pend"])}
        return forecasts[0], {**state, **stored, **pending}

    def passed(self, held: State, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Forecasts [B, H, C] of windows [B, L, C], and the rows [B, d] that they leave.

        Args:
            held: State of the token memory that all windows read.
            windows: [B, L, C].
        """
        model = self.model
        reading = model.forecast(windows, model.memory.snapshot(held))
        none = windows.new_zeros(0, model.encoder.token_dim)
        # a zero token is attended to: only none at all leaves an encoder as it was pre-trained
        alone = model.encoder.with_tokens(windows, none)
        forecasts, hidden = (
            torch.where(self.reads_tokens, *both) for both in zip(reading, alone, strict=True)
        )
        return forecasts, self.spectral.summarise(hidden)

    def _committed(self, state: State) -> State:
        """The token memory's state once the pending row, if there is one, is stored."""
        held = {name: state[MEMORY + name] for name in self.spectral.init_state()}
        after = self.spectral.write(held, state["pend"][None])
        return {name: torch.where(state["has_pend"], after[name], held[name]) for name in held}

    @property
    def spectral(self) -> SpectralMemory:
        """The token memory."""
        made = self.model.memory
        assert isinstance(made, SpectralMemory)  # the constructor made it
        return made

    def report(self, state: State) -> Mapping[str, Tensor]:
        """Rows that the memory holds; whether the trained copy forecasts, 1, or the backbone, 0."""
        held = {name: state[MEMORY + name] for name in self.spectral.init_state()}
        return {**self.spectral.report(held), "trained": self.reads_tokens.float()}
