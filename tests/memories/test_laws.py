"""Laws of every memory of the associative protocol: composition, emptiness, purity, masking."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import registry
from bench.reading import params
from memories.base import AssociativeMemory, InvalidParameter, State, state_floats
from tests.memories.case import KEY_DIM, VALUE_DIM, Case, build, events, generator
from tests.memories.cases import CASES, COMPOSING

by_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


def copy(state: State) -> State:
    return {name: entry.clone() for name, entry in state.items()}


def assert_same(state: State, expected: State, relative: float = 0.0) -> None:
    """Equal entries; `relative` is measured against the largest element of an entry."""
    assert state.keys() == expected.keys()
    for name, entry in expected.items():
        assert state[name].dtype == entry.dtype
        scale = max(1.0, float(entry.detach().double().abs().max())) if entry.numel() else 1.0
        torch.testing.assert_close(state[name], entry, rtol=0, atol=relative * scale)


@pytest.mark.parametrize("case", COMPOSING, ids=lambda case: case.id)
@pytest.mark.parametrize(
    ("dtype", "relative"),
    [pytest.param(torch.float32, 1e-5, marks=pytest.mark.slow), (torch.float64, 1e-10)],
)
@settings(max_examples=5, deadline=None, derandomize=True)
@given(n=st.integers(0, 30), cuts=st.tuples(st.integers(0, 30), st.integers(0, 30)))
def test_writing_in_parts_equals_writing_at_once(
    case: Case, dtype: torch.dtype, relative: float, n: int, cuts: tuple[int, int]
) -> None:
    memory = case.build(dtype=dtype)
    keys, values = events(n, n, dtype=dtype)
    first, second = sorted(min(cut, n) for cut in cuts)
    parts = memory.init_state()
    for span in (slice(0, first), slice(first, second), slice(second, n)):
        parts = memory.write(parts, keys[span], values[span])
    whole = memory.write(memory.init_state(), keys, values)
    assert_same(parts, whole, relative)
    assert int(parts["count"]) == n


@by_case
def test_a_memory_says_whether_its_writes_compose(case: Case) -> None:
    assert case.build().composes is case.composes


def test_several_passes_over_a_call_do_not_compose() -> None:
    memory = build("delta", passes=2)
    assert not memory.composes
    keys, values = events(1, 6)
    whole = memory.write(memory.init_state(), keys, values)
    parts = memory.write(
        memory.write(memory.init_state(), keys[:3], values[:3]), keys[3:], values[3:]
    )
    assert (whole["fast_weights"] - parts["fast_weights"]).abs().max() > 0.01


@by_case
def test_an_empty_memory_recalls_exact_zeros(case: Case) -> None:
    memory = case.build()
    recalled = memory.read(
        memory.init_state(), torch.cat([events(1, 4)[0], torch.zeros(1, KEY_DIM)])
    )
    assert recalled.shape == (5, VALUE_DIM)
    assert torch.equal(recalled, torch.zeros(5, VALUE_DIM))


@by_case
def test_writing_nothing_changes_nothing(case: Case) -> None:
    memory = case.build()
    keys, values = events(2, 9)
    for state in (memory.init_state(), memory.write(memory.init_state(), keys, values)):
        assert_same(memory.write(state, keys[:0], values[:0]), state)


@by_case
def test_no_query_gives_no_value(case: Case) -> None:
    memory = case.build()
    keys, values = events(2, 9)
    state = memory.write(memory.init_state(), keys, values)
    assert memory.read(state, keys[:0]).shape == (0, VALUE_DIM)


@by_case
def test_neither_reading_nor_writing_changes_its_arguments(case: Case) -> None:
    memory = case.build()
    keys, values = events(3, 12)
    state = memory.write(memory.init_state(), keys, values)
    before = copy(state), keys.clone(), values.clone()
    first = memory.read(state, keys)
    memory.write(state, keys, values)
    memory.scan(state, keys, values, keys)
    assert torch.equal(memory.read(state, keys), first)
    assert_same(state, before[0])
    assert torch.equal(keys, before[1])
    assert torch.equal(values, before[2])


@by_case
def test_queries_do_not_influence_one_another(case: Case) -> None:
    """Together, alone or in another order; rounding of a matrix product depends on its shape."""
    memory = case.build()
    keys, values = events(4, 25)
    state = memory.write(memory.init_state(), keys, values)
    queries = torch.cat([keys[:10], torch.zeros(1, KEY_DIM)])
    together = memory.read(state, queries)
    alone = torch.cat([memory.read(state, query[None]) for query in queries])
    torch.testing.assert_close(alone, together, rtol=0, atol=3e-6)
    for seed in range(5):
        order = torch.randperm(11, generator=generator(seed))
        permuted = memory.read(state, queries[order])
        torch.testing.assert_close(permuted, together[order], rtol=0, atol=3e-6)


COPIES = (
    *("zero", "mean-value", "last-value", "echo", "exact-knn", "hopfield"),
    *("episodic-linear-context_dim=0-capacity=9-query_policy=top1",),
    *("dense-am-capacity=7", "dense-am-capacity=20-degree=2-steps=3"),
)
"""Cases whose answers are constants, stored values or signs."""


@by_case
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@torch.no_grad()
def test_the_order_of_queries_changes_nothing_but_the_rounding(
    case: Case, dtype: torch.dtype
) -> None:
    """Asked one by one in another order, all answers are bit-equal: nothing is left by a read.

    Within one call answers are bit-equal where they are constants, copies or signs. All other
    memories round: a product of matrices and a vectorised exponential treat the rows at the end
    of a block in another way than those before it, whatever the rows hold. What rounding alone
    does is 2^29 times smaller in float64; a query that reached another's answer would show
    there as much as in float32. 256 units of rounding are three times the largest seen, 91 in an
    exponential of ten times a squared distance of 10.
    """
    memory = case.build(dtype=dtype)
    keys, values = events(4, 25, dtype=dtype)
    state = memory.write(memory.init_state(), keys, values)
    more = events(9, 60, dtype=dtype)[0]
    queries = torch.cat([keys[:10], torch.zeros(1, KEY_DIM, dtype=dtype), more])
    order = torch.randperm(len(queries), generator=generator(3))
    together, permuted = memory.read(state, queries), memory.read(state, queries[order])
    unit = torch.finfo(dtype).eps * (1 if case.id not in COPIES else 0)
    gap = (permuted - together[order]).abs()
    assert (gap <= 256 * unit * together[order].abs().clamp(min=1)).all()
    few = order[order < 20]
    in_turn = {i: memory.read(state, queries[i : i + 1]) for i in range(20)}
    again = {int(i): memory.read(state, queries[i : i + 1]) for i in few}
    assert all(torch.equal(again[i], alone) for i, alone in in_turn.items())


def test_the_cases_are_of_every_associative_memory() -> None:
    protocols = {n: registry.get("memory", n).cls for n in registry.names("memory")}
    associative = {n for n, cls in protocols.items() if issubclass(cls, AssociativeMemory)}
    assert associative == {case.name for case in CASES}
    assert {case.id for case in CASES}.issuperset(COPIES)


def poisoned(memory: AssociativeMemory, state: State) -> State:
    """The state with NaN in every slot that is not in use."""
    valid = memory.valid(state)

    def filled(entry: torch.Tensor) -> torch.Tensor:
        return torch.where(valid.reshape(-1, *[1] * (entry.dim() - 1)), entry, torch.nan)

    return {n: filled(entry) if n in memory.slot_state else entry for n, entry in state.items()}


WITH_SLOTS = [
    *(case for case in CASES if case.build().slot_state),
    Case("ar-rag", {"capacity": 20, "top_k": 8}),
    Case("ar-rag", {"capacity": 9, "fusion": "residual-attn", "value_dim": 8}),
]
KEEPS_EVERY_EVENT = ("exact-knn", "ring-attention", "ar-rag", "episodic-linear")
RINGS = [case for case in CASES if case.name in KEEPS_EVERY_EVENT]


@pytest.mark.parametrize("case", WITH_SLOTS, ids=lambda case: case.id)
@pytest.mark.parametrize("n", [0, 1, 5])
def test_slots_not_in_use_are_never_read(case: Case, n: int) -> None:
    memory = case.build()
    keys, values = events(5, n, value_dim=memory.value_dim)
    state = memory.write(memory.init_state(), keys, values)
    assert int(memory.valid(state).sum()) <= n  # a gate may decline an event
    unused = poisoned(memory, state)
    assert any(entry.isnan().any() for entry in unused.values())
    queries = events(6, 8)[0].requires_grad_()
    recalled = memory.read(unused, queries)
    assert torch.equal(recalled, memory.read(state, queries))
    if recalled.requires_grad:  # the values of the nearest slots do not depend on the query
        (gradient,) = torch.autograd.grad(recalled.sum(), queries, allow_unused=True)
        assert gradient is None or gradient.isfinite().all()


@pytest.mark.parametrize("case", RINGS, ids=lambda case: case.id)
def test_evidence_explains_the_value(case: Case) -> None:
    """Weights over slots, times the values in them, give what is read; ages count events."""
    memory = case.build()
    keys, values = events(7, 12)
    state = memory.write(memory.init_state(), keys, values)
    info = memory.read_info(state, keys)
    weights, in_slots = info["weights"], state["values"]
    explained = (
        (weights[..., None] * in_slots[info["idx"]]).sum(1)
        if "idx" in info
        else weights @ torch.where(info["valid"][:, None], in_slots, 0.0)
    )
    torch.testing.assert_close(explained, memory.read(state, keys), rtol=0, atol=1e-6)
    assert torch.equal(info["values"], memory.read(state, keys))
    torch.testing.assert_close(weights.sum(-1), torch.ones(12), rtol=0, atol=1e-6)
    ages = sorted(info["age"][info["valid"]].tolist())
    assert ages == list(range(min(12, memory.capacity)))
    newest = int(info["age"].masked_fill(~info["valid"], 99).argmin())
    assert torch.equal(in_slots[newest], values[-1])
    assert info["sim"].shape == (12, memory.capacity)
    assert torch.equal(info["valid"], memory.valid(state))


@by_case
def test_the_state_follows_the_module_to_another_device_and_dtype(case: Case) -> None:
    memory = case.build()
    on_meta = memory.to("meta").init_state()
    assert {entry.device.type for entry in on_meta.values()} == {"meta"}
    for entry in case.build(dtype=torch.float64).init_state().values():
        assert entry.dtype in (torch.float64, torch.int64, torch.bool)


@by_case
def test_the_state_keeps_its_layout_and_counts_its_events(case: Case) -> None:
    memory = case.build()
    start = memory.init_state()
    state = memory.write(start, *events(8, 33))
    layout = {name: (entry.shape, entry.dtype) for name, entry in start.items()}
    assert {name: (entry.shape, entry.dtype) for name, entry in state.items()} == layout
    assert state["count"].dtype == torch.int64
    assert int(state["count"]) == 33
    assert all(entry.isfinite().all() for entry in state.values())


@by_case
def test_the_same_seed_builds_the_same_memory(case: Case) -> None:
    keys, values = events(9, 15)
    first, second = (
        m.read(m.write(m.init_state(), keys, values), keys) for m in (case.build(), case.build())
    )
    assert torch.equal(first, second)


@pytest.mark.parametrize("name", sorted({case.name for case in CASES}))
def test_a_suite_can_set_every_parameter(name: str) -> None:
    entry = registry.get("memory", name)
    assert all(not parameter.required and parameter.doc for parameter in params.of(entry))
    assert entry.description


def larger(sized: dict[str, Any], step: int) -> AssociativeMemory:
    """The memory with its one size raised by `step`."""
    unit_name = next(name for name, value in sized.items() if type(value) is int)
    return build(
        name=sized["name"],
        key_dim=12,
        value_dim=8,
        **{k: v for k, v in sized.items() if k not in ("name", unit_name)},
        **{unit_name: sized[unit_name] + step},
    )


def is_sized(name: str) -> bool:
    sizes = registry.get("memory", name).cls.from_budget
    return sizes.__func__ is not AssociativeMemory.from_budget.__func__


SIZED = sorted(name for name in {case.name for case in CASES} if is_sized(name))


@pytest.mark.parametrize("budget", [64, 256, 1000, 1024, 4096, 5000])
@pytest.mark.parametrize("name", SIZED)
def test_a_budget_is_kept_and_one_more_unit_would_exceed_it(name: str, budget: int) -> None:
    """Measured, at D = 12 and V = 8; a unit is a slot, a feature, or a pair of rff features.

    A memory of one size only says so by returning no number; one that has no size this small or
    this large refuses the budget by name.
    """
    try:
        sized = registry.get("memory", name).cls.from_budget(budget, 12, 8)
    except InvalidParameter as refused:
        assert refused.parameter == "budget"
        return
    used = state_floats(build(name, key_dim=12, value_dim=8, **sized).init_state())
    assert used <= budget
    if not any(type(value) is int for value in sized.values()):
        return
    try:
        above = larger({"name": name, **sized}, 1)
    except InvalidParameter:  # this size comes in pairs
        above = larger({"name": name, **sized}, 2)
    assert state_floats(above.init_state()) > budget
