"""Neural long-term memory: a small network trained on every event, by its surprise."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor, nn
from torch.nn.functional import gelu
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, InvalidParameter, State
from memories.features import unit
from memories.networks.momentum import Mixing, mixing

SMALLEST_GATE = 0.0025
"""Where a learned gate starts in place of zero, which no logit reaches."""


@memory("titans", family="networks", source="Behrouz et al. 2024")
class Titans(AssociativeMemory):
    """Recalls values through a two-layer network whose weights every event moves.

    f(k) = gelu(k W1) W2 is trained on l = |f(k) - v|^2, one step per event with momentum and
    weight decay: S_t = momentum S_(t-1) - step grad l(M_(t-1); k_t, v_t) and
    M_t = (1 - forget) M_(t-1) + S_t, M the weights, their gradient the surprise. A chunk of
    several events takes all its gradients at the weights before it; chunks are counted from the
    start of each write call. Keys and queries are brought to unit length. The default step suits
    values of about unit length too: much longer ones make the weights diverge.

    State: ``output_weights`` and ``output_momentum`` [hidden, V], with the MLP also
    ``input_weights`` and ``input_momentum`` [D, hidden]; ``count``. Slow weights: the weights
    before the first event, and the gates if learned.

    Args:
        key_dim: D.
        value_dim: V.
        hidden: Width of the hidden layer; 4 D if null.
        model: ``mlp``, or ``linear`` for f(k) = k W, with hidden = D. Without momentum and forget
            the latter is the delta rule of write strength 2 step.
        momentum: Share of the past surprise that is kept.
        step: Step size of the gradient.
        forget: Share of the weights that an event erases.
        learned_gates: Whether the three are sigmoids of a linear map of [key; value], which
            starts at the constants given here; in place of zero at 0.0025.
        init: ``zero`` starts with W2 = 0; ``xavier`` draws both layers. A memory without events
            recalls zeros either way.
        chunk: Events per gradient. More than one is faster, but what is stored then depends on
            how events are split over calls (`composes` is False).
        generator: Source of the initial weights.

    Raises:
        InvalidParameter: If the linear model is given a width, or a learned gate cannot start
            at its constant.
    """

    initial_input: nn.Parameter | None
    momentum: Tensor
    step: Tensor
    forget: Tensor

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        hidden: Annotated[int, Ge(1)] | None = None,
        model: Literal["mlp", "linear"] = "mlp",
        momentum: Annotated[float, Ge(0), Lt(1)] = 0.6,
        step: Annotated[float, Gt(0)] = 0.05,
        forget: Annotated[float, Ge(0), Le(1)] = 0.0,
        learned_gates: bool = False,
        init: Literal["zero", "xavier"] = "zero",
        chunk: Annotated[int, Ge(1)] = 1,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if model == "linear" and hidden not in (None, key_dim):
            raise InvalidParameter(
                "hidden",
                f"must be key_dim ({key_dim}) with model 'linear', got {hidden}",
                help="leave hidden out, or use model 'mlp'",
            )
        self.value_dim = value_dim
        self.chunk = chunk
        # a fact about this instance: only the chunk decides it
        self.composes = chunk == 1
        width = key_dim if model == "linear" else hidden or 4 * key_dim
        self.initial_input = None
        if model == "mlp":
            self.initial_input = nn.Parameter(_xavier(key_dim, width, generator))
        drawn = _xavier(width, value_dim, generator)
        self.initial_output = nn.Parameter(drawn if init == "xavier" else torch.zeros_like(drawn))
        for name, rate in (("momentum", momentum), ("step", step), ("forget", forget)):
            self.scalar(name, rate)
        self.gate_weights: nn.Parameter | None = None
        if learned_gates:
            self.gate_weights = nn.Parameter(torch.zeros(key_dim + value_dim, 3))
            self.gate_bias = nn.Parameter(_logits(momentum=momentum, step=step, forget=forget))

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        linear = params.get("model") == "linear"
        # weights and their momentum
        words = 2 * key_dim * value_dim if linear else 2 * (key_dim + value_dim)
        if budget < words:
            raise InvalidParameter(
                "budget",
                f"must be >= {words}, the smallest size, got {budget}",
                help="raise the budget, or leave this memory out",
            )
        return {"model": "linear"} if linear else {"hidden": budget // words}

    @override
    def init_state(self) -> State:
        layers = {"output": self.initial_output}
        if self.initial_input is not None:
            layers["input"] = self.initial_input
        return {
            **{f"{layer}_weights": weights.clone() for layer, weights in layers.items()},
            **{f"{layer}_momentum": torch.zeros_like(w) for layer, w in layers.items()},
            "count": self.step.new_zeros((), dtype=torch.int64),
        }

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        gates = self._gates(keys, values)
        keys, n, size = unit(keys), keys.shape[0], self.chunk
        count = state["count"] + n
        whole = n - n % size
        # what the chunks contribute is known before any of them is written
        shares = mixing(*(gate[:whole].reshape(-1, size) for gate in gates))
        if whole < n:
            shares += mixing(*(gate[None, whole:] for gate in gates))
        for i, share in enumerate(shares):
            span = slice(i * size, (i + 1) * size)
            state = self._descend(state, keys[span], values[span], share)
        return {**state, "count": count}

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        queries = unit(queries)
        hidden = gelu(queries @ state["input_weights"]) if "input_weights" in state else queries
        return torch.where(state["count"] > 0, hidden @ state["output_weights"], 0.0)

    def _gates(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Momentum, step and 1 - forget of each event, [N] each."""
        if self.gate_weights is None:
            n = keys.shape[0]
            return self.momentum.expand(n), self.step.expand(n), (1 - self.forget).expand(n)
        logits = torch.cat([keys, values], dim=-1) @ self.gate_weights + self.gate_bias
        momentum, step, forget = logits.sigmoid().unbind(-1)
        return momentum, step, 1 - forget

    def _descend(self, state: State, keys: Tensor, values: Tensor, share: Mixing) -> State:
        """The state after one chunk, its gradients taken at the weights before it."""
        moved = dict(state)
        for layer, (inputs, errors) in self._surprise(state, keys, values).items():
            weights, momentum = state[f"{layer}_weights"], state[f"{layer}_momentum"]
            # the gradient of event t is the outer product of its inputs and errors
            gained = inputs.mT @ (-share.to_momentum[:, None] * errors)
            velocity = torch.addcmul(gained, momentum, share.sustained)
            if keys.shape[0] == 1:
                pushed = velocity
            else:
                gained = inputs.mT @ (-share.to_weights[:, None] * errors)
                pushed = torch.addcmul(gained, momentum, share.carried)
            moved[f"{layer}_weights"] = torch.addcmul(pushed, weights, share.kept)
            moved[f"{layer}_momentum"] = velocity
        return moved

    def _surprise(
        self, state: State, keys: Tensor, values: Tensor
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """Per layer its inputs and the gradient with respect to its outputs, [n, width] each."""
        if "input_weights" not in state:
            return {"output": (keys, 2 * (keys @ state["output_weights"] - values))}
        before = keys @ state["input_weights"]
        # gelu(x) = x Phi(x), its derivative Phi(x) + x phi(x)
        below = 0.5 * (1 + torch.erf(before * math.sqrt(0.5)))
        density = torch.exp(-0.5 * before * before) * math.sqrt(0.5 / math.pi)
        hidden = before * below
        errors = 2 * (hidden @ state["output_weights"] - values)
        back = (errors @ state["output_weights"].mT) * (below + before * density)
        return {"output": (hidden, errors), "input": (keys, back)}


def _xavier(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """Weights [rows, columns] from N(0, 2 / (rows + columns)) (Glorot & Bengio 2010)."""
    return torch.randn(rows, columns, generator=generator) * math.sqrt(2 / (rows + columns))


def _logits(**starts: float) -> Tensor:
    """Biases [3] whose sigmoids are the constants.

    Raises:
        InvalidParameter: If one of them is 1 or more, where no sigmoid gets.
    """
    for name, start in starts.items():
        if start >= 1:
            raise InvalidParameter(
                name,
                f"must be < 1 with learned_gates, got {start}",
                help="a learned gate is a sigmoid",
            )
    return torch.tensor(list(starts.values())).clamp(min=SMALLEST_GATE).logit()
