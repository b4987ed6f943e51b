"""The Bayesian signed-rank test over tasks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.stats.bayesian import signed_rank_posterior
from tests.bench.stats.worked import C45, C45_M, generator


@pytest.fixture
def baycomp() -> Any:
    return pytest.importorskip("baycomp")


def test_it_is_that_of_the_package(baycomp: Any) -> None:
    """The AUCs of Demsar (2006), higher being better."""
    seed = int(generator().integers(2**32))
    expected = baycomp.SignedRankTest.probs(
        np.array(C45_M), np.array(C45), rope=0.01, random_state=seed
    )
    found = signed_rank_posterior(C45_M, C45, "higher", rng=generator(), rope=0.01)
    assert (found.better, found.equivalent, found.worse) == tuple(expected)
    assert found.better > 0.5


def test_the_three_probabilities_are_all_there_is(baycomp: Any) -> None:
    found = signed_rank_posterior(C45_M, C45, "higher", rng=generator(), rope=0.01)
    assert found.better + found.equivalent + found.worse == pytest.approx(1)
    without = signed_rank_posterior(C45_M, C45, "higher", rng=generator())
    assert without.equivalent == 0
    assert without.better + without.worse == pytest.approx(1)


def test_losses_turn_the_order(baycomp: Any) -> None:
    higher = signed_rank_posterior(C45_M, C45, "higher", rng=generator())
    lower = signed_rank_posterior(C45_M, C45, "lower", rng=generator())
    # 50,000 draws of a probability err by at most .0022; four of those each
    assert lower.worse == pytest.approx(higher.better, abs=0.018)


def test_pairs_and_rope_are_checked() -> None:
    with pytest.raises(ValueError, match="need pairs"):
        signed_rank_posterior([1.0, 2.0], [1.0, 2.0, 3.0], "lower", rng=generator())
    with pytest.raises(ValueError, match="rope >= 0"):
        signed_rank_posterior([1.0, 2.0], [1.0, 2.0], "lower", rng=generator(), rope=-0.1)
