"""OneNet: one forecaster for each channel's past, one for all channels, and weights for both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor, nn
from torch.func import functional_call, grad

from bench.registry import memory
from memories.adam import adam_step, flatten, unflatten
from memories.backbones.base import Training
from memories.backbones.tcn import TCN
from memories.base import State
from memories.forecasters.online.adapted import AdaptedForecaster, squared_errors
from memories.forecasters.online.generator_training import Pairs
from memories.forecasters.online.network_training import NetworkTraining, origins_of
from memories.forecasters.online.onenet_weights import ShortTermBias, exponentiated, weighted

Size = Annotated[int, Ge(1)]


class TwoForecasters(nn.Module):
    """Both forecasts [B, 2, H, C] of windows [B, L, C].

    Args:
        time: Module, [B, L, C] to [B, H, C].
        variable: Module, [B, rows, C] to [B, H, C].
        rows: How many of the newest rows the second one is given.
    """

    def __init__(self, time: nn.Module, variable: TCN, rows: int) -> None:
        super().__init__()
        self.time, self.variable, self.rows = time, variable, rows

    def forward(self, windows: Tensor) -> Tensor:
        """The task's backbone's forecast first."""
        return torch.stack([self.time(windows), self.variable(windows[:, -self.rows :])], dim=1)


@memory("onenet", family="online-learning", source="Zhang et al. 2023 (delayed form)")
class OneNet(AdaptedForecaster):
    """Weighs a forecaster of each channel's past against one of all channels, channel by channel.

        yhat_c = s_c y1_c + (1 - s_c) y2_c,   s_c = sigmoid(w_c + b_c)        (Zhang et al. 2023)

    y1 is the task's backbone, meant to be channel-independent (`dlinear`, `patchtst`), y2 a
    temporal convolutional network over all channels of the newest rows. At each revealed row, with
    the forecasts that both make for the newest complete pair:

    1. each forecaster takes an Adam step on its own error, whatever the weights;
    2. a small network answers the pair with b_c, used in the next forecast, and takes an Adam step
       on the error under w_c + b_c;
    3. w_c takes a step on the error under w_c alone: of Adam, as in the published program, or of
       exponentiated gradient, as in the paper. There, in units of the two weights,
       w_i <- w_i exp(-rate l_i) / Z, with l_i forecaster i's error on that channel.

    `fit` trains the second forecaster and the small network, on the training rows, with dropout,
    Adam and batches of 32, w being 0, and goes back to the epoch in which the second forecaster
    was best on the validation rows. The backbone stays as every other forecaster starts from it.
    The published program learns w in training too and lets the error of step 2 move it.

    State: the weights of both forecasters [P] and their two Adam moments, those of the small
    network, w [C] and, for Adam, its moments, b [C], the step count.

    Args:
        channels: C.
        lookback: L.
        horizon: H.
        backbone: Pre-trained module, [B, L, C] to [B, H, C].
        learning_rate: Adam's step size for both forecasters; choose it on the validation stream
            with `tune`.
        long_term: How w learns: by ``adam`` or by exponentiated gradient, ``egd``.
        weight_rate: Adam's step size for w.
        egd_rate: Step size of exponentiated gradient.
        bias_rate: Adam's step size for the small network, in `fit` as well.
        rows: Newest rows that the second forecaster is given; all of them if L is smaller.
        width: Features of a row in all its blocks but the last.
        features: Features of a row after the last block.
        depth: Blocks before the last one.
        dropout: Rate in both networks in `fit`.
        hidden: Width of the small network's hidden layers.
        fit_learning_rate: Adam's step size for the second forecaster in `fit`.
        fit_epochs: Most epochs of `fit`; it ends earlier when ten have brought nothing.
        generator: Draws the weights of the second forecaster and of the small network.
    """

    after_fit: ClassVar[frozenset[str]] = frozenset(
        {"learning_rate", "long_term", "weight_rate", "egd_rate"}
    )

    weight_rate: Tensor
    egd_rate: Tensor
    bias_rate: Tensor
    fit_learning_rate: Tensor
    backbone: TwoForecasters

    def __init__(
        self,
        channels: int,
        lookback: int,
        horizon: int,
        backbone: nn.Module,
        *,
        learning_rate: Annotated[float, Ge(0)] = 1e-5,
        long_term: Literal["adam", "egd"] = "adam",
        weight_rate: Annotated[float, Ge(0)] = 1e-3,
        egd_rate: Annotated[float, Ge(0)] = 0.5,
        bias_rate: Annotated[float, Ge(0)] = 1e-3,
        rows: Size = 60,
        width: Size = 64,
        features: Size = 320,
        depth: Annotated[int, Ge(0)] = 10,
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.1,
        hidden: Size = 32,
        fit_learning_rate: Annotated[float, Gt(0)] = 1e-3,
        fit_epochs: Annotated[int, Ge(0)] = 100,
        generator: torch.Generator,
    ) -> None:
        rows = min(rows, lookback)
        variable = TCN(
            channels,
            rows,
            horizon,
            width=width,
            features=features,
            depth=depth,
            dropout=dropout,
            generator=generator,
        )
        super().__init__(TwoForecasters(backbone, variable, rows), learning_rate=learning_rate)
        self.bias = ShortTermBias(horizon, hidden, dropout, generator)
        self.channels, self.lookback, self.horizon = channels, lookback, horizon
        self.long_term, self.fit_epochs = long_term, fit_epochs
        self.scalar("weight_rate", weight_rate)
        self.scalar("egd_rate", egd_rate)
        self.scalar("bias_rate", bias_rate)
        self.scalar("fit_learning_rate", fit_learning_rate)

    def fit(self, train: Mapping[str, Tensor], generator: torch.Generator) -> None:
        """Train the second forecaster and the small network, stopping early on validation.

        Args:
            train: Scaled rows: ``train`` [a, C], a >= L + H, and ``validation`` [n, C], n >= H.
            generator: Draws the order of the batches and the dropout.
        """
        rows = torch.cat([train["train"], train["validation"]])
        self.to(rows.device)
        pairs = Pairs(rows, self.lookback, self.horizon)
        variable = self.backbone.variable
        optimiser = torch.optim.Adam(
            [
                {"params": list(variable.parameters()), "lr": float(self.fit_learning_rate)},
                {"params": list(self.bias.parameters()), "lr": float(self.bias_rate)},
            ]
        )

        def step(batch: Tensor) -> None:
            optimiser.zero_grad()
            self._training_loss(pairs.windows(batch), pairs.targets(batch), generator).backward()  # type: ignore[no-untyped-call]
            optimiser.step()

        def errors(batch: Tensor) -> Tensor:
            forecasts = variable(pairs.windows(batch)[:, -self.backbone.rows :])
            return squared_errors(forecasts, pairs.targets(batch))

        learners = nn.ModuleList([variable, self.bias])
        origins = origins_of(len(train["train"]), len(rows), self.lookback, self.horizon)
        NetworkTraining(learners, pairs, step, errors, generator).run(*origins, self.fit_epochs)

    def _training_loss(
        self, windows: Tensor, targets: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Error of the second forecaster plus that of both under b; the two share no weights."""
        recent = windows[:, -self.backbone.rows :]
        logits = windows.new_zeros(self.channels)
        with torch.no_grad():
            first = self.backbone.time(windows)
            counting = Training()
            second = self.backbone.variable(recent, counting)
            self.bias(logits, (first, second), targets, counting)
        noise = torch.rand(counting.used, generator=generator)
        training = Training(noise.to(windows.device))
        second = self.backbone.variable(recent, training)
        forecasts = (first, second.detach())
        biases = self.bias(logits, forecasts, targets, training)
        ensemble = weighted(biases[:, None], forecasts)
        return (squared_errors(second, targets) + squared_errors(ensemble, targets)).mean()

    def init_state(self) -> State:
        """All weights as trained, equal shares for both forecasters, fresh moments."""
        state = dict(super().init_state())
        bias = flatten(self.bias).detach()
        channels = bias.new_zeros(self.channels)
        state |= {
            "bias_weights": bias,
            "bias_first_moment": torch.zeros_like(bias),
            "bias_second_moment": torch.zeros_like(bias),
            "logits": channels,
            "biases": channels.clone(),
        }
        if self.long_term == "adam":
            state |= {f"logits_{moment}_moment": channels.clone() for moment in ("first", "second")}
        return state

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:  # noqa: ARG002
        """The state after a step of both forecasters, of the small network and of the weights."""
        window, target = recent

        def loss(weights: Tensor) -> tuple[Tensor, Tensor]:
            both = self.forecast(weights, window[None])[0]
            return squared_errors(both, target).sum(), both

        gradient, both = grad(loss, has_aux=True)(state["weights"])
        learned = self.learned(state, gradient)
        return {**state, **learned, **self._weighing(state, (both[0], both[1]), target)}

    def _weighing(
        self, state: State, forecasts: tuple[Tensor, Tensor], target: Tensor
    ) -> dict[str, Tensor]:
        """The entries for weights of both forecasts [H, C] and their bias, after a target."""

        def loss(bias_weights: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
            given, known = logits.detach(), unflatten(self.bias, bias_weights)
            biases = functional_call(self.bias, known, (given, forecasts, target))
            short = squared_errors(weighted(given + biases, forecasts), target)
            return short + squared_errors(weighted(logits, forecasts), target), biases

        gradients, biases = grad(loss, argnums=(0, 1), has_aux=True)(
            state["bias_weights"], state["logits"]
        )
        stepped = self._stepped(state, "bias_weights", "bias", gradients[0], self.bias_rate)
        if self.long_term == "adam":
            stepped |= self._stepped(state, "logits", "logits", gradients[1], self.weight_rate)
        else:
            one, other = ((forecast - target).square().mean(0) for forecast in forecasts)
            logits = exponentiated(state["logits"], (one, other), self.egd_rate)
            stepped["logits"] = logits
        return {**stepped, "biases": biases}

    def _stepped(
        self, state: State, name: str, prefix: str, gradient: Tensor, rate: Tensor
    ) -> dict[str, Tensor]:
        """Entries of that name and its moments after one Adam step."""
        moments = [f"{prefix}_{moment}_moment" for moment in ("first", "second")]
        first, second = (state[moment] for moment in moments)
        after = adam_step(state[name], gradient, first, second, state["step"], rate)
        return dict(zip([name, *moments], after[:3], strict=True))

    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        """The weighted forecast [H, C]."""
        first, second = self.forecast(state["weights"], window[None])[0].unbind()
        return weighted(state["logits"] + state["biases"], (first, second)), state

    def report(self, state: State) -> Mapping[str, Tensor]:
        """The first forecaster's share of the forecast, over channels, and as it is long-term."""
        return {
            "backbone_share": torch.sigmoid(state["logits"] + state["biases"]).mean(),
            "backbone_share_long_term": torch.sigmoid(state["logits"]).mean(),
        }
