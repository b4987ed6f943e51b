"""On which backbone a forecaster is audited, and what cannot be audited at all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from bench import registry
from bench.audit import audit
from bench.errors import MembError
from memories.base import InvalidParameter, OnlineForecaster, State, Unsuitable


class Picky(OnlineForecaster):
    """The backbone's forecast; suits only the backbone it is told.

    Args:
        backbone: Module.
        wants: Class of backbone it takes.
        strength: Positive.
    """

    def __init__(
        self, backbone: nn.Module, *, wants: str = "PatchTST", strength: float = 1.0
    ) -> None:
        super().__init__()
        if strength <= 0:
            raise InvalidParameter("strength", f"must be > 0, got {strength:g}", "give 1")
        if type(backbone).__name__ != wants:
            raise Unsuitable(f"wants {wants}")
        self.backbone = backbone.eval()

    def init_state(self) -> State:
        return {}

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:
        return state

    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        forecast: Tensor = self.backbone(window[None])[0]
        return forecast, state


class Large(OnlineForecaster):
    """Needs a longer window.

    Args:
        lookback: L.
    """

    def __init__(self, lookback: int) -> None:
        super().__init__()
        raise Unsuitable(f"needs 1000 rows of window, got {lookback}")

    def init_state(self) -> State:
        return {}

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:
        return state

    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        return torch.zeros(1, 1), state


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    registry.memory("picky", family="fake")(Picky)
    registry.memory("large", family="fake")(Large)
    yield
    for name in ("picky", "large"):
        del registry._entries["memory", name]


def test_dlinear_is_taken_where_it_suits():
    done = audit("picky", {"wants": "DLinear"})
    assert (done.backbone, done.note) == ("dlinear", "")
    assert done.held


def test_the_first_backbone_that_suits_is_taken_and_said():
    done = audit("picky")
    assert (done.backbone, done.note) == ("patchtst", "not on dlinear: wants PatchTST")
    assert done.held


def test_the_backbone_asked_for_is_taken():
    done = audit("frozen", backbone="patchtst")
    assert (done.backbone, done.note) == ("patchtst", "")
    assert done.held
    assert audit("persistence").backbone == audit("delta").backbone == ""


@pytest.mark.parametrize(
    ("name", "params", "backbone", "text", "help"),
    [
        ("picky", {}, "dlinear", "picky cannot be audited on dlinear: wants PatchTST", ""),
        ("picky", {"wants": "None"}, None, "on dlinear: wants None; on ", ""),
        ("picky", {"strength": 0}, None, "strength: must be > 0, got 0", "give 1"),
        ("frozen", {}, "dlinera", "unknown backbone 'dlinera'", "did you mean 'dlinear'?"),
        ("persistence", {}, "dlinear", "persistence takes no backbone", ""),
        ("delta", {}, "dlinear", "delta takes no backbone", ""),
        ("large", {}, None, "large cannot be built at the audit's sizes: needs 1000 rows", ""),
    ],
)
def test_what_cannot_be_audited_is_refused_with_the_reason(name, params, backbone, text, help):
    with pytest.raises(MembError) as refused:
        audit(name, params, backbone=backbone)
    (problem,) = refused.value.problems
    assert text in problem.message
    assert help in problem.help


def test_what_adapts_a_head_keeps_every_law_on_a_backbone_that_has_one():
    done = audit("ogd-head", backbone="itransformer")
    assert [v for v in done.verdicts if v.outcome == "broken"] == []
    assert done.backbone == "itransformer"
