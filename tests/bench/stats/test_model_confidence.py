"""The model confidence set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.errors import MembError
from bench.stats.model_confidence import model_confidence_set
from tests.bench.stats.worked import generator

LOSSES = generator().normal(size=(400, 4)) ** 2 + np.array([0.0, 0.05, 1.0, 1.5])
"""Two forecasters that are as good as each other, and two that are not."""


@pytest.fixture
def arch() -> Any:
    return pytest.importorskip("arch.bootstrap")


def test_the_worse_ones_are_left_out(arch: Any) -> None:
    found = model_confidence_set(LOSSES, 4, rng=generator())
    assert found.included == (0, 1)
    assert max(found.p) == 1.0
    assert all(p <= 0.10 for p in found.p[2:])
    assert found.tied == ()


def test_it_is_that_of_the_package_with_blocks_of_twice_the_horizon(arch: Any) -> None:
    """max(2h, T^(1/3)) = max(24, 7.4)."""
    expected = arch.MCS(
        LOSSES, size=0.10, reps=1000, block_size=24, method="R", bootstrap="stationary",
        seed=generator(),
    )  # fmt: skip
    expected.compute()
    found = model_confidence_set(LOSSES, 12, rng=generator())
    assert found.included == tuple(sorted(expected.included))
    assert [found.p[i] for i in expected.pvalues.index] == expected.pvalues["Pvalue"].tolist()


def test_equal_columns_enter_once_and_stand_together(arch: Any) -> None:
    """With two equal columns the package divides by a variance of zero."""
    doubled = np.column_stack([LOSSES, LOSSES[:, 0] * (1 + 1e-14), LOSSES[:, 3]])
    found = model_confidence_set(doubled, 4, rng=generator())
    alone = model_confidence_set(LOSSES, 4, rng=generator())
    assert found.tied == ((0, 4), (3, 5))
    assert found.p == (*alone.p, alone.p[0], alone.p[3])
    assert found.included == (0, 1, 4)


def test_one_forecaster_is_the_set(arch: Any) -> None:
    same = np.repeat(LOSSES[:, :1], 3, axis=1)
    found = model_confidence_set(same, 4, rng=generator())
    assert (found.included, found.p, found.tied) == ((0, 1, 2), (1.0, 1.0, 1.0), ((0, 1, 2),))


def test_the_same_generator_gives_the_same_set(arch: Any) -> None:
    state = np.random.get_state()[1].copy()
    first, second = (model_confidence_set(LOSSES, 4, rng=generator()) for _ in range(2))
    assert first == second
    assert (np.random.get_state()[1] == state).all()


@pytest.mark.parametrize(
    ("losses", "horizon", "size"),
    [
        (LOSSES[:, 0], 4, 0.1),
        (LOSSES * np.nan, 4, 0.1),
        (LOSSES, 0, 0.1),
        (LOSSES, 4, 1.0),
    ],
)
def test_losses_horizon_and_size_are_checked(losses: np.ndarray, horizon: int, size: float) -> None:
    with pytest.raises(ValueError, match="need"):
        model_confidence_set(losses, horizon, rng=generator(), size=size)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("bench.stats.optional.import_module", absent)
    with pytest.raises(MembError) as caught:
        model_confidence_set(LOSSES, 4, rng=generator())
    assert str(caught.value) == (
        "the model confidence set needs the package arch, which is not installed\n"
        "  help: pip install 'memb[stats]'"
    )
