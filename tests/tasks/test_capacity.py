"""The capacity task: what it asks, that it asks everyone the same, and theory's answers."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from bench import registry, seeds
from memories.base import InvalidParameter
from tasks.association.recall import bits_per_item
from tasks.capacity import Capacity
from tests.memories import theory
from tests.tasks.cells import cell, curve, metric, numbers, run
from tests.tasks.recorders import AnewRecorder, Gone, Recorder

SMALL = {"dim": 16, "loads": [2, 4, 8], "episodes": 2, "pool": 32}
POOL = 1024


@pytest.fixture
def calls(
    temporary_entries: None, no_storage_probe: None
) -> Iterator[list[tuple[str, int, Tensor, Tensor | None]]]:
    """What recorders are given; `recorder` and `anew` are registered during the test."""
    registry.memory("recorder", family="fake")(Recorder)
    registry.memory("anew", family="fake")(AnewRecorder)
    Recorder.calls.clear()
    yield Recorder.calls
    Recorder.calls.clear()


def written(calls: list, lane: int, lanes: int) -> tuple[Tensor, Tensor]:
    """All keys and values that one of the lanes was given to write."""
    of_lane = [c for c in calls if c[0] == "write"][lane::lanes]
    return torch.cat([c[2] for c in of_lane]), torch.cat([c[3] for c in of_lane])


@pytest.mark.parametrize("condition", ["iid", "correlated", "noisy", "overwrite"])
def test_the_data_of_a_seed_depend_on_nothing_but_the_seed(calls, condition):
    """Neither on the memory nor on the other seeds of the block."""
    settings = {**SMALL, "condition": condition}

    def given(memory: str, block: list[int], seed: int) -> list[Tensor]:
        calls.clear()
        run(cell(memory, "capacity", settings), block)
        rows = len(block) * 2
        lane = block.index(seed) * 2
        reads = [c[2] for c in calls if c[0] == "read"]
        return [*written(calls, lane, rows), *reads[lane::rows]]

    alone = given("recorder", [3], 3)
    for block in ([0, 3, 7], [7, 3]):
        assert all(map(torch.equal, given("recorder", block, 3), alone))
    anew = given("anew", [3], 3)
    assert torch.equal(anew[0][-len(alone[0]) :], alone[0])
    assert not torch.equal(given("recorder", [4], 4)[0], alone[0])


def test_episodes_of_a_seed_are_independent_streams(calls):
    run(cell("recorder", "capacity", SMALL), [0])
    assert not torch.equal(written(calls, 0, 2)[0], written(calls, 1, 2)[0])


def test_one_pass_of_writes_is_read_at_every_load(calls):
    run(cell("recorder", "capacity", SMALL | {"episodes": 1}), [0])
    story = [(method, count, len(x)) for method, count, x, _ in calls]
    assert story == [
        ("write", 0, 2), ("read", 2, 2), ("write", 2, 2),
        ("read", 4, 4), ("write", 4, 4), ("read", 8, 8),
    ]  # fmt: skip
    keys, _ = written(calls, 0, 1)
    queries = [c[2] for c in calls if c[0] == "read"]
    assert all(torch.equal(asked, keys[: len(asked)]) for asked in queries)


def test_a_memory_that_does_not_compose_is_written_anew_for_each_load(calls):
    run(cell("anew", "capacity", SMALL | {"episodes": 1}), [0])
    story = [(method, count, len(x)) for method, count, x, _ in calls]
    assert story == [
        ("write", 0, 2), ("read", 2, 2), ("write", 0, 4),
        ("read", 4, 4), ("write", 0, 8), ("read", 8, 8),
    ]  # fmt: skip
    writes = [c[2] for c in calls if c[0] == "write"]
    assert torch.equal(writes[0], writes[2][:2])


def test_loads_beyond_512_have_one_episode_and_a_memory_built_for_them(calls):
    outcome = run(cell("recorder", "capacity", {"dim": 4, "loads": [4, 513], "episodes": 3}), [0])
    reads = [len(c[2]) for c in calls if c[0] == "read"]
    assert reads == [4, 4, 4, 513]
    assert outcome[0].n_eval == 3 * 4 + 513


def test_overwriting_rewrites_every_second_new_key_with_another_value(calls):
    """Load 2 writes keys 0, 1, then 1 again; load 5 adds 2, 3, 4, then 3 again."""
    settings = {"dim": 8, "loads": [2, 5], "condition": "overwrite", "episodes": 1, "pool": 16}
    made = cell("recorder", "capacity", settings)
    run(made, [0])
    keys, values = written(calls, 0, 1)
    distinct = keys[[0, 1, 3, 4, 5]]
    assert torch.equal(keys, distinct[[0, 1, 1, 2, 3, 4, 3]])
    assert not torch.equal(values[1], values[2])
    assert not torch.equal(values[4], values[6])
    (last,) = [c[2] for c in calls if c[0] == "read"][1:]
    assert torch.equal(last, distinct)


@pytest.mark.parametrize("seed", range(5))
def test_a_rewrite_never_repeats_the_value_it_replaces_though_codes_run_out(calls, seed):
    """Three codes for 24 events: by chance a third of the rewrites would repeat."""
    settings = {"dim": 8, "loads": [16], "condition": "overwrite", "episodes": 1, "pool": 3}
    run(cell("recorder", "capacity", settings), [seed])
    keys, values = written(calls, 0, 1)
    assert len(keys) == 24
    for event, key in enumerate(keys[16:], start=16):
        (first,) = (keys[:16] == key).all(-1).nonzero().flatten().tolist()
        assert not torch.equal(values[first], values[event])


def test_the_newest_value_of_a_rewritten_key_is_asked_for():
    """`exact-knn` returns the newest value of a key, `ring-attention` the mean of both: with
    half of the keys rewritten it ties on those, .5 x 1 + .5 x .5.
    """
    settings = {"loads": [32], "condition": "overwrite", "episodes": 5}
    (newest,) = run(cell("exact-knn", "capacity", settings), [0])
    assert metric(newest, "acc_code", 32) == 1
    assert metric(newest, "cosine", 32) == pytest.approx(1, abs=1e-6)
    (mean,) = run(cell("ring-attention", "capacity", settings, {"beta": 100.0}), [0])
    assert metric(mean, "acc_code", 32) == pytest.approx(0.75, abs=0.02)


def test_delta_replaces_what_a_linear_memory_adds_up():
    """16 keys, 8 of them written twice: 24 events at D = 64.

    Linear: a rewritten key's read has the old value and 22 leaks of 1/D as noise, another one 23
    leaks: (1/sqrt(2 + 22/64) + 1/sqrt(1 + 23/64)) / 2 = .755. Delta: signal (1 - 1/D)^lag over
    the root of the recursion's energy, lags 0..7 and 8..23 of which every second counts.
    Tolerance: cosines vary by .1, and 1,600 of them are averaged.
    """
    settings = {"loads": [16], "condition": "overwrite", "episodes": 20}
    block = range(5)
    linear, delta = (
        sum(metric(o, "cosine", 16) for o in run(cell(m, "capacity", settings), block)) / 5
        for m in ("linear-assoc", "delta")
    )
    expected = (1 / math.sqrt(2 + 22 / 64) + 1 / math.sqrt(1 + 23 / 64)) / 2
    assert linear == pytest.approx(expected, abs=0.015)
    energies = theory.delta_energies(24, 64)[::-1]
    lags = [*range(8), *range(9, 24, 2)]
    signal = [theory.delta_signal(lag, 64) / math.sqrt(energies[lag]) for lag in lags]
    assert delta == pytest.approx(sum(signal) / 16, abs=0.015)
    assert delta > linear + 0.1


def test_noisy_queries_have_exactly_the_cosine_asked_for(calls):
    run(cell("recorder", "capacity", SMALL | {"condition": "noisy", "query_cosine": 0.8}), [0])
    keys, _ = written(calls, 0, 2)
    asked = [c[2] for c in calls if c[0] == "read"][-2]
    torch.testing.assert_close(
        cosine_similarity(keys, asked, dim=-1), torch.full((8,), 0.8), rtol=0, atol=1e-6
    )


def test_noisy_queries_recall_with_the_cosine_of_theory():
    """rho / sqrt(rho^2 + (N-1)/D) = .628 at rho = .8 and N = D = 64."""
    settings = {"loads": [64], "condition": "noisy", "query_cosine": 0.8}
    (outcome,) = run(cell("linear-assoc", "capacity", settings), [0])
    assert metric(outcome, "cosine", 64) == pytest.approx(
        theory.linear_cosine(64, 64, 0.8), abs=0.02
    )


def test_correlated_keys_share_a_direction(calls):
    settings = {"dim": 512, "loads": [64], "condition": "correlated", "key_cosine": 0.6}
    run(cell("recorder", "capacity", settings | {"episodes": 10}), [0])
    cosines = []
    for episode in range(10):
        keys, _ = written(calls, episode, 10)
        cosines.append((keys @ keys.T)[*torch.triu_indices(64, 64, offset=1)].mean())
    assert torch.stack(cosines).mean().item() == pytest.approx(0.6, abs=0.02)


@pytest.fixture(scope="module")
def linear_outcome():
    made = cell("linear-assoc", "capacity", {"loads": [32, 64, 128, 256, 512]})
    return run(made, [0])[0]


@pytest.mark.parametrize("n", [64, 128, 256, 512])
def test_the_linear_memory_recalls_as_theory_says(linear_outcome, n):
    """Between the accuracy that ignores stored competitors and the one that counts them; the
    mean of both is within .02 of simulation, and 20 episodes add .01.
    """
    energy = theory.linear_error_energy(n, 64)
    plain = theory.decoding_accuracy(energy, 64, POOL)
    aware = theory.decoding_accuracy(energy, 64, POOL, stored=n, key_dim=64)
    assert metric(linear_outcome, "acc_code", n) == pytest.approx((plain + aware) / 2, abs=0.03)
    assert metric(linear_outcome, "cosine", n) == pytest.approx(
        theory.linear_cosine(n, 64), abs=0.02
    )


def test_the_best_information_per_float_is_read_off_the_curve(linear_outcome):
    """4,096 floats; the limit of wide values, .427, is not reached at V = 64."""
    accuracy = curve(linear_outcome, "acc_code")
    best = max(n * bits_per_item(a, POOL) / 4096 for n, a in accuracy.items())
    assert metric(linear_outcome, "bits_per_float") == pytest.approx(best)
    assert 0.3 < best < 0.427


@pytest.mark.parametrize(
    ("memory", "params", "published"),
    [
        ("linear-assoc", {}, [1.00, 1.00, 0.97, 0.67, 0.28]),
        ("delta", {}, [0.99, 0.89, 0.49, 0.25, 0.12]),
        ("delta", {"write_strength": 0.5}, [1.00, 0.99, 0.79, 0.42, 0.21]),
        ("ring-attention", {"capacity": 32}, [1.00, 0.50, 0.25, 0.12, 0.06]),
        ("ar-rag", {"capacity": 32}, [1.00, 0.50, 0.25, 0.12, 0.06]),
    ],
)
def test_memories_of_4096_floats_recall_as_tabulated(memory, params, published):
    """Random items, D = V = 64, 1,024 codes; the table averages 6 draws, hence .05."""
    loads = [32, 64, 128, 256, 512]
    made = cell(memory, "capacity", {"loads": loads, "episodes": 10}, params)
    seen = curve(run(made, [0])[0], "acc_code")
    for n, accuracy in zip(loads, published, strict=True):
        assert seen[n] == pytest.approx(accuracy, abs=0.05)


def test_capacities_interpolate_the_curve_and_say_where_they_are_censored():
    """32 slots: 1 at 32 items, (32 + 32/1024)/64 at 64; .9 lies at 32 + 32 x .1 / .49951."""
    made = cell("ring-attention", "capacity", {"loads": [16, 32, 64]}, {"capacity": 32})
    (outcome,) = run(made, [0])
    at_64 = metric(outcome, "acc_code", 64)
    assert at_64 == pytest.approx(0.5, abs=0.005)
    assert metric(outcome, "capacity_90") == pytest.approx(32 + 32 * 0.1 / (1 - at_64))
    assert "capacity_90" not in outcome.notes["censored"]
    assert "warnings" not in outcome.notes
    (unbeaten,) = run(cell("exact-knn", "capacity", {"loads": [16, 32, 64]}), [0])
    assert metric(unbeaten, "capacity_90") == 64
    assert unbeaten.notes["censored"]["capacity_90"] == "right"
    assert "64 items" in unbeaten.notes["warnings"][0]


def test_a_memory_of_nothing_scores_exactly_chance():
    (outcome,) = run(cell("zero", "capacity", {"loads": [8, 64], "episodes": 2}), [0])
    assert curve(outcome, "acc_code") == {8: 1 / POOL, 64: 1 / POOL}
    assert curve(outcome, "acc_stored") == {8: 1 / 8, 64: 1 / 64}
    assert curve(outcome, "cosine") == {8: 0, 64: 0}
    assert metric(outcome, "capacity_90") == 0
    assert outcome.notes["censored"]["capacity_90"] == "left"
    assert "bits_per_float" not in {m.name for m in outcome.metrics}


def test_echoing_the_key_is_at_chance():
    """2,560 queries at p = 1/1024: 2.5 hits expected, more than 12 happen once in 10^6 runs."""
    (outcome,) = run(cell("echo", "capacity", {"loads": [128]}), [0])
    assert metric(outcome, "acc_code", 128) <= 12 / 2560


def test_accuracy_by_lag_knows_the_newest_event():
    """`last-value` is right at lag 0 and wrong at every other: its value belongs to no other."""
    (outcome,) = run(cell("last-value", "capacity", {"loads": [16], "episodes": 3}), [0])
    assert curve(outcome, "acc_code_by_lag") == {0: 1, 1: 0, 2: 0, 4: 0, 8: 0}
    assert metric(outcome, "acc_code", 16) == pytest.approx(1 / 16)


@pytest.mark.parametrize(
    ("memory", "params"),
    [("linear-assoc", {}), ("ar-fast-weights", {}), ("ring-attention", {"capacity": 40})],
)
def test_a_seed_alone_scores_as_it_does_in_a_block(memory, params):
    made = cell(memory, "capacity", {"loads": [16, 64, 128], "episodes": 3}, params)
    together = run(made, [0, 1, 2, 3])
    for seed in (0, 2):
        assert numbers(run(made, [seed])[0]) == pytest.approx(numbers(together[seed]), abs=1e-6)
    assert numbers(together[0]) != numbers(together[1])


def test_a_read_that_is_not_finite_fails_its_own_seed_alone(temporary_entries):
    registry.memory("gone", family="fake")(Gone)
    drawn = torch.randint(2**40, (), generator=seeds.torch_generator(1, seeds.INIT))
    params = {"limit": 4, "unlucky": int(drawn)}
    outcomes = run(cell("gone", "capacity", SMALL, params), [0, 1, 2])
    assert [o.status for o in outcomes] == ["ok", "nonfinite", "ok"]
    assert outcomes[1].metrics == []
    assert outcomes[1].message == "first non-finite read with 4 stored items"
    assert metric(outcomes[0], "acc_code", 8) == 1 / 32


@pytest.mark.parametrize("loads", [(), (8, 8), (16, 8)])
def test_loads_that_do_not_increase_are_refused(loads):
    with pytest.raises(InvalidParameter, match="loads: must be increasing"):
        Capacity(loads=loads)


def test_the_task_says_how_many_events_its_longest_pass_writes():
    assert Capacity(loads=(8, 16)).dictates()["max_events"] == 16
    assert Capacity(loads=(3, 8), condition="overwrite").dictates()["max_events"] == 4 + 7
    wide = Capacity(key_dim=5, value_dim=7).dictates()
    assert (wide["key_dim"], wide["value_dim"]) == (5, 7)
