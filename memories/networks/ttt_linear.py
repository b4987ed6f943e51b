"""A linear model trained at test time, a mini-batch of events per gradient step."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, InvalidParameter, State
from memories.features import unit

LAYER_NORM_EPS = 1e-6
INITIAL_SCALE = 0.02
"""Standard deviation of the initial weights of the layer-normalised model."""


@memory("ttt-linear", family="networks", source="Sun et al. 2024")
class TttLinear(AssociativeMemory):
    """Recalls values through a linear model that descends the gradient of each mini-batch.

    W <- W - sum_t step_t grad l(W; k_t, v_t), the gradients of a mini-batch all at the weights
    before it, step_t = base_lr sigmoid(gate_t) with an untrained gate of 1/2. The plain model
    f(x) = x W has l = |f(k) - v|^2: with ``chunk`` 1 it is the delta rule of write strength
    2 step. The layer-normalised model f(x) = x + LN(x W + b) has l = |LN(k W + b) - (v - k)|^2 / 2
    and steps divided by D. Keys and queries are brought to unit length. Mini-batches are counted
    from the start of each write call.

    State: ``fast_weights`` [D, V], ``count``, and with the layer norm ``bias`` [V]. Slow weights:
    the weights before the first event (zero if plain, N(0, 0.02^2) with the layer norm), the
    layer norm's scale and shift, the gate if learned.

    Args:
        key_dim: D.
        value_dim: V.
        form: Which of the two models; ``layernorm`` needs D = V.
        chunk: Events per mini-batch. What is stored by more than one depends on how events are
            split over calls (`composes` is False).
        reduction: ``mean`` divides the steps of a mini-batch by its number of events, as the
            published layer does: for unit keys and base_lr up to 2 no step of the plain model
            then amplifies the weights. ``sum`` does not divide: from zero weights and with
            base_lr 1 one mini-batch of the plain model is the linear associator.
        base_lr: Step size at a gate of one.
        learned_gate: Whether the gate is a sigmoid of a linear map of [key; value].
        generator: Source of the initial weights.

    Raises:
        InvalidParameter: If the layer-normalised model meets key_dim != value_dim.
    """

    base_lr: Tensor

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        form: Literal["plain", "layernorm"] = "plain",
        chunk: Annotated[int, Ge(1)] = 16,
        reduction: Literal["mean", "sum"] = "mean",
        base_lr: Annotated[float, Gt(0)] = 1.0,
        learned_gate: bool = False,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.key_dim = key_dim
        self.value_dim = value_dim
        self.chunk = chunk
        # a fact about this instance: only the mini-batch decides it
        self.composes = chunk == 1
        self.reduction = reduction
        self.normalised = form == "layernorm"
        self.scalar("base_lr", base_lr)
        if self.normalised:
            _require_one_width(key_dim, value_dim)
            self.initial_bias = nn.Parameter(torch.zeros(value_dim))
            self.norm_scale = nn.Parameter(torch.ones(value_dim))
            self.norm_shift = nn.Parameter(torch.zeros(value_dim))
        drawn = torch.randn(key_dim, value_dim, generator=generator) if self.normalised else None
        self.initial_weights = nn.Parameter(
            torch.zeros(key_dim, value_dim) if drawn is None else INITIAL_SCALE * drawn
        )
        self.gate_weights: nn.Parameter | None = None
        if learned_gate:
            self.gate_weights = nn.Parameter(torch.zeros(key_dim + value_dim))
            self.gate_bias = nn.Parameter(torch.zeros(()))

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        words = key_dim * value_dim
        if params.get("form") == "layernorm":
            words += value_dim
        if budget < words:
            raise InvalidParameter(
                "budget",
                f"must be >= {words}, its only size, got {budget}",
                help="raise the budget, or leave this memory out",
            )
        return {}

    @override
    def init_state(self) -> State:
        state = {
            "fast_weights": self.initial_weights.clone(),
            "count": self.base_lr.new_zeros((), dtype=torch.int64),
        }
        return {**state, "bias": self.initial_bias.clone()} if self.normalised else state

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        steps = self._steps(keys, values)
        keys = unit(keys)
        count = state["count"] + keys.shape[0]
        for start in range(0, keys.shape[0], self.chunk):
            span = slice(start, start + self.chunk)
            state = self._descend(state, keys[span], values[span], steps[span])
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
        recalled = queries @ state["fast_weights"]
        if self.normalised:
            centred, deviation = _standardised(recalled + state["bias"])
            recalled = queries + self.norm_scale * (centred / deviation) + self.norm_shift
        return torch.where(state["count"] > 0, recalled, 0.0)

    def _steps(self, keys: Tensor, values: Tensor) -> Tensor:
        """Step size of each event [N], before any mean over its mini-batch."""
        base = self.base_lr / self.key_dim if self.normalised else self.base_lr
        if self.gate_weights is None:
            return (base / 2).expand(keys.shape[0])
        logits = torch.cat([keys, values], dim=-1) @ self.gate_weights + self.gate_bias
        return base * logits.sigmoid()

    def _descend(self, state: State, keys: Tensor, values: Tensor, steps: Tensor) -> State:
        """The state after one mini-batch, its gradients taken at the weights before it."""
        if self.reduction == "mean":
            steps = steps / keys.shape[0]
        moves = steps[:, None] * self._surprise(state, keys, values)
        moved = {**state, "fast_weights": state["fast_weights"] - keys.mT @ moves}
        return {**moved, "bias": state["bias"] - moves.sum(0)} if self.normalised else moved

    def _surprise(self, state: State, keys: Tensor, values: Tensor) -> Tensor:
        """Gradient of each event's loss with respect to k W (+ b), [n, V]."""
        mapped = keys @ state["fast_weights"]
        if not self.normalised:
            return 2 * (mapped - values)
        centred, deviation = _standardised(mapped + state["bias"])
        normal = centred / deviation
        outer = self.norm_scale * (self.norm_scale * normal + self.norm_shift - (values - keys))
        along = (outer * normal).mean(-1, keepdim=True) * normal
        return (outer - outer.mean(-1, keepdim=True) - along) / deviation


def _standardised(x: Tensor) -> tuple[Tensor, Tensor]:
    """Rows less their mean, and their standard deviations [n, 1]."""
    centred = x - x.mean(-1, keepdim=True)
    return centred, ((centred * centred).mean(-1, keepdim=True) + LAYER_NORM_EPS).sqrt()


def _require_one_width(key_dim: int, value_dim: int) -> None:
    if key_dim != value_dim:
        raise InvalidParameter(
            "form",
            f"'layernorm' needs key_dim = value_dim, got {key_dim} and {value_dim}",
            help="use form 'plain'",
        )
