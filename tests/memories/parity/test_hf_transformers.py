"""PatchTST against the one of Hugging Face transformers, by weight transfer.

There, patches start so that the newest row is covered, without padding; scores of a layer do not
reach the next one. Both are matched by `pad_end` and `res_attention` off.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from memories.backbones.base import Training
from memories.backbones.patchtst import PatchTST
from tests.memories.backbones.drawn import generator, shaken, windows

CHANNELS, LOOKBACK, HORIZON = 3, 48, 6


@pytest.fixture(scope="module")
def transformers() -> Any:
    return pytest.importorskip("transformers", reason="transformers is not installed")


def ours(norm: str, position: str, **settings: Any) -> PatchTST:
    module = PatchTST(
        CHANNELS, LOOKBACK, HORIZON, width=16, heads=4, feedforward=24, layers=3, norm=norm,
        position=position, res_attention=False, pad_end=False, **settings, generator=generator(1),
    )  # fmt: skip
    shaken(module)
    return module


def theirs(transformers: Any, module: PatchTST, norm: str) -> nn.Module:
    """Their model of the same sizes with our weights and statistics."""
    config = transformers.PatchTSTConfig(
        num_input_channels=CHANNELS,
        context_length=LOOKBACK,
        prediction_length=HORIZON,
        patch_length=16,
        patch_stride=8,
        d_model=16,
        num_attention_heads=4,
        ffn_dim=24,
        num_hidden_layers=3,
        norm_type=f"{norm}norm",
        pre_norm=False,
        positional_encoding_type="random",
        pooling_type=None,
        scaling="std",
        attn_implementation="eager",
    )
    model = transformers.PatchTSTForPrediction(config).double()
    model.load_state_dict(renamed(module.state_dict(), norm, model))
    return model


def renamed(weights: dict[str, Tensor], norm: str, model: nn.Module) -> dict[str, Tensor]:
    words = {
        "embedding.projection": "model.encoder.embedder.input_embedding",
        "embedding.position": "model.encoder.positional_encoder.position_enc",
        "layers.": "model.encoder.layers.",
        "attention.query": "self_attn.q_proj",
        "attention.key": "self_attn.k_proj",
        "attention.value": "self_attn.v_proj",
        "attention.output": "self_attn.out_proj",
        "attention_norm": "norm_sublayer1" + ".batchnorm" * (norm == "batch"),
        "feedforward_norm": "norm_sublayer3" + ".batchnorm" * (norm == "batch"),
        "expand": "ff.0",
        "contract": "ff.3",
    }
    found = {}
    for name, value in weights.items():
        if name.startswith("projection"):
            name = f"head.{name}"
        for mine, other in words.items():
            name = name.replace(mine, other)
        found[name] = value
    counters = {k: v for k, v in model.state_dict().items() if k.endswith("num_batches_tracked")}
    return found | counters


@pytest.mark.parametrize("norm", ["batch", "layer"])
@pytest.mark.parametrize("position", ["learned", "sinusoidal"])
def test_forecasts_equal_theirs(transformers: Any, norm: str, position: str) -> None:
    """In float64; their sines are scaled differently, so ours are handed over as weights."""
    module = ours(norm, position)
    model = theirs(transformers, module, norm).eval()
    x = windows(4, LOOKBACK, CHANNELS)
    with torch.no_grad():
        expected = model(past_values=x).prediction_outputs
        torch.testing.assert_close(module(x), expected, rtol=1e-10, atol=1e-10)


def test_training_steps_equal_theirs(transformers: Any) -> None:
    """Without dropout: forecasts, gradients and batch statistics of three batches."""
    module = ours("batch", "learned", dropout=0.0)
    model = theirs(transformers, module, "batch").train()
    for seed in range(3):
        x = windows(4, LOOKBACK, CHANNELS, seed)
        expected = model(past_values=x).prediction_outputs
        training = Training()
        seen = module(x, training)
        torch.testing.assert_close(seen, expected, rtol=1e-9, atol=1e-9)
        slopes = torch.autograd.grad((seen**2).mean(), list(module.parameters()))
        wanted = dict(model.named_parameters())
        names = [name for name, _ in module.named_parameters()]
        order = renamed({name: torch.zeros(()) for name in names}, "batch", nn.Module())
        others = torch.autograd.grad((expected**2).mean(), [wanted[name] for name in order])
        for name, got, want in zip(order, slopes, others, strict=True):
            torch.testing.assert_close(got, want, rtol=1e-7, atol=1e-7, msg=name)
        module.load_state_dict(module.state_dict() | module.statistics(training))
    kept = renamed(module.state_dict(), "batch", nn.Module())
    for name, want in model.state_dict().items():
        if "running" in name:
            torch.testing.assert_close(kept[name], want, rtol=1e-9, atol=1e-9, msg=name)
