"""FSNet: layers that follow their own gradients, and recall what once answered such ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Annotated, ClassVar, TypeAlias

import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor, nn
from torch.func import functional_call, grad

from bench.registry import memory
from memories.adam import Packing, adam_step, flatten, unflatten
from memories.backbones.base import Training
from memories.base import InvalidParameter, OnlineForecaster, State
from memories.forecasters.online.adapted import squared_errors
from memories.forecasters.online.associative_adapter import (
    FAST_DECAY,
    RECALLED,
    AssociativeAdapter,
    averaged,
    drawn_memory,
    opposed,
    recalled,
)
from memories.forecasters.online.fsnet_network import FSNetwork, Layers
from memories.forecasters.online.generator_training import Pairs
from memories.forecasters.online.network_training import NetworkTraining, origins_of

Size: TypeAlias = Annotated[int, Ge(1)]

TRACES = ("slow", "fast", "query", "memory")
"""What every stack of layers carries along from its first training step on."""


class Adapters(nn.Module):
    """The adapters of all shapes of layers, called as one.

    Args:
        adapters: One per shape.
    """

    def __init__(self, adapters: Iterable[AssociativeAdapter]) -> None:
        super().__init__()
        self.adapters = nn.ModuleList(adapters)

    def forward(self, slow: Sequence[Tensor]) -> list[Tensor]:
        """Coefficients [N, I, W] of each shape's layers from slow averages [N, I, K, O]."""
        return [adapter(given) for adapter, given in zip(self.adapters, slow, strict=True)]


@memory("fsnet", family="online-learning", source="Pham et al. 2023 (delayed form)")
class FSNet(OnlineForecaster):
    """A convolutional network whose layers are scaled by what their gradients have lately been.

    Each convolution has two running averages of its own normalised gradient, a fast and a slow
    one, a small controller that turns the slow one into scales of its weights, bias and output,
    and an associative memory of such scales:

        y = phi conv(x; W w, b beta),   (w, beta, phi) = controller(slow)     (Pham et al. 2023)

    Where both averages point against each other, cos < -threshold, the layer takes the gradient's
    turn for the return of an old pattern: the next forecast's scales are blended with recalled
    ones, and the memory is written (`memories.forecasters.online.associative_adapter`).

    Each revealed row is one Adam step for all weights on the newest complete pair, then one for
    the averages; scales recalled serve the one forecast that follows. The published program
    learns, for H > 1, from targets that lie in the future, and compares the fast average with the
    slow one of the step before; here both are the newest. Three of its lines do not do what the
    paper says; the parameters ``faithful_...`` bring them back.

    As published it does not share the pre-trained backbone of other forecasters: its network
    learns together with the scales, in `fit`, on the training rows, with dropout, Adam and batches
    of 32, and goes back to the epoch that was best on the validation rows, nothing adapted there.

    Convolutions look both ways, inside the window. In blocks whose dilation is not shorter than
    the window the outer taps would only meet zeros and never learn: they are left out, from the
    weights, the controllers and the memories.

    State: all weights [P] and their two Adam moments, the step count; for the N convolutions of
    each shape both averages [N, I, K, O], the coefficients [N, I, K + 2 O/I] of the next forecast,
    their average over time [N, D] and the memory [N, D, slots], D = I (K + 2 O/I); which layers
    recalled at the newest row, bool [2 depth + 2], and how often one has.

    Args:
        channels: C.
        lookback: L.
        horizon: H.
        learning_rate: Adam's step size online; choose it on the validation stream with `tune`.
        threshold: tau: a layer recalls where the cosine is below -tau, and keeps the share tau of
            what is blended or overwritten.
        width: Features of a row in all blocks but the last.
        features: Features of a row after the last block, a multiple of the width.
        depth: Blocks before the last one.
        kernel: Odd number of taps of a convolution.
        hidden: Width of a controller's hidden layer.
        slots: Slots of a layer's memory, at least two.
        revin: Whether windows are normalised by their own mean and spread (Kim et al. 2022).
        dropout: Rate on the last features in `fit`.
        faithful_reshape: Whether a controller sees gradients cut into rows as in the published
            program, whose rows mix input channels; then no tap is left out.
        faithful_index_weights: Whether recalled slots are weighted by their numbers, as in the
            published program, instead of their attention.
        faithful_write: Whether what was recalled is written back, as in the published program, so
            that nothing new ever enters a memory, instead of the coefficients that queried it.
        fit_learning_rate: Adam's step size in `fit`.
        fit_epochs: Most epochs of `fit`; it ends earlier when ten have brought nothing.
        generator: Draws all weights and the memories' first content.

    Raises:
        InvalidParameter: If the kernel is even, or if the features are no multiple of the width.
    """

    after_fit: ClassVar[frozenset[str]] = frozenset(
        {"learning_rate", "threshold", "faithful_index_weights", "faithful_write"}
    )

    learning_rate: Tensor
    threshold: Tensor
    fit_learning_rate: Tensor

    def __init__(
        self,
        channels: int,
        lookback: int,
        horizon: int,
        *,
        learning_rate: Annotated[float, Ge(0)] = 3e-5,
        threshold: Annotated[float, Gt(0), Le(1)] = 0.75,
        width: Size = 64,
        features: Size = 320,
        depth: Annotated[int, Ge(0)] = 10,
        kernel: Size = 3,
        hidden: Size = 64,
        slots: Annotated[int, Ge(RECALLED)] = 32,
        revin: bool = True,
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.1,
        faithful_reshape: bool = False,
        faithful_index_weights: bool = False,
        faithful_write: bool = False,
        fit_learning_rate: Annotated[float, Gt(0)] = 1e-3,
        fit_epochs: Annotated[int, Ge(0)] = 100,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise InvalidParameter("kernel", f"must be odd, got {kernel}", help="try 3")
        if features % width:
            message = f"must be a multiple of the width ({width}), got {features}"
            raise InvalidParameter("features", message, help=f"try {-(-features // width) * width}")
        self.lookback, self.horizon, self.fit_epochs = lookback, horizon, fit_epochs
        self.faithful_index_weights, self.faithful_write = faithful_index_weights, faithful_write
        self.scalar("learning_rate", learning_rate)
        self.scalar("threshold", threshold)
        self.scalar("fit_learning_rate", fit_learning_rate)
        layers = Layers(lookback, width, features, depth, kernel, trimmed=not faithful_reshape)
        self.network = FSNetwork(
            channels, horizon, layers, dropout=dropout, revin=revin, generator=generator
        )
        self.adapters = Adapters(
            AssociativeAdapter(
                *stack, hidden, kernel, mixed_rows=faithful_reshape, generator=generator
            )
            for stack in layers.stacks
        )
        for group, stack in enumerate(layers.stacks):
            contents = drawn_memory(*stack, slots, generator)
            query, averages = contents.new_zeros(contents.shape[:2]), stack.zeros()
            for name, entry in zip(TRACES, (averages, averages, query, contents), strict=True):
                self.register_buffer(f"fitted_{name}_{group}", entry.clone())

    @property
    def _groups(self) -> range:
        """Numbers of the shapes of layers."""
        return range(len(self.network.layers.stacks))

    def _fitted(self, name: str) -> list[Tensor]:
        return [self.get_buffer(f"fitted_{name}_{group}") for group in self._groups]

    def fit(self, train: Mapping[str, Tensor], generator: torch.Generator) -> None:
        """Train network and controllers on the training rows, stopping early on the validation.

        Args:
            train: Scaled rows: ``train`` [a, C], a >= L + H, and ``validation`` [n, C], n >= H.
            generator: Draws the order of the batches and the dropout.
        """
        rows = torch.cat([train["train"], train["validation"]])
        self.to(rows.device)
        pairs = Pairs(rows, self.lookback, self.horizon)
        optimiser = torch.optim.Adam(self.parameters(), lr=float(self.fit_learning_rate))

        def step(batch: Tensor) -> None:
            windows, targets = pairs.windows(batch), pairs.targets(batch)
            noise = torch.rand(len(batch) * self._features, generator=generator)
            coefficients: list[Tensor] = self.adapters(self._fitted("slow"))
            forecasts = self.network(windows, coefficients, Training(noise.to(rows.device)))
            optimiser.zero_grad()
            squared_errors(forecasts, targets).mean().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            self._trace()

        def errors(batch: Tensor) -> Tensor:
            coefficients = self.adapters(self._fitted("slow"))
            forecasts = self.network(pairs.windows(batch), coefficients)
            return squared_errors(forecasts, pairs.targets(batch))

        training = NetworkTraining(self, pairs, step, errors, generator)
        origins = origins_of(len(train["train"]), len(rows), self.lookback, self.horizon)
        training.run(*origins, self.fit_epochs)

    @property
    def _features(self) -> int:
        features: int = self.network.projection.in_features
        return features

    @torch.no_grad()
    def _trace(self) -> None:
        """Take the gradients of a training step into the averages; nothing is recalled."""
        for group, slow, fast in zip(
            self._groups, self._fitted("slow"), self._fitted("fast"), strict=True
        ):
            gradient = self.network.get_parameter(f"convolutions.{group}.weight").grad
            assert gradient is not None
            new_slow, new_fast = averaged(gradient, slow, fast)
            slow.copy_(new_slow)
            fast.copy_(new_fast)
        coefficients: list[Tensor] = self.adapters(self._fitted("slow"))
        for query, given in zip(self._fitted("query"), coefficients, strict=True):
            query.copy_(torch.lerp(given.flatten(1), query, FAST_DECAY))

    def init_state(self) -> State:
        """Weights, averages and memories as fitted, fresh moments, nothing recalled."""
        weights = torch.cat([flatten(self.network), flatten(self.adapters)]).detach()
        step = torch.zeros((), dtype=torch.int64, device=weights.device)
        layers = len(self.network.layers.groups)
        state = {
            "weights": weights,
            "first_moment": torch.zeros_like(weights),
            "second_moment": torch.zeros_like(weights),
            "step": step,
            "recalling": torch.zeros(layers, dtype=torch.bool, device=weights.device),
            "recalls": step.clone(),
        }
        coefficients = self.adapters(self._fitted("slow"))
        for name, entries in [
            ("coefficients", coefficients),
            *((name, self._fitted(name)) for name in TRACES),
        ]:
            state |= _numbered(name, [entry.detach().clone() for entry in entries])
        return state

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:  # noqa: ARG002
        """The state after one Adam step on the recent pair, and what its gradient brings back."""
        window, target = recent
        slow = self._of(state, "slow")

        def loss(weights: Tensor) -> Tensor:
            coefficients = self._coefficients(weights, slow)
            return squared_errors(self._forecast(weights, coefficients, window), target)

        gradient = grad(loss)(state["weights"])
        weights, first, second, step = adam_step(
            state["weights"],
            gradient,
            state["first_moment"],
            state["second_moment"],
            state["step"],
            self.learning_rate,
        )
        learned = {
            "weights": weights,
            "first_moment": first,
            "second_moment": second,
            "step": step,
        }
        return self._adapted({**state, **learned}, gradient)

    def _adapted(self, state: State, gradient: Tensor) -> State:
        """The state with averages, coefficients and memories after a step of that gradient [P]."""
        of_network = unflatten(self.network, gradient[: self._cuts[0]])
        given = zip(
            (of_network[f"convolutions.{group}.weight"] for group in self._groups),
            self._of(state, "slow"),
            self._of(state, "fast"),
            strict=True,
        )
        averages = [averaged(*own) for own in given]
        slow, fast = ([both[i] for both in averages] for i in range(2))
        where = [opposed(*both, self.threshold) for both in averages]
        fresh = self._coefficients(state["weights"], slow)
        old = zip(fresh, self._of(state, "query"), strict=True)
        query = [torch.lerp(new.flatten(1), kept, FAST_DECAY) for new, kept in old]
        recall = partial(
            recalled,
            tau=self.threshold,
            index_weights=self.faithful_index_weights,
            write_back=self.faithful_write,
        )
        parts = zip(fresh, query, self._of(state, "memory"), where, strict=True)
        after = [recall(*own) for own in parts]
        recalling = torch.cat(where)
        return {
            **state,
            **_numbered("slow", slow),
            **_numbered("fast", fast),
            **_numbered("query", query),
            **_numbered("coefficients", [both[0] for both in after]),
            **_numbered("memory", [both[1] for both in after]),
            "recalling": recalling,
            "recalls": state["recalls"] + recalling.sum(),
        }

    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        """The network's forecast [H, C] with the coefficients of the newest row."""
        return self._forecast(state["weights"], self._of(state, "coefficients"), window), state

    def report(self, state: State) -> Mapping[str, Tensor]:
        """How often a layer has recalled, over all rows and per layer."""
        layers = len(state["recalling"])
        rows = state["step"].clamp(min=1)
        return {"recalls_per_layer_and_row": state["recalls"] / (layers * rows)}

    @property
    def _cuts(self) -> list[int]:
        """How many of the weights are the network's, and how many the controllers'."""
        parts: tuple[nn.Module, ...] = (self.network, self.adapters)
        return [Packing.of(part).size for part in parts]

    def _coefficients(self, weights: Tensor, slow: list[Tensor]) -> list[Tensor]:
        named = unflatten(self.adapters, weights[self._cuts[0] :])
        coefficients: list[Tensor] = functional_call(self.adapters, named, (slow,))
        return coefficients

    def _forecast(self, weights: Tensor, coefficients: list[Tensor], window: Tensor) -> Tensor:
        named = unflatten(self.network, weights[: self._cuts[0]])
        forecasts: Tensor = functional_call(self.network, named, (window[None], coefficients))
        return forecasts[0]

    def _of(self, state: State, name: str) -> list[Tensor]:
        return [state[f"{name}_{group}"] for group in self._groups]


def _numbered(name: str, entries: Sequence[Tensor]) -> dict[str, Tensor]:
    """State entries of that name, one per shape of layers."""
    return {f"{name}_{number}": entry for number, entry in enumerate(entries)}
