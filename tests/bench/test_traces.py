"""Recorded calls: the same bits as the calls themselves, whatever is recorded and when."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import grad, vmap

from bench.audit import forecaster
from bench.lanes import Lanes
from bench.running import construct
from bench.traces import MOST, Traces
from memories.base import OnlineForecaster, State

SEEDS = (0, 1, 2)


def lanes(name: str, params: dict[str, Any], *, traced: bool) -> Lanes:
    generator = [torch.Generator().manual_seed(seed) for seed in SEEDS]
    built = [construct.build_memory(name, params, forecaster.DICTATED, g) for g in generator]
    return Lanes(built, traced=traced)


def walk(stack: Lanes, rows: list[Tensor], start: State | None = None) -> tuple[Tensor, State]:
    """Forecasts of a dozen origins and the state after them."""
    state = stack.init_state() if start is None else start
    forecasts = []
    for t in range(forecaster.FIRST, forecaster.FIRST + 12):
        cut = [forecaster.pieces(series, t) for series in rows]
        row, window = torch.stack([c[0] for c in cut]), torch.stack([c[2] for c in cut])
        recent = tuple(torch.stack([c[1][i] for c in cut]) for i in (0, 1))
        state = stack.observe(state, row, recent)
        forecast, state = stack.predict(state, window)
        forecasts.append(forecast)
    return torch.stack(forecasts), state


LEARNING = {"learning_rate": 0.01}
BANK = {"memory": {"name": "delta", "params": {}}, "key_ratio": 0.5, "capacity": 50}
FORECASTERS: list[Any] = [
    pytest.param("frozen", {}, id="frozen"),
    pytest.param("ogd", LEARNING, id="ogd"),
    pytest.param("errorbank", BANK, id="errorbank"),
    pytest.param("proceed", LEARNING, id="proceed"),
    pytest.param(  # its parts are recorded by default in tests of their own
        "hmem",
        {"size": "small", "warmup_steps": 4, "online_lr": 0.01},
        id="hmem",
        marks=pytest.mark.slow,
    ),
]


@pytest.mark.parametrize(("name", "params"), FORECASTERS)
def test_recorded_forecasters_give_the_same_bits(name, params):
    rows = [forecaster.stream(seed) for seed in SEEDS]
    expected, expected_state = walk(lanes(name, params, traced=False), rows)
    seen, state = walk(lanes(name, params, traced=True), rows)
    assert torch.equal(seen, expected)
    assert state.keys() == expected_state.keys()
    assert all(torch.equal(state[key], expected_state[key]) for key in state)


def test_a_recorded_stack_can_be_left_and_taken_up_with_a_state_of_other_strides():
    rows = [forecaster.stream(seed) for seed in SEEDS]
    stack = lanes("ogd", {"learning_rate": 0.01}, traced=True)
    _, state = walk(stack, rows)
    expected, _ = walk(stack, rows, state)
    strided = {k: v.T.contiguous().T if v.dim() == 2 else v for k, v in state.items()}
    assert not all(v.is_contiguous() for v in strided.values())
    seen, _ = walk(stack, rows, strided)
    torch.testing.assert_close(seen, expected, rtol=0, atol=1e-6)


def test_a_selection_of_lanes_records_anew():
    rows = [forecaster.stream(seed) for seed in SEEDS]
    stack = lanes("ogd", {"learning_rate": 0.01}, traced=True)
    expected, _ = walk(stack, rows)
    seen, _ = walk(stack.select([2, 0]), [rows[2], rows[0]])
    torch.testing.assert_close(seen, expected[:, [2, 0]], rtol=0, atol=1e-6)


class Counts:
    """A function that counts how often Python runs through it."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: Tensor, scale: Tensor | None) -> dict[str, Tensor]:
        self.calls += 1
        slope = vmap(grad(lambda v: (v**3).sum()))(x)
        return {"slope": slope if scale is None else slope * scale}


def test_python_runs_once_per_layout_of_the_arguments():
    traces, function = Traces(), Counts()
    for step in range(5):
        x = torch.full((2, 3), float(step))
        seen = traces.run("f", function, (x, None))
        assert torch.equal(seen["slope"], 3 * x**2)
    assert function.calls == 1
    scaled = traces.run("f", function, (x, torch.tensor(2.0)))
    assert torch.equal(scaled["slope"], 6 * x**2)
    assert function.calls == 2
    wider = traces.run("f", function, (torch.ones(2, 4), None))
    assert wider["slope"].shape == (2, 4)
    assert function.calls == 3


def test_another_name_is_another_function():
    traces = Traces()
    x = torch.ones(2, 2)
    assert float(traces.run("a", lambda v: v + 1, (x,)).sum()) == 8
    assert float(traces.run("b", lambda v: v + 2, (x,)).sum()) == 12


def test_one_tensor_given_as_two_arguments_stays_two_arguments():
    """Entries of a state may be one tensor at first and differ later."""
    traces, zeros = Traces(), torch.zeros(2)

    def step(state: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"a": state["a"] + 1, "b": state["b"] + 2}

    state = traces.run("step", step, ({"a": zeros, "b": zeros},))
    state = traces.run("step", step, (state,))
    assert [float(entry[0]) for entry in state.values()] == [2.0, 4.0]


def test_fixed_arguments_come_first_and_are_not_given_again():
    fixed = {"scale": torch.tensor(3.0)}
    traces = Traces(fixed)

    def scaled(own: dict[str, Tensor], x: Tensor) -> Tensor:
        return own["scale"] * x

    assert [float(traces.run("f", scaled, (torch.tensor(x),))) for x in (1.0, 2.0)] == [3.0, 6.0]


def test_strides_of_axes_of_length_one_record_nothing_anew():
    traces, function = Traces(), Counts()
    for step in (1, 5, 7):
        x = torch.ones(1, 3).as_strided((1, 3), (step, 1))
        traces.run("f", function, (x, None))
    assert function.calls == 1


def test_a_state_of_the_same_tensors_under_other_names_is_another_state():
    """The newest state is known by its tensors; which name each has is part of it."""
    traces = Traces()

    def first(state: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"a": state["a"] + 0, "b": state["b"] + 1}

    state = traces.run("f", first, ({"a": torch.zeros(2), "b": torch.ones(2)},))
    swapped = dict(zip(("b", "a"), state.values(), strict=True))
    seen = traces.run("f", first, (swapped,))
    assert [float(seen[name][0]) for name in ("a", "b")] == [2.0, 1.0]


def test_a_state_with_an_entry_replaced_is_read_anew():
    traces = Traces()

    def total(state: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"x": state["x"] + 1}

    state = traces.run("f", total, ({"x": torch.zeros(2)},))
    assert traces.run("f", total, (state,))["x"].tolist() == [2.0, 2.0]
    state["x"] = torch.zeros(3, dtype=torch.float64)
    seen = traces.run("f", total, (state,))["x"]
    assert (seen.tolist(), seen.dtype) == ([1.0, 1.0, 1.0], torch.float64)


def test_beyond_the_limit_calls_run_as_they_are():
    traces, function = Traces(), Counts()
    for width in range(1, MOST + 3):
        traces.run("f", function, (torch.ones(1, width), None))
    calls = function.calls
    seen = traces.run("f", function, (torch.ones(1, MOST + 2), None))
    assert function.calls == calls + 1
    assert torch.equal(seen["slope"], torch.full((1, MOST + 2), 3.0))


def test_results_are_contiguous_so_that_their_layout_settles():
    seen = Traces().run("t", lambda x: {"t": x.T}, (torch.ones(2, 3),))
    assert seen["t"].is_contiguous()


def test_state_hidden_in_python_is_frozen_by_recording_so_the_audit_must_not_record():
    """A counter kept in an attribute: 1 + 2 + 3 as called, 1 + 1 + 1 as recorded."""

    class Hidden(OnlineForecaster):
        def __init__(self) -> None:
            super().__init__()
            self.steps = 0

        def init_state(self) -> State:
            return {"seen": torch.zeros(())}

        def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:
            self.steps += 1
            return {"seen": state["seen"] + self.steps}

        def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
            return window, state

    row, recent = torch.zeros(1, 1), (torch.zeros(1, 1, 1), torch.zeros(1, 1, 1))
    plain, recorded = Lanes([Hidden()]), Lanes([Hidden()], traced=True)
    for stack, total in ((plain, 6.0), (recorded, 3.0)):
        state = stack.init_state()
        for _ in range(3):
            state = stack.observe(state, row, recent)
        assert float(state["seen"]) == total
