"""Principal-component regression from keys to values, over everything written."""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import State
from memories.features import widest_features
from memories.spectral.key_moments import MomentMemory
from memories.spectral.key_value import components_of, ridge_of
from memories.spectral.principal_regression import PrincipalRegression


@memory("spectral-kv", family="spectral", source="Massy 1965; Kohonen & Ruohonen 1973")
class SpectralKv(MomentMemory):
    """Recalls values by the least-squares map on the K strongest directions of the keys.

    A = sum x x^T and B = sum x v^T over features x = phi(k). With A = sum l_i q_i q_i^T a read is
    x sum_(i <= K) q_i q_i^T B / (l_i + ridge), over the l_i above 1e-10 l_1. Without a ridge, N
    keys of rank R recall P V, with P the projector on their r = min(K, R) leading left singular
    vectors: leverages sum to r, random values come back with error energy 1 - r/N, and all of
    them exactly where r = N. With every direction it is the pseudo-inverse memory.

    It cannot overwrite: a key written twice recalls the mean of its values, tilted to the newer
    one by `decay`. Weak directions amplify noise in a query; fewer components or a ridge damp it.
    A window forgets at once what is older; what remains is recalled as if nothing else had been.

    State: ``gram`` [m, m] and ``cross`` [m, V] in float64; with a window the ``keys`` [M, m] and
    ``values`` [M, V] of its events; ``count``.

    Args:
        key_dim: D.
        value_dim: V.
        context_dim: Width C of contexts, 0 for none.
        components: K; None for as many as there are features.
        ridge: Added to the eigenvalues; ``auto`` takes a thousandth of their mean over all m.
        generator: Source of a random feature map.

    Raises:
        InvalidParameter: If there are more components than features.
    """

    ridge: Tensor

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        context_dim: int,
        components: Annotated[int, Ge(1)] | None = None,
        ridge: Annotated[float, Ge(0)] | Literal["auto"] = 0.0,
        generator: torch.Generator,
        **options: Any,
    ) -> None:
        super().__init__(
            key_dim, value_dim, context_dim=context_dim, generator=generator, **options
        )
        self.components = components_of(components, self.width)
        self.ridge_from_keys = ridge == "auto"
        self.scalar("ridge", 0.0 if ridge == "auto" else ridge)

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        """The parameters of the most features, or of the largest window, within a budget.

        Contexts count with the `context_dim` among `params`, 0 if it is not given; the budget
        sizes the window where there is one.

        Raises:
            InvalidParameter: If not even the smallest fits.
        """
        if params.get("window") is not None:
            return cls.window_within(budget, key_dim, value_dim, **params)
        width = key_dim + params.get("context_dim", 0)
        # the largest m with 2 m^2 + 2 m V <= budget: a number in float64 is two floats
        most = (isqrt(value_dim**2 + 4 * (budget // 2)) - value_dim) // 2
        return widest_features(most, width, params.get("phi"))

    @override
    def products(self, features: Tensor, values: Tensor) -> Mapping[str, tuple[Tensor, Tensor]]:
        return {"gram": (features, features), "cross": (features, values)}

    @override
    def regression(self, state: State) -> PrincipalRegression:
        moments = self.moments(state)
        ridge = ridge_of(None if self.ridge_from_keys else self.ridge, moments["gram"])
        return PrincipalRegression(moments["gram"], moments["cross"], self.components, ridge)
