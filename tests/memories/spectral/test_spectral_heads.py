"""Heads, summaries and presets: sizes, invariances, gradients and dropout."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench import registry
from bench.reading import params as reading
from memories.backbones.base import Training
from memories.spectral import heads
from memories.spectral.spectrum import Spectrum
from memories.spectral.summary import Summary
from tests.memories.spectral.rows import build, drawn, generator


def spectrum(k: int = 5, width: int = 8, batch: tuple[int, ...] = ()) -> Spectrum:
    drawn_basis = torch.randn(*batch, width, k, generator=generator(0), dtype=torch.float64)
    basis = torch.linalg.qr(drawn_basis).Q.mT
    values = torch.arange(k, 0, -1, dtype=torch.float64).expand(*batch, k)
    return Spectrum(values, basis, values[..., None] * basis)


def head(name: str, k: int = 5, tokens: int = 3, dropout: float = 0.5) -> Any:
    return heads.HEADS[name](8, k, tokens, dropout, generator(1)).double()


ALL = sorted(heads.HEADS)


@pytest.mark.parametrize("name", ALL)
def test_snapshots_may_be_stacked(name: str) -> None:
    batch = spectrum(batch=(4, 2))
    tokens = head(name)(batch)
    assert tokens.shape == (4, 2, 3, 8)
    alone = head(name)(Spectrum(*(part[3, 1] for part in batch)))
    torch.testing.assert_close(tokens[3, 1], alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_dropout_comes_from_the_noise_alone(name: str) -> None:
    mapping, given = head(name), spectrum()
    counting = Training()
    plain = mapping(given)
    assert torch.equal(mapping(given, counting), plain)
    noise = torch.rand(counting.used, generator=generator(2))
    first, second = (mapping(given, Training(noise)) for _ in range(2))
    assert torch.equal(first, second)
    drops = name in ("bottleneck", "dense", "diamond")
    assert (counting.used > 0) == drops
    assert torch.equal(first, plain) == (not drops)


def test_anchors_see_neither_signs_nor_turns_among_equal_eigenvalues() -> None:
    given = spectrum()
    assert given.basis is not None
    mapping = head("anchor").requires_grad_(False)
    signs = torch.tensor([1.0, -1, 1, -1, -1], dtype=torch.float64)[:, None]
    flipped = given._replace(basis=given.basis * signs)
    torch.testing.assert_close(mapping(flipped), mapping(given), rtol=0, atol=1e-6)
    equal = given._replace(eigenvalues=torch.tensor([3.0, 2, 2, 1, 1]).double())
    turned = equal.basis.clone()
    cos, sin = 0.6, 0.8
    turned[1], turned[2] = (
        cos * equal.basis[1] + sin * equal.basis[2],
        (cos * equal.basis[2] - sin * equal.basis[1]),
    )
    moved = equal._replace(basis=turned)
    torch.testing.assert_close(mapping(moved), mapping(equal), rtol=0, atol=1e-6)
    unequal = mapping(given._replace(basis=turned))
    assert float((unequal - mapping(given)).abs().max()) > 1e-2


def test_anchors_by_their_equation() -> None:
    mapping, given = head("anchor"), spectrum()
    assert given.basis is not None
    torch.nn.init.normal_(mapping.output, generator=generator(3))
    with torch.no_grad():
        for anchor, token in zip(mapping.anchors, mapping(given), strict=True):
            total = torch.zeros(8, dtype=torch.float64)
            for value, w in zip(given.eigenvalues, given.basis, strict=True):
                total += value / given.eigenvalues[0] * w * (w @ anchor)
            mapped = mapping.output @ total
            expected = (mapped - mapped.mean()) / (mapped.var(correction=0) + 1e-5).sqrt()
            torch.testing.assert_close(token, expected, rtol=0, atol=1e-10)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_published_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """K = 16, d = 512. Dense, M = 4: 8192 x 16384 + 16384 + 16384 x 2048 + 2048, and 1024 in the
    normalisation; bottleneck, M = 8: 8192 x 64 + 64 x 4096. Weights have no memory behind them."""

    def sized(inputs: int, outputs: int, _: torch.Generator, *, bias: bool = True) -> nn.Linear:
        return nn.Linear(inputs, outputs, bias=bias, device="meta")

    monkeypatch.setattr(heads, "linear", sized)
    assert count(heads.Dense(512, 16, 4, 0.1, generator(0))) == 167_790_592 + 1_024
    assert count(heads.Bottleneck(512, 16, 8, 0.1, generator(0))) == 786_432
    assert count(heads.Mix(512, 16, 4, 0.1, generator(0))) == 68 + 2 * 512
    diamond = 512 * 1024 + 1024 + 1024 * 512 + 512 + 68 + 1024
    assert count(heads.Diamond(512, 16, 4, 0.1, generator(0))) == diamond
    assert count(heads.Anchor(512, 16, 4, 0.1, generator(0))) == 512**2 + 2 * 4 * 512 + 1024


@pytest.mark.parametrize("name", ["spectral", "spectral-v2", "spectral-v4", "spectral-readme"])
def test_tokens_train_the_head_and_nothing_else(name: str) -> None:
    memory = build(name, components=4).requires_grad_(True)
    hidden = torch.randn(6, 3, 8, generator=generator(4)).double().requires_grad_()
    state = memory.init_state()
    for _ in range(6):
        state = memory.absorb(state, hidden * torch.randn(1, generator=generator(5)))
    rows = drawn(6, 20, 8)
    snapshot = memory.snapshot(memory.write(state, rows))
    (memory.tokens_from(snapshot) ** 3).sum().backward()
    assert all(p.grad is not None for p in memory.head.parameters())
    assert any(bool((p.grad != 0).any()) for p in memory.head.parameters())
    assert hidden.grad is None
    assert all(p.grad is None for p in memory.summary.parameters())


def test_a_closed_gate_hides_the_tokens_but_not_its_own_gradient() -> None:
    memory = build("spectral-v3", components=4).requires_grad_(True)
    state = memory.write(memory.init_state(), drawn(7, 20, 8))
    tokens = memory.tokens(state)
    assert bool((tokens == 0).all())
    (tokens * torch.arange(8)).sum().backward()
    assert float(memory.gate.grad) != 0
    assert all(bool((p.grad == 0).all()) for p in memory.head.parameters())


def test_cold_tokens_have_a_finite_gradient_of_zero() -> None:
    for name in ("spectral", "spectral-v4", "spectral-v2"):
        memory = build(name).requires_grad_(True)
        memory.tokens(memory.init_state()).sum().backward()
        for parameter in memory.head.parameters():
            assert bool((parameter.grad == 0).all()), name


HIDDEN = torch.randn(4, 6, 3, 8, generator=generator(8))


@pytest.mark.parametrize("pool", ["mean", "attn-frozen", "attn-trained"])
@pytest.mark.parametrize("row_per", ["batch", "window", "window-channel"])
def test_rows_are_pooled_states_averaged_over_what_they_stand_for(pool: str, row_per: str) -> None:
    summary = Summary(8, pool, row_per, generator(9))
    rows = summary.rows(HIDDEN.clone().requires_grad_())
    assert not rows.requires_grad

    def pooled(states: Tensor) -> Tensor:
        if summary.scores is None:
            return states.mean(0)
        scores = [float(summary.scores.weight[0] @ o + summary.scores.bias) for o in states]
        weights = torch.tensor(scores).exp()
        return (weights / weights.sum()) @ states

    with torch.no_grad():
        each = torch.stack([torch.stack([pooled(HIDDEN[b, :, c]) for c in range(3)])
                            for b in range(4)])  # fmt: skip
    expected = {
        "batch": each.mean((0, 1))[None],
        "window": each.mean(1),
        "window-channel": each.flatten(0, 1),
    }[row_per]
    torch.testing.assert_close(rows, expected, rtol=0, atol=1e-6)


def test_only_a_trained_pooling_has_a_gradient() -> None:
    for pool, trained in (("attn-frozen", False), ("attn-trained", True)):
        summary = Summary(8, pool, "window", generator(10))
        total = (summary.pooled(HIDDEN.clone().requires_grad_()) ** 2).sum()
        total.backward()
        assert summary.scores is not None
        assert (summary.scores.weight.grad is not None) == trained


def test_absorbing_one_window_is_writing_its_summary() -> None:
    memory = build(row_per="window-channel")
    hidden = HIDDEN[0].double()
    first = memory.absorb(memory.init_state(), hidden)
    second = memory.write(memory.init_state(), memory.summarise(hidden[None]))
    assert int(first["count"]) == 3
    assert all(torch.equal(first[name], entry) for name, entry in second.items())


PRESETS: dict[str, dict[str, Any]] = {
    "spectral": {"kernel": "empirical", "components": 16, "tokens": 4, "window": 3000,
                 "head": "anchor", "sign": "align", "normalise": "lam1", "pool": "mean",
                 "row_per": "window", "memory_eval": "stream", "train_memory": "snapshot"},
    "spectral-v4": {"kernel": "empirical", "scale": True, "components": 16, "tokens": 4,
                    "window": 3000, "head": "dense", "pool": "attn-frozen", "row_per": "batch",
                    "sign": "raw", "normalise": "none", "train_memory": "trajectory",
                    "memory_eval": "empty", "resets": True},
    "spectral-v4-kernel": {"kernel": "exp", "tau": 64.0, "time_units": "v4", "head": "dense",
                           "centre": True, "memory_eval": "empty"},
    "spectral-v4f": {"kernel": "empirical", "head": "diamond", "pool": "attn-frozen"},
    "spectral-v3": {"kernel": "cosine", "window": 3000, "components": 32, "tokens": 4,
                    "head": "mix", "gated": True, "row_per": "window-channel", "scale": False,
                    "memory_eval": "frozen-train", "resets": False},
    "spectral-v2": {"kernel": "cosine", "window": 2048, "components": 16, "tokens": 4,
                    "head": "mix", "gated": False, "row_per": "window-channel"},
    "spectral-v1": {"kernel": "exp", "tau": 96.0, "time_units": "v1-bug", "window": 4096,
                    "components": 16, "tokens": 8, "head": "bottleneck", "centre": False},
    "spectral-readme": {"kernel": "exp", "tau": 64.0, "time_units": "steps", "scale": False,
                        "centre": False, "components": 32, "tokens": 8, "window": 3000,
                        "head": "bottleneck"},
}  # fmt: skip


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_its_published_settings(name: str) -> None:
    own = {
        parameter.name: parameter.default for parameter in reading.of(registry.get("memory", name))
    }
    assert {key: own[key] for key in PRESETS[name]} == PRESETS[name]
    memory = registry.get("memory", name).cls(8, generator=generator(0), components=4)
    for attribute in ("memory_eval", "train_memory", "resets"):
        assert getattr(memory, attribute) == own[attribute]
    assert memory.tokens(memory.init_state()).shape == (own["tokens"], 8)


def test_every_preset_documents_all_parameters() -> None:
    for name in [*PRESETS, "spectral-null", "spectral-zero"]:
        parameters = reading.of(registry.get("memory", name))
        assert all(p.doc and not p.required for p in parameters), name


def test_the_controls_have_no_tokens_and_tokens_of_nothing() -> None:
    null, zero = (registry.get("memory", f"spectral-{n}").cls(8) for n in ("null", "zero"))
    for memory, shape in ((null, (0, 8)), (zero, (4, 8))):
        state = memory.absorb(memory.init_state(), torch.randn(6, 2, 8, generator=generator(0)))
        assert memory.tokens(state).shape == shape
        assert bool((memory.tokens(state) == 0).all())
        assert int(state["count"]) == 1
