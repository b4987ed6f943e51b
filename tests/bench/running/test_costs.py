from __future__ import annotations

import math
import re
import statistics
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from bench.lanes import Lanes
from bench.plan import Cell
from bench.running import costs, timing
from bench.running.timing import REPEATS, Timing
from memories.base import OnlineForecaster, State, TokenMemory
from memories.spectral.spectral_zero import SpectralZero
from memories.spectral.token_memory import SpectralMemory
from tests.bench.small_runs import DRIFT, plan_of, suite_text

DIM = 8
TOKENS = (
    "{name: tsl-longterm, params: {dataset: synth-drift, horizon: 4, lookback: 16, "
    "options: {rows: 600, channels: 2, segment: 440}}}"
)


def cell(folder: Path, memory: str, *task: str) -> Cell:
    (found,) = plan_of(folder, suite_text(memory, *task)).cells
    return found


def measured(found: Cell) -> dict[tuple[str, float | None], float]:
    return {(m["name"], m.get("x")): m["value"] for m in costs.measure(found, "cpu")}


def test_words_are_counted_where_bits_changed() -> None:
    """Of a [2, 3] float32 entry two elements change, of 4 int64 one (2 words): 2 + 2 = 4."""
    before = {
        "a": torch.zeros(1, 2, 3),
        "b": torch.zeros(1, 4, dtype=torch.int64),
        "count": torch.zeros(1, dtype=torch.int64),
    }
    after = {name: entry.clone() for name, entry in before.items()}
    after["a"][0, 0, 0] = 1.0
    after["a"][0, 1, 2] = math.nan
    after["b"][0, 3] = 1 << 40
    after["count"] += 1
    assert costs.changed_floats(before, before) == 0
    assert costs.changed_floats(before, after) == 4
    assert costs.changed_floats(after, after) == 0, "a NaN that stays is no change"


def test_a_boolean_is_a_quarter_of_a_word() -> None:
    before, after = ({"mask": torch.tensor([[False, new]])} for new in (False, True))
    assert costs.changed_floats(before, after) == 0.25


def test_a_matrix_memory_writes_its_whole_matrix(tmp_path: Path) -> None:
    found = measured(cell(tmp_path, "linear-assoc"))
    assert found["floats_written", None] == DIM * DIM
    assert {(n, x) for n, x in found if n != "floats_written"} == {
        (name, x) for name in ("write_us", "read_us") for x in (1.0, 256.0)
    }
    assert all(value > 0 for value in found.values())


def test_a_slot_memory_writes_one_slot(tmp_path: Path) -> None:
    """A key and a value of 8 floats each, one flag or index beside them at most."""
    written = measured(cell(tmp_path, "exact-knn"))["floats_written", None]
    assert 2 * DIM <= written < 2 * DIM + 4


def test_a_forecaster_is_measured_per_row_and_per_forecast(tmp_path: Path) -> None:
    found = measured(cell(tmp_path, "persistence", DRIFT))
    assert set(found) == {("observe_us", None), ("predict_us", None), ("floats_written", None)}
    assert found["floats_written", None] == 0


def test_costs_are_perf_metrics_that_are_never_tested(tmp_path: Path) -> None:
    for metric in costs.measure(cell(tmp_path, "linear-assoc"), "cpu"):
        assert (metric["kind"], metric["primary"], metric["direction"]) == ("perf", False, "lower")


def test_a_forecaster_is_timed_when_it_has_errors_to_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """30 rows, or H + 1 if that is more, are observed before; then 30 rounds are timed."""
    before: list[str] = []
    timed: list[int] = []
    warm_up: list[int] = []
    observe = Lanes.observe

    def counting(lanes: Lanes, *given: Any) -> Any:
        before.append("observe")
        return observe(lanes, *given)

    def rounds(calls: Any, device: Any, *, repeats: int) -> dict[str, Timing]:
        timed.append(repeats)
        warm_up.append(len(before))
        return {name: Timing((1.0,), (1.0,)) for name in calls}

    monkeypatch.setattr(Lanes, "observe", counting)
    monkeypatch.setattr(timing, "rounds", rounds)
    for horizon, rows in ((4, 30), (40, 41)):
        before.clear()
        longer = re.sub(r"rows: \d+", "rows: 900", DRIFT)
        longer = longer.replace("horizon: 4", f"horizon: {horizon}")
        measured(cell(tmp_path, "frozen", longer))
        assert warm_up[-1] == rows
    assert timed == [30] * 2


def test_times_carry_their_repeats_per_event_and_counts_carry_none(tmp_path: Path) -> None:
    found = {(m["name"], m.get("x")): m for m in costs.measure(cell(tmp_path, "delta"), "cpu")}
    assert "repeats" not in found["floats_written", None]
    write = found["write_us", 256.0]
    assert len(write["repeats"]) == len(write["calibrated"]) == REPEATS
    assert write["value"] == pytest.approx(statistics.median(write["repeats"]), rel=1e-5)
    single = found["write_us", 1.0]
    assert write["value"] < single["value"], "one call for 256 events is cheaper per event"


class Bounded(OnlineForecaster):
    """Forecasts zeros, and fails at the first row after the steps it was told of.

    Args:
        horizon: H.
        steps: Rows of both passes.
    """

    vectorized = False

    def __init__(self, horizon: int, steps: int) -> None:
        super().__init__()
        self.horizon, self.steps = horizon, steps

    def init_state(self) -> State:
        return {"step": torch.zeros((), dtype=torch.int64)}

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:
        assert state["step"] < self.steps
        return {"step": state["step"] + 1}

    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        return 0 * window[: self.horizon], state


def test_measuring_takes_no_more_rows_than_the_forecaster_was_told_of() -> None:
    """A stream of 20 steps: 30 rows of warm-up, 16 single rows and the timed one need 47."""
    short = {"channels": 2, "lookback": 8, "horizon": 4, "steps": 20}
    dictated = costs._with_room(short)
    assert dictated == {**short, "steps": 47}
    assert costs._with_room({**short, "steps": 500})["steps"] == 500
    assert costs._with_room({"key_dim": 8}) == {"key_dim": 8}
    lanes = Lanes([Bounded(4, dictated["steps"])])
    found = list(costs._forecaster(lanes, dictated, torch.Generator().manual_seed(0)))
    assert [name for name, *_ in found] == ["observe_us", "predict_us", "floats_written"]


SIZES = {"token_dim": 8, "channels": 2, "lookback": 6, "horizon": 4}


def tokens_measured(memory: TokenMemory) -> list[costs.Cost]:
    generator = torch.Generator().manual_seed(0)
    return list(costs._tokens(Lanes([memory]), SIZES, generator))


def test_a_token_memory_is_measured_per_read_and_per_pass() -> None:
    """Of a ring of rows one row changes, of the rest of the state everything but the shift.

    d = 8, K = 3: a row 8, sums in float64 2 (8 + 64), eigenvalues 3, components and basis 24 each.
    """
    generator = torch.Generator().manual_seed(0)
    spectral = SpectralMemory(8, components=3, window=20, generator=generator)
    named = {name: (value, unit) for name, value, unit, _ in tokens_measured(spectral)}
    assert list(named) == ["tokens_us", "absorb_us", "floats_written"]
    assert [unit for _, unit in named.values()] == ["us/read", "us/pass", "floats/pass"]
    floats = named["floats_written"][0]
    assert isinstance(floats, float)
    assert 8 + 2 * 72 + 3 + 24 < floats <= 8 + 2 * 72 + 3 + 2 * 24
    times = named["tokens_us"][0], named["absorb_us"][0]
    assert all(isinstance(time, Timing) and len(time.raw) >= timing.LEAST for time in times)


class Watching(SpectralZero):
    """Notes shapes of what is absorbed, and how often it was before the first read."""

    vectorized = False
    shapes: ClassVar[set[tuple[int, ...]]] = set()
    before: ClassVar[list[int]] = []

    def tokens(self, state: State) -> Tensor:
        self.before.append(int(state["count"]))
        return super().tokens(state)

    def absorb(self, state: State, hidden: Tensor) -> State:
        self.shapes.add(tuple(hidden.shape))
        return super().absorb(state, hidden)


def test_a_token_memory_is_timed_when_it_has_rows_enough_for_tokens() -> None:
    """A pass has as many positions as the window has rows. K is 32 at most in what ships."""
    assert costs.PASSES >= 2 * 32
    tokens_measured(Watching(8))
    assert Watching.shapes == {(6, 2, 8)}
    assert set(Watching.before) == {costs.PASSES}


def test_the_costs_of_a_token_task_are_those_of_its_memory(tmp_path: Path) -> None:
    found = costs.measure(cell(tmp_path, "spectral-zero", TOKENS), "cpu")
    assert {m["name"]: m["unit"] for m in found} == {
        "tokens_us": "us/read", "absorb_us": "us/pass", "floats_written": "floats/pass",
    }  # fmt: skip
    assert {(m["kind"], m["primary"], m["direction"]) for m in found} == {("perf", False, "lower")}
    assert [len(m.get("repeats", [])) > 0 for m in found] == [True, True, False]
    assert found[2]["value"] == 0, "a count of passes is a scalar"


def test_the_record_of_costs_is_named_by_cell_and_kind_of_device(tmp_path: Path) -> None:
    found = cell(tmp_path, "linear-assoc")
    other = cell(tmp_path, "delta")
    assert found.cost_key("cuda:0") == found.cost_key("cuda:1") != found.cost_key("cpu")
    assert found.cost_key("cpu") != other.cost_key("cpu")
    assert found.cost_key("cpu") not in found.trials.values()


def test_a_forecaster_is_timed_with_its_calls_recorded_as_in_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[bool] = []

    def watched(*args: Any, **options: Any) -> Lanes:
        built.append(options.get("traced", False))
        return Lanes(*args, **options)

    monkeypatch.setattr(costs, "Lanes", watched)
    measured(cell(tmp_path, "persistence", DRIFT))
    measured(cell(tmp_path, "linear-assoc"))
    assert built == [True, False]
