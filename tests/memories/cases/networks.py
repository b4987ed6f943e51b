"""Networks: trained at test time, or recurrent."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from tests.memories.case import Case, Recall
from tests.reference import recurrent_writer, titans, ttt_linear


def _titans(m: Any) -> Recall:
    layers = [m.initial_input, m.initial_output] if m.initial_input is not None else None

    def gates(k: Tensor, v: Tensor) -> tuple[Tensor, ...]:
        if m.gate_weights is None:
            return m.momentum, m.step, m.forget
        return tuple((torch.cat([k, v]) @ m.gate_weights + m.gate_bias).sigmoid())

    weights = layers or [m.initial_output]
    return partial(titans.recall, weights=weights, gates=gates, chunk=m.chunk)


def _ttt(m: Any) -> Recall:
    def step(k: Tensor, v: Tensor) -> Tensor:
        gate = 0.5
        if m.gate_weights is not None:
            gate = (torch.cat([k, v]) @ m.gate_weights + m.gate_bias).sigmoid()
        return m.base_lr * gate / (len(k) if m.normalised else 1)

    weights = [m.initial_weights, *([m.initial_bias] if m.normalised else [])]
    return partial(
        ttt_linear.recall,
        weights=weights,
        step=step,
        chunk=m.chunk,
        mean=m.reduction == "mean",
        norm=(m.norm_scale, m.norm_shift) if m.normalised else None,
    )


def _recurrent(cell: type[nn.Module]) -> Any:
    return lambda m: partial(
        recurrent_writer.recall,
        cell=cell,
        weights={
            "weight_ih": m.from_event,
            "weight_hh": m.from_hidden,
            "bias_ih": m.event_bias,
            "bias_hh": m.hidden_bias,
        },
        layers=[(layer.weight, layer.bias) for layer in (m.ask, m.combine, m.answer)],
    )


CASES = [
    Case("titans", {}, _titans),
    Case("titans", {"hidden": 7, "init": "xavier", "forget": 0.125, "momentum": 0.5}, _titans),
    Case("titans", {"hidden": 7, "chunk": 5, "learned_gates": True}, _titans, composes=False),
    Case("titans", {"chunk": 16, "momentum": 0.0, "forget": 0.25}, _titans, composes=False),
    Case("titans", {"model": "linear", "forget": 0.0625}, _titans),
    Case("ttt-linear", {}, _ttt, composes=False),
    Case("ttt-linear", {"chunk": 1, "base_lr": 0.75, "learned_gate": True}, _ttt),
    Case("ttt-linear", {"chunk": 4, "reduction": "sum", "base_lr": 0.25}, _ttt, composes=False),
    Case("lstm-writer", {"hidden": 9}, _recurrent(nn.LSTMCell)),
    Case("gru-writer", {"hidden": 9}, _recurrent(nn.GRUCell)),
]
