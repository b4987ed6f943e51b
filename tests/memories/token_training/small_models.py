"""An encoder and memories as small as can be, and lanes of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from bench import registry
from memories.adam import unflatten
from memories.backbones.base import Training
from memories.backbones.layers import BatchNorm, dropped, linear
from memories.backbones.spectral_former import SpectralFormer
from memories.backbones.tokens import Addend, TokenBackbone, TokenModel
from memories.base import State, TokenMemory
from memories.token_training.lanes import TokenLanes

CHANNELS, LOOKBACK, HORIZON, WIDTH = 2, 8, 3, 8
RATE = 1e-2

Memory = Callable[[torch.Generator], TokenMemory]


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Mixer(TokenBackbone):
    """A hidden layer per channel, normalised over the batch and dropped in part, plus tokens.

    Args:
        rate: Of dropout.
        generator: Draws the weights.
    """

    token_dim = WIDTH

    def __init__(self, rate: float, generator: torch.Generator) -> None:
        super().__init__()
        self.rate = rate
        # a bias would be cancelled by the norm, and Adam make whole steps of its rounding errors
        self.hidden = linear(LOOKBACK, WIDTH, generator, bias=False)
        self.norm = BatchNorm(WIDTH)
        self.out = linear(WIDTH, HORIZON, generator)

    def with_tokens(
        self,
        windows: Tensor,
        tokens: Tensor,
        training: Training | None = None,
        addend: Addend | None = None,
    ) -> tuple[Tensor, Tensor]:
        hidden = self.norm(self.hidden(windows.mT), training)
        hidden = torch.tanh(hidden + tokens.sum(-2).reshape(-1, 1, WIDTH))
        hidden = dropped(hidden, self.rate, training)
        leads = self.out(hidden)
        extra = None if addend is None else addend(hidden[:, None])
        leads = leads if extra is None else leads + extra
        return leads.mT, hidden[:, None]


class Mean(TokenMemory):
    """One token: a learned map of the mean of all rows, dropped in part; cold before two rows.

    Args:
        generator: Draws the map.
    """

    train_memory = "trajectory"

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.map = linear(WIDTH, WIDTH, generator)
        self.scalar("least", 2)

    def init_state(self) -> State:
        return {
            "sum": self.map.bias.detach().new_zeros(WIDTH),
            "count": torch.zeros((), dtype=torch.int64),
        }

    def tokens(self, state: State) -> Tensor:
        return self.tokens_from(state)

    def tokens_from(self, snapshot: State, training: Training | None = None) -> Tensor:
        count = snapshot["count"][..., None, None]
        mean = snapshot["sum"][..., None, :] / count.clamp(min=1)
        return torch.where(count >= self.least, dropped(self.map(mean), 0.2, training), 0.0)

    def absorb(self, state: State, hidden: Tensor) -> State:
        row = hidden.detach().mean((0, 1))
        return {"sum": state["sum"] + row, "count": state["count"] + 1}

    def report(self, state: State) -> State:
        return {"rows": state["count"]}


class Branching(Mean):
    """The same, with branches on values: vmap cannot map it."""

    vectorized = False

    def tokens_from(self, snapshot: State, training: Training | None = None) -> Tensor:
        if snapshot["count"].dim():
            each = [
                {n: held[i] for n, held in snapshot.items()} for i in range(len(snapshot["count"]))
            ]
            return torch.stack([self.tokens_from(own, training) for own in each])
        count = int(snapshot["count"])
        token = dropped(self.map(snapshot["sum"][None] / max(1, count)), 0.2, training)
        return token if count >= int(self.least) else 0 * token

    def absorb(self, state: State, hidden: Tensor) -> State:
        assert int(state["count"]) >= 0
        return super().absorb(state, hidden)


def spectral(name: str = "spectral", **params: Any) -> Memory:
    """Of a registered spectral memory with few components, whose directions are told apart."""
    small = {"components": 3, "tokens": 2, "window": 40, "sign": "maxabs"}
    return partial(_spectral, name, small | params)


def _spectral(name: str, params: dict[str, Any], generator: torch.Generator) -> TokenMemory:
    return registry.get("memory", name).cls(WIDTH, generator=generator, **params)


def former(generator: torch.Generator, dropout: float = 0.1) -> SpectralFormer:
    return SpectralFormer(
        CHANNELS, LOOKBACK, HORIZON, width=WIDTH, heads=2, feedforward=8, layers=1, patch=4,
        dropout=dropout, generator=generator,
    )  # fmt: skip


def mixer(generator: torch.Generator, dropout: float = 0.3) -> Mixer:
    return Mixer(dropout, generator)


def model(
    seed: int,
    memory: Memory = Mean,
    encoder: Callable[[torch.Generator], TokenBackbone] = mixer,
) -> TokenModel:
    """A model drawn from a seed: memory, encoder and read-out."""
    drawn = generator(seed)
    return TokenModel(encoder(drawn), memory(drawn), HORIZON, drawn)


def noise(seed: int, step: int) -> torch.Generator:
    return generator(1000 * seed + step)


def lanes(
    seeds: list[int],
    memory: Memory = Mean,
    encoder: Callable[[torch.Generator], TokenBackbone] = mixer,
    rate: float = RATE,
) -> TokenLanes:
    """Lanes of models drawn from these seeds."""
    sources = [partial(noise, seed) for seed in seeds]
    return TokenLanes([model(seed, memory, encoder) for seed in seeds], rate, sources)


def batch(step: int, seeds: list[int], size: int = 6) -> tuple[Tensor, Tensor]:
    """Windows [N, B, L, C] and targets [N, B, H, C] of each seed at a step, with some order."""
    pairs = []
    for seed in seeds:
        rows = torch.randn(size, LOOKBACK + HORIZON, CHANNELS, generator=noise(seed + 70, step))
        rows = rows.cumsum(1) / 2
        pairs.append((rows[:, :LOOKBACK], rows[:, LOOKBACK:]))
    windows, targets = zip(*pairs, strict=True)
    return torch.stack(windows), torch.stack(targets)


def invariant(name: str) -> bool:
    """Whether forecasts do not depend on a parameter, so that Adam makes steps of rounding errors.

    Softmax cancels what the biases of keys, and of a pooling's scores, add to all alike; layer
    normalisation cancels what a mixture's bias adds to all features.
    """
    return name.endswith(("key.bias", "scores.bias", "mixture.bias"))


def named(model: nn.Module, weights: Tensor) -> dict[str, Tensor]:
    """Parameters by name of a lane's flat weights, without those that change nothing."""
    return {n: w for n, w in unflatten(model, weights).items() if not invariant(n)}
