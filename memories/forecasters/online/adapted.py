"""Forecasters whose backbone's weights are state: which of them adapt, and one step of learning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call

from memories.adam import Packing, adam_step
from memories.backbones.layers import BatchNorm
from memories.base import OnlineForecaster, State, Unsuitable

Scope: TypeAlias = Literal["all", "head", "norm"]
"""Which weights adapt: all, those of the last linear map, or those of normalisation layers."""

NORMS = (BatchNorm, nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


class AdaptedForecaster(OnlineForecaster):
    """Forecasts with a backbone whose weights, or a part of them, are learned online.

    The backbone stays in evaluation mode, so that a learning rate of 0 is exactly `frozen`.

    State entries: ``weights`` [P], the adapted ones, flat, at first as pre-trained, with zeros
    that never change where one parameter ends before the next may start; ``first_moment`` and
    ``second_moment`` [P] of Adam, at first zero; ``step``, int64, the Adam steps taken. The
    pre-trained weights remain slow weights.

    Args:
        backbone: Pre-trained module, [B, L, C] to [B, H, C].
        scope: Which of its weights adapt.
        learning_rate: Step size; may differ between lanes.

    Raises:
        Unsuitable: If the backbone has no weights of that scope, or no others.
    """

    learning_rate: Tensor

    def __init__(self, backbone: nn.Module, *, scope: Scope = "all", learning_rate: float) -> None:
        super().__init__()
        self.backbone = backbone.eval()
        self.adapted = parameters_of(backbone, scope)
        self.packing = Packing(backbone.get_parameter(name).shape for name in self.adapted)
        self.scalar("learning_rate", learning_rate)

    def init_state(self) -> State:
        """The pre-trained weights [P] and fresh Adam moments [P]."""
        weights = self.pretrained()
        return {
            "weights": weights,
            "first_moment": torch.zeros_like(weights),
            "second_moment": torch.zeros_like(weights),
            "step": torch.zeros((), dtype=torch.int64, device=weights.device),
        }

    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        """The adapted backbone's forecast [H, C]."""
        return self.forecast(state["weights"], window[None])[0], state

    def pretrained(self) -> Tensor:
        """The weights that adapt as they were pre-trained, one vector [P]."""
        named = dict(self.backbone.named_parameters())
        return self.packing.pack(named[name].detach() for name in self.adapted)

    def forecast(self, weights: Tensor, windows: Tensor) -> Tensor:
        """Forecasts [B, H, C] of windows [B, L, C] with adapted weights [P] put in place."""
        named = dict(zip(self.adapted, self.packing.unpack(weights), strict=True))
        forecasts: Tensor = functional_call(self.backbone, named, (windows,))
        return forecasts

    def learned(
        self, state: State, gradient: Tensor, where: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The state's entries for weights and moments after one Adam step.

        Args:
            state: Holds those entries, and maybe others.
            gradient: [P], of the loss at the state's weights.
            where: Bool scalar; where it is false no step is taken. None takes it always.
        """
        weights, first, second, step = adam_step(
            state["weights"],
            gradient,
            state["first_moment"],
            state["second_moment"],
            state["step"],
            self.learning_rate,
        )
        after = {"weights": weights, "first_moment": first, "second_moment": second, "step": step}
        if where is None:
            return after
        return {name: torch.where(where, entry, state[name]) for name, entry in after.items()}


def squared_errors(forecasts: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error of each forecast [..., H, C] over its leads and channels."""
    return (forecasts - targets).square().mean((-2, -1))


def parameters_of(backbone: nn.Module, scope: Scope) -> tuple[str, ...]:
    """Names of the backbone's parameters of that scope, in the order of `named_parameters`.

    Raises:
        Unsuitable: If it has none, or if its head is all there is.
    """
    kind = type(backbone).__name__
    names = [name for name, _ in backbone.named_parameters()]
    if scope == "head":
        head = head_of(backbone)
        if head is None:
            raise Unsuitable(
                f"the last linear map of {kind} is the whole of it: to learn it is to learn all"
            )
        names = list(_inside(names, [head]))
    elif scope == "norm":
        norms = [name for name, module in backbone.named_modules() if isinstance(module, NORMS)]
        names = list(_inside(names, norms))
    if not names:
        raise Unsuitable(f"{kind} has no weights to learn of the scope '{scope}'")
    return tuple(names)


def head_of(backbone: nn.Module) -> str | None:
    """Name of the submodule that a backbone declares as its head; None if it declares none."""
    head = getattr(backbone, "head", None)  # in a plain module it may be a layer of that name
    return head if isinstance(head, str) else None


def _inside(names: Sequence[str], modules: Sequence[str]) -> Iterator[str]:
    """The parameter names that lie in one of these submodules."""
    return (name for name in names if any(name.startswith(f"{module}.") for module in modules))
