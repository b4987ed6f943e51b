"""How spectral forecasters are fitted: the joint training, what is kept, where a stream begins."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from memories.backbones.tokens import TokenModel
from memories.forecasters.online.frozen import Frozen
from memories.forecasters.online.generator_training import Pairs
from memories.forecasters.spectral.joint_training import JointTraining
from memories.forecasters.spectral.spectral_online import SpectralOnline
from tests.memories.forecasters.online.walks import (
    HORIZON,
    LOOKBACK,
    forecasts,
    generator,
)
from tests.memories.forecasters.spectral.encoders import (
    BORDER,
    ENCODERS,
    analogue,
    data,
    former,
    inverted,
    online,
    stream,
)

encoders = pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)
TRAINED = range(LOOKBACK - 1, BORDER - HORIZON)
WRITTEN = range(LOOKBACK - 1, BORDER - 1)


def validation_error(memory: SpectralOnline, rows: Tensor) -> float:
    """Of a stream over the validation rows, as the task would run it, in float64."""
    state, errors = memory.init_state(), []
    for t in range(BORDER - 1, len(rows) - HORIZON):
        past = t - HORIZON
        recent = rows[past - LOOKBACK + 1 : past + 1], rows[past + 1 : t + 1]
        with torch.no_grad():
            state = memory.observe(state, rows[t], recent)
            forecast, state = memory.predict(state, rows[t - LOOKBACK + 1 : t + 1])
        errors.append((forecast - rows[t + 1 : t + 1 + HORIZON]).double().square().mean())
    return float(torch.stack(errors).mean())


def held_by_loop(model: TokenModel, rows: Tensor) -> list[dict[str, Tensor]]:
    """What the memory holds before each written window, if 32 at a time are passed in order."""
    state = dict(model.memory.init_state())
    held = []
    for start in range(0, len(WRITTEN), 32):
        now = WRITTEN[start : start + 32]
        held += [state] * len(now)
        windows = torch.stack([rows[t - LOOKBACK + 1 : t + 1] for t in now])
        with torch.no_grad():
            _, hidden = model.forecast(windows, model.memory.snapshot(state))
            state = dict(model.memory.absorb_batch(state, hidden))
    return [*held, state]


@encoders
def test_two_epochs_are_those_of_a_plain_loop_with_torchs_adam(encoder: Any) -> None:
    """In float64 without dropout, which draws from the same generator; batched and single
    gradients differ by rounding, and Adam divides them by their root: 1e-7.
    """
    rows = stream().double()
    trained, expected = (online(encoder(dropout=0.0), dropout=0.0).double().model for _ in range(2))
    pairs = Pairs(rows, LOOKBACK, HORIZON)
    joint = JointTraining(trained, pairs, WRITTEN, TRAINED[::2], 2**-7, generator(5))
    optimiser = torch.optim.Adam(expected.parameters(), lr=2**-7)
    rng = generator(5)
    for _ in range(2):
        held = held_by_loop(expected, rows)
        for batch in torch.split(torch.randperm(len(TRAINED[::2]), generator=rng), 32):
            loss = torch.zeros((), dtype=torch.float64)
            for place in batch:
                t = TRAINED[::2][int(place)]
                snapshot = expected.memory.snapshot(held[t - WRITTEN.start])
                window, target = rows[t - LOOKBACK + 1 : t + 1], rows[t + 1 : t + 1 + HORIZON]
                forecast, _ = expected.forecast(window[None], snapshot)
                loss = loss + (forecast[0] - target).square().mean() / len(batch)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        left = joint.epoch()
        for name, parameter in expected.named_parameters():
            torch.testing.assert_close(
                trained.get_parameter(name), parameter, rtol=1e-7, atol=1e-7, msg=name
            )
        for name, entry in held_by_loop(expected, rows)[-1].items():
            if name != "basis":  # of eigenvalues that are nearly equal the directions may turn
                torch.testing.assert_close(left[name], entry, rtol=1e-6, atol=1e-6, msg=name)
    fresh = dict(online(encoder(dropout=0.0)).model.named_parameters())
    for name, parameter in trained.named_parameters():
        moved = (parameter - fresh[name].double()).abs().max()
        # a softmax does not see what is added to all its scores
        assert moved > 1e-6 or name.endswith("attention.key.bias"), name


@encoders
def test_fit_improves_an_untrained_encoder_and_is_the_best_of_its_epochs(
    encoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = stream()
    seen: list[float] = []
    measured = SpectralOnline._error

    def told(self: SpectralOnline, pairs: Pairs, origins: range) -> float:
        seen.append(measured(self, pairs, origins))
        return seen[-1]

    monkeypatch.setattr(SpectralOnline, "_error", told)
    memory = online(encoder(), epochs=4, learning_rate=3e-2)
    memory.fit(data(rows), generator())
    assert len(seen) == 5
    assert memory.reads_tokens
    assert min(seen) < 0.8 * seen[0]
    # the same errors, added in another order
    assert validation_error(memory, rows) == pytest.approx(min(seen), rel=1e-12)


def test_where_no_epoch_is_better_the_backbone_is_left_as_it_was() -> None:
    rows = stream()
    start = online().state_dict()
    # a step of this size ruins any encoder
    memory = online(epochs=10, learning_rate=10.0)
    memory.fit(data(rows), generator())
    assert not memory.reads_tokens
    for name, entry in memory.state_dict().items():
        assert torch.equal(entry, start[name]) or name == "learning_rate", name
    assert torch.equal(forecasts(memory, rows), forecasts(Frozen(former()), rows))
    forced = online(epochs=10, learning_rate=10.0, backbone_competes=False)
    forced.fit(data(rows), generator())
    assert forced.reads_tokens
    assert validation_error(forced, rows) > validation_error(memory, rows)


def test_epochs_whose_error_is_not_finite_are_never_kept() -> None:
    """A step of 1e30 overflows in the first products of the next pass."""
    rows = stream()
    memory = online(epochs=5, learning_rate=1e30, backbone_competes=False)
    memory.fit(data(rows), generator())
    assert not memory.reads_tokens
    assert torch.equal(forecasts(memory, rows), forecasts(Frozen(former()), rows))


def test_three_epochs_that_bring_nothing_end_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    epochs = 0
    passed = JointTraining.epoch

    def counted(self: JointTraining) -> Any:
        nonlocal epochs
        epochs += 1
        return passed(self)

    monkeypatch.setattr(JointTraining, "epoch", counted)
    online(epochs=10, learning_rate=10.0).fit(data(stream()), generator())
    assert epochs == 3


@pytest.mark.parametrize("stride", [1, 5])
def test_a_stream_begins_with_all_windows_of_the_training_rows_in_memory(stride: int) -> None:
    """Whatever was trained on: 32 at a time, as fitted weights pass them."""
    rows = stream()
    memory = online(epochs=1, learning_rate=1e-2, stride=stride, backbone_competes=False)
    memory.fit(data(rows), generator())
    state = memory.init_state()
    assert not state["has_pend"]
    assert int(state["memory/count"]) == len(WRITTEN) == 47
    expected = held_by_loop(memory.model, rows)[-1]["rows"]
    torch.testing.assert_close(state["memory/rows"], expected, rtol=1e-5, atol=1e-5)


def test_fewer_training_windows_train_other_weights() -> None:
    heads = []
    for stride in (1, 2):
        memory = online(epochs=1, learning_rate=1e-2, stride=stride, backbone_competes=False)
        memory.fit(data(stream()), generator())
        heads.append(memory.model.encoder.get_parameter("projection.bias"))
    assert not torch.allclose(*heads)


def test_without_tokens_the_backbone_alone_is_trained_further() -> None:
    rows = stream()
    memory = online(tokens=0, epochs=1, learning_rate=1e-2, backbone_competes=False)
    memory.fit(data(rows), generator())
    assert not torch.equal(forecasts(memory, rows), forecasts(Frozen(former()), rows))
    assert torch.equal(forecasts(memory, rows), forecasts(Frozen(memory.model.encoder), rows))


@pytest.mark.parametrize("make", [online, analogue], ids=["spectral-online", "spectral-analogue"])
def test_fitting_is_repeatable_depends_on_the_generator_and_ignores_the_test(make: Any) -> None:
    learned = []
    for seed in (1, 1, 2):
        memory = make(inverted(), epochs=2, learning_rate=1e-2, backbone_competes=False)
        memory.fit(data(stream()), generator(seed))
        learned.append(memory.state_dict())
    assert all(torch.equal(entry, learned[1][name]) for name, entry in learned[0].items())
    assert not all(torch.equal(entry, learned[2][name]) for name, entry in learned[0].items())


def test_a_trained_pooling_reads_the_newest_window_into_its_forecast() -> None:
    rows = stream()
    memory = online(pool="attn-trained", epochs=1, learning_rate=1e-2, backbone_competes=False)
    fresh = online(pool="attn-trained")
    memory.fit(data(rows), generator())
    moved = [
        name
        for name, entry in memory.model.named_parameters()
        if not torch.equal(entry, fresh.model.get_parameter(name))
    ]
    assert {"memory.summary.scores.weight", "readout.weight"} <= set(moved)
