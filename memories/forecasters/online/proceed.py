"""PROCEED: weights scaled by how the newest window differs from what was last learned from."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn
from torch.func import functional_call, grad

from bench.registry import memory
from memories.adam import adam_step
from memories.base import OnlineForecaster, State
from memories.forecasters.online.drift_adapter import DriftAdapter
from memories.forecasters.online.generator_training import GeneratorTraining, Pairs
from memories.forecasters.online.modulation import Modulation


@memory("proceed", family="online-learning", source="Zhao & Shen 2025")
class Proceed(OnlineForecaster):
    """Adapts a backbone to the drift between its newest window and the newest complete pair.

    Between the pair that was last learned from and the window to forecast lie H rows. A generator,
    trained before the stream begins, turns the difference of their concepts into a scaling of
    every linear map:

        delta_t = clip(k(X_t) - k'(R_t)),   W' = (1 + a) W (1 + c),   b' = b + g,
        [a; c; g]_l = V_q sigmoid(U_q delta + u_l) + v_l        (Zhao & Shen 2025)

    Online the generator is still. Each revealed row is one Adam step on the newest complete pair
    for the weights and the offsets v_l of every layer; the forecast that is corrected there uses
    the drift between its window and the pair complete one row earlier.

    `fit` trains the generator alone: the pre-trained weights stay those that every other
    forecaster starts from. Two choices differ from the authors' program. While a training epoch is
    judged on the validation rows, nothing is adapted, so that what was fitted serves every
    `learning_rate`. And the generator takes no further steps on validation rows, neither there nor
    in the stream: an error on rows whose targets had trained it would be no guide to the rate.

    State: the weights with the offsets [P] and their two Adam moments, the concept of the newest
    complete pair [concept_dim], the step count. A bias of a scaled layer is learned through its g.

    Args:
        lookback: L.
        horizon: H.
        backbone: Pre-trained module, [B, L, C] to [B, H, C], with linear maps.
        learning_rate: Adam's step size online; choose it on the validation stream with `tune`.
        concept_dim: Width of a concept.
        bottleneck: Width of the generator's hidden layer.
        fit_learning_rate: Adam's step size in `fit`.
        fit_epochs: Most epochs of `fit`; it ends earlier when three have brought nothing.
        generator: Initialises the generator's weights.

    Raises:
        Unsuitable: If the backbone has no linear layer.
    """

    after_fit: ClassVar[frozenset[str]] = frozenset({"learning_rate"})
    joint: ClassVar[bool] = False
    """Whether `fit` trains the backbone too."""

    learning_rate: Tensor

    def __init__(
        self,
        lookback: int,
        horizon: int,
        backbone: nn.Module,
        *,
        learning_rate: Annotated[float, Ge(0)] = 1e-5,
        concept_dim: Annotated[int, Ge(1)] = 200,
        bottleneck: Annotated[int, Ge(1)] = 32,
        fit_learning_rate: Annotated[float, Gt(0)] = 1e-3,
        fit_epochs: Annotated[int, Ge(0)] = 25,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.lookback, self.horizon = lookback, horizon
        self.fit_learning_rate, self.fit_epochs = fit_learning_rate, fit_epochs
        # the task gives all forecasters of a seed the same module
        self.backbone = (copy.deepcopy(backbone) if self.joint else backbone).eval()
        self.modulation = Modulation(self.backbone)
        self.adapter = DriftAdapter(
            self.modulation, lookback, horizon, concept_dim, bottleneck, generator
        )
        self.scalar("learning_rate", learning_rate)

    def fit(self, train: Mapping[str, Tensor], generator: torch.Generator) -> None:
        """Train the generator on the training rows, stopping early on the validation rows.

        Args:
            train: Scaled rows: ``train`` [a, C], a >= L + H, and ``validation`` [n, C], n >= H.
            generator: Draws the order of the batches.
        """
        rows = torch.cat([train["train"], train["validation"]])
        first_validation = len(train["train"])
        self.to(rows.device)
        self.modulation.require_samples_first(self.backbone, rows[: self.lookback])
        with torch.enable_grad():
            GeneratorTraining(
                self.backbone,
                self.adapter,
                self.modulation,
                Pairs(rows, self.lookback, self.horizon),
                joint=self.joint,
                learning_rate=self.fit_learning_rate,
                generator=generator,
            ).run(
                range(self.lookback - 1, first_validation - self.horizon),
                range(first_validation - 1, len(rows) - self.horizon),
                self.fit_epochs,
            )

    def init_state(self) -> State:
        """Weights and offsets as fitted, fresh moments, the concept of a pair of zeros."""
        weights = self.modulation.start(self.backbone, self.adapter.generator.offsets)
        channels = 1  # the mean over channels of zeros is the same for any number of them
        return {
            "weights": weights,
            "first_moment": torch.zeros_like(weights),
            "second_moment": torch.zeros_like(weights),
            "step": torch.zeros((), dtype=torch.int64, device=weights.device),
            "concept": self.adapter.pair_concept(
                weights.new_zeros(self.lookback + self.horizon, channels)
            ),
        }

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:  # noqa: ARG002
        """The state after one Adam step on the recent pair, whose concept it then keeps."""
        window, target = recent
        scales = self.adapter.scales(window, state["concept"])

        def loss(weights: Tensor) -> Tensor:
            return (self._forecast(weights, scales, window) - target).square().mean()

        weights, first, second, step = adam_step(
            state["weights"],
            grad(loss)(state["weights"]),
            state["first_moment"],
            state["second_moment"],
            state["step"],
            self.learning_rate,
        )
        return {
            "weights": weights,
            "first_moment": first,
            "second_moment": second,
            "step": step,
            "concept": self.adapter.pair_concept(torch.cat([window, target])),
        }

    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        """The forecast [H, C] of the weights, scaled for the drift at this window."""
        scales = self.adapter.scales(window, state["concept"])
        return self._forecast(state["weights"], scales, window), state

    def _forecast(self, weights: Tensor, scales: Tensor, window: Tensor) -> Tensor:
        named = self.modulation.parameters(weights, scales)
        forecast: Tensor = functional_call(self.backbone, named, (window[None],))
        return forecast[0]
