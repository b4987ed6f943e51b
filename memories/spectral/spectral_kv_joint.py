"""One spectrum of keys and values together, read as a probabilistic model of both."""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Gt
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import State
from memories.features import widest_features
from memories.spectral.key_moments import MomentMemory
from memories.spectral.key_value import components_of
from memories.spectral.matrix_function import RELATIVE_FLOOR, decompose, matrix_function
from memories.spectral.principal_regression import PrincipalRegression


@memory("spectral-kv-joint", family="spectral", source="Tipping & Bishop 1999")
class SpectralKvJoint(MomentMemory):
    """Recalls the value that goes with a key in the K strongest patterns of both together.

    The second moments of z = [x; g v], features x = phi(k), are sum l_i w_i w_i^T. Read as
    probabilistic PCA, l_i = s_i + sigma^2 with sigma^2 the mean of the l_i beyond K, and the
    ``posterior`` read is the mean of v given x: with S = sum_(i <= K) s_i w_i w_i^T in blocks,
    x (S_xx + sigma^2 I)^-1 S_xv / g. Up to K independent events are recalled exactly. Beyond, as
    values steer the patterns too, more of random events comes back than from the K strongest
    directions of keys alone while K < D; with K = D and N > D it is a little less, for the noise
    that is allowed for. With K = m + V it is least squares.

    ``projection`` fits a query by the key parts of the K patterns, in least squares, and reads
    off their value parts: the plain reading of "projects on the spectrum". Key parts of
    orthonormal patterns are not orthonormal: the fit grows ill-conditioned as K nears m.

    State: ``moments`` [m + V, m + V] in float64; with a window the ``keys`` [M, m] and ``values``
    [M, V] of its events; ``count``.

    Args:
        key_dim: D.
        value_dim: V.
        context_dim: Width C of contexts, 0 for none.
        components: K; None for as many as there are features.
        value_scale: Weight g of values against features of length one.
        readout: How a value is read off the patterns.
        generator: Source of a random feature map.

    Raises:
        InvalidParameter: If there are more components than features and values have dimensions.
    """

    value_scale: Tensor

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        context_dim: int,
        components: Annotated[int, Ge(1)] | None = None,
        value_scale: Annotated[float, Gt(0)] = 1.0,
        readout: Literal["posterior", "projection"] = "posterior",
        generator: torch.Generator,
        **options: Any,
    ) -> None:
        super().__init__(
            key_dim, value_dim, context_dim=context_dim, generator=generator, **options
        )
        wanted = self.width if components is None else components
        self.components = components_of(wanted, self.width + value_dim)
        self.readout = readout
        self.scalar("value_scale", value_scale)

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
        # the largest m with 2 (m + V)^2 <= budget: a number in float64 is two floats
        most = max(0, isqrt(budget // 2) - value_dim)
        return widest_features(most, width, params.get("phi"))

    @override
    def products(self, features: Tensor, values: Tensor) -> Mapping[str, tuple[Tensor, Tensor]]:
        joint = torch.cat([features, self.value_scale.double() * values], dim=-1)
        return {"moments": (joint, joint)}

    @override
    def regression(self, state: State) -> PrincipalRegression:
        patterns, noise = self._model(self.moments(state)["moments"])
        of_keys, m = patterns[: self.width], self.width
        scale = self.value_scale.double()
        return PrincipalRegression(of_keys[:, :m], of_keys[:, m:] / scale, m, noise)

    def _model(self, moments: Tensor) -> tuple[Tensor, Tensor]:
        """What the K patterns say of the second moments, and what a query's noise adds to them."""
        spectrum = decompose(moments)
        kept = spectrum.principal(self.components)
        none, ones = torch.zeros_like(spectrum.vectors), torch.ones_like(spectrum.values)
        projector = matrix_function(spectrum, ones, kept, none)
        if self.readout == "projection":
            return projector, ones.new_zeros(())
        levels = spectrum.levels()
        noise = RELATIVE_FLOOR * levels[0]
        if self.components < levels.shape[0]:
            noise = torch.maximum(noise, levels[self.components :].mean())
        # taken off the moments, not put together from patterns: what is not taken off keeps the
        # rounding that it had
        beyond = spectrum.principal(levels.shape[0]) & ~kept
        others = matrix_function(spectrum, spectrum.values, beyond, none + 1)
        return moments - others - noise * projector, noise
