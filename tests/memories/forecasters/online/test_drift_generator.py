"""Concepts, drifts and what is generated from them, against loops over layers and channels."""

from __future__ import annotations

import pytest
import torch

from memories.forecasters.online.drift_adapter import DriftAdapter
from memories.forecasters.online.drift_generator import Concept, DriftGenerator, clipped
from memories.forecasters.online.modulation import Modulation
from tests.memories.forecasters.online.adapters import reference_adapter, trained_at_random
from tests.memories.forecasters.online.layered import layered
from tests.memories.forecasters.online.walks import HORIZON, LOOKBACK, generator
from tests.reference import proceed as reference


def adapter(seed: int = 3) -> DriftAdapter:
    modulation = Modulation(layered())
    built = DriftAdapter(modulation, LOOKBACK, HORIZON, 5, 3, generator(seed))
    return trained_at_random(built)


def test_a_concept_is_the_mean_over_channels_of_the_network():
    network = Concept(LOOKBACK, 5, generator())
    rows = torch.randn(2, LOOKBACK, 4, generator=generator(1))
    weights = tuple(network.parameters())
    for sample, summary in zip(rows, network(rows), strict=True):
        expected = reference.concept(weights, sample)
        torch.testing.assert_close(summary, expected, rtol=1e-5, atol=1e-6)


def test_a_drift_is_clipped_to_norm_one_and_a_shorter_one_left_bit_for_bit():
    """(3, 4) has norm 5."""
    assert torch.equal(clipped(torch.tensor([0.3, 0.4])), torch.tensor([0.3, 0.4]))
    torch.testing.assert_close(clipped(torch.tensor([3.0, 4.0])), torch.tensor([0.6, 0.8]))
    both = clipped(torch.tensor([[0.3, 0.4], [30.0, 40.0]]))
    torch.testing.assert_close(both, torch.tensor([[0.3, 0.4], [0.6, 0.8]]))


def test_no_drift_has_a_finite_gradient():
    drift = torch.zeros(3, requires_grad=True)
    clipped(drift).sum().backward()
    assert torch.equal(drift.grad, torch.ones(3))


def test_before_training_nothing_is_generated():
    fresh = DriftAdapter(Modulation(layered()), LOOKBACK, HORIZON, 5, 3, generator())
    window = torch.randn(LOOKBACK, 2, generator=generator(1))
    assert torch.equal(fresh.generated(window, torch.zeros(5)), torch.zeros_like(fresh.unit))
    assert torch.equal(fresh.scales(window, torch.zeros(5)), fresh.unit)
    assert torch.equal(fresh.generator.offsets, torch.zeros_like(fresh.unit))


@pytest.mark.parametrize("size", [0.2, 20.0], ids=["short", "clipped"])
def test_every_layer_gets_what_its_own_loop_generates(size):
    made = adapter()
    loops = reference_adapter(made, Modulation(layered()))
    window = size * torch.randn(LOOKBACK, 2, generator=generator(1))
    known = torch.randn(5, generator=generator(2))
    drift = reference.concept(loops.window, window) - known
    generated = made.generated(window, known)
    expected = [reference.adaptation(loops, name, drift) for name in loops.offset]
    torch.testing.assert_close(generated, torch.cat(expected), rtol=1e-5, atol=1e-6)


def test_a_batch_of_windows_is_generated_for_sample_by_sample():
    made = adapter()
    windows = torch.randn(4, LOOKBACK, 2, generator=generator(1))
    known = torch.randn(5, generator=generator(2))
    together = made.generated(windows, known)
    alone = torch.stack([made.generated(window, known) for window in windows])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)


def test_layers_of_one_name_and_size_share_both_maps_and_keep_shifts_of_their_own():
    """`Layered` has 10 layers in 7 groups (embedding, mixing, each, query, key, wide,
    projection): U has 7 matrices, u 10 rows. V has one matrix per group: those of 4 x 4 maps 12
    rows or, without bias, 8; wide 8+4+8, embedding 4+8+4, projection 3+4+3, and two
    convolutions 2+2+2 and, with one input per group, 2+1+2.
    """
    made = DriftGenerator(Modulation(layered()).layers, 5, 3, generator())
    assert made.reduce.shape == (7, 3, 5)
    assert made.shift.shape == (10, 3)
    rows = sum(part.shape[0] * part.shape[1] for part in made.expand)
    assert rows == 12 + 8 + 20 + 16 + 10 + 6 + 5
    assert made.offsets.numel() == 2 * (12 + 8 + 20) + 16 + 10 + 6 + 5
