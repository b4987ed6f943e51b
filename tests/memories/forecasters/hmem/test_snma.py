"""The whole memory: against a plain loop, as lanes, in replays, with its parts switched off."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap

from bench.lanes import Lanes
from memories.adam import Packing, flatten, unflatten
from memories.backbones.dlinear import DLinear
from memories.base import InvalidParameter, Memory, State
from memories.forecasters.hmem.lora import Injection
from memories.forecasters.hmem.snma import SNMA
from tests.reference import snma as reference

LOOKBACK, HORIZON, CHANNELS, ROWS = 8, 4, 3, 3
SIZES: dict[str, Any] = {"memory_dim": 8, "encoding_dim": 6, "bottleneck": 4}

SINGLE = [
    {"surprise": surprise, "update": update}
    for surprise, update in itertools.product(
        ("ar", "recon", "forecast"), ("gated-momentum", "surprise-lerp", "clamped", "smoothed")
    )
]
OTHERS = [
    {"hypernet": "flat"},
    {"hypernet": "flat", "b_init": "default"},
    {"surprise": "ar", "update": "gated-momentum", "momentum": 0.0},
    {"b_init": "default", "momentum": 0.5},
    {"encoding_dim": 8, "smooth_form": "centered"},
    {"reset_each_step": True},
    {"frozen_memory": True},
    {"scales": True},
    {"scales": True, "combine": "attn", "surprise": "ar"},
    {"scales": True, "smooth_form": "centered", "reset_each_step": True},
    {"scales": True, "frozen_memory": True},
]
ALL = SINGLE + OTHERS


def label(options: dict[str, Any]) -> str:
    return ",".join(f"{name}={value}" for name, value in options.items())


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def dlinear(seed: int = 1) -> DLinear:
    return DLinear(CHANNELS, LOOKBACK, HORIZON, kernel=3, generator=rng(seed))


INJECTION = Injection(dlinear(), rank=2)


def build(seed: int = 0, **options: Any) -> SNMA:
    return SNMA(CHANNELS, ROWS, INJECTION, generator=rng(seed), **{**SIZES, **options})


def stirred(module: SNMA, seed: int = 5) -> SNMA:
    """The module with every weight moved, so that none is at a special starting value."""
    g = rng(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=g))
    return module


def stream(n: int, seed: int = 2, rows: int = ROWS) -> list[tuple[Tensor, Tensor]]:
    """Pairs of rows [P, C] and errors [P, C]; the level jumps half-way."""
    drawn = torch.randn(n, 2, rows, CHANNELS, generator=rng(seed))
    drawn[n // 2 :] *= 4
    return [(pair[0], pair[1]) for pair in drawn]


def numbers(module: SNMA) -> dict[str, Tensor]:
    return {name: p.detach() for name, p in module.named_parameters()}


@pytest.mark.parametrize("options", ALL, ids=label)
def test_a_stream_is_taken_in_as_the_equations_say(options):
    """Twelve updates in float64 against a loop in plain arithmetic. The rates of several scales
    are float32 numbers, hence 1e-6 there.
    """
    close = 1e-6 if options.get("scales") else 1e-9
    module = stirred(build(**options)).double()
    pairs = [(rows.double(), error.double()) for rows, error in stream(12)]
    run_options = {k: v for k, v in options.items() if k not in ("encoding_dim", "b_init")}
    expected = reference.run(numbers(module), pairs, memory_dim=8, **run_options)
    state = module.init_state()
    with torch.no_grad():
        for (rows, error), step in zip(pairs, expected, strict=True):
            flat, state, info = module(state, rows, error)
            got = {"M": state["M"], "flat": flat, **info}
            right = {
                "M": torch.cat(step.memories),
                "flat": step.flat,
                "memory": step.read,
                "encoding": step.encoding,
            }
            for name, value in right.items():
                torch.testing.assert_close(got[name], value, rtol=close, atol=close)
            scalars = [info["rho"], info["surprise"], state["mu"], state["var"]]
            known = [step.rho, step.surprise, step.mean, step.variance]
            assert [x.item() for x in scalars] == pytest.approx(known, rel=1e-9, abs=1e-9)
    assert max(step.surprise for step in expected) > 0.5


def test_age_counts_updates_and_a_reset_or_frozen_memory_has_none_to_count():
    for options, expected in (
        ({}, 4),
        ({"reset_each_step": True}, 1),
        ({"frozen_memory": True}, 0),
    ):
        module = build(**options)
        state = module.init_state()
        for rows, error in stream(4):
            _, state, _ = module(state, rows, error)
        assert state["age"].item() == expected
        assert state["age"].dtype == torch.int64


def test_a_frozen_memory_generates_one_set_of_weights_whatever_the_rows():
    module = stirred(build(frozen_memory=True))
    state: State = {**module.init_state(), "M": torch.ones(8)}
    flats = []
    for rows, error in stream(5):
        flat, state, _ = module(state, rows, error)
        flats.append(flat)
        assert bool((state["M"] == 0).all())
    assert all(torch.equal(flat, flats[0]) for flat in flats)
    assert state["mu"].item() > 0


def test_a_memory_that_is_reset_forgets_all_rows_but_the_newest():
    """The statistics run on; `ar` has none, and its weights depend on the newest rows alone."""
    module = stirred(build(reset_each_step=True, surprise="ar"))
    keeps = stirred(build(surprise="ar"))
    last = stream(1, seed=9)[0]
    for kind, same in ((module, True), (keeps, False)):
        flats = []
        for seed in (1, 2):
            state = kind.init_state()
            for rows, error in [*stream(3, seed=seed), last]:
                flat, state, _ = kind(state, rows, error)
            flats.append(flat)
        assert torch.equal(*flats) is same


@pytest.mark.parametrize("surprise", ["recon", "forecast"])
def test_the_memory_does_not_see_the_order_of_rows(surprise):
    module, (rows, error) = stirred(build(surprise=surprise)), stream(1)[0]
    one, two = (module(module.init_state(), r, error)[0] for r in (rows, rows.flip(0)))
    torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-6)


def test_the_partial_error_counts_for_forecast_surprise_alone():
    for surprise, counts in (("ar", False), ("recon", False), ("forecast", True)):
        module, (rows, error) = stirred(build(surprise=surprise)), stream(1)[0]
        states = [module(module.init_state(), rows, e)[1]["M"] for e in (error, error / 10)]
        assert torch.equal(*states) is not counts


def test_a_replay_from_the_state_before_gives_the_same_weights_and_changes_nothing():
    module = stirred(build(scales=True))
    state = module.init_state()
    for rows, error in stream(6):
        before = {name: entry.clone() for name, entry in state.items()}
        flat, after, _ = module(state, rows, error)
        again, _, _ = module(before, rows, error)
        assert torch.equal(flat, again)
        assert all(torch.equal(state[name], before[name]) for name in before)
        state = after


class Step(Memory):
    """One update and the gradient of a replay of it, as a forecaster makes them."""

    def __init__(self, seed: int, options: dict[str, Any]) -> None:
        super().__init__()
        self.backbone = dlinear(seed)
        self.snma = stirred(build(seed, **options), seed)
        self.injection = Injection(self.backbone, rank=2)

    def init_state(self) -> State:
        weights = flatten(self.snma)
        return {**self.snma.init_state(), "weights": weights, "gradient": torch.zeros_like(weights)}

    def advance(self, state: State, rows: Tensor, error: Tensor, window: Tensor) -> State:
        before = {name: state[name] for name in ("M", "age", "mu", "var")}

        def run(weights: Tensor) -> tuple[Tensor, State, dict[str, Tensor]]:
            named = unflatten(self.snma, weights)
            out: tuple[Tensor, State, dict[str, Tensor]] = functional_call(
                self.snma, named, (before, rows, error)
            )
            return out

        def loss(weights: Tensor) -> Tensor:
            flat, _, info = run(weights)
            forecast = self.injection.forecast(self.backbone, flat, window[None])
            return (forecast - 1).square().mean() + 0.1 * info["surprise_loss"]

        gradient = grad(loss)(state["weights"])
        return {**run(state["weights"])[1], "weights": state["weights"], "gradient": gradient}


@pytest.mark.parametrize("options", ALL, ids=label)
def test_lanes_and_their_gradients_equal_single_runs(options):
    """Three seeds under vmap with grad inside; the oracle for a lane is autograd on its module.

    Reads to 1e-6 and gradients to 1e-5, relative to the largest entry: float32 sums are taken in
    another order.
    """
    steps, n = [Step(seed, options) for seed in range(3)], 5
    lanes = Lanes(steps)
    state = lanes.init_state()
    inputs = [stream(n, seed=seed) for seed in range(3)]
    windows = torch.randn(n, 3, LOOKBACK, CHANNELS, generator=rng(8))
    for t in range(n):
        rows, errors = (torch.stack([inputs[s][t][i] for s in range(3)]) for i in range(2))
        state = lanes.call("advance", state, rows, errors, windows[t])
    for lane, step in enumerate(steps):
        own = step.snma.init_state()
        for t, (rows, error) in enumerate(inputs[lane]):
            flat, after, info = step.snma(own, rows, error)
            forecast = step.injection.forecast(step.backbone, flat, windows[t, lane][None])
            loss = (forecast - 1).square().mean() + 0.1 * info["surprise_loss"]
            parts = torch.autograd.grad(loss, list(step.snma.parameters()), materialize_grads=True)
            own = {name: entry.detach() for name, entry in after.items()}
        gradient = Packing.of(step.snma).pack(parts)
        for name in ("M", "mu", "var"):
            torch.testing.assert_close(state[name][lane], own[name], rtol=1e-5, atol=1e-6)
        size = max(1.0, gradient.abs().max().item())
        torch.testing.assert_close(state["gradient"][lane], gradient, rtol=0, atol=1e-5 * size)
        assert gradient.abs().max() > 0


@pytest.mark.parametrize("options", ALL, ids=label)
@pytest.mark.parametrize(("rows", "value"), [(1, 0.5), (4, 0.0), (4, 1e4)])
def test_gradients_are_finite_on_constant_rows_and_on_a_single_one(options, rows, value):
    """From an empty memory and on the second update, statistics of variance 0 included."""
    module = SNMA(CHANNELS, rows, INJECTION, generator=rng(), **{**SIZES, **options})
    pogt = torch.full((rows, CHANNELS), value)
    state = {**module.init_state(), "var": torch.zeros(())}

    def loss(weights: dict[str, Tensor], state: State) -> tuple[Tensor, State]:
        flat, after, info = functional_call(module, weights, (state, pogt, 0 * pogt))
        return flat.square().sum() + info["surprise_loss"] + info["surprise"], after

    for _ in range(2):
        gradient, state = grad(loss, has_aux=True)(numbers(module), state)
        for name, part in gradient.items():
            assert part.isfinite().all(), name
        assert all(entry.isfinite().all() for entry in state.values())


@pytest.mark.parametrize(
    "options",
    [pytest.param({}, marks=pytest.mark.slow), {"scales": True, "combine": "attn"}],
    ids=label,
)
def test_a_recorded_call_gives_the_numbers_of_the_call_itself(options):
    """Lanes may record a step with its gradient once and replay it on other inputs."""
    steps = [Step(seed, options) for seed in range(2)]
    plain, traced = Lanes(steps), Lanes(steps, traced=True)
    state = again = plain.init_state()
    windows = torch.randn(2, LOOKBACK, CHANNELS, generator=rng(8))
    for rows, error in stream(4):
        inputs = (torch.stack([rows, error]), torch.stack([error, rows]), windows)
        state = plain.call("advance", state, *inputs)
        again = traced.call("advance", again, *inputs)
        for name, entry in state.items():
            torch.testing.assert_close(again[name], entry, rtol=1e-6, atol=1e-6)


def test_no_gradient_reaches_past_the_state():
    """The state a replay starts from is a constant; the surprise's statistics are constants too."""
    module, (rows, error) = stirred(build()), stream(1)[0]
    _, after, info = module(module.init_state(), rows, error)
    assert after["M"].requires_grad and info["surprise"].requires_grad
    assert not after["mu"].requires_grad and not after["var"].requires_grad


def test_what_the_hypernetwork_reads_is_the_memory_unless_there_are_several():
    for options, size in (({}, 8), ({"scales": True}, 28)):
        module, (rows, error) = build(**options), stream(1)[0]
        _, after, info = module(module.init_state(), rows, error)
        assert module.memory_size == size == len(after["M"])
        assert info["memory"].shape == (8,)
        assert torch.equal(info["memory"], after["M"]) is (size == 8)


def test_construction_and_calls_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    one, two = build(3), build(3)
    one(one.init_state(), *stream(1)[0])
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(flatten(one), flatten(two))


@pytest.mark.parametrize("options", [{"scales": True}, {"scales": True, "combine": "attn"}])
def test_vmap_over_updates_is_a_loop_over_them(options):
    module = stirred(build(**options))
    rows, errors = (torch.stack(parts) for parts in zip(*stream(4), strict=True))
    state = module.init_state()
    with torch.no_grad():
        flats = vmap(lambda r, e: module(state, r, e)[0])(rows, errors)
        for i in range(4):
            torch.testing.assert_close(flats[i], module(state, rows[i], errors[i])[0])


@pytest.mark.parametrize(
    ("options", "parameter", "message"),
    [
        ({"scales": True, "update": "clamped"}, "update", "'smoothed', not by 'clamped'"),
        ({"reset_each_step": True, "frozen_memory": True}, "reset_each_step", "stays zero"),
        ({"scales": True, "memory_dim": 7}, "memory_dim", "even"),
        ({"momentum": 0.0}, "momentum", "always zero"),
        ({"momentum": 1.0}, "momentum", "got 1"),
    ],
)
def test_options_that_exclude_each_other_are_refused(options, parameter, message):
    with pytest.raises(InvalidParameter, match=message) as caught:
        build(**options)
    assert caught.value.parameter == parameter


def test_there_must_be_a_row_to_encode():
    with pytest.raises(InvalidParameter, match="got 0"):
        SNMA(CHANNELS, 0, INJECTION, generator=rng())
