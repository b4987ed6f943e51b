"""Slow weights trained on episodes of a curriculum, all seeds at once as lanes.

Every lane is an optimiser of its own: gradients are clipped per lane, Adam is element-wise, and no
reduction crosses lanes, so that S lanes trained together equal S single runs. The weights kept are
those of the best validation loss, the initial ones included: training never makes a lane worse on
its own validation episodes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from bench.running.meta_lanes import EpisodeStreams, StackedWeights
from memories.adam import adam_step, unflatten
from memories.base import AssociativeMemory
from tasks.base import Curriculum, Episodes, Keeper

WEIGHTS = "weights/"
"""Prefix of slow weights among cached tensors."""


@dataclass(frozen=True)
class Budget:
    """How much training every memory gets.

    Attributes:
        steps: Adam steps.
        episodes: Episodes per step.
        learning_rate: Step size of Adam.
        drop_after: Share of the steps after which the rate is a tenth; 1 for never.
        validate_every: Steps between two validations.
        validation_episodes: Episodes of one validation.
        clip: Largest norm of a lane's gradient.
    """

    steps: int
    episodes: int
    learning_rate: float = 1e-3
    drop_after: float = 1.0
    validate_every: int = 100
    validation_episodes: int = 32
    clip: float = 1.0


BUDGETS: Mapping[str, Budget] = {
    "quick": Budget(steps=200, episodes=16),
    "full": Budget(steps=2000, episodes=32, drop_after=0.8),
}
"""Budgets by the word a suite uses; the same for all memories."""


@dataclass(frozen=True)
class MetaTraining:
    """What the training of one memory came to.

    Attributes:
        validation: Validation loss at step 0, every `validate_every` steps, and at the end.
        best: Which of these was kept.
        frozen: The step whose gradient was not finite, after which nothing changed; -1 if none.
        events: Most events of an episode: what lies beyond is extrapolation.
        seconds: Its share of the time the training took, since it was last resumed.
    """

    validation: tuple[float, ...]
    best: int
    frozen: int
    events: int
    seconds: float

    @classmethod
    def restore(cls, memory: nn.Module, kept: Mapping[str, Tensor]) -> MetaTraining:
        """The outcome that `train_cached` kept, its weights put into the memory."""
        with torch.no_grad():
            for name, parameter in memory.named_parameters():
                parameter.copy_(kept[f"{WEIGHTS}{name}"])
        return cls(
            tuple(kept["validation"].tolist()),
            int(kept["best"]),
            int(kept["frozen"]),
            int(kept["events"]),
            float(kept["seconds"]),
        )

    @property
    def warning(self) -> str:
        """What a reader of the table has to know; empty if all went well."""
        if self.best < 0:
            return "meta-training: no validation loss was finite, the initial weights are used"
        if self.frozen >= 0:
            return f"meta-training diverged at step {self.frozen}: weights from before are used"
        if self.best == 0:
            return "meta-training found nothing better than the initial weights"
        return ""


@dataclass(frozen=True)
class Trained:
    """One lane after its training: `MetaTraining` without the time, and its slow weights."""

    weights: dict[str, Tensor]
    validation: list[float]
    best: int
    frozen: int
    events: int


@dataclass
class _Run:
    """All lanes of a training while it lasts: weights and moments [S, P], best so far."""

    weights: Tensor
    first: Tensor
    second: Tensor
    best_weights: Tensor
    best_loss: Tensor
    best: Tensor
    frozen: Tensor
    validation: list[Tensor] = field(default_factory=list)

    @classmethod
    def start(cls, weights: Tensor) -> _Run:
        lanes, zeros = weights.shape[0], torch.zeros_like(weights)
        worst = torch.full((lanes,), torch.inf, device=weights.device)
        none = torch.full((lanes,), -1, device=weights.device)
        return cls(weights, zeros, zeros, weights, worst, none, none)

    def tensors(self) -> dict[str, Tensor]:
        return {
            **{name: value for name, value in vars(self).items() if name != "validation"},
            "validation": torch.stack(self.validation),
        }

    @classmethod
    def restore(cls, kept: Mapping[str, Tensor]) -> _Run:
        rest = {name: value for name, value in kept.items() if name != "validation"}
        return cls(**rest, validation=list(kept["validation"]))


def train(
    memories: Sequence[AssociativeMemory],
    lane_seeds: Sequence[int],
    curriculum: Curriculum,
    budget: Budget,
    *,
    device: str = "cpu",
    keeper: Keeper | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[Trained]:
    """The slow weights of each memory after the budget; the memories themselves stay as they are.

    Args:
        memories: One per lane, of one class and one setting.
        lane_seeds: The seed of each: its episodes come from the streams META and VALIDATION.
        curriculum: Where the episodes come from.
        budget: How much of it.
        device: Where it runs.
        keeper: Where an unfinished training is kept and found again.
        progress: Receives (done, total) steps.
    """
    on = torch.device(device)
    lanes = StackedWeights(memories, on, episodes=budget.episodes)
    data = EpisodeStreams(
        curriculum,
        lane_seeds,
        on,
        episodes=budget.episodes,
        validation_episodes=budget.validation_episodes,
    )
    kept = keeper.load() if keeper else None
    if kept is None:
        run, start = _Run.start(lanes.initial), 0
        _validate(run, lanes, data)
    else:
        moved = {name: tensor.to(lanes.initial.device) for name, tensor in kept[0].items()}
        run, start = _Run.restore(moved), kept[1]
    for step in range(start, budget.steps):
        _step(run, lanes, data.training(step), step, budget)
        if (step + 1) % budget.validate_every == 0 or step + 1 == budget.steps:
            _validate(run, lanes, data)
        progress(step + 1, budget.steps)
        if keeper:
            keeper.offer(step + 1, run.tensors)
    curves = torch.stack(run.validation).T.tolist()
    return [
        Trained(
            {name: w.clone() for name, w in unflatten(memory, run.best_weights[lane]).items()},
            curves[lane],
            int(run.best[lane]),
            int(run.frozen[lane]),
            data.most_events,
        )
        for lane, memory in enumerate(memories)
    ]


def train_cached(
    memories: Sequence[AssociativeMemory],
    lane_seeds: Sequence[int],
    curriculum: Curriculum,
    budget: Budget,
    **options: Any,
) -> dict[int, dict[str, Tensor]]:
    """What `train` returns, by seed and as tensors, for a cache; `MetaTraining.restore` reads it.

    Args:
        memories: As of `train`.
        lane_seeds: As of `train`.
        curriculum: As of `train`.
        budget: As of `train`.
        options: Keyword arguments of `train`.
    """
    start = time.perf_counter()
    trained = train(memories, lane_seeds, curriculum, budget, **options)
    seconds = (time.perf_counter() - start) / len(trained)
    return {
        seed: {
            **{f"{WEIGHTS}{name}": weight.cpu() for name, weight in lane.weights.items()},
            "validation": torch.tensor(lane.validation),
            "best": torch.tensor(lane.best),
            "frozen": torch.tensor(lane.frozen),
            "events": torch.tensor(lane.events),
            "seconds": torch.tensor(seconds),
        }
        for seed, lane in zip(lane_seeds, trained, strict=True)
    }


def _step(run: _Run, lanes: StackedWeights, episodes: Episodes, step: int, budget: Budget) -> None:
    """One Adam step of every lane that is not frozen."""
    gradient, loss = lanes.gradient(run.weights, episodes)
    norm = gradient.norm(dim=-1)
    fine = loss.isfinite() & norm.isfinite()
    run.frozen = torch.where((run.frozen < 0) & ~fine, step, run.frozen)
    moving = (run.frozen < 0)[:, None]
    scale = (budget.clip / norm.clamp(min=1e-12)).clamp(max=1.0)[:, None]
    gradient = torch.where(moving, gradient * scale, 0.0)
    rate = budget.learning_rate * (0.1 if step >= budget.drop_after * budget.steps else 1.0)
    taken = torch.tensor(step, device=gradient.device)
    weights, run.first, run.second, _ = adam_step(
        run.weights, gradient, run.first, run.second, taken, rate
    )
    run.weights = torch.where(moving, weights, run.weights)


def _validate(run: _Run, lanes: StackedWeights, data: EpisodeStreams) -> None:
    """Note the validation loss of every lane, and keep the weights where it is the lowest yet."""
    total = torch.zeros_like(run.best_loss)
    n = 0
    for group in data.validation:
        size = group.keys.shape[1]
        total = total + lanes.recall_loss(run.weights, group) * size
        n += size
    loss = total / n
    better = loss < run.best_loss
    run.best_loss = torch.where(better, loss, run.best_loss)
    run.best_weights = torch.where(better[:, None], run.weights, run.best_weights)
    run.best = torch.where(better, len(run.validation), run.best)
    run.validation.append(loss)
