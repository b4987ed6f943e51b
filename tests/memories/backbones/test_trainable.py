"""Layers that draw or remember in training are refused, whoever wrote the backbone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from memories.backbones.itransformer import ITransformer
from memories.backbones.patchtst import PatchTST
from memories.backbones.trainable import require_trainable
from memories.base import InvalidParameter
from tests.tasks.forecasting.small_backbones import Noisy, Plain


def plain(layer: nn.Module) -> Plain:
    return Plain(8, 3, layer=layer, generator=torch.Generator())


@pytest.mark.parametrize(
    ("layer", "does"),
    [
        (nn.Dropout(0.1), "Dropout at 'first', which draws from torch's global generator"),
        (nn.Sequential(nn.Identity(), nn.Dropout1d(0.5)), "Dropout1d at 'first.1', which draws"),
        (nn.AlphaDropout(0.2), "AlphaDropout at 'first', which draws"),
        (nn.BatchNorm1d(4), "BatchNorm1d at 'first', which changes its statistics in place"),
        (nn.InstanceNorm1d(4, track_running_stats=True), "InstanceNorm1d at 'first', which"),
        (nn.MultiheadAttention(8, 2, dropout=0.1), "MultiheadAttention at 'first', which drops"),
        (nn.GRU(8, 8, num_layers=2, dropout=0.1), "GRU at 'first', which drops"),
    ],
)
def test_a_plain_module_that_draws_or_remembers_is_refused(layer: nn.Module, does: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        require_trainable("mine", plain(layer))
    assert refused.value.parameter == "backbone"
    assert refused.value.message.startswith("'mine' holds ")
    assert does in refused.value.message
    assert "subclass memories.backbones.base.Backbone" in refused.value.help
    assert "Training.drop" in refused.value.help


@pytest.mark.parametrize(
    "layer",
    [nn.Dropout(0.0), nn.LayerNorm(8), nn.InstanceNorm1d(4), nn.MultiheadAttention(8, 2)],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_that_do_the_same_in_training_are_no_reason(layer: nn.Module) -> None:
    require_trainable("mine", plain(layer))


def test_a_backbone_that_holds_torchs_dropout_is_told_what_to_use_instead() -> None:
    """It would never drop: a `Backbone` stays in evaluation mode."""
    module = Noisy(2, 8, 3, generator=torch.Generator())
    module.hidden = nn.Sequential(module.hidden, nn.Dropout(0.2))
    with pytest.raises(InvalidParameter, match=r"Dropout at 'hidden\.1'") as refused:
        require_trainable("noisy", module)
    assert "subclass" not in refused.value.help


@pytest.mark.parametrize("cls", [Noisy, PatchTST, ITransformer])
def test_dropout_and_batch_statistics_of_a_backbone_are_welcome(cls: type) -> None:
    require_trainable("ours", cls(2, 32, 3, generator=torch.Generator()))


def test_a_submodule_called_head_is_refused_because_the_attribute_hides_it() -> None:
    """`self.head = layer` would leave `backbone.head` None, and its head unknown to forecasters."""
    module = Noisy(2, 8, 3, generator=torch.Generator())
    module.add_module("inner", nn.Linear(2, 2))
    require_trainable("noisy", module)
    module._modules["head"] = nn.Linear(2, 2)
    with pytest.raises(InvalidParameter, match="a submodule called 'head'") as refused:
        require_trainable("noisy", module)
    assert "head = 'projection'" in refused.value.help
