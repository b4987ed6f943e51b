"""PROCEED online: against loops with torch's Adam, at its limits, and in lanes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from bench.lanes import Lanes
from bench.running import construct
from memories.base import Unsuitable
from memories.forecasters.online.frozen import Frozen
from memories.forecasters.online.proceed import Proceed
from memories.forecasters.online.proceed_full import ProceedFull
from tests.memories.forecasters.backbones import Newest, pieces
from tests.memories.forecasters.online.adapters import reference_adapter, trained_at_random
from tests.memories.forecasters.online.layered import layered
from tests.memories.forecasters.online.walks import (
    CHANNELS,
    FIRST,
    HORIZON,
    LOOKBACK,
    dlinear,
    forecasts,
    generator,
    stream,
    walk,
)
from tests.reference import proceed as reference

SIZE = (LOOKBACK, HORIZON)


def small(backbone: nn.Module, learning_rate: float = 1e-3, seed: int = 3) -> Proceed:
    """With a generator as if it had been trained."""
    memory = Proceed(
        LOOKBACK,
        HORIZON,
        backbone,
        learning_rate=learning_rate,
        concept_dim=5,
        bottleneck=3,
        generator=generator(seed),
    )
    trained_at_random(memory.adapter)
    return memory


@pytest.mark.parametrize("backbone", [dlinear, layered])
def test_a_stream_is_learned_as_by_loops_over_layers_with_torchs_adam(backbone):
    """In float64: what differs is the order of sums, hence 1e-9. A rate of 2^-7 is the
    same number in float32, in which scalars are kept.
    """
    rows = stream().double()
    memory = small(backbone().eval(), learning_rate=2**-7).double()
    adapter = reference_adapter(memory.adapter, memory.modulation)
    expected = reference.online(memory.backbone, adapter, rows, SIZE, 2**-7)
    seen = list(walk(memory, rows))
    for (forecast, _), known in zip(seen, expected, strict=True):
        torch.testing.assert_close(forecast, known, rtol=1e-9, atol=1e-9)
    assert int(seen[-1][1]["step"]) == len(rows) - FIRST > 40


def test_untrained_and_at_rate_zero_it_is_the_frozen_backbone_bit_for_bit():
    for backbone in (dlinear, layered):
        memory = Proceed(LOOKBACK, HORIZON, backbone(), learning_rate=0.0, generator=generator())
        assert torch.equal(forecasts(memory, stream()), forecasts(Frozen(backbone()), stream()))


def test_at_rate_zero_weights_and_offsets_stay_while_forecasts_follow_the_drift():
    memory = small(layered(), learning_rate=0.0)
    start = memory.init_state()["weights"]
    rows = stream()
    for _, state in walk(memory, rows):
        assert torch.equal(state["weights"], start)
    assert state["first_moment"].abs().max() > 0
    _, _, _, window = pieces(rows, FIRST, *SIZE)
    other = {**state, "concept": -state["concept"]}
    assert not torch.allclose(memory.predict(state, window)[0], memory.predict(other, window)[0])


def test_the_concept_kept_is_that_of_the_newest_pair_and_of_zeros_at_first():
    memory = small(layered())
    network = tuple(memory.adapter.pair_concept.parameters())
    start = memory.init_state()["concept"]
    zeros = torch.zeros(LOOKBACK + HORIZON, CHANNELS)
    torch.testing.assert_close(start, reference.concept(network, zeros), rtol=1e-5, atol=1e-6)
    rows = stream()
    for t, (_, state) in enumerate(walk(memory, rows), start=FIRST):
        pair = rows[t - HORIZON - LOOKBACK + 1 : t + 1]
        expected = reference.concept(network, pair)
        torch.testing.assert_close(state["concept"], expected, rtol=1e-5, atol=1e-5)


def test_learning_online_changes_state_and_no_parameter():
    memory = small(layered(), learning_rate=0.1)
    before = {name: entry.clone() for name, entry in memory.state_dict().items()}
    list(walk(memory, stream()))
    for name, entry in memory.state_dict().items():
        assert torch.equal(entry, before[name]), name


def test_parameters_on_patchtst_are_as_many_as_published():
    """Zhao & Shen's program counts 33,275 parameters before and 400,491 after the adapter was
    added to PatchTST (L=336, H=24, concepts of 200, bottleneck 48), and 35,248 that learn online;
    three of the former are constant scales of attention that here are no parameters.
    """
    sizes = {"channels": 7, "lookback": 336, "horizon": 24, "generator": generator()}
    backbone = construct.build_backbone("patchtst", sizes)
    assert sum(p.numel() for p in backbone.parameters()) == 33_275 - 3
    memory = Proceed(336, 24, backbone, concept_dim=200, bottleneck=48, generator=generator())
    assert sum(p.numel() for p in memory.parameters()) == 400_491 - 3
    assert memory.init_state()["weights"].numel() == 35_248


def test_parameters_on_dlinear_are_as_counted_by_hand():
    """Two layers 8 -> 3, each a group: U 2 x 3 x 5, u 2 x 3, V 2 x (3+8+3) x 3, v 2 x 14;
    concepts 8 x 5 + 5 and 11 x 5 + 5, each with 5 x 5 + 5. What learns is followed by 4 zeros.
    """
    memory = small(dlinear())
    adapter = 30 + 6 + 84 + 28 + (45 + 30) + (60 + 30)
    assert sum(p.numel() for p in memory.adapter.parameters()) == adapter
    assert memory.init_state()["weights"].numel() == 2 * 8 * 3 + 28 + 4


def test_lanes_of_other_seeds_and_rates_equal_single_runs():
    """Batched products may sum in another order, hence 1e-5 over 12 steps."""
    settings = [(1, 1e-3), (2, 1e-3), (3, 1e-2)]
    memories = [small(layered(seed), rate, seed) for seed, rate in settings]
    streams = [stream(seed) for seed, _ in settings]
    lanes = Lanes(memories)
    state = lanes.init_state()
    for t in range(FIRST, FIRST + 12):
        cut = [pieces(rows, t, *SIZE) for rows in streams]
        row, window, target, newest = (torch.stack(part) for part in zip(*cut, strict=True))
        state = lanes.observe(state, row, (window, target))
        together, state = lanes.predict(state, newest, horizon=HORIZON)
    for lane, (memory, rows) in enumerate(zip(memories, streams, strict=True)):
        alone = forecasts(memory, rows[: FIRST + 12])[-1]
        torch.testing.assert_close(together[lane], alone, rtol=1e-5, atol=1e-5)


def test_the_full_form_adapts_a_copy_of_the_backbone():
    shared = layered()
    full = ProceedFull(LOOKBACK, HORIZON, shared, generator=generator())
    with torch.no_grad():
        full.backbone.get_parameter("projection.bias").add_(1)
    before: Tensor = layered().get_parameter("projection.bias")
    assert torch.equal(shared.get_parameter("projection.bias"), before)
    assert Proceed(LOOKBACK, HORIZON, shared, generator=generator()).backbone is shared


def test_a_backbone_without_linear_maps_is_unsuitable():
    with pytest.raises(Unsuitable):
        Proceed(LOOKBACK, HORIZON, Newest(HORIZON, CHANNELS), generator=generator())
