"""Key preprocessing and feature maps: kernels, widths, gradients and refused settings."""

from __future__ import annotations

import math

import pytest
import torch

from memories.base import InvalidParameter
from memories.features import Phi, feature_map, normalise_keys, unit, widest_features
from tests.memories.case import generator, unit_rows
from tests.reference import features as loops

DIM = 6
MAPS: list[tuple[Phi, dict[str, int], int]] = [
    ("identity", {}, DIM),
    ("randproj", {"features": 4}, 4),
    ("rff", {"features": 10}, 10),
    ("relu", {"features": 9}, 9),
    ("dpfp", {"nu": 2}, 4 * DIM),
    ("taylor2", {}, (DIM + 1) * (DIM + 2) // 2),
]


def keys(n: int = 20) -> torch.Tensor:
    return torch.randn(n, DIM, generator=generator(1), dtype=torch.float64)


@pytest.mark.parametrize(
    ("key_norm", "loop"), [("unit", loops.unit), ("layernorm", loops.layernorm)]
)
def test_preprocessing_equals_its_formula(key_norm: str, loop: object) -> None:
    expected = torch.stack([loop(x) for x in keys()])
    torch.testing.assert_close(normalise_keys(keys(), key_norm), expected, rtol=0, atol=1e-14)
    assert torch.equal(normalise_keys(keys(), "none"), keys())


@pytest.mark.parametrize("length", [0.0, 1e-7, 1e-5, 1.0, 1e6])
def test_a_unit_vector_has_length_one_and_zero_below_a_millionth(length: float) -> None:
    vector = length * torch.tensor([0.6, 0.8], dtype=torch.float64)
    expected = torch.tensor([0.6, 0.8] if length > 1e-6 else [0.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(unit(vector), expected, rtol=0, atol=1e-12)


def test_a_zero_vector_has_a_zero_gradient() -> None:
    x = torch.zeros(3, requires_grad=True)
    (gradient,) = torch.autograd.grad(unit(x).sum(), x)
    assert torch.equal(gradient, torch.zeros(3))


def test_the_gradient_of_a_unit_vector_is_the_projection_off_it() -> None:
    """d unit(x) = (I - u u^T) dx / |x|."""
    x = torch.tensor([3.0, 4.0], dtype=torch.float64, requires_grad=True)
    jacobian = torch.autograd.functional.jacobian(unit, x)
    u = torch.tensor([0.6, 0.8], dtype=torch.float64)
    expected = (torch.eye(2, dtype=torch.float64) - torch.outer(u, u)) / 5
    torch.testing.assert_close(jacobian, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("phi", "options", "width"), MAPS)
def test_width_sign_and_length_are_as_declared(
    phi: Phi, options: dict[str, int], width: int
) -> None:
    mapped = feature_map(phi, DIM, generator(0), **options).double()
    images = mapped(unit(keys()))
    assert images.shape == (20, width)
    assert mapped.width == width
    if mapped.nonnegative:
        assert (images @ images.mT).min() >= 0
    if mapped.unit_length:
        torch.testing.assert_close(
            images.norm(dim=-1), torch.ones(20, dtype=torch.float64), rtol=0, atol=1e-12
        )


def test_taylor_features_have_the_second_order_kernel() -> None:
    """phi(x).phi(y) = 1 + s + s^2/2 with s = x.y / sqrt(D), for keys of any length."""
    x, y = keys(), keys().flip(0) + 0.3
    mapped = feature_map("taylor2", DIM, generator(0))
    s = (x * y).sum(-1) / math.sqrt(DIM)
    product = (mapped(x) * mapped(y)).sum(-1)
    torch.testing.assert_close(product, 1 + s + s * s / 2, rtol=1e-12, atol=0)


def test_fourier_features_estimate_the_gaussian_kernel() -> None:
    """20,000 features: standard error of a cosine mean below 0.7 / sqrt(10,000) = 0.007."""
    mapped = feature_map("rff", DIM, generator(0), features=20_000, length_scale=0.7).double()
    x = unit(keys())
    expected = torch.exp(-(torch.cdist(x, x) ** 2) / (2 * 0.7**2))
    torch.testing.assert_close(mapped(x) @ mapped(x).mT, expected, rtol=0, atol=0.035)


def test_orthogonal_keys_have_fourier_features_of_product_e_to_minus_four() -> None:
    """|x - y|^2 = 2 and l = 0.5: exp(-2 / (2 * 0.25)) = e^-4 = 0.018."""
    mapped = feature_map("rff", DIM, generator(3), features=40_000)
    images = mapped(torch.eye(DIM)[:2])
    assert float(images[0] @ images[1]) == pytest.approx(math.exp(-4), abs=0.02)


def test_a_projection_keeps_inner_products_on_average() -> None:
    """Over 4,000 draws the standard error is below 1 / sqrt(4,000 * 4) = 0.008."""
    pairs = unit_rows(5, 2, DIM).double()
    products = [
        float(a @ b)
        for a, b in (
            feature_map("randproj", DIM, generator(s), features=4).double()(pairs)
            for s in range(4000)
        )
    ]
    assert sum(products) / len(products) == pytest.approx(float(pairs[0] @ pairs[1]), abs=0.032)


@pytest.mark.parametrize(
    ("phi", "options", "finding"),
    [
        ("rff", {}, "is needed with phi 'rff'"),
        ("rff", {"features": 7}, "must be even and positive with phi 'rff', got 7"),
        ("randproj", {"features": 9}, "must be <= key_dim (6) with phi 'randproj', got 9"),
        ("identity", {"features": 9}, "must be 6 with phi 'identity' and key_dim 6, got 9"),
        ("taylor2", {"features": 9}, "must be 28 with phi 'taylor2' and key_dim 6, got 9"),
        ("relu", {"features": 0}, "must be >= 1, got 0"),
    ],
)
def test_a_width_that_cannot_be_is_refused(phi: Phi, options: dict[str, int], finding: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        feature_map(phi, DIM, generator(0), **options)
    assert caught.value.parameter == "features"
    assert caught.value.message == finding
    assert caught.value.help or phi == "relu"


@pytest.mark.parametrize(
    ("limit", "phi", "expected"),
    [
        (5, None, {"phi": "randproj", "features": 5}),
        (6, None, {"phi": "identity"}),
        (7, None, {"phi": "rff", "features": 6}),
        (9, "relu", {"phi": "relu", "features": 9}),
        (9, "identity", {"phi": "identity"}),
        (30, "dpfp", {"phi": "dpfp", "nu": 2}),
        (30, "taylor2", {"phi": "taylor2"}),
        (100, "randproj", {"phi": "randproj", "features": 6}),
    ],
)
def test_the_widest_map_within_a_limit(
    limit: int, phi: Phi | None, expected: dict[str, object]
) -> None:
    assert widest_features(limit, DIM, phi) == expected


@pytest.mark.parametrize(
    ("limit", "phi"), [(0, None), (5, "identity"), (1, "rff"), (11, "dpfp"), (27, "taylor2")]
)
def test_a_limit_too_small_for_the_map_is_refused(limit: int, phi: Phi | None) -> None:
    with pytest.raises(InvalidParameter, match=f"leaves room for {limit} features"):
        widest_features(limit, DIM, phi)
