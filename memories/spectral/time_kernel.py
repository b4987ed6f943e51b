"""The spectrum of kernels between the times of rows: a bank of low-pass filters over the past."""

from __future__ import annotations

from functools import cache
from typing import Literal

import torch
from torch import Tensor

from memories.spectral.eigen import leading
from memories.spectral.kms import kms_eigenpairs
from memories.spectral.spectrum import scaled
from memories.spectral.toeplitz import positive_at_first, toeplitz_eigenpairs

TimeKernelName = Literal["exp", "gauss", "matern"]
TimeUnits = Literal["steps", "v4", "v1-bug"]

SMALL = 2048
"""Rows up to which the published kernel of the fourth version adds the smaller diagonal."""


def profile(kernel: TimeKernelName, distance: Tensor) -> Tensor:
    """k(r) for distances r in units of the time constant.

    ``exp``: e^-r; ``gauss``: e^(-r^2 / 2); ``matern``: (1 + r) e^-r, of smoothness 3/2.
    """
    if kernel == "gauss":
        return torch.exp(-(distance**2) / 2)
    decayed = torch.exp(-distance)
    return decayed * (1 + distance) if kernel == "matern" else decayed


def neighbour_distance(units: TimeUnits, tau: Tensor, length: Tensor) -> Tensor:
    """The distance of two rows in succession, in units of the time constant.

    ``steps``: 1 / tau, tau in rows. ``v4``: times t_i = (i - 1) / (T - 1) and the constant tau / T,
    as published, so T / ((T - 1) tau). ``v1-bug``: times that count rows against the constant
    tau / T, as first published, so T / tau: with T = 4096 and tau = 96 neighbours have a
    correlation of 3e-19, and the matrix is numerically the identity.
    """
    if units == "steps":
        return 1 / tau
    return length / tau if units == "v1-bug" else length / ((length - 1).clamp(min=1) * tau)


def rescaled(values: Tensor, units: TimeUnits, tau: Tensor, length: Tensor) -> Tensor:
    """Eigenvalues of the matrix as published, from those of the plain kernel.

    ``v4``: tau / (T - 1) times the kernel plus 1e-8 on the diagonal, 1e-6 above 2048 rows;
    ``v1-bug``: plus 1e-6; ``steps``: the kernel itself.
    """
    if units == "steps":
        return values
    if units == "v1-bug":
        return values + 1e-6
    diagonal = torch.where(length <= SMALL, 1e-8, 1e-6).to(values.dtype)
    return values * tau / (length - 1).clamp(min=1) + diagonal


@cache
def tabulated(
    kernel: TimeKernelName, units: TimeUnits, tau: float, length: int, k: int
) -> tuple[Tensor, Tensor]:
    """Eigenvalues [k] and vectors [k, T] of the plain kernel on `length` equal steps."""
    constant, size = torch.tensor([tau, length], dtype=torch.float64)
    steps = torch.arange(length, dtype=torch.float64)
    row = profile(kernel, steps * neighbour_distance(units, constant, size))
    return toeplitz_eigenpairs(row, k)


def exponential_basis(
    ages: Tensor, length: Tensor, tau: Tensor, units: TimeUnits, k: int
) -> tuple[Tensor, Tensor]:
    """Eigenvalues [k] and vectors [k, slots] of the exponential kernel for any number of rows.

    Args:
        ages: Rows written since that of each slot, [slots].
        length: T, float64; slots of an age of T or more hold no row.
        tau: Time constant, float64.
        units: What it counts.
        k: How many.
    """
    positions = length - ages
    values, vectors = kms_eigenpairs(length, neighbour_distance(units, tau, length), positions, k)
    present = torch.arange(k, device=ages.device) < length
    return torch.where(present, rescaled(values, units, tau, length), 0.0), vectors


def irregular_basis(
    kernel: TimeKernelName, times: Tensor, valid: Tensor, oldest: Tensor, tau: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    """Eigenvalues [k] and vectors [k, slots] of a kernel between any times, by a dense solver.

    Args:
        kernel: See `profile`.
        times: [slots], float64, in the units of tau.
        valid: Which slots hold a row, bool [slots].
        oldest: The slot of the oldest row, int64 [1]; vectors are positive there.
        tau: Time constant.
        k: How many.
    """
    times = torch.where(valid, times, 0.0)
    distance = (times[:, None] - times).abs() / tau
    matrix = torch.where(valid[:, None] & valid, profile(kernel, distance), 0.0)
    values, vectors = leading(matrix, k)
    first = vectors.gather(-1, oldest.expand(k, 1)).squeeze(-1)
    exists = torch.arange(k, device=times.device) < valid.sum()
    vectors = torch.where(valid & exists[:, None], positive_at_first(vectors, first), 0.0)
    return torch.where(exists, values, 0.0), vectors


def filtered(
    values: Tensor,
    vectors: Tensor,
    rows: Tensor,
    valid: Tensor,
    *,
    centre: bool,
    scale: bool,
) -> Tensor:
    """Components C_k = phi_k^T H [K, d] of rows [slots, d], times sqrt(lambda_k + 1e-12) if scaled.

    Args:
        values: Eigenvalues [K].
        vectors: phi_k [K, slots], zero where no row is.
        rows: H; slots without a row may hold anything.
        valid: Which slots hold a row, bool [slots].
        centre: Whether the mean of the rows is taken off.
        scale: Whether a component is multiplied by the root of its eigenvalue.
    """
    rows = torch.where(valid[:, None], rows, 0.0)
    if centre:
        mean = rows.sum(-2, keepdim=True) / valid.sum().clamp(min=1)
        rows = torch.where(valid[:, None], rows - mean, 0.0)
    components = vectors @ rows
    return scaled(components, values) if scale else components
