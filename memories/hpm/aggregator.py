"""The aggregator: one code from the answers of several banks."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from memories.base import InvalidParameter
from memories.dense import Dense
from memories.hpm.behaviour import Scope
from memories.slots.masked_softmax import masked_softmax

HEADS = 4
INITIAL_MIX = 0.5


class CrossBankAttention(nn.Module):
    """Mixes the banks' weighted mean with what the query attends to among their answers.

    u = sum_b w_b o_b, c = MHA(z; o_1 .. o_nB) with four heads (Vaswani et al. 2017), and the
    result is LayerNorm((1 - mu) u + mu c), mu = sigmoid(mix) with mix = 0.5 before training.

    Args:
        width: D, a multiple of four.
        scope: Answers the query may attend to: those with a weight, or all of them. All of them
            make the result depend on banks the query was not sent to.
        generator: Source of the weights, drawn as `torch.nn.MultiheadAttention` draws them.

    Raises:
        InvalidParameter: If four does not divide the width.
    """

    def __init__(self, width: int, *, scope: Scope, generator: torch.Generator) -> None:
        super().__init__()
        if width % HEADS:
            raise InvalidParameter(
                "use_cross_attention",
                f"needs codes whose width {HEADS} divides, got {width}",
                help="set use_cross_attention: false, or another width",
            )
        self.selected_only = scope == "selected"
        self.query, self.key, self.value, self.output = (
            Dense(width, width, generator) for _ in range(4)
        )
        # torch draws the three input maps as one matrix [3 D, D], after Glorot & Bengio 2010
        bound = math.sqrt(6 / (width + 3 * width))
        with torch.no_grad():
            for layer in (self.query, self.key, self.value):
                layer.weight.uniform_(-bound, bound, generator=generator)
            for name, parameter in self.named_parameters():
                if name.endswith("bias"):
                    parameter.zero_()
        self.mix = nn.Parameter(torch.tensor(INITIAL_MIX))
        self.norm_scale = nn.Parameter(torch.ones(width))
        self.norm_shift = nn.Parameter(torch.zeros(width))

    def forward(self, z: Tensor, answers: Tensor, weights: Tensor) -> Tensor:
        """The result [Q, D] for codes [Q, D], answers [Q, nB, D] and weights [Q, nB]."""
        allowed = weights != 0 if self.selected_only else torch.ones_like(weights).bool()
        share = self.mix.sigmoid()
        mean = weighted_mean(answers, weights)
        return self.normed((1 - share) * mean + share * self.attend(z, answers, allowed))

    def normed(self, x: Tensor) -> Tensor:
        """Layer normalisation (Ba et al. 2016) of vectors [Q, D], eps 1e-5."""
        # one kernel for scale and shift too sums their gradients in another order among lanes
        return layer_norm(x, x.shape[-1:]) * self.norm_scale + self.norm_shift

    def attend(self, z: Tensor, answers: Tensor, allowed: Tensor) -> Tensor:
        """What codes [Q, D] attend to [Q, D] among those answers [Q, nB, D] that are allowed."""
        split = (*answers.shape[:-1], HEADS, answers.shape[-1] // HEADS)
        query = self.query(z).reshape(z.shape[0], HEADS, 1, split[-1])
        key = self.key(answers).reshape(split).permute(0, 2, 3, 1)
        value = self.value(answers).reshape(split).transpose(1, 2)
        scores = query @ key / math.sqrt(split[-1])
        attention = masked_softmax(scores, allowed[:, None, None])
        attended: Tensor = self.output((attention @ value).reshape(z.shape))
        return attended


def weighted_mean(answers: Tensor, weights: Tensor) -> Tensor:
    """sum_b w_b o_b [Q, V] of answers [Q, nB, V] and weights [Q, nB]."""
    return (weights[:, None] @ answers)[:, 0]
