"""Backbones trained by the published recipe reach the published errors on the offline split."""

from __future__ import annotations

from typing import Any

import pytest

from bench.running.cache import Cache
from tests.tasks.cells import cell, metric, run

TOLERANCE = 0.03
"""One seed against figures given to three digits. At the recipe's rate DLinear ends 2.5 % above its
figure whatever the seed (at 3e-4 it reaches it); iTransformer ends less than 1 % below."""


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("backbone", "mse"),
    [
        ("dlinear", 0.386),
        ({"name": "itransformer", "params": {"preset": "etth1"}}, 0.386),
    ],
    ids=["dlinear", "itransformer"],
)
def test_the_offline_error_on_etth1_is_the_published_one(
    ett_dir, monkeypatch, tmp_path, backbone: Any, mse: float
):
    """Liu et al. (2024), L = H = 96, test MSE over 11,520 - 8,640 - 96 + 1 = 2,785 origins."""
    monkeypatch.setenv("MEMB_DATA_DIR", str(ett_dir))
    params = {
        "dataset": "etth1", "lookback": 96, "horizon": 96, "split": "offline",
        "backbone": backbone,
    }  # fmt: skip
    (outcome,) = run(cell("frozen", "online-tsf", params), [0], cache=Cache(tmp_path))
    assert outcome.n_eval == 2_785
    assert metric(outcome, "mse") == pytest.approx(mse, rel=TOLERANCE)
