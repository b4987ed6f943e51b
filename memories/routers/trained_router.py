"""Routers that are trained: a network from codes to label scores, AdamW, one run or in stages."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value
from torch.nn import functional as F
from typing_extensions import override

from memories.adam import Packing, adamw_step, flatten, unflatten
from memories.base import InvalidParameter, Router, State

LEARNING_RATE = 3e-3
WEIGHT_DECAY = 0.01
"""Of every weight, biases and gates included."""

Readout: TypeAlias = Literal["memory-only", "residual"]
Evidence: TypeAlias = Callable[[Tensor], dict[str, Any]]
"""What the network is told beside the codes of some training rows [B]."""


class Run(NamedTuple):
    """An optimiser under way: one vector of weights [P], its moments and the steps taken."""

    weights: Tensor
    first: Tensor
    second: Tensor
    step: Tensor

    @classmethod
    def start(cls, weights: Tensor) -> Run:
        """Before the first step."""
        zeros = torch.zeros_like(weights)
        return cls(weights, zeros, zeros, weights.new_zeros((), dtype=torch.int64))


class TrainedRouter(Router):
    """A router whose network is trained by AdamW (Loshchilov & Hutter 2019) on label scores.

    The network maps codes sqrt(d) z to scores of labels and to what a loss needs besides. The
    loss is cross-entropy plus what `penalty` adds; 0.003 is the step size, 0.01 the decay of all
    weights, without a schedule. Built with `continual`, its weights are the state's ``weights``
    [P], in the layout of `memories.adam.Packing`; otherwise they are parameters, which `fit`
    trains.

    Args:
        key_dim: d.
        label_groups: Group of each label.
        continual: Whether `fit_stage` trains it.
        route_supervision: Weight of the cross-entropy between the banks' probabilities and the
            label's group.
    """

    share_before_storing: ClassVar[float] = 1.0
    """Of the steps of `fit`, the share before the events are written; the rest retrieves them."""
    excludes = True
    network: nn.Module
    groups: Tensor

    def __init__(
        self,
        key_dim: int,
        label_groups: Sequence[int],
        *,
        continual: bool,
        route_supervision: float,
    ) -> None:
        super().__init__()
        self.key_dim, self.continual = key_dim, continual
        self.route_supervision = route_supervision
        self.banks_are_groups = route_supervision > 0
        self.register_buffer("groups", torch.tensor(list(label_groups)), persistent=False)

    def require_specialists(self, label_groups: Sequence[int]) -> None:
        """Refuse supervised routing where banks and groups do not pair off.

        Raises:
            InvalidParameter: If there is not one specialist per group.
        """
        groups = len(set(label_groups))
        if self.route_supervision and self.specialists != groups:
            raise InvalidParameter(
                "route_supervision",
                f"needs a bank for each of {groups} groups, got {self.specialists}",
                help="set it to 0, or choose as many banks as there are groups",
            )

    @abstractmethod
    def empty(self) -> State:
        """The state before any event, without the weights."""

    @abstractmethod
    def probabilities(self, aux: Mapping[str, Tensor]) -> Tensor:
        """The routing [Q, banks] in what the network says beside the scores."""

    def penalty(self, state: State, aux: Mapping[str, Tensor], labels: Tensor) -> Tensor:  # noqa: ARG002
        """What the loss adds to the cross-entropy of the scores, a scalar.

        Args:
            state: After `account` of the same forward.
            aux: What the network said.
            labels: [B].
        """
        if not self.route_supervision:
            return aux["l/T"].new_zeros(())
        logits = aux["l/T"][:, : self.specialists]
        return self.route_supervision * F.cross_entropy(logits, self.groups[labels])

    def evidence(self, state: State, codes: Tensor, ids: Tensor) -> Evidence:  # noqa: ARG002
        """What the network is told of training rows, found once for all steps; nothing here."""
        return lambda _rows: {}

    def account(self, state: State, aux: Mapping[str, Tensor]) -> State:  # noqa: ARG002
        """The state after a training forward."""
        return state

    def held(self, state: State) -> Mapping[str, Tensor]:  # noqa: ARG002
        """Weights that no step may move, bool, by name in the network."""
        return {}

    def end_stage(self, state: State, z: Tensor, labels: Tensor, ids: Tensor) -> State:
        """The state after a stage's training: its events are written."""
        return self.learn(state, z, labels, ids)

    @override
    def init_state(self) -> State:
        weights = {"weights": flatten(self.network)} if self.continual else {}
        return {**self.empty(), **weights}

    @override
    def route(
        self, state: State, z: Tensor, exclude_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor, State]:
        named = self.weights(state)
        scores, aux = functional_call(self.network, named, (state, self.scaled(z), exclude_ids))
        return scores, self.probabilities(aux), state

    @override
    def fit(self, train: Mapping[str, Tensor], generator: torch.Generator) -> None:
        z, labels, ids, order = (train[name] for name in ("z", "label", "id", "order"))
        run, state = Run.start(flatten(self.network).detach()), self.empty()
        before = round(self.share_before_storing * len(order))
        run, state = self._descend(run, state, z, labels, ids, order[:before])
        if before < len(order):
            state = self.learn(state, z, labels, ids)
            run, state = self._descend(run, state, z, labels, ids, order[before:])
        trained = unflatten(self.network, run.weights)
        with torch.no_grad():
            for name, parameter in self.network.named_parameters():
                parameter.copy_(trained[name])

    @override
    def fit_stage(
        self, state: State, z: Tensor, labels: Tensor, ids: Tensor, order: Tensor
    ) -> State:
        own = {name: entry for name, entry in state.items() if name != "weights"}
        if len(own) == len(state):
            raise InvalidParameter(
                "continual",
                "must be true for training in stages",
                help="build the router with continual=True: its weights are state then",
            )
        run, after = self._descend(Run.start(state["weights"]), own, z, labels, ids, order)
        return {**self.end_stage(after, z, labels, ids), "weights": run.weights}

    def scaled(self, z: Tensor) -> Tensor:
        """Codes sqrt(d) z, whose entries have the size that a network expects."""
        return math.sqrt(self.key_dim) * z

    def weights(self, state: State) -> dict[str, Tensor]:
        """The network's weights by name, from the state if they are there."""
        if "weights" in state:
            return unflatten(self.network, state["weights"])
        return dict(self.network.named_parameters())

    def _descend(
        self, run: Run, state: State, z: Tensor, labels: Tensor, ids: Tensor, order: Tensor
    ) -> tuple[Run, State]:
        """The optimiser and the state after the steps whose rows are order [T, B]."""
        codes = self.scaled(z)
        evidence, held = self.evidence(state, codes, ids), self._held(state)
        packing, names = Packing.of(self.network), [n for n, _ in self.network.named_parameters()]

        def loss(weights: Tensor, rows: Tensor) -> tuple[Tensor, State]:
            named = dict(zip(names, packing.unpack(weights), strict=True))
            given = state, codes[rows]
            scores, aux = functional_call(self.network, named, given, evidence(rows))
            right, after = labels[rows], self.account(state, aux)
            return F.cross_entropy(scores, right) + self.penalty(after, aux, right), after

        gradient_of = grad_and_value(loss, has_aux=True)
        rate = run.weights.new_tensor(LEARNING_RATE)
        for rows in order.unbind(0):
            gradient, (_, state) = gradient_of(run.weights, rows)
            moved = adamw_step(
                run.weights, gradient, run.first, run.second, run.step, rate, WEIGHT_DECAY
            )
            weights = moved[0] if held is None else torch.where(held, run.weights, moved[0])
            run = Run(weights, *moved[1:], run.step + 1)
        return run, state

    def _held(self, state: State) -> Tensor | None:
        """Where the vector of weights may not move, bool [P]; None if it may everywhere."""
        held = self.held(state)
        if not held:
            return None
        every = {
            name: held.get(name, torch.zeros_like(weights, dtype=torch.bool))
            for name, weights in self.network.named_parameters()
        }
        return Packing.of(self.network).pack(every.values())
