"""The correction as a whole: known answers, all of its forms against the loop, lanes."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from memories.base import InvalidParameter, State
from memories.forecasters.hmem.chrc import CHRC
from memories.forecasters.hmem.evidence import Evidence, evidence_of_memory
from memories.slots.error_memory_bank import ErrorMemoryBank
from tests.reference import chrc as loop

CHANNELS, HORIZON, ROWS, K, DIM = 2, 6, 3, 4, 8
FLAT = HORIZON * CHANNELS
PLAIN: dict[str, Any] = {"quality": False, "use_refinement": False, "gate": "none"}
GUIDE: dict[str, Any] = {
    "key_encoder": "flat",
    "quality": False,
    "refiner_init": "default",
    "max_correction": None,
}
FIRST: dict[str, Any] = {"refiner_init": "default"}
LATE: dict[str, Any] = {
    "refiner_init": "default",
    "gate": "stats",
    "similarity_gate": True,
    "horizon_mask": "exp",
    "max_correction": 0.05,
    "correction_scale": 1.5,
}
ADAPTIVE: dict[str, Any] = {"adaptive": True, "refiner_init": "default"}
OTHERS: list[dict[str, Any]] = [
    {"pos": "post", "pooling": "attention", "horizon_mask": "learned"},
    {"retrieve_gate": "hard", "horizon_mask": "linear", "refiner_init": "default"},
    {"retrieve_gate": "soft", "scaled": True, "dual_key": True},
    {"key_encoder": "shared", "use_refinement": False, "gate": "stats"},
]
FORMS = [PLAIN, GUIDE, FIRST, LATE, ADAPTIVE, *OTHERS]
by_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(form))


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng(seed), dtype=torch.float64)


ROWS_NOW, FORECAST, SHARED = drawn(1, ROWS, CHANNELS), drawn(2, HORIZON, CHANNELS), drawn(3, DIM)


def chrc(seed: int = 0, **params: Any) -> CHRC:
    sizes = {"evidence": K, "dim": DIM, "generator": rng(seed)}
    return CHRC(CHANNELS, HORIZON, ROWS, **sizes, **params).double()


def bank(**params: Any) -> ErrorMemoryBank:
    settings = {"preset": "v1", "capacity": 12, "top_k": K, "min_entries": 3} | params
    return ErrorMemoryBank(DIM, FLAT, max_events=12, **settings).double()


def filled(memory: ErrorMemoryBank, n: int, seed: int = 4) -> State:
    return memory.write(memory.init_state(), drawn(seed, n, DIM).abs(), drawn(seed + 1, n, FLAT))


def of_error(error: Tensor, *near: float) -> Evidence:
    """Evidence of this error with these similarities."""
    similarity = torch.tensor([*near, *[0.0] * (K - len(near))], dtype=error.dtype)
    valid = torch.arange(K) < len(near)
    share = torch.tensor(0.5, dtype=error.dtype)
    return Evidence(error, similarity, valid, valid.any(), share)


class Corrected(nn.Module):
    """From rows and a bank's state to the correction, so that all weights are reached at once."""

    def __init__(self, module: CHRC, memory: ErrorMemoryBank) -> None:
        super().__init__()
        self.chrc = module
        self.memory = [memory]  # its scalars are no weights

    def forward(self, rows: Tensor, forecast: Tensor, state: State) -> Tensor:
        (memory,) = self.memory
        z = self.chrc.encode(rows, SHARED)
        recalled = memory.recall(state, self.chrc.key(z, forecast))
        evidence = self.chrc.evidence(memory, state, recalled, z)
        return self.chrc.correct(forecast, z, evidence, surprise=rows.square().mean()).delta


def test_a_constant_error_is_taken_off_whole():
    """All stored errors are c: their aggregate is c, and with nothing else on, so is the delta."""
    c = torch.linspace(-9, 9, FLAT, dtype=torch.float64)
    memory = bank(preset="plain-soft", min_entries=1)
    state = memory.write(memory.init_state(), drawn(5, 7, DIM), c.expand(7, -1))
    free = Corrected(chrc(**PLAIN, max_correction=None), memory)
    delta = free(ROWS_NOW, FORECAST, state)
    torch.testing.assert_close(delta.flatten(), c, rtol=0, atol=1e-6)
    limited = Corrected(chrc(**PLAIN, max_correction=2.0), memory)
    left = c - limited(ROWS_NOW, FORECAST, state).flatten()
    expected = torch.where(c.abs() > 2, c - c.sign() * 2, 0.0)
    torch.testing.assert_close(left, expected, rtol=0, atol=1e-6)


@by_form
@pytest.mark.parametrize("n", [0, 2])
def test_too_few_errors_correct_nothing_and_have_finite_gradients(form, n):
    """An empty bank, and two errors of the three that are asked for: exact zeros."""
    memory = bank()
    module = Corrected(chrc(**form), memory)
    forecast = FORECAST.clone().requires_grad_()
    delta = module(ROWS_NOW, forecast, filled(memory, n))
    assert torch.equal(delta, torch.zeros_like(delta))
    if delta.requires_grad:
        delta.sum().backward()
        grads = [p.grad for p in [forecast, *module.parameters()] if p.grad is not None]
        assert all((gradient == 0).all() for gradient in grads)


@pytest.mark.parametrize(
    "form", [GUIDE, FIRST, LATE, {**LATE, "gate": "flat"}, {**FIRST, "horizon_mask": "learned"}]
)
def test_a_correction_is_its_equation_part_by_part(form):
    module = chrc(1, **form)
    error = drawn(6, HORIZON, CHANNELS)
    near = [0.9, 0.55, 0.2]
    seen = module.correct(FORECAST, z := drawn(7, DIM), of_error(error, *near))
    w = module.state_dict()
    rho = None
    if form.get("quality", True):
        padded = torch.tensor([*near, 0.0], dtype=torch.float64)
        rho = loop.quality(padded, z, loop.part(w, "quality"))
    correction = loop.refined(error, z, rho, loop.part(w, "refiner"))
    weights = loop.mask(HORIZON, form.get("horizon_mask", "none"))
    correction = correction * torch.tensor(weights, dtype=torch.float64)[:, None]
    kappa = loop.confidence(
        FORECAST,
        correction,
        z,
        loop.part(w, "confidence"),
        stats=form.get("gate") == "stats",
        deep=rho is not None,
    )
    alpha = kappa * (1 if rho is None else rho)
    if form.get("similarity_gate"):
        alpha = alpha / (1 + math.exp(-10 * (0.9 - 0.5)))
    limit = form.get("max_correction", 5.0) or math.inf
    delta = (alpha * correction).clamp(-limit, limit) * form.get("correction_scale", 1.0)
    for ours, theirs in (
        (seen.refined, correction),
        (seen.confidence, kappa),
        (seen.alpha, alpha),
        (seen.delta, delta),
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-7)
    if form is LATE:
        assert float(seen.delta.detach().abs().max()) == pytest.approx(0.05 * 1.5)


def test_a_fresh_refiner_at_zero_leaves_the_share_of_the_quality():
    """C = (1 - r) E before training, and a bank of zeros corrects nothing."""
    module, error = chrc(), drawn(6, HORIZON, CHANNELS)
    seen = module.correct(FORECAST, SHARED, of_error(error, 0.7))
    torch.testing.assert_close(seen.refined, (1 - seen.quality) * error, rtol=0, atol=1e-12)
    nothing = module.correct(FORECAST, SHARED, of_error(0 * error, 0.7))
    assert torch.equal(nothing.delta, torch.zeros_like(error))


def test_a_correction_grows_over_its_ramp():
    module = chrc(**PLAIN, correction_ramp=4)
    evidence = of_error(torch.ones(HORIZON, CHANNELS, dtype=torch.float64), 1.0)
    steps = [0, 1, 4, 9]
    seen = [module.correct(FORECAST, SHARED, evidence, step=torch.tensor(s)).delta for s in steps]
    assert [float(delta[0, 0]) for delta in seen] == [0, 0.25, 1, 1]
    assert float(module.correct(FORECAST, SHARED, evidence).delta[0, 0]) == 1


def test_the_similarity_gate_is_open_to_memories_without_similarities():
    """sigmoid(10 (0.4 - 0.5)) of the correction if 0.4 is a cosine, all of it if it is not."""
    module = chrc(**PLAIN, similarity_gate=True)
    evidence = of_error(torch.ones(HORIZON, CHANNELS, dtype=torch.float64), 0.4)
    gated = module.correct(FORECAST, SHARED, evidence).alpha
    assert float(gated) == pytest.approx(1 / (1 + math.exp(1)), abs=1e-9)
    assert float(module.correct(FORECAST, SHARED, evidence._replace(comparable=False)).alpha) == 1


def test_a_memory_that_sums_is_scaled_lead_by_lead_and_limited():
    """Factors start at one; a recalled 2^20 is cut to the limit."""
    module = chrc(**PLAIN, scaled=True)
    big = torch.full((HORIZON, CHANNELS), 2.0**20, dtype=torch.float64)
    evidence = evidence_of_memory(big, big, torch.tensor(5), capacity=10, width=K, min_entries=1)
    delta = module.correct(FORECAST, SHARED, evidence).delta
    assert torch.equal(delta, torch.full_like(big, 5.0))
    with torch.no_grad():
        module.factor.copy_(2.0**-20 * torch.arange(1.0, HORIZON + 1)[:, None])
    scaled = module.correct(FORECAST, SHARED, evidence).delta
    expected = torch.arange(1.0, HORIZON + 1, dtype=torch.float64)[:, None].clamp(max=5)
    torch.testing.assert_close(scaled, expected.expand(-1, CHANNELS), rtol=0, atol=1e-9)


def test_a_shut_retrieval_gate_corrects_nothing_and_is_still_trained():
    module = chrc(**PLAIN, retrieve_gate="hard")
    with torch.no_grad():
        module.switch.bias.fill_(-1.0)
    error = drawn(6, HORIZON, CHANNELS)
    seen = module.correct(FORECAST, SHARED, of_error(error, 0.9))
    assert (float(seen.retrieved.detach()), bool(seen.valid)) == (0, True)
    assert torch.equal(seen.delta, torch.zeros_like(error))
    (seen.delta - error).square().sum().backward()
    assert module.switch.weight.grad.abs().max() > 0


def test_keys_are_unit_and_dual_ones_depend_on_the_forecast():
    single, dual = chrc(), chrc(dual_key=True)
    for module in (single, dual):
        z = module.encode(ROWS_NOW)
        key, other = module.key(z, FORECAST), module.key(z, -FORECAST)
        assert float(key.detach().norm()) == pytest.approx(1, abs=1e-9)
        assert torch.equal(key, other) is (module is single)
    expected = z / z.norm()
    z = single.encode(ROWS_NOW)
    expected = z / z.norm()
    torch.testing.assert_close(single.key(z, FORECAST), expected, rtol=0, atol=1e-12)


def test_a_shared_encoding_is_used_as_it_is_and_must_be_there():
    module = chrc(key_encoder="shared")
    assert torch.equal(module.encode(ROWS_NOW, SHARED), SHARED)
    with pytest.raises(ValueError, match="needs SNMA's encoding"):
        module.encode(ROWS_NOW)
    assert not any(name.startswith("encoder") for name, _ in module.named_parameters())


@by_form
def test_every_weight_of_a_form_is_trained_by_some_correction(form):
    """Summed over several banks, away from the initial zeros: no part is built and left out."""
    memory = bank(preset="plain-soft", min_entries=1)
    module = Corrected(chrc(**form), memory)
    with torch.no_grad():
        for i, parameter in enumerate(module.parameters()):
            parameter.add_(0.2 * drawn(100 + i, *parameter.shape))
    total = sum(
        (module(drawn(20 + s, ROWS, CHANNELS), FORECAST, filled(memory, 9, s)) - 1).square().sum()
        for s in range(4)
    )
    total.backward()
    silent = [name for name, p in module.named_parameters() if not p.grad.abs().max() > 0]
    assert silent == []


@by_form
def test_lanes_have_the_corrections_and_gradients_of_single_runs(form):
    """Lanes with weights, rows and banks of their own, one of them empty; float64, hence 1e-9."""
    memory = bank(min_entries=1)
    modules = [Corrected(chrc(seed, **form), memory) for seed in range(3)]
    states = [filled(memory, n, 30 + n) for n in (9, 4, 0)]
    rows = drawn(40, 3, ROWS, CHANNELS)
    own = [dict(m.named_parameters()) for m in modules]
    weights = {name: torch.stack([w[name].detach() for w in own]) for name in own[0]}
    state = {name: torch.stack([s[name] for s in states]) for name in states[0]}

    def loss(theta: dict[str, Tensor], x: Tensor, s: State) -> Tensor:
        return (functional_call(modules[0], theta, (x, FORECAST, s)) - 1).square().mean()

    together = vmap(grad(loss))(weights, rows, state)
    for lane, module in enumerate(modules):
        alone = grad(loss)({n: w[lane] for n, w in weights.items()}, rows[lane], states[lane])
        for name, gradient in alone.items():
            assert gradient.isfinite().all()
            torch.testing.assert_close(together[name][lane], gradient, rtol=1e-9, atol=1e-11)
        delta = vmap(lambda t, x, s: functional_call(modules[0], t, (x, FORECAST, s)))(
            weights, rows, state
        )[lane]
        torch.testing.assert_close(
            delta, module(rows[lane], FORECAST, states[lane]), rtol=1e-9, atol=1e-11
        )


def test_gradients_are_those_of_finite_differences():
    """Through the similarities to the key encoder: the only way in which keys are trained."""
    memory = bank(preset="plain-soft", min_entries=1, temperature=0.5)
    module = Corrected(chrc(**PLAIN), memory)
    state = filled(memory, 9)
    names = [name for name, _ in module.named_parameters()]

    def score(*weights: Tensor) -> Tensor:
        given = dict(zip(names, weights, strict=True))
        return functional_call(module, given, (ROWS_NOW, FORECAST, state)).square().sum()

    weights = [p.detach().clone().requires_grad_() for p in module.parameters()]
    assert torch.autograd.gradcheck(score, weights)


@pytest.mark.parametrize(
    ("params", "parameter"),
    [({"scaled": True, "max_correction": None}, "max_correction"), ({"adaptive": True}, "top_k")],
)
def test_forms_that_cannot_work_are_refused_by_name(params, parameter):
    evidence = 1 if "adaptive" in params else K
    with pytest.raises(InvalidParameter) as refused:
        CHRC(CHANNELS, HORIZON, ROWS, evidence=evidence, generator=rng(0), **params)
    assert refused.value.parameter == parameter
    assert refused.value.help
