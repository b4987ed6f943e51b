"""The strongest key directions and their values in K rows, compressed at each write."""

from __future__ import annotations

from math import isqrt
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import State
from memories.features import widest_features
from memories.matrix.recurrence import accumulate
from memories.spectral.key_value import SpectralKeyValue, components_of, ridge_of
from memories.spectral.matrix_function import Spectrum, decompose, divided_differences
from memories.spectral.principal_regression import PrincipalRegression


@memory("spectral-kv-strict", family="spectral", source="Brand 2006")
class SpectralKvStrict(SpectralKeyValue):
    """Recalls by the K strongest directions of the keys, of which no more than K rows are kept.

    With K rows R = diag(s) Q^T and their values C, a write of n events adds to the second moments
    that these stand for, R^T R + sum x x^T and R^T C + sum x v^T, features x = phi(k), and keeps
    of their eigenvectors the K strongest: the truncated update of a singular value decomposition
    (Brand 2006) by [R; X], in blocks of one call. A read is x sum q_i c_i s_i / (s_i^2 + ridge).

    It equals `spectral-kv` while no more than K keys are independent. Beyond, what is cut off is
    gone: a little less is recalled at equal K, and what depends on the order of events and on how
    they are split over calls. Of equally strong directions it is open which is cut. In float32 it
    holds a direction down to 1e-5 of the strongest.

    State: ``directions`` R [K, m], ``values`` C [K, V], ``count``.

    Args:
        key_dim: D.
        value_dim: V.
        context_dim: Width C of contexts, 0 for none.
        components: K; None for as many as there are features, which cuts nothing off.
        ridge: Added to the squares of s; ``auto`` takes a thousandth of their mean over all m.
        generator: Source of a random feature map.

    Raises:
        InvalidParameter: If there are more components than features.
    """

    composes = False
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
        """The most components of plain keys within a budget, else the most random features.

        Keys of width D + C have no more directions than that: a budget beyond goes to features.
        Contexts count with the `context_dim` among `params`, 0 if it is not given.

        Raises:
            InvalidParameter: If not even one component, or no such feature map, fits.
        """
        width = key_dim + params.get("context_dim", 0)
        phi = params.get("phi")
        components = budget // (width + value_dim)
        if phi in (None, "identity") and 1 <= components < width:
            return {"components": components}
        # the largest m with m^2 + m V <= budget
        most = (isqrt(value_dim**2 + 4 * budget) - value_dim) // 2
        return widest_features(most, width, phi)

    @override
    def init_state(self) -> State:
        like = self.decay
        return {
            "directions": like.new_zeros(self.components, self.width),
            "values": like.new_zeros(self.components, self.value_dim),
            "count": like.new_zeros((), dtype=torch.int64),
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
        if not keys.shape[0]:  # rows that are already the strongest would change by rounding
            return dict(state)
        features, decay = self.features(keys, contexts), self.decay.double()
        gram, cross = self._moments(state)
        gram = accumulate(gram, features, features, decay)
        cross = accumulate(cross, features, values.double(), decay)
        directions, kept_values = compressed(gram, cross, self.components)
        own = state["directions"].dtype
        return {
            "directions": directions.to(own),
            "values": kept_values.to(own),
            "count": state["count"] + keys.shape[0],
        }

    @override
    def regression(self, state: State) -> PrincipalRegression:
        gram, cross = self._moments(state)
        ridge = ridge_of(None if self.ridge_from_keys else self.ridge, gram)
        return PrincipalRegression(gram, cross, self.components, ridge)

    def _moments(self, state: State) -> tuple[Tensor, Tensor]:
        """The second moments [m, m] and [m, V] that the rows stand for."""
        directions = state["directions"].double()
        return directions.mT @ directions, directions.mT @ state["values"].double()


def compressed(gram: Tensor, cross: Tensor, components: int) -> tuple[Tensor, Tensor]:
    """Rows R [K, m] = diag(s) Q^T and C [K, V] = diag(1/s) Q^T cross of the K strongest directions.

    R^T R and R^T C are then `gram` and `cross` on these directions. Rows beyond the rank are zero.
    A direction points to where its largest coordinate is positive, the first of equally large ones.

    Args:
        gram: [m, m], symmetric.
        cross: [m, V].
        components: K, at most m.
    """
    spectrum = decompose(gram)
    kept = spectrum.principal(components)
    shrunk = torch.where(kept, spectrum.values, 1.0).rsqrt()
    rows = spectrum.vectors.mT
    recalled = rows @ cross
    directions, values = rows / shrunk[:, None], shrunk[:, None] * recalled
    if spectrum.change is not None:
        change = _change(spectrum, kept, shrunk, recalled.detach())
        directions, values = directions + change[0], values + change[1]
    largest = rows.gather(1, rows.abs().argmax(1, keepdim=True))
    signs = torch.where(largest < 0, -1.0, 1.0)
    # a row that is not finite stays so: only what lies beyond the rank of a finite sum is cleared
    beyond = ~kept[:, None] & largest.isfinite()
    directions = torch.where(beyond, 0.0, signs * directions)
    return directions[:components], torch.where(beyond, 0.0, signs * values)[:components]


def _change(
    spectrum: Spectrum, kept: Tensor, shrunk: Tensor, recalled: Tensor
) -> tuple[Tensor, Tensor]:
    """What R [m, m] and C [m, V] change by as `gram` does: zero, with the gradient of it.

    Rotations among the rows that are kept are left out: a read does not see them, and their
    gradient grows without bound as two lengths meet. With E = Q^T dA Q over kept i,
    dR_i = (1/s_i) sum_j a_ij E_ij q_j with a_ij = 1/2 for kept j and l_i/(l_i - l_j) for others
    makes dR^T R + R^T dR the change of the truncated A; dC follows from that of R^T C.
    """
    change, values = spectrum.change, spectrum.values
    assert change is not None  # the caller has asked for a gradient
    halves, none = torch.full_like(change, 0.5).detach(), torch.zeros_like(change).detach()
    among = change * divided_differences(values, torch.where(kept, values, 0.0), kept, halves)
    across = change * divided_differences(values, kept.to(values.dtype), kept, none)
    inverse = torch.where(kept, shrunk, 0.0)[:, None]
    both = kept[:, None] & kept
    shared = torch.where(both, 0.5 * change, 0.0) @ (inverse**2 * recalled)
    return inverse * (among @ spectrum.vectors.mT), inverse * (across @ recalled - shared)
