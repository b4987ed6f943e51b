"""The learned switch of a retrieval."""

from __future__ import annotations

import pytest
import torch

from memories.forecasters.hmem.evidence import Evidence
from memories.forecasters.hmem.retrieve_gate import RetrieveGate

Z = torch.tensor([0.5, -1.0])
EVIDENCE = Evidence(
    error=torch.zeros(3, 1),
    similarity=torch.tensor([0.8, 0.4, 0.0]),
    valid=torch.tensor([True, True, False]),
    any_valid=torch.tensor(True),
    filled=torch.tensor(0.25),
)


def gate(mode: str, *weights: float, bias: float = 2.0) -> RetrieveGate:
    made = RetrieveGate(2, mode)
    with torch.no_grad():
        made.bias.fill_(bias)
        if weights:
            made.weight.copy_(torch.tensor(weights))
    return made


def test_it_starts_open():
    """sigmoid(2) = 0.880797, whatever it sees."""
    surprise = torch.tensor(1.0)
    seen = {mode: RetrieveGate(2, mode)(Z, EVIDENCE, surprise).item() for mode in ("soft", "hard")}
    assert seen == pytest.approx({"soft": 0.880797, "hard": 1}, abs=1e-6)


def test_it_sees_encoding_similarities_fill_and_surprise_up_to_two():
    """z = (.5, -1), largest .8, mean (.8 + .4)/2, filled .25, surprise 7 cut to 2."""
    seen = [0.5, -1.0, 0.8, 0.6, 0.25, 2.0]
    weights = [1.0, 0.1, -2.0, 3.0, 0.5, -0.7]
    total = sum(a * b for a, b in zip(seen, weights, strict=True)) - 1
    made = gate("soft", *weights, bias=-1.0)
    expected = torch.sigmoid(torch.tensor(total))
    torch.testing.assert_close(made(Z, EVIDENCE, torch.tensor(7.0)), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("bias", "switch"), [(0.1, 1.0), (-0.1, 0.0)])
def test_the_hard_gate_switches_and_learns_as_the_soft_one(bias, switch):
    gradients = {}
    for mode in ("hard", "soft"):
        made = gate(mode, bias=bias)
        value = made(Z, EVIDENCE, torch.tensor(0.5))
        value.backward()
        gradients[mode] = made.weight.grad
        if mode == "hard":
            assert value.item() == switch
    assert torch.equal(gradients["hard"], gradients["soft"])
    assert gradients["hard"].abs().min() > 0
