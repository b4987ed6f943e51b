"""Keys made comparable, then mapped into the space a matrix memory stores them in.

The same preprocessing and the same feature map apply to keys and to queries. A linear map of the
keys never makes two similar keys less similar, however wide it is; `rff` and `dpfp` do, and that
is what lets a matrix memory spend more state than D x V.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from memories.base import InvalidParameter

KeyNorm: TypeAlias = Literal["unit", "none", "layernorm"]
"""What is done to keys and queries before anything else."""

Phi: TypeAlias = Literal["identity", "randproj", "rff", "relu", "dpfp", "taylor2"]
"""The feature maps by the name a suite uses."""

SQUARED_NORM_FLOOR = 1e-12
"""At or below this squared norm a vector has no direction that floats can be trusted with."""


def unit(x: Tensor) -> Tensor:
    """Vectors [..., D] at length one; zero, with zero gradient, where the length is below 1e-6."""
    squared = (x * x).sum(-1, keepdim=True)
    has_direction = squared > SQUARED_NORM_FLOOR
    # the inner `where` keeps the gradient of the branch not taken finite
    scaled = x * torch.where(has_direction, squared, 1.0).rsqrt()
    return torch.where(has_direction, scaled, 0.0)


def normalise_keys(x: Tensor, key_norm: KeyNorm) -> Tensor:
    """Keys or queries [..., D] after the chosen preprocessing.

    ``unit`` is `unit`, ``layernorm`` has no affine part and eps 1e-5, ``none`` leaves them alone.
    """
    if key_norm == "unit":
        return unit(x)
    return layer_norm(x, x.shape[-1:], eps=1e-5) if key_norm == "layernorm" else x


class FeatureMap(nn.Module, ABC):
    """A fixed map of keys [..., D] to features [..., m].

    Attributes:
        width: m.
        nonnegative: Whether the product of two images is never negative.
        unit_length: Whether images of unit keys have length one.
    """

    nonnegative: ClassVar[bool] = False
    unit_length: ClassVar[bool] = False

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Features [..., m] of keys [..., D]."""


class Identity(FeatureMap):
    """The key itself, m = D."""

    unit_length = True

    def forward(self, x: Tensor) -> Tensor:
        """The keys, unchanged."""
        return x


class RandomProjection(FeatureMap):
    """R x / sqrt(m) with Gaussian R [m, D]; for m < D (Johnson & Lindenstrauss 1984)."""

    projection: Tensor

    def __init__(self, key_dim: int, width: int, generator: torch.Generator) -> None:
        super().__init__(width)
        drawn = torch.randn(width, key_dim, generator=generator)
        self.register_buffer("projection", drawn / math.sqrt(width))

    def forward(self, x: Tensor) -> Tensor:
        """Features [..., m] whose inner products equal those of the keys on average."""
        return x @ self.projection.mT


class RandomFourier(FeatureMap):
    """sqrt(2/m) [cos(Wx), sin(Wx)], rows of W from N(0, I/l^2) (Rahimi & Recht 2007).

    The product of two images estimates exp(-|x-y|^2 / (2 l^2)) with error of order 1/sqrt(m), and
    each image has length one.
    """

    unit_length = True
    frequencies: Tensor
    length_scale: Tensor

    def __init__(
        self, key_dim: int, width: int, length_scale: float, generator: torch.Generator
    ) -> None:
        super().__init__(width)
        drawn = torch.randn(width // 2, key_dim, generator=generator)
        self.register_buffer("frequencies", drawn)
        self.register_buffer("length_scale", torch.tensor(float(length_scale)))

    def forward(self, x: Tensor) -> Tensor:
        """Features [..., m] of length one."""
        phases = (x / self.length_scale) @ self.frequencies.mT
        return torch.cat([phases.cos(), phases.sin()], dim=-1) * math.sqrt(2 / self.width)


class RandomRelu(FeatureMap):
    """relu(R x) at unit length, R Gaussian [m, D]: non-negative and strongly correlated."""

    nonnegative = True
    unit_length = True
    projection: Tensor

    def __init__(self, key_dim: int, width: int, generator: torch.Generator) -> None:
        super().__init__(width)
        self.register_buffer("projection", torch.randn(width, key_dim, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        """Features [..., m], none below zero."""
        return unit((x @ self.projection.mT).relu())


class Dpfp(FeatureMap):
    """Products r_j r_(j-i) of r = [relu(x), relu(-x)] for i = 1..nu, at unit length.

    Deterministic parameter-free projection, m = 2 D nu (Schlag, Irie & Schmidhuber 2021). A key
    with a single non-zero coordinate has no such products and maps to zero.
    """

    nonnegative = True
    unit_length = True

    def __init__(self, key_dim: int, nu: int) -> None:
        super().__init__(2 * key_dim * nu)
        self.nu = nu

    def forward(self, x: Tensor) -> Tensor:
        """Features [..., 2 D nu], none below zero."""
        halves = torch.cat([x.relu(), (-x).relu()], dim=-1)
        products = [halves * halves.roll(i, dims=-1) for i in range(1, self.nu + 1)]
        return unit(torch.cat(products, dim=-1))


class Taylor2(FeatureMap):
    """Features with product 1 + s + s^2/2, s = x.y / sqrt(D) (Arora et al. 2024).

    The compressed form: each product x_i x_j once, m = (D+1)(D+2)/2.
    """

    nonnegative = True

    def __init__(self, key_dim: int) -> None:
        super().__init__((key_dim + 1) * (key_dim + 2) // 2)
        self.key_dim = key_dim

    def forward(self, x: Tensor) -> Tensor:
        """Features [..., (D+1)(D+2)/2]: constant, keys, squares, products of two coordinates."""
        root = math.sqrt(self.key_dim)
        i, j = torch.triu_indices(self.key_dim, self.key_dim, offset=1, device=x.device)
        parts = [
            torch.ones_like(x[..., :1]),
            x / math.sqrt(root),
            x * x / (math.sqrt(2) * root),
            x[..., i] * x[..., j] / root,
        ]
        return torch.cat(parts, dim=-1)


def feature_map(
    phi: Phi,
    key_dim: int,
    generator: torch.Generator,
    *,
    features: int | None = None,
    length_scale: float = 0.5,
    nu: int = 1,
) -> FeatureMap:
    """The feature map of a name.

    Args:
        phi: Which one.
        key_dim: D.
        generator: Source of its random matrices.
        features: m, needed by randproj, rff and relu; the others fix it themselves.
        length_scale: Width l of the kernel of rff.
        nu: Number of shifts of dpfp.

    Raises:
        InvalidParameter: If `features` is missing, or is not a width this map can have.
    """
    _check_width(phi, key_dim, features, nu)
    if phi == "identity":
        return Identity(key_dim)
    if phi == "dpfp":
        return Dpfp(key_dim, nu)
    if phi == "taylor2":
        return Taylor2(key_dim)
    width = int(features or 0)
    if phi == "rff":
        return RandomFourier(key_dim, width, length_scale, generator)
    drawn: Callable[[int, int, torch.Generator], FeatureMap]
    drawn = RandomProjection if phi == "randproj" else RandomRelu
    return drawn(key_dim, width, generator)


def _own_width(phi: Phi, key_dim: int, nu: int) -> int | None:
    """The width that a map has by itself, None where it can be chosen."""
    fixed = {
        "identity": key_dim,
        "dpfp": 2 * key_dim * nu,
        "taylor2": (key_dim + 1) * (key_dim + 2) // 2,
    }
    return fixed.get(phi)


def _check_width(phi: Phi, key_dim: int, features: int | None, nu: int) -> None:
    own = _own_width(phi, key_dim, nu)
    if own is not None:
        if features not in (None, own):
            raise InvalidParameter(
                "features",
                f"must be {own} with phi '{phi}' and key_dim {key_dim}, got {features}",
                help="leave features out, or choose phi 'rff', whose width is free",
            )
        return
    if features is None:
        raise InvalidParameter(
            "features", f"is needed with phi '{phi}'", help="give the number of features"
        )
    if phi == "randproj" and features > key_dim:
        raise InvalidParameter(
            "features",
            f"must be <= key_dim ({key_dim}) with phi 'randproj', got {features}",
            help="its rank stays key_dim, so more features store no more; use phi 'rff'",
        )
    if phi == "rff" and (features < 2 or features % 2):
        raise InvalidParameter(
            "features",
            f"must be even and positive with phi 'rff', got {features}",
            help="half of the features are cosines, half are sines",
        )
    if features < 1:
        raise InvalidParameter("features", f"must be >= 1, got {features}")


def widest_features(limit: int, key_dim: int, phi: Phi | None = None) -> dict[str, Any]:
    """The parameters of the widest feature map with at most `limit` features.

    Args:
        limit: Largest m.
        key_dim: D.
        phi: The map; None takes randproj below D, identity at D, rff above.

    Raises:
        InvalidParameter: If not even the narrowest such map fits.
    """
    if phi is None:
        phi = "identity" if limit == key_dim else "randproj" if limit < key_dim else "rff"
    sized: dict[str, Any] = {"phi": phi}
    if phi == "dpfp":
        sized["nu"] = max(1, limit // (2 * key_dim))
    elif phi in ("randproj", "rff", "relu"):
        most = {"randproj": min(limit, key_dim), "rff": limit - limit % 2}
        sized["features"] = most.get(phi, limit)
    narrowest = 2 if phi == "rff" else _own_width(phi, key_dim, nu=1) or 1
    if limit < narrowest:
        raise InvalidParameter(
            "budget",
            f"leaves room for {limit} features, but phi '{phi}' has at least {narrowest}",
            help="raise the budget, or choose phi 'randproj'",
        )
    return sized
