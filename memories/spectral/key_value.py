"""What the spectral key-value memories share: their keys, their read, their evidence."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor
from torch.func import functional_call
from typing_extensions import override

from memories.base import AssociativeMemory, InvalidParameter, State
from memories.features import KeyNorm, Phi, feature_map, normalise_keys
from memories.spectral.principal_regression import PrincipalRegression


class SpectralKeyValue(AssociativeMemory):
    """Recalls values by a linear map of keys that is solved at each read, in float64.

    A context is appended to its key, each normalised by itself; an event or a query without one
    has zeros there. A linear map adds what key and context recall: it takes a feature map to bind
    them.

    Args:
        key_dim: D.
        value_dim: V.
        context_dim: Width C of contexts, 0 for none.
        decay: What remains of an old event's weight at each event: the published forgetting
            factor of the second moments.
        key_norm: Preprocessing of keys, queries and contexts.
        context_weight: Length of a normalised context beside a key.
        phi: Feature map of key and context together.
        features: Its width m, where it is free.
        length_scale: Width of the kernel of rff.
        nu: Number of shifts of dpfp.
        generator: Source of a random feature map.

    Raises:
        InvalidParameter: If the feature map cannot have that width.
    """

    uses_context = True
    decay: Tensor
    context_weight: Tensor

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        context_dim: int,
        decay: Annotated[float, Gt(0), Le(1)] = 1.0,
        key_norm: KeyNorm = "unit",
        context_weight: Annotated[float, Ge(0)] = 1.0,
        phi: Phi = "identity",
        features: Annotated[int, Ge(1)] | None = None,
        length_scale: Annotated[float, Gt(0)] = 0.5,
        nu: Annotated[int, Ge(1)] = 1,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.value_dim = value_dim
        self.context_dim = context_dim
        self.key_norm: KeyNorm = key_norm
        self.feature_map = feature_map(
            phi,
            key_dim + context_dim,
            generator,
            features=features,
            length_scale=length_scale,
            nu=nu,
        )
        self.scalar("decay", decay)
        self.scalar("context_weight", context_weight)

    @property
    def width(self) -> int:
        """Width m of the features."""
        return self.feature_map.width

    @abstractmethod
    def regression(self, state: State) -> PrincipalRegression:
        """The regression of values on features that a read solves."""

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        weights = self.regression(state).weights()
        return (self.features(queries, contexts) @ weights).to(queries.dtype)

    def read_info(
        self, state: State, queries: Tensor, contexts: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Values [Q, V] and how well their queries are known.

        ``familiarity`` [Q] is 1 for a query within the directions that the memory knows and 0 for
        one across all of them, or for an empty memory.
        """
        features = self.features(queries, contexts)
        known = self.regression(state).familiarity(features)
        return {
            "values": self.read(state, queries, None, contexts),
            "familiarity": known.to(queries.dtype),
        }

    def features(self, keys: Tensor, contexts: Tensor | None) -> Tensor:
        """Features [N, m] of keys [N, D] and contexts [N, C], in float64.

        Single precision would be amplified by the inverse of a small eigenvalue.

        Raises:
            InvalidParameter: If contexts are not as wide as the memory was built for.
        """
        x = normalise_keys(keys.double(), self.key_norm)
        if self.context_dim or contexts is not None:
            x = torch.cat([x, self._context_part(x, contexts)], dim=-1)
        drawn = {name: buffer.double() for name, buffer in self.feature_map.named_buffers()}
        mapped: Tensor = functional_call(self.feature_map, drawn, (x,))
        return mapped

    def _context_part(self, keys: Tensor, contexts: Tensor | None) -> Tensor:
        if contexts is None:
            return keys.new_zeros(keys.shape[0], self.context_dim)
        if contexts.shape[-1] != self.context_dim:
            raise InvalidParameter(
                "context_dim",
                f"is {self.context_dim}, but contexts of width {contexts.shape[-1]} were given",
                help="build the memory with the width of the contexts it will be given",
            )
        return self.context_weight.double() * normalise_keys(contexts.double(), self.key_norm)


def components_of(components: int | None, most: int) -> int:
    """K, as many as there can be at most where none is given.

    Raises:
        InvalidParameter: If there cannot be that many.
    """
    if components is not None and components > most:
        raise InvalidParameter(
            "components",
            f"must be <= {most}, the number of directions there are, got {components}",
            help="leave components out to keep them all",
        )
    return most if components is None else components


def ridge_of(ridge: Tensor | None, gram: Tensor) -> Tensor:
    """The ridge that was given, or a thousandth of the mean eigenvalue of `gram` [m, m]."""
    if ridge is None:
        return 1e-3 * gram.diagonal().sum() / gram.shape[-1]
    return ridge.double()
