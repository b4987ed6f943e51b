"""The whole memory against its loop, and what the published form gets wrong and ours does not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap

from memories.base import InvalidParameter
from memories.hpm.settings import BANKS, DYNAMIC, STATIC, Settings
from tests.memories.case import generator
from tests.memories.hpm.built import codes, core, filled
from tests.reference import hpm

FORMS: list[dict[str, Any]] = [
    {"banks": BANKS},
    {"banks": BANKS, "variant": "source"},
    {"banks": BANKS, "variant": "source", "flags": {"dyn_init": "identity"}, "top_k": 1},
    {"banks": BANKS, "top_k": 1, "primitives": 7, "levels": 3, "guided": True},
    {"banks": ("pattern", "instance"), "cross_attention": False},
    {"banks": DYNAMIC, "top_k": 3, "flags": {"dyn_scale": "sqrt-d"}},
    {"banks": STATIC, "top_k": 3},
]
forms = pytest.mark.parametrize("form", FORMS, ids=lambda form: str(list(form.values()))[:60])


def stores(memory: Any, n: int) -> list[hpm.Store]:
    """The events of `filled` as lists."""
    made = []
    keys, others = (codes(seed, n, memory.width).double() for seed in (7, 8))
    for name in memory.settings.dynamic:
        store = hpm.Store(memory.settings.capacity, [])
        for one, (key, value) in enumerate(
            zip(keys, others if name == "procedural" else keys, strict=True)
        ):
            store.put(key, value, one)
        made.append(store)
    return made


@forms
@pytest.mark.parametrize("n", [0, 3, 11])
def test_the_answer_equals_the_loop_over_banks_and_primitives(form: dict[str, Any], n: int) -> None:
    """Without events, with fewer than are retrieved, and with more than there are slots.

    The temperature 1/16 is the same number in float32 and float64.
    """
    memory = core(moved=0.3, temperature=0.0625, **form).double()
    state = filled(memory, n)
    state = {k: v.double() if v.is_floating_point() else v for k, v in state.items()}
    z, exclude = codes(3, 6).double(), [-1, 4, 10, 10, 0, -1]
    out, _ = memory(state, z, torch.tensor(exclude))
    expected = hpm.forward(memory, stores(memory, n), z, exclude)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-10)


def test_where_no_bank_holds_anything_nothing_is_routed() -> None:
    """The answer is what the output map makes of the norm of the attention's bias alone."""
    memory = core(banks=DYNAMIC, moved=0.3)
    out, aux = memory(memory.init_state(), codes(3, 6))
    assert not aux["w"].any()
    assert not aux["p"].any()
    layer = memory.aggregator
    alone = memory.output(layer.normed(layer.mix.sigmoid() * layer.output.bias))
    torch.testing.assert_close(aux["dz"], alone.expand(6, 16), rtol=0, atol=1e-6)
    assert out.isfinite().all()


def test_one_static_bank_has_all_the_weight_and_a_balance_of_one() -> None:
    memory = core(banks=("concept",), top_k=1, variant="source", flags={"balance": "batch"})
    z = codes(1, 12)
    out, aux = memory(memory.init_state(), z)
    assert torch.equal(aux["w"], torch.ones(12, 1))
    assert out.shape == (12, 16)
    assert float(memory.balance_loss(memory.init_state(), aux).detach()) == 1


def test_with_all_banks_on_empty_ones_have_no_weight() -> None:
    memory = core(banks=BANKS, moved=0.3)
    out, aux = memory(memory.init_state(), codes(1, 40))
    assert out.shape == (40, 16)
    assert out.isfinite().all()
    assert aux["w"].shape == (40, 6)
    assert not aux["w"][:, 4:].any()
    assert not aux["p"][:, 4:].any()
    published, seen = core(banks=BANKS, variant="source"), codes(1, 40)
    assert published(published.init_state(), seen)[1]["w"][:, 4:].any()


@pytest.mark.parametrize("variant", ["corrected", "source"])
def test_an_unselected_bank_reaches_only_the_published_answer(variant: str) -> None:
    memory = core(banks=STATIC, variant=variant, moved=0.3)
    with torch.no_grad():
        memory.alpha.fill_(1.0)
    z, state = codes(1, 1), memory.init_state()
    before, aux = memory(state, z)
    left_out = int((~aux["selected"][0]).nonzero()[0])
    with torch.no_grad():
        memory.static.primitives[left_out] += 1.0
    assert torch.equal(memory(state, z)[0], before) is (variant == "corrected")


def test_the_gate_starts_closed_and_only_alpha_learns_through_it() -> None:
    """With loss sum(c z_out), d loss / d alpha = sum(c dz) at alpha = 0, all else exactly zero.

    A plain sum of z_out would show nothing: layer normalisation sums to zero.
    """
    memory = core(banks=BANKS, moved=0.1)
    with torch.no_grad():
        memory.alpha.zero_()
    state, z = filled(memory, 5), codes(1, 9).requires_grad_()
    weight = codes(2, 9)
    out, aux = memory(state, z)
    assert torch.equal(out, z)
    (out * weight).sum().backward()
    slope = float((weight * aux["dz"]).sum().detach())
    assert abs(slope) > 0.1
    assert float(memory.alpha.grad) == pytest.approx(slope, rel=1e-5)
    assert torch.equal(z.grad, weight)
    others = {n: w.grad for n, w in memory.named_parameters() if n != "alpha"}
    assert all(not grad.any() for grad in others.values())
    torch.optim.SGD([memory.alpha], lr=0.1).step()
    memory.zero_grad()
    (memory(state, z.detach())[0] * weight).sum().backward()
    still = {n for n, w in memory.named_parameters() if not w.grad.any()}
    # softmax does not see what is added to all its logits
    assert still <= {"aggregator.key.bias"}


@pytest.mark.parametrize("mode", ["hard", "grad-only"])
def test_frozen_primitives_keep_their_bits_only_in_hard_mode(mode: str) -> None:
    """Ten steps of AdamW with decay 0.01, as a trainer takes them: held rows are put back."""
    memory = core(banks=STATIC, moved=0.3, flags={"freeze_mode": mode})
    state = memory.init_state()
    usage = torch.arange(64.0).reshape(4, 2, 8)
    state = memory.freeze({**state, "usage": 100 * usage / usage.sum(-1, keepdim=True)})
    assert state["frozen"].nonzero().tolist() == [
        [bank, level, j] for bank in range(4) for level in range(2) for j in (6, 7)
    ]
    frozen, before = state["frozen"], memory.static.primitives.detach().clone()
    optimiser = torch.optim.AdamW(memory.parameters(), lr=3e-3, weight_decay=0.01)
    for step in range(10):
        optimiser.zero_grad()
        memory(state, codes(step, 8))[1]["dz"].square().sum().backward()
        assert not memory.static.primitives.grad[frozen].any()
        old = {n: w.detach().clone() for n, w in memory.named_parameters()}
        optimiser.step()
        with torch.no_grad():
            for name, mask in memory.held(state).items():
                weights = memory.get_parameter(name)
                weights.copy_(torch.where(mask, old[name], weights))
    after = memory.static.primitives.detach()
    assert torch.equal(after[frozen], before[frozen]) is (mode == "hard")
    assert (after[~frozen] != before[~frozen]).any(-1).all()


def test_each_forward_adds_one_to_the_usage_of_every_level() -> None:
    memory = core(banks=BANKS, primitives=7, levels=2)
    state = filled(memory, 3)
    for step, n in enumerate((1, 64, 5), start=1):
        state = memory.account(state, memory(state, codes(step, n))[1])
        total = torch.full((4, 2), float(step))
        torch.testing.assert_close(state["usage"].sum(-1), total, rtol=0, atol=1e-5)
    assert float(state["route_n"]) == 70
    assert float(state["route_count"].sum()) == 140
    assert float(state["route_prob"].sum()) == pytest.approx(70, abs=1e-3)
    assert not state["usage"].requires_grad
    reset = memory.reset_epoch({**state, "frozen": ~state["frozen"]})
    assert not any(reset[n].any() for n in ("usage", "route_count", "route_prob", "route_n"))
    assert reset["frozen"].all()
    assert torch.equal(reset["dyn_key"], state["dyn_key"])


def test_the_published_balance_loss_is_of_the_epoch_and_teaches_nothing() -> None:
    memory = core(banks=STATIC, variant="source", moved=0.3)
    state, z = memory.init_state(), codes(1, 50)
    weights, shares = [], []
    for batch in z.split(10):
        _, aux = memory(state, batch)
        state = memory.account(state, aux)
        weights.append(aux["w"].detach())
        shares.append(aux["p"].detach())
    loss = memory.balance_loss(state, aux)
    assert not loss.requires_grad
    counted, means = torch.cat(weights).mean(0) / 2, torch.cat(shares).mean(0)
    assert float(loss) == pytest.approx(float(4 * (counted * means).sum()), abs=1e-6)
    corrected = core(banks=STATIC, moved=0.3)
    assert corrected.balance_loss(state, corrected(state, z)[1]).requires_grad


@forms
def test_codes_do_not_influence_one_another(form: dict[str, Any]) -> None:
    memory = core(moved=0.3, **form)
    state, z = filled(memory, 11), codes(3, 64)
    together = memory(state, z)[0]
    order = torch.randperm(64, generator=generator(5))
    torch.testing.assert_close(memory(state, z[order])[0], together[order], rtol=0, atol=1e-5)
    torch.testing.assert_close(memory(state, z[7:8])[0], together[7:8], rtol=0, atol=1e-5)


def test_off_it_is_the_identity_without_parameters_that_may_still_collect() -> None:
    memory = core(banks=BANKS, enabled=False)
    assert not list(memory.parameters())
    state, z = memory.init_state(), codes(1, 5)
    out, aux = memory(state, z)
    assert out is z
    assert float(memory.balance_loss(state, aux)) == 0
    for hook in (memory.freeze, memory.reset_epoch, lambda s: memory.account(s, aux)):
        assert hook(state) == state
    assert filled(memory, 3)["dyn_size"].tolist() == [3, 3]
    deaf = core(banks=BANKS, enabled=False, collect=False)
    assert filled(deaf, 3) == deaf.init_state() == {}
    reading = core(banks=BANKS, collect=False)
    assert filled(reading, 3)["dyn_size"].tolist() == [0, 0]


@pytest.mark.parametrize("exclude_self", [True, False])
def test_an_event_answers_its_own_query_only_where_it_is_not_excluded(exclude_self: bool) -> None:
    memory = core(banks=BANKS, flags={"exclude_self": exclude_self})
    state, z = filled(memory, 6), codes(7, 6)
    own = memory(state, z)[1]["nn_idx"]
    assert own[:, :, 0].tolist() == [list(range(6))] * 2
    kept = memory(state, z, torch.arange(6))[1]["nn_idx"]
    slots = torch.arange(6)[:, None]
    assert ((kept == slots).any(-1)).all() == (not exclude_self)
    assert torch.equal(memory(state, z, torch.full((6,), -1))[1]["nn_idx"], own)


def test_an_event_without_an_id_is_never_excluded() -> None:
    memory = core(banks=("instance",), cross_attention=False)
    keys = codes(7, 4)
    state = memory.write(memory.init_state(), keys, {"instance": keys})
    nobody = torch.full((4,), -1)
    assert memory(state, keys, nobody)[1]["nn_idx"][0, :, 0].tolist() == [0, 1, 2, 3]


def test_of_events_with_one_key_the_newest_answers_wherever_it_lies() -> None:
    """Five events on three slots: the fifth lies in slot 1, before an older one in slot 2."""
    memory = core(banks=("instance",), capacity=3, retrieval_k=1, cross_attention=False)
    key = codes(7, 1).expand(5, -1)
    state = memory.write(memory.init_state(), key, {"instance": key})
    assert memory(state, key[:1])[1]["nn_idx"].tolist() == [[[1]]]


def test_the_published_query_maps_are_drawn_as_those_of_a_linear_layer() -> None:
    maps = core(64, banks=DYNAMIC, variant="source").dynamic.query_maps.detach()
    # of 8,192 uniform draws the largest is within a thousandth of the bound 1 / sqrt(64)
    assert float(maps.abs().max()) == pytest.approx(1 / 8, rel=2e-3)
    identity = core(64, banks=DYNAMIC, variant="source", flags={"dyn_init": "identity"})
    assert torch.equal(identity.dynamic.query_maps, torch.eye(64).repeat(2, 1, 1))


def test_the_output_starts_as_a_tenth_of_what_the_banks_say() -> None:
    memory = core(banks=STATIC)
    assert torch.equal(memory.output.weight, 0.1 * torch.eye(16))
    assert not memory.output.bias.any()


def test_the_settings_are_those_of_the_published_code() -> None:
    """Its three banks, two of them asked, 16 primitives in two levels, 10,000 events, five read."""
    plain = Settings()
    assert plain.banks == ("compositional", "pattern", "relational")
    assert (plain.top_k, plain.primitives, plain.levels) == (2, 16, 2)
    assert (plain.capacity, plain.retrieval_k, plain.temperature) == (10_000, 5, 0.05)
    assert (plain.usage_threshold, plain.top_fraction) == (100, 0.3)
    assert plain.max_frozen_fraction == 0.5
    assert plain.cross_attention
    assert not plain.guided


@pytest.mark.parametrize(
    ("banks", "width", "settings", "count"),
    [
        (STATIC[:3], 256, {}, 604_940),
        (STATIC[:1], 256, {"cross_attention": False}, 69_634 + 256 * 257 + 257 + 1 + 65_792 + 1),
        (STATIC, 64, {"gate_open": False}, 4 * 5_122 + 4_160 + 260 + 1 + 16_640 + 129 + 4_160),
    ],
)
def test_parameters_are_counted_as_published(banks, width, settings, count) -> None:
    """At 256 and three banks 604,940: 3 x 69,634 + 66,563 + 1 + 263,168 + 512 + 1 + 65,792 + 1.

    A bank has K D + L + D^2, the router D^2 + D + nB D + nB + 1, attention 4 D^2 + 4 D with
    2 D + 1 for norm and mix, the output D^2 + D and the gate 1.
    """
    memory = core(width, banks=banks, **settings)
    assert sum(weights.numel() for weights in memory.parameters()) == count


def test_the_state_is_that_of_the_published_design() -> None:
    state = core(16, banks=BANKS, capacity=9, primitives=7, levels=3).init_state()
    assert {name: (list(entry.shape), entry.dtype) for name, entry in state.items()} == {
        "usage": ([4, 3, 3], torch.float32),
        "frozen": ([4, 3, 3], torch.bool),
        "route_count": ([6], torch.float32),
        "route_prob": ([6], torch.float32),
        "route_n": ([], torch.float32),
        "dyn_key": ([2, 10, 16], torch.float32),
        "dyn_val": ([2, 10, 16], torch.float32),
        "dyn_id": ([2, 10], torch.int64),
        "dyn_time": ([2, 10], torch.float32),
        "dyn_head": ([2], torch.int64),
        "dyn_size": ([2], torch.int64),
        "dyn_evicted": ([2], torch.int64),
    }


@forms
def test_lanes_answer_and_learn_as_alone(form: dict[str, Any]) -> None:
    """Four seeds in one call of vmap, with their gradients, within 1e-5 of a loop over them."""
    memories = [core(seed=seed, moved=0.3, **form) for seed in range(4)]
    params, buffers = stack_module_state(memories)
    states = [filled(memory, 5, seed=20 + seed) for seed, memory in enumerate(memories)]
    z = torch.stack([codes(seed, 6) for seed in range(4)])

    def loss(params: Any, buffers: Any, state: Any, z: Tensor) -> tuple[Tensor, Tensor]:
        out, _ = functional_call(memories[0], (params, buffers), (state, z))
        return out.square().sum(), out

    stacked = {name: torch.stack([s[name] for s in states]) for name in states[0]}
    slopes, out = vmap(grad(loss, has_aux=True))(params, buffers, stacked, z)
    for lane, memory in enumerate(memories):
        alone = memory(states[lane], z[lane])[0]
        torch.testing.assert_close(out[lane], alone, rtol=0, atol=1e-5)
        memory.zero_grad()
        alone.square().sum().backward()
        for name, weights in memory.named_parameters():
            expected = torch.zeros_like(weights) if weights.grad is None else weights.grad
            scale = max(1.0, float(expected.abs().max()))
            torch.testing.assert_close(slopes[name][lane], expected, rtol=0, atol=1e-5 * scale)


def test_no_more_banks_are_asked_than_there_are() -> None:
    memory = core(banks=("pattern",), top_k=2)
    aux = memory(memory.init_state(), codes(1, 5))[1]
    assert memory.settings.routed == 1
    # the share of the choices that went to the one bank is one, not a half
    assert float(memory.balance_loss(memory.init_state(), aux).detach()) == 1


@pytest.mark.parametrize("banks", [(), ("pattern", "pattern")])
def test_banks_are_named_once_and_at_least_one_is(banks: Any) -> None:
    with pytest.raises(InvalidParameter, match="banks: must name at least one bank, each once"):
        Settings(banks=banks)


def test_banks_keep_their_order_however_they_are_named() -> None:
    assert Settings(banks=("instance", "concept", "pattern")).banks == (
        "pattern",
        "concept",
        "instance",
    )
