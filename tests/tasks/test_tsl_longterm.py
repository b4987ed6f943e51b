"""Long-term forecasting through the whole task: the plain loop, the record, its marks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from bench.plan import Cell
from bench.running.workbench import Workbench
from memories.base import InvalidParameter
from tasks.base import Outcome
from tasks.tsl_longterm import TslLongterm
from tests.tasks.cells import cell, curve, metric, numbers, run, task_of
from tests.tasks.longterm.small_runs import FORMER, SMALL, by_reference, settings

EMPTY = "memory empty at test"
V3 = {k: v for k, v in SMALL.items() if k != "window"} | {"window": 300}

SIZES = {"width": 8, "heads": 2, "feedforward": 8, "layers": 1}
ITRANSFORMER = {"name": "itransformer", "params": SIZES}
FIRST = {"name": "spectral-former-v1", "params": SIZES}
PATCHTST = {"name": "patchtst", "params": {"patch": 4, "stride": 2}}
"""It has batch statistics."""
STOPS = {"epochs": 9, "learning_rate": 0.1}
"""Seeds 0 to 2 stop improving at epochs of their own: 2, 2, 3 of v4, 4, 9, 2 of v3."""

RUNS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "spectral": ("spectral", SMALL, {}),
    "v4": ("spectral-v4", SMALL, {}),
    "v3": ("spectral-v3", V3, {}),
    "spectral, newest rows, every row": ("spectral", SMALL, {"chunk": 1, "stride": 1}),
    "spectral, gaps left": ("spectral", SMALL, {"fill_gaps": False}),
    "spectral, one chunk, whole batches": (
        "spectral",
        SMALL,
        {"chunk": 100, "drop_last_test": True, "stride": 3},
    ),
    "v4, stream": ("spectral-v4", SMALL | {"memory_eval": "stream"}, {}),
    "v3, stream": ("spectral-v3", V3 | {"memory_eval": "stream"}, {}),
    "spectral, frozen": ("spectral", SMALL | {"memory_eval": "frozen-train"}, {}),
    "spectral, as published": ("spectral", SMALL, {"semantics": "as-published"}),
    "v3, as published": ("spectral-v3", V3, {"semantics": "as-published"}),
    "attention pooling": ("spectral", SMALL | {"pool": "attn-trained"}, {}),
    "null": ("spectral-null", {}, {}),
    "zero": ("spectral-zero", {}, {}),
    "dlinear": ("plain-backbone", {}, {}),
    "patchtst": ("plain-backbone", {"backbone": PATCHTST}, {}),
    "iTransformer": ("spectral", SMALL, {"encoder": ITRANSFORMER}),
    "iTransformer, v3": ("spectral-v3", V3, {"encoder": ITRANSFORMER}),
    "first encoder": ("spectral", SMALL, {"encoder": FIRST}),
    "v4, stops": ("spectral-v4", SMALL, STOPS),
    "v3, stops": ("spectral-v3", V3, STOPS),
    "spectral, stops": ("spectral", SMALL, STOPS),
}
BY_DEFAULT = ("spectral, gaps left", "v4, stops", "v3, as published", "dlinear")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in BY_DEFAULT else [pytest.mark.slow]) for n in RUNS]
)
def test_the_task_is_the_plain_loop(tmp_path, name):
    """Torch's Adam, autograd and windows one after another. In float32 means differ by
    1e-7; the windows before a border alone change them by 1e-5.
    """
    memory, params, task = RUNS[name]
    made = cell(memory, "tsl-longterm", settings(tmp_path, **task), params)
    outcomes = run(made, [0, 1, 2] if task is STOPS else [0, 1])
    for seed, outcome in enumerate(outcomes):
        plain, expected = by_reference(made, seed)
        truth = torch.stack(
            [plain.target(o) for o in range(plain.p.b - 1, plain.p.b - 1 + outcome.n_eval)]
        )
        errors = (expected.forecasts - truth).double()
        assert outcome.n_eval == len(expected.forecasts)
        assert metric(outcome, "mse") == pytest.approx(float(errors.square().mean()), rel=1e-6)
        assert metric(outcome, "mae") == pytest.approx(float(errors.abs().mean()), rel=1e-6)
        np.testing.assert_allclose(
            outcome.series["squared_error"], errors.square().mean((1, 2)), rtol=1e-3, atol=1e-5
        )
        told = outcome.notes["training"]
        assert told["epoch"] == expected.epoch
        assert told["validation_mse"] == pytest.approx(expected.error, rel=1e-6)
        assert phases(outcome) == {k: v for k, v in expected.rows.items() if v[0] >= 0}
    assert numbers(outcomes[0]) != numbers(outcomes[1])


def phases(outcome: Outcome) -> dict[tuple[str, int], tuple[int, int]]:
    """Rows held at the beginning and at the end, by phase and epoch."""
    told = outcome.notes["memory"]["phases"]
    return {(p["phase"], p.get("epoch", 0)): tuple(p["rows"]) for p in told}


@pytest.mark.slow
def test_seeds_stop_at_epochs_of_their_own(tmp_path):
    """So that lanes leave the block in the comparison with the plain loop above, and below."""
    outcomes = run(stopping(tmp_path), [0, 1, 2])
    assert [o.notes["training"]["epoch"] for o in outcomes] == [2, 2, 3]
    assert [max(epoch for _, epoch in phases(o)) for o in outcomes] == [5, 5, 6]


def stopping(folder: Any) -> Cell:
    return cell("spectral-v4", "tsl-longterm", settings(folder, **STOPS), SMALL)


@pytest.mark.slow
def test_a_seed_alone_scores_as_it_does_in_a_block(tmp_path):
    """Float32 in another batch shape: 1e-6."""
    made = stopping(tmp_path)
    together, (alone,) = run(made, [0, 1, 2]), run(made, [2])
    assert numbers(alone) == pytest.approx(numbers(together[2]), rel=1e-6, abs=1e-7)
    assert alone.notes["training"]["epoch"] == together[2].notes["training"]["epoch"]


MARKED = {
    "v4": ("spectral-v4", SMALL, {}, True),
    "zero": ("spectral-zero", {}, {}, True),
    "null": ("spectral-null", {}, {}, False),
    "dlinear": ("plain-backbone", {}, {}, False),
    "v4, stream": ("spectral-v4", SMALL | {"memory_eval": "stream"}, {}, False),
    "v4, frozen": ("spectral-v4", SMALL | {"memory_eval": "frozen-train"}, {}, False),
    "spectral": ("spectral", SMALL, {}, False),
    "spectral, as published": ("spectral", SMALL, {"semantics": "as-published"}, True),
    "v3, as published": ("spectral-v3", V3, {"semantics": "as-published"}, False),
}


@pytest.mark.parametrize("name", MARKED)
def test_the_harness_marks_a_memory_that_is_empty_at_test(tmp_path, name):
    """By its state, whatever it is called; without tokens there is nothing to be empty."""
    memory, params, task, marked = MARKED[name]
    chosen = settings(tmp_path, stride=8, epochs=1, **task)
    for outcome in run(cell(memory, "tsl-longterm", chosen, params), [0, 1]):
        assert outcome.marks == ((EMPTY,) if marked else ())


def test_the_record_shows_that_v4_is_emptied_before_every_phase(tmp_path):
    """79 training windows are three steps, of which each stores a row."""
    made = cell("spectral-v4", "tsl-longterm", settings(tmp_path), SMALL)
    (outcome,) = run(made, [0])
    assert phases(outcome) == {
        ("training", 1): (0, 3),
        ("validation", 1): (0, 0),
        ("training", 2): (0, 3),
        ("validation", 2): (0, 0),
        ("test", 0): (0, 0),
    }


def test_the_record_shows_that_v3_keeps_what_training_left(tmp_path):
    """79 windows of two channels an epoch, in a ring of 300 rows."""
    (outcome,) = run(cell("spectral-v3", "tsl-longterm", settings(tmp_path), V3), [0])
    assert phases(outcome) == {
        ("training", 1): (0, 158),
        ("validation", 1): (158, 158),
        ("training", 2): (158, 300),
        ("validation", 2): (300, 300),
        ("test", 0): (300, 300),
    }


@pytest.mark.parametrize(("stride", "fill_gaps"), [(1, True), (2, True), (2, False)])
def test_a_stream_stores_a_row_per_stride_without_a_hole_at_the_borders(
    tmp_path, stride, fill_gaps
):
    """Origins from 7: training to 164, then two before the border, validation 167 to 188, two
    more, the test 191 to 236. One in `stride` is stored.
    """
    chosen = settings(tmp_path, stride=stride, fill_gaps=fill_gaps, epochs=1)
    (outcome,) = run(cell("spectral", "tsl-longterm", chosen, SMALL), [0])

    def stored(*parts: range) -> int:
        return sum(o in part for part in parts for o in range(7, 237, stride))

    training, validation, test = range(7, 165), range(167, 189), range(191, 237)
    gaps = [range(165, 167), range(189, 191)] if fill_gaps else [range(0), range(0)]
    told = phases(outcome)
    assert told["training", 1] == (0, stored(training))
    assert told["validation", 1] == (
        stored(training, gaps[0]),
        stored(training, gaps[0], validation),
    )
    assert told["test", 0] == (
        stored(training, gaps[0], validation, gaps[1]),
        stored(training, gaps[0], validation, gaps[1], test),
    )
    if fill_gaps:
        assert told["test", 0][1] == -(-(237 - 7) // stride)


def test_a_trajectory_ends_with_its_own_rows_though_a_stream_is_evaluated(tmp_path):
    """The second epoch ends with 300 rows; the stream starts from a pass over the training windows
    instead, 158 rows, and stores one of the two windows before the border.
    """
    params = V3 | {"memory_eval": "stream"}
    (outcome,) = run(cell("spectral-v3", "tsl-longterm", settings(tmp_path), params), [0])
    told = phases(outcome)
    assert told["training", 2] == (158, 300)
    assert told["validation", 2] == (160, 182)
    assert told["test", 0] == (184, 230)


def test_notes_tell_the_semantics(tmp_path):
    (outcome,) = run(cell("spectral", "tsl-longterm", settings(tmp_path, epochs=1), SMALL), [0])
    told = {k: v for k, v in outcome.notes["memory"].items() if k != "phases"}
    assert told == {
        "eval": "stream",
        "train": "snapshot",
        "resets": True,
        "chunk": 5,
        "stride": 2,
        "tokens": 2,
    }
    persistence = outcome.notes["persistence_mse"]
    made = task_of(cell("spectral", "tsl-longterm", settings(tmp_path), SMALL))
    rows = made.sample.scaler().transform(made.sample.values).astype(np.float64)
    errors = [(rows[t + 1 : t + 4] - rows[t]) ** 2 for t in range(191, 237)]
    assert persistence == pytest.approx(np.mean(errors), rel=1e-6)


def test_every_window_of_the_test_counts_unless_the_last_batch_is_dropped(tmp_path):
    """46 windows; a batch is 32."""
    for drop, count in ((False, 46), (True, 32)):
        chosen = settings(tmp_path, epochs=1, drop_last_test=drop)
        (outcome,) = run(cell("spectral-null", "tsl-longterm", chosen), [0])
        assert outcome.n_eval == len(outcome.series["squared_error"]) == count
        mean = outcome.series["squared_error"].astype(np.float64).mean()
        assert metric(outcome, "mse") == pytest.approx(mean, rel=1e-6)
        assert np.mean(list(curve(outcome, "mse_by_lead").values())) == pytest.approx(mean)


MEMORIES = [
    ("spectral-null", {}),
    ("spectral-zero", {}),
    ("spectral-v4", SMALL),
    ("spectral", SMALL),
    ("spectral", SMALL | {"pool": "attn-trained"}),
]


def encoder_weights(made: Cell, seed: int) -> dict[str, torch.Tensor]:
    task, bench = task_of(made), Workbench(made, [seed])
    lanes = task._lanes(bench, bench.lanes([task.dictates()]).memories)
    return lanes.model.encoder.state_dict()


def test_a_seeds_encoder_starts_the_same_for_every_memory(tmp_path):
    cells = [cell(name, "tsl-longterm", settings(tmp_path), given) for name, given in MEMORIES]
    first, *others = [encoder_weights(made, 3) for made in cells]
    for other in others:
        assert all(torch.equal(other[name], value) for name, value in first.items())
    assert not torch.equal(encoder_weights(cells[0], 4)["embedding.weight"],
                           first["embedding.weight"])  # fmt: skip


def test_a_memorys_weights_are_not_those_of_the_encoder(tmp_path):
    """Drawn from one generator, both would begin with the same numbers."""
    made = cell("spectral-v4", "tsl-longterm", settings(tmp_path), SMALL)
    task, bench = task_of(made), Workbench(made, [3])
    lanes = task._lanes(bench, bench.lanes([task.dictates()]).memories)
    first = next(lanes.model.encoder.parameters()).flatten()[:8]
    head = lanes.model.memory.head.expand.weight.flatten()[:8]
    assert not torch.allclose(first / first.abs().max(), head / head.abs().max())


@pytest.mark.slow
def test_the_encoder_as_a_plain_backbone_is_the_encoder_without_tokens(tmp_path):
    """Float32 in another order of operations: 1e-6."""
    chosen = settings(tmp_path)
    (plain,) = run(cell("plain-backbone", "tsl-longterm", chosen, {"backbone": FORMER}), [1])
    (null,) = run(cell("spectral-null", "tsl-longterm", chosen), [1])
    assert numbers(plain) == pytest.approx(numbers(null), rel=1e-6, abs=1e-8)
    assert plain.notes["memory"]["tokens"] == 0


def test_a_training_without_a_finite_validation_error_is_no_result(tmp_path):
    chosen = settings(tmp_path, learning_rate=1e38)
    for name, given in (("spectral-null", {}), ("spectral", SMALL)):
        for outcome in run(cell(name, "tsl-longterm", chosen, given), [0, 1]):
            assert (outcome.status, outcome.metrics) == ("nonfinite", [])
            assert outcome.message == "no epoch had a finite validation error"


@pytest.mark.slow
def test_generated_series_differ_from_seed_to_seed(tmp_path):
    """Each lane is trained and scored on its own, also after another has stopped."""
    options = {"rows": 240, "channels": 2, "schedule": "none"}
    synthetic = {"dataset": "synth-drift", "options": options}
    made = cell("spectral-v4", "tsl-longterm", settings(tmp_path, **synthetic, **STOPS), SMALL)
    assert task_of(made).seeded
    assert task_of(made).varies.startswith("data, ")
    outcomes = run(made, [0, 1, 2])
    stopped = {max(epoch for _, epoch in phases(o)) for o in outcomes}
    assert len(stopped) > 1
    assert len({o.notes["persistence_mse"] for o in outcomes}) == 3
    for seed in (0, 2):
        plain, expected = by_reference(made, seed)
        assert outcomes[seed].notes["training"]["epoch"] == expected.epoch
        truth = torch.stack([plain.target(plain.p.b - 1 + i) for i in range(46)])
        error = float((expected.forecasts - truth).double().square().mean())
        assert metric(outcomes[seed], "mse") == pytest.approx(error, rel=1e-5)


def small_task(folder: Any, **more: Any) -> TslLongterm:
    made = task_of(cell("spectral-null", "tsl-longterm", settings(folder, **more)))
    assert isinstance(made, TslLongterm)
    return made


def test_a_files_path_is_no_part_of_a_trials_identity(tmp_path):
    task = small_task(tmp_path)
    named = {"dataset": task.dataset, "horizon": 3}
    assert task.identity(named) == {"dataset": "walk.csv", "horizon": 3}
    assert task.digest() == task.sample.digest
    assert not task.seeded
    assert task.varies == "initialisation, batch order and dropout"
    other = TslLongterm(horizon=4, lookback=16)
    assert other.identity({"dataset": "sm-co2"}) == {"dataset": "sm-co2"}


def test_a_memory_is_given_the_sizes_of_the_encoder(tmp_path):
    task = small_task(tmp_path)
    assert task.dictates() == {"token_dim": 8, "channels": 2, "lookback": 8, "horizon": 3}


REFUSED = [
    ({"encoder": {"name": "dlinear"}}, "encoder", "'dlinear' takes no memory tokens"),
    ({"lookback": 10}, "encoder", r"patch of spectral-former must divide the lookback \(10\)"),
    ({"horizon": 60}, "dataset", "too few rows"),
    ({"dataset": "eth1"}, "dataset", "eth1"),
    ({"options": {"colums": "x0"}}, "dataset", "colums"),
    ({"options": {"protocol": "online"}}, "options", "'protocol' is no option"),
    ({"options": {"seed_rng": 1}}, "options", "'seed_rng' is no option"),
    ({"drop_last_test": True, "horizon": 24}, "drop_last_test", "there are 25, a batch is 32"),
]


@pytest.mark.parametrize(("given", "parameter", "text"), REFUSED)
def test_what_cannot_be_run_is_refused_with_the_parameter_at_fault(
    tmp_path, given, parameter, text
):
    with pytest.raises(InvalidParameter, match=text) as refused:
        task_of(cell("spectral-null", "tsl-longterm", settings(tmp_path, **given)))
    assert refused.value.parameter == parameter
    assert refused.value.help or parameter == "options"


def test_a_whole_batch_of_test_windows_may_be_all_there_are(tmp_path):
    """48 rows of test and H = 17: 32 windows."""
    task = small_task(tmp_path, horizon=17, drop_last_test=True)
    assert len(task.sample.split.test_origins(17)) == 32
