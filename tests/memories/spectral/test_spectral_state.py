"""The state of a spectral memory: what is kept, forgotten, refreshed and read from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bench.lanes import Lanes
from memories.base import InvalidParameter, State, state_floats
from memories.spectral.data_kernel import Conventions, spectrum_of_rows
from tests.memories.spectral.rows import build, drawn, generator, same_up_to_sign
from tests.reference import spectral as reference


def written(memory: Any, rows: Tensor, block: int) -> State:
    state = memory.init_state()
    for part in rows.split(block):
        state = memory.write(state, part)
    return state


@pytest.mark.parametrize("kernel", ["empirical", "cosine", "linear"])
def test_sums_kept_by_differences_are_those_of_the_window(kernel: str) -> None:
    """Five windows of rows one by one, far from zero: 1e-10 of the largest entry."""
    memory = build(kernel=kernel, window=40, components=4)
    rows = drawn(1, 200, 8, offset=3.0)
    state = written(memory, rows, 1)
    again = memory.recomputed(state)
    names = {"empirical": ("sum", "outer"), "cosine": ("outer", "cross"), "linear": ("outer",)}
    for name in names[kernel]:
        scale = float(again["outer"].abs().max())
        torch.testing.assert_close(state[name], again[name], rtol=0, atol=1e-10 * scale)
    if kernel == "empirical":
        total, outer = reference.recomputed_sums(rows[-40:].numpy(), np.ones(40), rows[0].numpy())
        np.testing.assert_allclose(again["sum"], total, atol=1e-10)
        np.testing.assert_allclose(again["outer"], outer, atol=1e-10)


@pytest.mark.parametrize("window", [40, 6, None])
@settings(max_examples=8, deadline=None, derandomize=True)
@given(cuts=st.lists(st.integers(1, 120), min_size=1, max_size=4))
def test_rows_written_in_blocks_leave_the_state_of_single_rows(
    window: int | None, cuts: list[int]
) -> None:
    memory = build(window=window, components=4, sign="maxabs")
    rows = drawn(2, sum(cuts), 8, offset=1.0)
    blocks = memory.init_state()
    for part in rows.split(cuts):
        blocks = memory.write(blocks, part)
    single = written(memory, rows, 1)
    assert blocks.keys() == single.keys()
    for name, entry in single.items():
        tolerance = 1e-9 * max(1.0, float(entry.abs().max()))
        torch.testing.assert_close(blocks[name], entry, rtol=0, atol=tolerance)


@pytest.mark.parametrize("window", [40, 6, None])
@pytest.mark.parametrize("kernel", ["empirical", "cosine", "linear"])
def test_a_refresh_reads_the_rows_that_are_held(kernel: str, window: int | None) -> None:
    memory = build(kernel=kernel, window=window, components=4, normalise="none", sign="maxabs")
    rows = drawn(3, 55, 8, offset=1.0)
    state = written(memory, rows, 7)
    held = rows if window is None else rows[-window:]
    assert int(memory.held(state)) == len(held)
    expected = spectrum_of_rows(held, 4, Conventions(kernel))
    torch.testing.assert_close(state["eigenvalues"], expected.eigenvalues, rtol=1e-9, atol=1e-12)
    assert same_up_to_sign(state["components"], expected.components) < 1e-8


def test_forgetting_weights_a_row_by_its_age() -> None:
    """gamma = 1/2: weights 1/2^age in any split of the rows, against a weighted covariance."""
    memory = build(window=None, forgetting=0.5, components=4, normalise="none", sign="maxabs")
    rows = drawn(4, 9, 8)
    weights = 0.5 ** np.arange(8, -1, -1.0)
    for block in (1, 4, 9):
        state = written(memory, rows, block)
        covariance = np.cov(rows.numpy().T, aweights=weights, bias=True)
        values, basis = reference.leading(covariance, 4)
        np.testing.assert_allclose(state["eigenvalues"], values, rtol=1e-9)
        assert float(state["weight"]) == pytest.approx(weights.sum(), abs=1e-14)
        expected = basis * (np.sqrt(weights.sum()) * values)[:, None]
        assert same_up_to_sign(state["components"], expected) < 1e-8


def test_a_mean_far_from_zero_costs_no_digits() -> None:
    """Rows 1e6 away with variances of order one: the rows themselves are rounded to 1e-10.

    Sums of squares that are not shifted would be rounded to (1e6)^2 eps = 2e-4 of such a variance.
    """
    memory = build(window=None, components=4, sign="maxabs")
    rows = drawn(5, 300, 8)
    near = written(memory, rows, 10)["eigenvalues"]
    far = written(memory, rows + 1e6, 10)["eigenvalues"]
    torch.testing.assert_close(far, near, rtol=1e-8, atol=0)


@pytest.mark.parametrize("head", ["anchor", "bottleneck", "mix", "dense", "diamond"])
@pytest.mark.parametrize("k", [2, 6])
def test_tokens_are_zero_until_there_are_max_4_and_k_rows(head: str, k: int) -> None:
    memory = build(components=k, head=head, tokens=3)
    state = memory.init_state()
    rows = drawn(6, 8, 8)
    for n in range(8):
        tokens = memory.tokens(state)
        assert tokens.shape == (3, 8)
        assert bool((tokens == 0).all()) == (n < max(4, k))
        state = memory.write(state, rows[n : n + 1])


def test_equal_rows_have_no_directions_and_give_no_tokens() -> None:
    memory = build(components=4)
    state = memory.write(memory.init_state(), torch.ones(10, 8))
    assert int(memory.held(state)) == 10
    assert bool((memory.tokens(state) == 0).all())


def test_patterns_that_the_rows_do_not_have_are_exactly_zero_in_the_state() -> None:
    memory = build("spectral-v4", 32, components=16)
    state = written(memory, drawn(7, 9, 32), 1)
    assert bool((state["components"][:8].abs().sum(1) > 1e-3).all())
    assert bool((state["components"][8:] == 0).all())


def test_signs_stay_while_rows_stream_in() -> None:
    """Aligned directions turn little per row; by largest entry alone some of them jump."""
    rows = drawn(8, 300, 8)

    def worst(sign: str) -> float:
        memory = build(components=4, window=100, sign=sign)
        state, overlaps = memory.write(memory.init_state(), rows[:100]), []
        for row in rows[100:].split(1):
            after = memory.write(state, row)
            overlaps.append(float((after["basis"] * state["basis"]).sum(1).min()))
            state = after
        return min(overlaps)

    assert worst("align") >= 0
    assert worst("maxabs") < -0.9


def test_a_refresh_can_wait_for_enough_rows() -> None:
    memory = build(components=4, refresh="every", refresh_every=10)
    state = memory.init_state()
    rows = drawn(9, 24, 8)
    for n, row in enumerate(rows.split(1), 1):
        state = memory.write(state, row)
        assert int(state["refreshed_at"]) == n - n % 10
    expected = spectrum_of_rows(rows[:20], 4, Conventions()).eigenvalues
    torch.testing.assert_close(state["eigenvalues"], expected, rtol=1e-9, atol=0)
    explicit = memory.refreshed(state)
    assert int(explicit["refreshed_at"]) == 24


def test_a_refresh_when_read_gives_the_tokens_of_a_refresh_when_written() -> None:
    lazy = build(components=4, refresh="read", sign="maxabs")
    eager = build(components=4, sign="maxabs")
    rows = drawn(10, 20, 8)
    waiting, fresh = (m.write(m.init_state(), rows) for m in (lazy, eager))
    assert int(waiting["refreshed_at"]) == 0
    assert torch.equal(lazy.tokens(waiting), eager.tokens(fresh))


def test_subspace_iteration_catches_up_with_the_exact_directions() -> None:
    """Eigenvalues fall by half: each sweep halves the last direction's error, 20 writes end it."""
    scales = 2.0 ** -torch.arange(8, dtype=torch.float64)
    rows = torch.randn(400, 8, generator=generator(11), dtype=torch.float64) * scales
    exact, warm = (
        build(components=3, window=None, sign="maxabs", normalise="none", solver=s)
        for s in ("feature", "subspace")
    )
    first, second = (written(m, rows, 20) for m in (exact, warm))
    torch.testing.assert_close(second["eigenvalues"], first["eigenvalues"], rtol=1e-6, atol=0)
    assert same_up_to_sign(second["basis"], first["basis"]) < 1e-4


def test_v4_after_a_reset_sees_the_tokens_of_zero() -> None:
    """As published: written in training, emptied before every evaluation."""
    v4, zero = build("spectral-v4", components=4), build_zero()
    state = v4.init_state()
    for seed in range(20):
        state = v4.absorb(state, torch.randn(6, 14, 8, generator=generator(seed)).double())
    assert bool((v4.tokens(state) != 0).any())
    assert torch.equal(v4.tokens(v4.init_state()), zero.tokens(zero.init_state()))


def build_zero() -> Any:
    from memories.spectral.spectral_zero import SpectralZero

    return SpectralZero(8).double()


def test_three_lanes_equal_three_memories() -> None:
    memories = [build(seed=s, components=4, window=12) for s in range(3)]
    rows = torch.stack([drawn(s, 30, 8) for s in range(3)])
    lanes = Lanes(memories)
    state = lanes.init_state()
    for block in rows.split(5, dim=1):
        state = lanes.call("write", state, block)
    for lane, memory in enumerate(memories):
        alone = written(memory, rows[lane], 5)
        for name, entry in alone.items():
            torch.testing.assert_close(state[name][lane], entry, rtol=0, atol=1e-8)


def test_writing_leaves_the_state_it_was_given_alone() -> None:
    memory = build(components=4, window=12)
    state = written(memory, drawn(12, 20, 8), 5)
    before = {name: entry.clone() for name, entry in state.items()}
    memory.write(state, drawn(13, 6, 8))
    assert all(torch.equal(state[name], entry) for name, entry in before.items())


def test_writing_nothing_changes_nothing() -> None:
    memory = build(components=4)
    state = written(memory, drawn(14, 20, 8), 5)
    assert memory.write(state, torch.zeros(0, 8)) is state


def test_a_lane_that_is_not_finite_stays_so_alone() -> None:
    memories = [build(seed=s, components=4, window=12) for s in range(3)]
    rows = torch.stack([drawn(s, 10, 8) for s in range(3)])
    broken = rows.clone()
    broken[1, 3, 2] = torch.nan
    lanes = Lanes(memories)
    clean, dirty = (
        lanes.call("tokens", lanes.call("write", lanes.init_state(), x)) for x in (rows, broken)
    )
    assert bool(dirty[1].isnan().all())
    assert torch.equal(dirty[0], clean[0])
    assert torch.equal(dirty[2], clean[2])


def test_sums_without_a_window_need_no_room_for_rows() -> None:
    """d = 8, K = 4: outer, sum and shift in float64, basis, eigenvalues and components."""
    memory = build(window=None, components=4).float()
    words = 2 * (8 * 8 + 8 + 8) + 4 * 8 + 4 + 4 * 8
    assert state_floats(memory.init_state()) == words
    windowed = build(window=100, components=4).float()
    assert state_floats(windowed.init_state()) == words + 100 * 8
    short = build(window=6, components=4).float()
    assert state_floats(short.init_state()) == 6 * 8 + 4 * 8 + 4 + 4 * 8


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"window": 15}, "window"),
    ({"kernel": "exp"}, "head"),
    ({"kernel": "exp", "head": "mix", "window": None}, "window"),
    ({"kernel": "exp", "head": "mix", "solver": "row"}, "solver"),
    ({"kernel": "exp", "head": "mix", "normalise": "whiten"}, "normalise"),
    ({"kernel": "exp", "head": "mix", "forgetting": 0.9}, "forgetting"),
    ({"kernel": "exp", "head": "mix", "irregular": True, "time_units": "v4"}, "time_units"),
    ({"irregular": True}, "irregular"),
    ({"forgetting": 0.9}, "forgetting"),
    ({"window": None, "solver": "row"}, "solver"),
    ({"solver": "subspace"}, "solver"),
    ({"solver": "incremental-svd"}, "window"),
    ({"solver": "frequent-directions", "window": None}, "solver"),
    ({"solver": "incremental-svd", "window": None, "rank": 8}, "rank"),
    ({"refresh": "read"}, "refresh"),
    ({"refresh": "read", "sign": "raw", "solver": "subspace", "components": 4}, "refresh"),
]


@pytest.mark.parametrize(("params", "parameter"), REFUSED, ids=lambda x: str(x))
def test_settings_that_contradict_each_other_are_refused_by_name(
    params: dict[str, Any], parameter: str
) -> None:
    with pytest.raises(InvalidParameter) as refused:
        build(**params)
    assert refused.value.parameter == parameter
