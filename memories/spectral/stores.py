"""Which store a spectral memory's settings call for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch

from memories.base import InvalidParameter
from memories.spectral.data_kernel import Conventions
from memories.spectral.factor_store import Factor, FactorUpdate
from memories.spectral.row_store import RowStore, Window
from memories.spectral.running_sums import DataKernelName
from memories.spectral.signs import Sign
from memories.spectral.spectrum import Normalise
from memories.spectral.sum_store import RunningSums
from memories.spectral.time_kernel import TimeKernelName, TimeUnits
from memories.spectral.time_store import TimeFiltered

Kernel = Literal["empirical", "cosine", "linear", "exp", "gauss", "matern"]
Solver = Literal["auto", "feature", "row", "subspace", "incremental-svd", "frequent-directions"]


@dataclass(frozen=True, kw_only=True)
class StoreSettings:
    """Settings of a spectral memory that concern what it stores; see `SpectralMemory`."""

    kernel: Kernel
    components: int
    window: int | None
    forgetting: float
    solver: Solver
    sweeps: int
    rank: int | None
    scale: bool
    sign: Sign
    normalise: Normalise
    centre: bool
    tau: float
    time_units: TimeUnits
    irregular: bool

    @property
    def of_data(self) -> bool:
        """Whether the kernel compares the contents of rows, not their times."""
        return self.kernel in get_args(DataKernelName)


def row_store(width: int, settings: StoreSettings, generator: torch.Generator) -> RowStore:
    """The store for rows of this width.

    Raises:
        InvalidParameter: If the settings contradict each other.
    """
    kernel = settings.kernel
    if kernel == "exp" or kernel == "gauss" or kernel == "matern":
        return _time_store(width, settings, kernel)
    conventions = Conventions(kernel, settings.scale, settings.sign, settings.normalise)
    return _data_store(width, settings, conventions, generator)


def _time_store(width: int, settings: StoreSettings, kernel: TimeKernelName) -> TimeFiltered:
    window = settings.window
    if window is None:
        raise InvalidParameter("window", f"kernel '{kernel}' needs rows, so it cannot be null")
    _refuse(settings.solver != "auto", "solver", f"kernel '{kernel}' has its own: leave it at auto")
    _refuse(settings.forgetting < 1, "forgetting", "is for data kernels; tau fades the rows")
    _refuse(
        settings.normalise == "whiten", "normalise", f"kernel '{kernel}' has no basis to whiten to"
    )
    _refuse(
        settings.irregular and settings.time_units != "steps",
        "time_units",
        "must be steps where times are irregular",
    )
    return TimeFiltered(
        width,
        window,
        settings.components,
        kernel,
        tau=settings.tau,
        units=settings.time_units,
        irregular=settings.irregular,
        centre=settings.centre,
        scale=settings.scale,
        normalise=settings.normalise,
    )


def _data_store(
    width: int, settings: StoreSettings, conventions: Conventions, generator: torch.Generator
) -> RowStore:
    solver, window, k = settings.solver, settings.window, settings.components
    _refuse(settings.irregular, "irregular", "is for time kernels: a data kernel knows no times")
    _refuse(
        settings.forgetting < 1 and (window is not None or solver in get_args(FactorUpdate)),
        "forgetting",
        "below 1 needs running sums without a window: set window null",
    )
    if solver == "row" or (solver == "auto" and window is not None and window < width):
        if window is None:
            raise InvalidParameter("solver", "'row' needs a window of rows")
        return Window(width, window, k, conventions)
    if solver == "incremental-svd" or solver == "frequent-directions":
        return _factor(width, settings, conventions, solver)
    _refuse(solver == "subspace" and k > width, "solver", f"'subspace' needs components <= {width}")
    return RunningSums(
        width,
        window,
        k,
        conventions,
        solver="subspace" if solver == "subspace" else "feature",
        sweeps=settings.sweeps,
        forgetting=settings.forgetting,
        generator=generator,
    )


def _factor(
    width: int, settings: StoreSettings, conventions: Conventions, update: FactorUpdate
) -> Factor:
    taken = ("linear",) if update == "frequent-directions" else ("linear", "empirical")
    _refuse(
        settings.kernel not in taken, "solver", f"'{update}' is for kernel {' or '.join(taken)}"
    )
    _refuse(
        settings.window is not None, "window", f"solver '{update}' forgets nothing: set it to null"
    )
    rank = settings.rank or 2 * settings.components
    _refuse(rank < settings.components, "rank", f"must be >= components ({settings.components})")
    return Factor(width, rank, settings.components, conventions, update=update)


def _refuse(wrong: bool, parameter: str, message: str) -> None:
    if wrong:
        raise InvalidParameter(parameter, message)
