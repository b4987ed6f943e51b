"""Spectral components as they are defined: eigenvectors of the T x T matrix of rows."""

from __future__ import annotations

import math

import numpy as np
import scipy.linalg

Array = np.ndarray


def leading(matrix: Array, k: int) -> tuple[Array, Array]:
    """The k largest eigenvalues and vectors (as rows) of a symmetric matrix, by scipy."""
    n = len(matrix)
    first = max(0, n - k)
    values, vectors = scipy.linalg.eigh(matrix, subset_by_index=[first, n - 1])
    return values[::-1], vectors.T[::-1]


def empirical(rows: Array, k: int, *, scale: bool = True) -> tuple[Array, Array]:
    """Eigenvalues and C_k = sqrt(lambda_k + 1e-12) psi_k^T H~ of (1/T) H~ H~^T."""
    centred = rows - rows.mean(0)
    values, psi = leading(centred @ centred.T / len(rows), k)
    components = psi @ centred
    return values, components * np.sqrt(values + 1e-12)[:, None] if scale else components


def cosine(rows: Array, k: int) -> tuple[Array, Array]:
    """Eigenvalues and patterns (H^T V)^T of the matrix of cosines with 1e-6 on its diagonal."""
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    values, v = leading(unit @ unit.T + 1e-6 * np.eye(len(rows)), k)
    return values - 1e-6, v @ rows


def linear(rows: Array, k: int) -> tuple[Array, Array]:
    """Eigenvalues and u_k^T H of H H^T."""
    values, u = leading(rows @ rows.T, k)
    return values, u @ rows


def exponential_v4(rows: Array, k: int, tau: float) -> tuple[Array, Array]:
    """Eigenvalues and components of the time kernel, entry by entry as it was published."""
    n = len(rows)
    times = [i / (n - 1) for i in range(n)]
    constant, dt, diagonal = tau / n, 1 / (n - 1), 1e-8 if n <= 2048 else 1e-6
    kernel = np.array([[math.exp(-abs(a - b) / (constant + 1e-12)) for b in times] for a in times])
    values, phi = leading(tau * dt * kernel + diagonal * np.eye(n), k)
    phi = phi * np.where(phi[:, :1] < 0, -1, 1)
    return values, np.sqrt(values + 1e-12)[:, None] * (phi @ (rows - rows.mean(0)))


def markov_eigenpairs(times: Array, tau: float, k: int) -> tuple[Array, Array]:
    """The k largest eigenpairs of exp(-|t_i - t_j| / tau) from its tridiagonal inverse.

    With rho_i the correlation of neighbours i and i + 1 and g_i = 1 / (1 - rho_i^2), the inverse of
    a Markov correlation has off-diagonal -rho_i g_i and diagonal g_{i-1} + g_i - 1, where g is one
    beyond both ends.
    """
    rho = np.exp(-np.diff(times) / tau)
    g = np.concatenate([[1.0], 1 / (1 - rho**2), [1.0]])
    values, vectors = scipy.linalg.eigh_tridiagonal(
        g[:-1] + g[1:] - 1, -rho * g[1:-1], select="i", select_range=(0, k - 1)
    )
    vectors = vectors.T
    return 1 / values, vectors * np.where(vectors[:, :1] < 0, -1, 1)


def recomputed_sums(rows: Array, weights: Array, shift: Array) -> tuple[Array, Array]:
    """sum w (h - shift) and sum w (h - shift)(h - shift)^T, row by row."""
    total, outer = np.zeros(rows.shape[1]), np.zeros((rows.shape[1],) * 2)
    for row, w in zip(rows.astype(np.float64), weights, strict=True):
        total += w * (row - shift)
        outer += w * np.outer(row - shift, row - shift)
    return total, outer
