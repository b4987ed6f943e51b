"""The pseudo-inverse memory: regularised least squares over everything written."""

from __future__ import annotations

from math import isqrt
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, State
from memories.features import KeyNorm, Phi, feature_map, normalise_keys, widest_features
from memories.matrix import least_squares
from memories.matrix.recurrence import accumulate

BLOCK = 64
"""Events per system of the covariance form, whose cost grows with the cube."""


@memory(
    "ridge-assoc",
    family="matrix",
    source="Kohonen & Ruohonen 1973; Personnaz, Guyon & Dreyfus 1985",
)
class RidgeAssociator(AssociativeMemory):
    """Recalls values by the linear map that fits all events best in the least-squares sense.

    W minimises sum_i decay^(age of i) |v_i - phi(k_i) W|^2 + ridge |W|^2; a read is phi(q) W.
    Independent keys are recalled exactly up to the ridge, m of them; beyond m features recall
    falls off, and near m it amplifies noise in the queries. Values written to one key are
    averaged.

    ``information`` keeps A = sum decay^age phi^T phi and B = sum decay^age phi^T v and solves
    (A + ridge I) W = B at each read, the ridge raised to the rounding error of A where that is
    larger: in float32, and with the default ridge, from about 56 unit keys on. ``covariance`` is
    recursive least squares: it keeps P = (A + ridge I)^-1 and W themselves, one system of N
    unknowns per block of events. Its ridge decays as events do (ridge decay^count), so that with
    decay below one P grows without bound in directions that no key takes; and a small ridge costs
    digits, as P starts at I/ridge: in float32 one of 0.01 leaves five.

    State: ``gram`` [m, m] and ``cross`` [m, V]; or ``covariance`` [m, m] and ``fast_weights``
    [m, V]; ``count``.

    Args:
        key_dim: D.
        value_dim: V.
        form: What is kept.
        ridge: Weight of |W|^2, also called lambda.
        decay: What remains of an old event's weight at each event.
        solve_dtype: Precision in which systems are solved; the state keeps its own.
        key_norm: Preprocessing of keys and queries.
        phi: Feature map.
        features: Its width m, where it is free.
        length_scale: Width of the kernel of rff.
        nu: Number of shifts of dpfp.
        generator: Source of a random feature map.

    Raises:
        InvalidParameter: If the feature map cannot have that width.
    """

    ridge: Tensor
    decay: Tensor

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        form: Literal["information", "covariance"] = "information",
        ridge: Annotated[float, Gt(0)] = 1e-4,
        decay: Annotated[float, Gt(0), Le(1)] = 1.0,
        solve_dtype: Literal["float64", "float32"] = "float64",
        key_norm: KeyNorm = "unit",
        phi: Phi = "identity",
        features: Annotated[int, Ge(1)] | None = None,
        length_scale: Annotated[float, Gt(0)] = 0.5,
        nu: Annotated[int, Ge(1)] = 1,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.value_dim = value_dim
        self.form = form
        self.key_norm: KeyNorm = key_norm
        self.solve_dtype = solve_dtype
        self.feature_map = feature_map(
            phi, key_dim, generator, features=features, length_scale=length_scale, nu=nu
        )
        self.scalar("ridge", ridge)
        self.scalar("decay", decay)

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        # the largest m with m^2 + m V <= budget
        most = (isqrt(value_dim**2 + 4 * budget) - value_dim) // 2
        return widest_features(most, key_dim, params.get("phi"))

    @override
    def init_state(self) -> State:
        width = self.feature_map.width
        weights = self.decay.new_zeros(width, self.value_dim)
        count = self.decay.new_zeros((), dtype=torch.int64)
        if self.form == "information":
            return {"gram": weights.new_zeros(width, width), "cross": weights, "count": count}
        identity = torch.eye(width, dtype=self.ridge.dtype, device=self.ridge.device)
        return {"covariance": identity / self.ridge, "fast_weights": weights, "count": count}

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        features = self._phi(keys)
        write = self._accumulate if self.form == "information" else self._recurse
        return {**write(state, features, values), "count": state["count"] + keys.shape[0]}

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        features = self._phi(queries)
        if self.form == "covariance":
            return features @ state["fast_weights"]
        # no event weighs more than one, so that the sum has the rounding of 1/(1 - decay) terms
        lasting = (1 - self.decay).clamp(min=torch.finfo(self.decay.dtype).tiny).reciprocal()
        n_terms = torch.minimum(lasting, state["count"])
        ridge = torch.maximum(self.ridge, least_squares.rounding_of_sum(state["gram"], n_terms))
        weights = least_squares.solve(state["gram"], state["cross"], ridge, self._solve_dtype)
        return (features.to(weights.dtype) @ weights).to(features.dtype)

    @property
    def _solve_dtype(self) -> torch.dtype:
        return torch.float64 if self.solve_dtype == "float64" else torch.float32

    def _accumulate(self, state: State, features: Tensor, values: Tensor) -> State:
        gram = accumulate(state["gram"], features, features, self.decay)
        return {
            # a product of floats is symmetric only up to rounding
            "gram": (gram + gram.mT) / 2,
            "cross": accumulate(state["cross"], features, values, self.decay),
        }

    def _recurse(self, state: State, features: Tensor, values: Tensor) -> State:
        dtype = self._solve_dtype
        covariance, weights = state["covariance"].to(dtype), state["fast_weights"].to(dtype)
        decay = self.decay.to(dtype)
        blocks = (torch.split(x.to(dtype), BLOCK) for x in (features, values))
        for block, targets in zip(*blocks, strict=True):
            covariance, weights = least_squares.recurse(covariance, weights, block, targets, decay)
        own = state["fast_weights"].dtype
        return {"covariance": covariance.to(own), "fast_weights": weights.to(own)}

    def _phi(self, x: Tensor) -> Tensor:
        features: Tensor = self.feature_map(normalise_keys(x, self.key_norm))
        return features
