"""FSNet: against loops over layers and inputs, its memory by hand, its limits, its training."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.audit import audit
from bench.lanes import Lanes
from memories.base import InvalidParameter
from memories.forecasters.online.associative_adapter import (
    averaged,
    drawn_memory,
    opposed,
    recalled,
)
from memories.forecasters.online.fsnet import FSNet
from memories.forecasters.online.fsnet_layer import Shape
from memories.forecasters.online.fsnet_network import FSNetwork, Layers
from tests.memories.forecasters.backbones import pieces
from tests.memories.forecasters.online.walks import (
    CHANNELS,
    FIRST,
    HORIZON,
    LOOKBACK,
    forecasts,
    generator,
    stream,
    walk,
)
from tests.reference import fsnet as reference

SIZE = (LOOKBACK, HORIZON)
SMALL: dict[str, Any] = {"width": 4, "features": 8, "depth": 4, "hidden": 5, "slots": 6}


def fsnet(seed: int = 0, *, lively: bool = True, **params: Any) -> FSNet:
    """A small one; a lively one has coefficients around 1, biases, and averages from the start."""
    rng = generator(seed)
    made = FSNet(CHANNELS, LOOKBACK, HORIZON, **{**SMALL, **params}, generator=rng)
    if lively:
        with torch.no_grad():
            for stack, adapter in zip(
                made.network.convolutions, made.adapters.adapters, strict=True
            ):
                adapter.up_bias += 1
                stack.bias.uniform_(-0.5, 0.5, generator=rng)
            for name, buffer in made.named_buffers():
                if name.startswith(("fitted_slow", "fitted_fast")):
                    buffer.normal_(std=0.1, generator=rng)
    return made


def referred(memory: FSNet) -> reference.Network:
    """The same network as separate layers, in order."""

    def copy(tensor: Tensor) -> Tensor:
        return tensor.detach().clone()

    layers, seen = [], {}
    for group in memory.network.layers.groups:
        n = seen[group] = seen.get(group, -1) + 1
        stack, adapter = memory.network.convolutions[group], memory.adapters.adapters[group]
        kept = [memory.get_buffer(f"fitted_{name}_{group}")[n] for name in ("slow", "fast")]
        slow, fast = (copy(entry.permute(2, 0, 1)) for entry in kept)
        down, up = adapter.down[n].T, adapter.up[n].T
        controller = (down, adapter.down_bias[n, 0], up, adapter.up_bias[n, 0])
        layers.append(
            reference.Layer(
                copy(stack.weight[n].permute(2, 0, 1)),
                copy(stack.bias[n]),
                tuple(copy(part) for part in controller),
                slow,
                fast,
                copy(memory.get_buffer(f"fitted_query_{group}")[n]),
                copy(memory.get_buffer(f"fitted_memory_{group}")[n]),
            )
        )
    linear = [
        (copy(layer.weight), copy(layer.bias))
        for layer in (memory.network.embedding, memory.network.shortcut, memory.network.projection)
    ]
    affine = (copy(memory.network.revin.weight), copy(memory.network.revin.bias))
    return reference.Network(*linear, affine, layers)


@pytest.mark.parametrize(
    ("reshape", "index", "write"),
    [
        (False, False, False),
        pytest.param(True, False, False, marks=pytest.mark.slow),
        pytest.param(False, True, False, marks=pytest.mark.slow),
        (True, True, True),
    ],
)
def test_a_stream_is_learned_as_by_loops_over_layers_with_torchs_adam(reshape, index, write):
    """40 steps in float64: what differs is the order of sums, and errors grow through Adam's
    roots, hence 1e-7. The rate and tau are powers of 2, the same in float32, in which scalars are
    kept. So low a tau makes layers recall often.
    """
    memory = fsnet(
        learning_rate=2**-9,
        threshold=2**-3,
        faithful_reshape=reshape,
        faithful_index_weights=index,
        faithful_write=write,
    ).double()
    rows = stream().double()[: FIRST + 40]
    flags = {"mixed": reshape, "by_number": index, "write_back": write}
    expected = reference.online(
        referred(memory), rows, SIZE, learning_rate=2**-9, tau=2**-3, **flags
    )
    recalls = 0
    for (forecast, state), (known, who) in zip(walk(memory, rows), expected, strict=True):
        torch.testing.assert_close(forecast, known, rtol=1e-7, atol=1e-7)
        recalls += sum(who)
        assert int(state["recalls"]) == recalls
        assert int(state["recalling"].sum()) == sum(who)
    layers = len(memory.network.layers.groups)
    assert 5 < recalls < layers * (len(rows) - FIRST) - 5


def test_features_may_equal_the_width_and_windows_may_be_a_single_row_wide():
    """Then layers of all blocks share a stack; 8 rows are 1 after three blocks."""
    memory = fsnet(features=4, depth=3, learning_rate=2**-9, threshold=2**-3).double()
    assert [stack.size for stack in memory.network.layers.stacks] == [6, 2]
    rows = stream().double()[: FIRST + 12]
    expected = reference.online(referred(memory), rows, SIZE, learning_rate=2**-9, tau=2**-3)
    for (forecast, _), (known, _) in zip(walk(memory, rows), expected, strict=True):
        torch.testing.assert_close(forecast, known, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(("lookback", "kernel"), [(7, 3), (9, 5), (12, 7)])
def test_taps_that_are_left_out_see_only_zeros_and_never_learn(lookback, kernel):
    """With all taps the forecast is the same, and those left out get no gradient."""
    sizes = (lookback, 4, 8, 5, kernel)

    def network(*, trimmed: bool) -> FSNetwork:
        layers = Layers(*sizes, trimmed=trimmed)
        options = {"dropout": 0.0, "revin": True, "generator": generator(1)}
        return FSNetwork(CHANNELS, HORIZON, layers, **options).double()

    full, cut = network(trimmed=False), network(trimmed=True)
    rng = generator(2)
    given = [
        torch.rand(s.size, s.shape.inputs, s.shape.coefficients, generator=rng).double() + 0.5
        for s in full.layers.stacks
    ]
    shorter = [
        torch.empty(s.size, s.shape.inputs, s.shape.coefficients).double()
        for s in cut.layers.stacks
    ]
    cut.load_state_dict(
        {k: v for k, v in full.state_dict().items() if "convolutions" not in k}, strict=False
    )
    places: dict[tuple[int, bool], int] = {}
    outer = []
    for layer, (a, b) in enumerate(zip(full.layers.groups, cut.layers.groups, strict=True)):
        n = places[a, True] = places.get((a, True), -1) + 1
        m = places[b, False] = places.get((b, False), -1) + 1
        gap = (kernel - cut.layers.stacks[b].shape.taps) // 2
        inner = slice(gap, kernel - gap)
        with torch.no_grad():
            cut.convolutions[b].weight[m] = full.convolutions[a].weight[n][:, inner]
            shorter[b][m] = torch.cat([given[a][n][:, inner], given[a][n][:, kernel:]], dim=1)
        outer += [(a, n, k) for k in range(kernel) if not gap <= k < kernel - gap]
        assert layer or gap == 0
    windows = torch.randn(3, lookback, CHANNELS, generator=rng).double()
    forecast = full(windows, given)
    torch.testing.assert_close(forecast, cut(windows, shorter), rtol=1e-12, atol=1e-12)
    forecast.square().mean().backward()
    assert len(outer) > 4
    for a, n, k in outer:
        assert full.convolutions[a].weight.grad[n][:, k].abs().max() == 0


def test_with_coefficients_of_one_it_is_the_convolutional_network():
    """w = beta = phi = 1 leave W, b and the output as they are: torch's convolutions of them."""
    memory = fsnet(seed=3).double()
    network = referred(memory)
    ones = [
        torch.ones(n, i, k).double()
        for n, i, k in (
            (s.size, s.shape.inputs, s.shape.coefficients) for s in memory.network.layers.stacks
        )
    ]
    windows = stream().double()[None, :LOOKBACK]
    with torch.no_grad():
        x = torch.nn.functional.linear(
            memory.network.revin.normalise(windows.mT)[0].mT, *network.embedding
        ).mT
        for block in range(SMALL["depth"] + 1):
            residual = x
            if block == SMALL["depth"]:
                residual = torch.einsum("oi,bil->bol", network.shortcut[0], x)
                residual = residual + network.shortcut[1][:, None]
            for layer in network.layers[2 * block : 2 * block + 2]:
                x = torch.nn.functional.conv1d(
                    torch.nn.functional.gelu(x),
                    layer.weight,
                    layer.bias,
                    dilation=2**block,
                    padding=(layer.weight.shape[2] // 2) * 2**block,
                )
            x = x + residual
        leads = torch.nn.functional.linear(x[0, :, -1], *network.projection).view(HORIZON, CHANNELS)
        moments = memory.network.revin.normalise(windows.mT)[1]
        expected = memory.network.revin.denormalise(leads.T[None], moments).mT
        torch.testing.assert_close(memory.network(windows, ones), expected, rtol=1e-12, atol=1e-12)


def test_before_any_gradient_all_inputs_of_a_layer_have_the_same_coefficients():
    """Averages are zero, so every input's coefficients are V silu(u) + v."""
    state = fsnet(lively=False).init_state()
    for name, entry in state.items():
        if name.startswith("coefficients"):
            assert torch.equal(entry, entry[:, :1].expand_as(entry))
            assert entry.abs().max() > 0
        if name.startswith(("slow", "fast", "query")):
            assert not entry.any()
        if name.startswith("memory"):
            assert (entry.square().sum((1, 2)) <= 1 + 1e-5).all()


def test_a_layer_recalls_exactly_where_the_cosine_of_both_averages_is_below_minus_tau():
    """Two averages at an angle whose cosine is c, of any lengths: c < -0.75 recalls."""
    cosines = torch.tensor([-1.0, -0.76, -0.7501, -0.7499, -0.74, 0.0, 1.0])
    slow = torch.zeros(8, 2, 1, 1)
    slow[:7, 0] = 3.0
    fast = torch.zeros(8, 2, 1, 1)
    fast[:7, 0, 0, 0] = 0.1 * cosines
    fast[:7, 1, 0, 0] = 0.1 * (1 - cosines.square()).sqrt()
    found = opposed(slow, fast, torch.tensor(0.75))
    assert found.tolist() == [True] * 3 + [False] * 5


def test_a_gradient_that_turns_round_is_noticed_while_the_slow_average_remembers():
    """One weight per layer: gradients of length 1, so the averages are signed numbers. After
    n steps of +1, slow = 1 - 0.9^n; a step of -1 makes fast about 0.3 - 0.7 = -0.4 and slow
    0.9 slow - 0.1, positive for n >= 2: cosine -1. After n = 1 slow is 0.09 - 0.1 < 0: cosine 1.
    """
    for steps, turned in [(1, False), (2, True), (10, True)]:
        slow, fast = torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 1, 1)
        for gradient in [5.0] * steps + [-0.01]:
            slow, fast = averaged(torch.full((1, 1, 1, 1), gradient), slow, fast)
        expected = 0.9 * (1 - 0.9**steps) - 0.1
        torch.testing.assert_close(slow.item(), expected, rtol=0, atol=1e-6)
        torch.testing.assert_close(fast.item(), 0.3 * (1 - 0.3**steps) - 0.7, rtol=0, atol=1e-6)
        assert opposed(slow, fast, torch.tensor(0.75)).tolist() == [turned]


@pytest.mark.parametrize("write_back", [False, True])
@pytest.mark.parametrize("index", [False, True])
def test_a_recall_reads_and_writes_the_two_nearest_slots(index, write_back):
    """D = 2, four slots, q = (ln 2, 0): scores over 0.5 are 2 ln 2 times a slot's first entry.

    First entries 0, 0.5, 1, -0.5 give weights 1, 2, 4, 1/2 over 7.5: slots 2 and 1 are read, with
    a = 8/15 and 4/15. old = a_2 (1, 0) + a_1 (0.5, 0.3) = (2/3, 0.08); by numbers instead,
    2 (1, 0) + 1 (0.5, 0.3) = (2.5, 0.3). Written: 0.75 of both slots plus 0.25 a_j times q, or
    old; then all is divided by the Frobenius norm, if above 1.
    """
    memory = torch.tensor([[0.0, 0.5, 1.0, -0.5], [0.1, 0.3, 0.0, 0.2]], dtype=torch.float64)
    query = torch.tensor([math.log(2), 0.0], dtype=torch.float64)
    old = torch.tensor([2.5, 0.3] if index else [2 / 3, 0.08], dtype=torch.float64)
    expected = memory.clone()
    for j, share in ((1, 4 / 15), (2, 8 / 15)):
        expected[:, j] = 0.75 * memory[:, j] + 0.25 * share * (old if write_back else query)
    expected = expected / max(1.0, float(expected.square().sum().sqrt()))
    given = torch.tensor([[[2.0, -1.0]]], dtype=torch.float64)
    tau = torch.tensor(0.75, dtype=torch.float64)
    flags = {"index_weights": index, "write_back": write_back}
    for on in (True, False):
        blended, written = recalled(
            given, query[None], memory[None], torch.tensor([on]), tau, **flags
        )
        torch.testing.assert_close(written[0], expected if on else memory)
        mixed = 0.75 * given[0, 0] + 0.25 * old
        torch.testing.assert_close(blended[0, 0], mixed if on else given[0, 0])


def test_what_is_written_often_is_recalled():
    """A long q written again and again fills one slot, of norm 1, whose attention is 1: what is
    read, a quarter of the blend, is q at length 1.
    """
    memory = drawn_memory(1, Shape(4, 3, 8), 6, generator())
    query = 3 * torch.randn(1, 28, generator=generator(1))
    zeros, tau = torch.zeros(1, 4, 7), torch.tensor(0.75)
    for _ in range(60):
        read, memory = recalled(zeros, query, memory, torch.ones(1, dtype=torch.bool), tau)
    torch.testing.assert_close(read.flatten(1), 0.25 * query / query.norm(), rtol=0, atol=1e-4)


def test_no_layers_memory_grows_beyond_norm_one():
    """Queries of length 20 weigh more than what was there: the norm stays at 1."""
    memory = drawn_memory(2, Shape(4, 3, 8), 6, generator())
    given = 20 * torch.randn(2, 4, 7, generator=generator(1))
    everywhere, tau = torch.ones(2, dtype=torch.bool), torch.tensor(0.75)
    for _ in range(40):
        _, memory = recalled(given, given.flatten(1), memory, everywhere, tau)
        norms = memory.square().sum((1, 2)).sqrt()
        torch.testing.assert_close(norms, torch.ones(2))


def test_at_rate_zero_weights_stay_while_coefficients_follow_the_gradient():
    memory = fsnet(learning_rate=0.0)
    start = memory.init_state()
    *_, (_, state) = walk(memory, stream())
    assert torch.equal(state["weights"], start["weights"])
    assert not torch.allclose(state["coefficients_0"], start["coefficients_0"], atol=1e-4)


def test_blind_to_the_gradient_and_at_rate_zero_it_is_the_pre_trained_network_bit_for_bit():
    """Controllers that do not see the averages give constant coefficients; tau = 1 recalls none."""
    memory = fsnet(learning_rate=0.0, threshold=1.0)
    with torch.no_grad():
        for adapter in memory.adapters.adapters:
            adapter.down.zero_()
    start = memory.init_state()
    rows = stream()
    state = start
    for t, (forecast, after) in enumerate(walk(memory, rows), start=FIRST):
        state = after
        _, _, _, window = pieces(rows, t, *SIZE)
        with torch.no_grad():
            still, _ = memory.predict(start, window)
        assert torch.equal(forecast, still)
    assert int(state["recalls"]) == 0


def test_lanes_of_other_seeds_rates_and_thresholds_equal_single_runs():
    """Batched products may sum in another order, hence 1e-5 over 20 steps."""
    settings = [(0, 1e-3, 0.75), (1, 1e-2, 0.2), (2, 0.0, 0.1)]
    memories = [fsnet(s, learning_rate=rate, threshold=tau) for s, rate, tau in settings]
    streams = [stream(seed) for seed in (2, 3, 4)]
    lanes = Lanes(memories)
    state = lanes.init_state()
    for t in range(FIRST, FIRST + 20):
        cut = [pieces(rows, t, *SIZE) for rows in streams]
        row, window, target, newest = (torch.stack(part) for part in zip(*cut, strict=True))
        state = lanes.observe(state, row, (window, target))
        together, state = lanes.predict(state, newest, horizon=HORIZON)
    for lane, (memory, rows) in enumerate(zip(memories, streams, strict=True)):
        *_, (alone, own) = walk(memory, rows[: FIRST + 20])
        torch.testing.assert_close(together[lane], alone, rtol=1e-5, atol=1e-5)
        assert int(state["recalls"][lane]) == int(own["recalls"])
    assert int(state["recalls"][1]) > 0


def series(rows: int = 260) -> dict[str, Tensor]:
    """Rows of a noisy season of two channels, the last third for validation."""
    t = torch.arange(rows)[:, None]
    noise = torch.randn(rows, CHANNELS, generator=generator(5))
    made = torch.sin(2 * torch.pi * t / 12 + torch.tensor([0.0, 1.0])) + 0.1 * noise
    return {"train": made[:180], "validation": made[180:]}


def squared_error(memory: FSNet, rows: Tensor) -> float:
    """Mean over all origins, with the coefficients of the start."""
    state = memory.init_state()
    losses = [
        (memory.predict(state, rows[t - LOOKBACK + 1 : t + 1])[0] - rows[t + 1 : t + HORIZON + 1])
        .square()
        .mean()
        for t in range(LOOKBACK - 1, len(rows) - HORIZON)
    ]
    return float(torch.stack(losses).mean())


def test_fitting_learns_the_training_rows_and_fills_the_averages_not_the_memories():
    memory, data = fsnet(lively=False, width=8, fit_epochs=12, fit_learning_rate=1e-2), series()
    before = squared_error(memory, data["validation"])
    contents = memory.init_state()["memory_0"]
    memory.fit(data, generator(1))
    state = memory.init_state()
    assert squared_error(memory, data["validation"]) < 0.5 * before
    assert torch.equal(state["memory_0"], contents)
    for name in ("slow_0", "fast_0", "query_0"):
        assert state[name].abs().max() > 0
    assert torch.equal(state["first_moment"], torch.zeros_like(state["weights"]))


def test_fitting_does_not_depend_on_what_it_is_said_not_to_read():
    data = series()
    flags = {"faithful_index_weights": True, "faithful_write": True}
    others = {"learning_rate": 0.5, "threshold": 0.1, **flags}
    fitted = []
    for params in ({}, others):
        memory = fsnet(lively=False, fit_epochs=2, **params)
        memory.fit(data, generator(1))
        fitted.append(memory.init_state())
    assert set(FSNet.after_fit) == set(others)
    for name, entry in fitted[0].items():
        assert torch.equal(entry, fitted[1][name]), name


def test_learning_online_changes_state_and_no_parameter_or_buffer():
    memory = fsnet(learning_rate=0.1, threshold=0.1)
    before = {name: entry.clone() for name, entry in memory.state_dict().items()}
    forecasts(memory, stream())
    for name, entry in memory.state_dict().items():
        assert torch.equal(entry, before[name]), name


def test_as_published_a_memory_holds_a_column_of_all_coefficients_per_slot():
    """Width 64, features 320: D = I (3 + 2 O/I) is 320, 832 and 1600, where no tap is left out."""
    memory = FSNet(7, 60, 24, faithful_reshape=True, generator=generator())
    state = memory.init_state()
    assert [tuple(state[f"memory_{group}"].shape) for group in range(3)] == [
        (20, 320, 32),
        (1, 832, 32),
        (1, 1600, 32),
    ]
    assert len(state["recalling"]) == 22


@pytest.mark.parametrize("params", [{"kernel": 4}, {"width": 6, "features": 16}])
def test_sizes_that_make_no_layers_are_refused(params):
    with pytest.raises(InvalidParameter):
        fsnet(**params)


@pytest.mark.slow
@pytest.mark.parametrize("faithful", [False, True])
def test_the_laws_hold_when_layers_recall_often(faithful):
    names = ("faithful_reshape", "faithful_index_weights", "faithful_write")
    flags = dict.fromkeys(names, faithful)
    small = {**SMALL, "depth": 1, "learning_rate": 0.01, "threshold": 0.1, "fit_epochs": 1}
    audited = audit("fsnet", {**small, **flags})
    assert [v for v in audited.verdicts if v.outcome == "broken"] == []
    assert {v.law for v in audited.verdicts if v.outcome == "held"} >= {"causality", "lanes", "fit"}
