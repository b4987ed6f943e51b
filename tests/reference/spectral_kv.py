"""Spectral key-value memories, event by event and direction by direction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from tests.reference.features import unit


def _weighted(
    keys: Tensor, values: Tensor, phi: Callable[[Tensor], Tensor], decay: float, window: int | None
) -> list[tuple[float, Tensor, Tensor]]:
    """Weight, feature and value of each event that counts."""
    n = len(keys)
    first = 0 if window is None else max(0, n - window)
    return [(decay ** (n - 1 - i), phi(keys[i]), values[i]) for i in range(first, n)]


def _top(matrix: Tensor, components: int) -> list[tuple[Tensor, Tensor]]:
    """The strongest eigenvalues that are not zero, with their eigenvectors."""
    values, vectors = torch.linalg.eigh(matrix)
    order = sorted(range(len(values)), key=lambda i: -float(values[i].detach()))
    strongest = values[order[0]]
    pairs = [(values[i], vectors[:, i]) for i in order[:components]]
    return [(value, vector) for value, vector in pairs if value > 1e-10 * strongest]


def _answers(queries: Tensor, weights: Tensor, phi: Callable[[Tensor], Tensor]) -> Tensor:
    return torch.stack([phi(q) @ weights for q in queries])


def _regress(gram: Tensor, cross: Tensor, components: int, ridge: float | Tensor) -> Tensor:
    """sum_k q_k q_k^T B / (l_k + ridge)."""
    weights = torch.zeros_like(cross)
    for value, vector in _top(gram, components):
        weights = weights + torch.outer(vector, vector @ cross) / (value + ridge)
    return weights


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    components: int,
    ridge: float | Literal["auto"] = 0.0,
    decay: float = 1.0,
    window: int | None = None,
    phi: Callable[[Tensor], Tensor] = unit,
) -> Tensor:
    """Principal-component regression; `phi` includes the key preprocessing."""
    width = len(phi(queries[0]))
    gram = torch.zeros(width, width, dtype=values.dtype)
    cross = torch.zeros(width, values.shape[1], dtype=values.dtype)
    for weight, x, v in _weighted(keys, values, phi, decay, window):
        gram = gram + weight * torch.outer(x, x)
        cross = cross + weight * torch.outer(x, v)
    added = 1e-3 * gram.trace() / width if ridge == "auto" else ridge
    return _answers(queries, _regress(gram, cross, components, added), phi)


def recall_jointly(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    components: int,
    scale: float = 1.0,
    posterior: bool = True,
    decay: float = 1.0,
    window: int | None = None,
    phi: Callable[[Tensor], Tensor] = unit,
) -> Tensor:
    """Probabilistic PCA of [x; g v], or least squares on the key parts of its patterns."""
    m, total = len(phi(queries[0])), len(phi(queries[0])) + values.shape[1]
    second = torch.zeros(total, total, dtype=values.dtype)
    for weight, x, v in _weighted(keys, values, phi, decay, window):
        z = torch.cat([x, scale * v])
        second = second + weight * torch.outer(z, z)
    patterns = _top(second, components)
    w = torch.stack([vector for _, vector in patterns], dim=1)
    if not posterior:
        weights = torch.linalg.pinv(w[:m], rtol=1e-5).mT @ w[m:].mT / scale
        return _answers(queries, weights, phi)
    levels = torch.linalg.eigvalsh(second).flip(0)
    noise = 1e-10 * levels[0]
    if components < total:
        noise = torch.maximum(noise, levels[components:].mean())
    signal = torch.stack([(value - noise).clamp(min=0) for value, _ in patterns])
    factor = w * signal.sqrt()
    # of L = U S V^T: (L L^T + s I)^-1 = U (S^2 + s)^-1 U^T on the directions that L has
    u, lengths, v = torch.linalg.svd(factor[:m], full_matrices=False)
    has = lengths > 1e-5 * lengths[0]
    shrink = lengths[has] / (lengths[has] ** 2 + noise)
    weights = (u[:, has] * shrink) @ (v[has] @ factor[m:].mT) / scale
    return _answers(queries, weights, phi)


def recall_strictly(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    components: int,
    block: int | None = None,
    ridge: float | Literal["auto"] = 0.0,
    decay: float = 1.0,
    phi: Callable[[Tensor], Tensor] = unit,
) -> Tensor:
    """A truncated singular value decomposition of [rows so far; block], block by block."""
    features = torch.stack([phi(k) for k in keys])
    width = features.shape[1]
    rows = features.new_zeros(0, width)
    kept_values = values.new_zeros(0, values.shape[1])
    for start in range(0, len(keys), block or len(keys)):
        part = slice(start, start + (block or len(keys)))
        x, v = features[part], values[part]
        n = len(x)
        weights = torch.tensor([decay ** ((n - 1 - i) / 2) for i in range(n)], dtype=values.dtype)
        stack = torch.cat([decay ** (n / 2) * rows, weights[:, None] * x])
        targets = torch.cat([decay ** (n / 2) * kept_values, weights[:, None] * v])
        u, s, q = torch.linalg.svd(stack, full_matrices=False)
        k = min(components, int((s > 1e-5 * s[0]).sum()))
        rows, kept_values = s[:k, None] * q[:k], u[:, :k].mT @ targets
    lengths = rows.norm(dim=1)
    added = 1e-3 * lengths.square().sum() / width if ridge == "auto" else ridge
    shrink = lengths / (lengths**2 + added)
    weights = (rows / lengths[:, None]).mT @ (shrink[:, None] * kept_values)
    return _answers(queries, weights, phi)
