"""Episodes under a tree of segments."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from memories.base import InvalidParameter
from tests.memories.case import build, events, orthonormal, unit_rows


@pytest.fixture(autouse=True, scope="module")
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def hier(name: str = "hier-linear", **params: Any) -> Any:
    return build(name, **{"context_dim": 0, **params})


def stored(memory: Any, *parts: Tensor | None) -> Any:
    return memory.write(memory.init_state(), *parts)


@pytest.mark.parametrize("name", ["hier-linear", "hier-matrix"])
def test_without_weight_on_ancestors_it_is_the_linear_memory(name: str) -> None:
    """With contexts, irregular times and more events than slots, in float64."""
    keys, values = events(1, 30, dtype=torch.float64)
    contexts = events(2, 30, key_dim=3, dtype=torch.float64)[0]
    times = 3 * torch.arange(30.0).double().sqrt()
    queries = events(3, 9, dtype=torch.float64)[0], times[:9], contexts[:9]
    plain = build("episodic-linear", context_dim=3, capacity=20).double()
    tree = hier(name, context_dim=3, capacity=20, ancestor_weight=0.0).double()
    expected = plain.read(stored(plain, keys, values, times, contexts), *queries)
    recalled = tree.read(stored(tree, keys, values, times, contexts), *queries)
    torch.testing.assert_close(recalled, expected, rtol=0, atol=1e-12)


def test_untrained_the_matrix_form_is_the_linear_form() -> None:
    keys, values = events(1, 30)
    queries = events(3, 9)[0]
    linear, matrix = hier(), hier("hier-matrix")
    torch.testing.assert_close(
        matrix.read(stored(matrix, keys, values), queries),
        linear.read(stored(linear, keys, values), queries),
        rtol=0,
        atol=1e-5,
    )


def test_each_level_of_the_matrix_form_has_a_metric_of_its_own() -> None:
    """Zeroing the metric of level 1, or of all, silences the match of those segments alone.

    Fan-out 2 leaves several segments on level 2: a single one would help all events alike.
    """
    keys, values = events(1, 30)
    queries = events(3, 9)[0]
    reads = []
    for levels in ((), (1,), (1, 2, 3)):
        memory = hier("hier-matrix", ancestor_weight=1.0, fan_out=2)
        for level in levels:
            memory.metrics[level].left.zero_()
        reads.append(memory.read(stored(memory, keys, values), queries))
    bare = hier("hier-matrix", ancestor_weight=0.0)
    unhelped = bare.read(stored(bare, keys, values), queries)
    assert float((reads[0] - reads[1]).abs().max()) > 1e-3
    assert float((reads[1] - unhelped).abs().max()) > 1e-3
    torch.testing.assert_close(reads[2], unhelped, rtol=0, atol=1e-6)


def test_uniform_time_steps_grow_a_balanced_tree() -> None:
    """100 events, fan-out 8: 13 nodes of level 1 under 2 of level 2 under one root."""
    memory = hier(capacity=100)
    state = stored(memory, *events(1, 100))
    assert state["opened"].tolist() == [13, 2, 1]
    assert state["children"].tolist() == [4, 5, 2]
    assert state["parents"][:, 0].tolist() == [i // 8 for i in range(100)]
    assert state["parents"][:, 1].tolist() == [i // 64 for i in range(100)]
    assert not state["parents"][:, 2].any()


def opened_by(memory: Any, *parts: Tensor | None) -> list[int]:
    """On how many levels the second of two events opens a segment, per pair of events."""
    state = stored(memory, *parts)
    levels: list[int] = state["opened"].tolist()
    assert sorted(levels, reverse=True) == levels
    return [n - 1 for n in levels]


@pytest.mark.parametrize(
    ("pause", "opens"),
    [(1.0, 0), (2.0, 0), (2.1, 1), (4.0, 1), (4.1, 2), (8.0, 2), (8.1, 3), (-50.0, 0)],
)
@pytest.mark.parametrize("gap", [1.0, 0.5])
def test_a_pause_ends_the_segments_it_is_long_enough_for(
    pause: float, opens: int, gap: float
) -> None:
    """Longer than 2^l gaps, on levels 1 to 3; the levels below end with those above."""
    times = torch.tensor([0.0, pause * gap])
    assert sum(opened_by(hier(gap=gap), *events(1, 2), times)) == opens


@pytest.mark.parametrize(
    ("angle", "opens"), [(0.0, [0, 0, 0]), (59.0, [0, 0, 0]), (61.0, [1, 0, 0]), (180.0, [1, 0, 0])]
)
def test_a_change_of_context_ends_the_lowest_segment_alone(angle: float, opens: list[int]) -> None:
    """Cosine 0.5 is an angle of 60 degrees."""
    turned = [math.cos(math.radians(angle)), math.sin(math.radians(angle))]
    contexts = torch.tensor([[3.0, 0.0], [0.1 * turned[0], 0.1 * turned[1]]])
    assert opened_by(hier(context_dim=2), *events(1, 2), None, contexts) == opens


@pytest.mark.parametrize(("step", "opens"), [(2.0, 0), (-2.1, 1), (4.1, 2), (-8.1, 3)])
@pytest.mark.parametrize("calls", [1, 2])
def test_a_step_in_space_ends_segments_like_a_pause(step: float, opens: int, calls: int) -> None:
    """The second coordinate keeps the context's direction, so that steps alone decide."""
    memory = hier(context_dim=2, space="ctx0")
    keys, values = events(1, 2)
    contexts = torch.tensor([[5.0, 1e4], [5.0 + step, 1e4]])
    state = memory.init_state()
    for part in (slice(0, 2),) if calls == 1 else (slice(0, 1), slice(1, 2)):
        state = memory.write(state, keys[part], values[part], None, contexts[part])
    assert sum(state["opened"].tolist()) - 3 == opens


def test_positions_need_contexts_and_levels_must_exist() -> None:
    with pytest.raises(InvalidParameter, match="space: 'ctx0' needs contexts"):
        hier(space="ctx0")
    with pytest.raises(InvalidParameter, match=r"level: must be < levels \(4\), got 4"):
        hier(level=4)


def test_both_of_two_walks_far_apart_are_recalled() -> None:
    """A walk in a park twice, 15 events each at t = 0..14, x = 0, 2, ..., 28, a day between.

    A pause beyond every level leaves two roots; grouping that keeps the first root alone loses
    the second walk. Steps of 2 end no segment: a walk is two segments of at most 8 events.
    """
    keys, values = orthonormal(1, 30, 32), unit_rows(2, 30, 12)
    times = torch.cat([torch.arange(15.0), 1440 + torch.arange(15.0)])
    contexts = torch.stack([2 * torch.arange(15.0).repeat(2), torch.full((30,), 1e4)], dim=1)
    memory = hier(
        key_dim=32, value_dim=12, context_dim=2, beta=100.0, recency_weight=0.0, space="ctx0"
    )
    state = stored(memory, keys, values, times, contexts)
    assert state["opened"].tolist() == [4, 2, 2]
    roots = memory.tree.nodes(3)
    assert state["node_start"][roots][:2].tolist() == [0, 1440]
    assert state["node_end"][roots][:2].tolist() == [14, 1454]
    torch.testing.assert_close(memory.read(state, keys), values, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("fan_out", "opened"), [(15, 1), (16, 1), (8, 2)])
def test_a_walk_is_one_segment_unless_the_fan_out_divides_it(fan_out: int, opened: int) -> None:
    """15 events at t = 0..14 and x = 0, 2, ..., 28: no step ends a segment, so that grouping by
    steps alone makes one parent of 15 children from 0 to 14.
    """
    contexts = torch.stack([2 * torch.arange(15.0), torch.full((15,), 1e4)], dim=1)
    memory = hier(context_dim=2, space="ctx0", fan_out=fan_out)
    state = stored(memory, *events(1, 15), torch.arange(15.0), contexts)
    assert state["opened"][0] == opened
    assert state["children"][0] == (15 if opened == 1 else 7)
    nodes = memory.tree.nodes(1)
    assert state["node_start"][nodes][:opened].tolist() == [0, 8][:opened]
    assert state["node_end"][nodes][:opened].tolist() == ([14] if opened == 1 else [7, 14])


def test_a_level_is_recalled_as_the_mean_of_a_segment() -> None:
    """Fan-out 4, orthonormal keys: q = key i has cosine 1/2 with its segment and 0 with others.

    At beta 40 the others weigh e^-20. Zero queries with a time recall the segment of that time,
    between and beyond segments the nearest one.
    """
    keys, values = orthonormal(1, 16, 16), unit_rows(2, 16, 5)
    memory = hier(key_dim=16, fan_out=4, level=1, beta=40.0)
    state = stored(memory, keys, values)
    means = values.reshape(4, 4, 5).mean(1)
    recalled = memory.read(state, keys)
    torch.testing.assert_close(recalled, means.repeat_interleave(4, 0), rtol=0, atol=1e-6)
    times = torch.tensor([0.0, 5.2, 7.4, 7.6, 99.0])
    # between segments, at 7.4 and 7.6, only the order of the scores is certain
    by_time = memory.read(state, torch.zeros(5, 16), times)
    expected = means[[0, 1, 1, 2]]
    torch.testing.assert_close(by_time[[0, 1]], expected[:2], rtol=0, atol=1e-4)
    assert (torch.cdist(by_time[[2, 3]], means).argmin(-1) == torch.tensor([1, 2])).all()
    torch.testing.assert_close(by_time[4], means.mean(0), rtol=0, atol=1e-6)
    info = memory.read_info(state, keys)
    assert torch.equal(info["values"], recalled)
    assert info["age"][:4].tolist() == [3, 2, 1, 0]
    assert info["valid"].sum() == 4
    assert info["weights"].shape == info["sim"].shape == (16, memory.tree.sizes[0])
    half = info["sim"][torch.arange(16), torch.arange(16) // 4]
    torch.testing.assert_close(half, torch.full((16,), 0.5), rtol=0, atol=1e-6)


def test_the_best_segment_alone_is_the_newest_of_equals() -> None:
    """A zero query matches all 10 segments alike; places for 8 of them have wrapped around."""
    memory = hier(value_dim=1, capacity=5, fan_out=2, level=1, query_policy="top1")
    state = stored(memory, unit_rows(1, 20, 6), torch.arange(20.0)[:, None])
    assert state["opened"][0] == 10
    assert memory.tree.sizes[0] == 8
    assert memory.read(state, torch.zeros(1, 6)).tolist() == [[18.5]]


def test_the_gist_outlives_the_detail() -> None:
    """Of 16 events in 4 slots the first is overwritten; its segment of 8 is recalled whole."""
    keys, values = orthonormal(1, 16, 16), unit_rows(2, 16, 5)
    gist = hier(key_dim=16, capacity=4, level=1, beta=80.0)
    state = stored(gist, keys, values)
    torch.testing.assert_close(gist.read(state, keys[:1])[0], values[:8].mean(0))
    detail = hier(key_dim=16, capacity=4, beta=80.0)
    assert state["index"].tolist() == [12, 13, 14, 15]
    assert float((detail.read(state, keys[:1])[0] - values[0]).norm()) > 0.3


def test_a_matching_segment_helps_its_events_by_the_weights_of_the_levels() -> None:
    """Two events with one key, in segments of otherwise orthogonal keys.

    q = unit(key + a key of the first segment). Sums of two orthonormal keys have cosine 1 with q
    in the first segment, 1/2 in the second: a log ratio of sum_l gamma 2^-l beta / 2, over the
    levels on which they differ: 1 alone, for a pause of 3, or all three for one of 100.
    """
    basis = orthonormal(1, 3, 6)
    keys, values = basis[[0, 1, 0, 2]], torch.eye(4)
    query = (basis[:1] + basis[1:2]) / math.sqrt(2)
    for pause, levels in ((3.0, (1,)), (100.0, (1, 2, 3))):
        memory = hier(key_dim=6, value_dim=4, recency_weight=0.0, ancestor_weight=0.5)
        times = torch.tensor([0.0, 1.0, 1 + pause, 2 + pause])
        recalled = memory.read(stored(memory, keys, values, times), query)[0]
        expected = sum(0.5 * 2.0**-level * 16 / 2 for level in levels)
        assert float((recalled[0] / recalled[2]).log()) == pytest.approx(expected, abs=1e-4)


def test_an_ancestor_that_was_overwritten_helps_no_more() -> None:
    """12 events, each the start of all segments: of 12 nodes a level's 8 newest are there.

    With only segments to tell events apart (beta 16, gamma 1, one key for all), the 4 oldest lack
    sum_l 2^-l 16 = 14 in their logarithm.
    """
    memory = hier(capacity=20, fan_out=8, recency_weight=0.0, ancestor_weight=1.0)
    assert memory.tree.sizes == (8, 8, 8)
    keys = torch.ones(12, 6)
    state = stored(memory, keys, torch.zeros(12, 5), 100 * torch.arange(12.0))
    weights = memory.read_info(state, keys[:1])["weights"][0, :12]
    expected = torch.tensor([-14.0] * 4 + [0.0] * 8)
    torch.testing.assert_close((weights / weights[-1]).log(), expected, rtol=0, atol=1e-4)


def test_a_learned_summary_changes_what_segments_are_matched_by() -> None:
    """W = -1 turns a summary into zero: no help from segments at all."""
    keys, values = events(1, 20)
    summed, bare = hier(learn_summary=True), hier(ancestor_weight=0.0)
    plain = hier()
    queries = events(2, 5)[0]
    expected = plain.read(stored(plain, keys, values), queries)
    torch.testing.assert_close(summed.read(stored(summed, keys, values), queries), expected)
    summed.summaries.copy_(-torch.eye(6).expand(3, 6, 6))
    unhelped = bare.read(stored(bare, keys, values), queries)
    assert float((unhelped - expected).abs().max()) > 1e-3
    torch.testing.assert_close(summed.read(stored(summed, keys, values), queries), unhelped)
