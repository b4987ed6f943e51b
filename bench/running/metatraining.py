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
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from bench import seeds
from memories.adam import adam_step, flatten, unflatten
from memories.base import AssociativeMemory, state_floats
from memories.features import unit
from tasks.base import Curriculum, Episodes

STREAM_KEY = "curriculum"
"""Names the data of training and validation: the same for every memory of a seed."""
WEIGHTS = "weights/"
"""Prefix of slow weights among cached tensors."""
GRAPH_BYTES = 2**30
"""State bytes that the graphs of one call may hold; more lanes than fit are done in chunks."""


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
        seconds: Its share of the time the training took.
    """

    validation: tuple[float, ...]
    best: int
    frozen: int
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
            float(kept["seconds"]),
        )

    @property
    def warning(self) -> str:
        """What a reader of the table has to know; empty if all went well."""
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


class Keeper(Protocol):
    """Where an unfinished training is kept: see `bench.running.checkpoint.Checkpoint`."""

    def load(self) -> tuple[dict[str, Tensor], int] | None: ...  # noqa: D102
    def offer(self, position: int, tensors: Callable[[], dict[str, Tensor]]) -> None: ...  # noqa: D102


class _Recall(nn.Module):
    """The loss of one episode: one minus the mean cosine to the targets, and the memory's own."""

    def __init__(self, memory: AssociativeMemory) -> None:
        super().__init__()
        self.memory = memory

    def forward(
        self,
        keys: Tensor,
        values: Tensor,
        queries: Tensor,
        targets: Tensor,
        contexts: Tensor | None,
        cues: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """The loss to descend and the recall loss alone."""
        memory = self.memory
        state = memory.write(memory.init_state(), keys, values, None, contexts)
        reads = memory.read(state, queries, None, cues)
        recall = 1 - (unit(reads) * unit(targets)).sum(-1).mean()
        # `unit` takes a vector of NaN for one without direction
        recall = torch.where(reads.isfinite().all(), recall, torch.nan)
        return recall + memory.auxiliary_loss(state, queries, None, cues), recall


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
    lanes = _Lanes(memories, budget, torch.device(device))
    data = _Data(curriculum, lane_seeds, budget, torch.device(device))
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
            "seconds": torch.tensor(seconds),
        }
        for seed, lane in zip(lane_seeds, trained, strict=True)
    }


def _step(run: _Run, lanes: _Lanes, episodes: Episodes, step: int, budget: Budget) -> None:
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


def _validate(run: _Run, lanes: _Lanes, data: _Data) -> None:
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


class _Data:
    """Episodes of all lanes, stacked along a leading lane axis."""

    def __init__(
        self,
        curriculum: Curriculum,
        lane_seeds: Sequence[int],
        budget: Budget,
        device: torch.device,
    ) -> None:
        self.curriculum, self.seeds, self.budget = curriculum, lane_seeds, budget
        self.device = device
        per_lane = [
            curriculum.validation(
                budget.validation_episodes,
                seeds.torch_generator(seed, seeds.VALIDATION, STREAM_KEY),
            )
            for seed in lane_seeds
        ]
        self.validation = [self._stacked(group) for group in zip(*per_lane, strict=True)]

    def training(self, step: int) -> Episodes:
        return self._stacked(
            [
                self.curriculum.training(
                    step,
                    self.budget.episodes,
                    seeds.torch_generator(seed, seeds.META, STREAM_KEY, step),
                )
                for seed in self.seeds
            ]
        )

    def _stacked(self, per_lane: Sequence[Episodes]) -> Episodes:
        def stack(parts: Sequence[Tensor | None]) -> Tensor | None:
            there = [part for part in parts if part is not None]
            return torch.stack(there).to(self.device) if there else None

        stacked: dict[str, Any] = {
            name: stack([vars(episodes)[name] for episodes in per_lane])
            for name in vars(per_lane[0])
        }
        return Episodes(**stacked)


class _Lanes:
    """The memories as functions of one flat vector of weights per lane."""

    def __init__(
        self, memories: Sequence[AssociativeMemory], budget: Budget, device: torch.device
    ) -> None:
        self.first = memories[0]
        self.losses = [_Recall(memory).to(device) for memory in memories]
        self.initial = torch.stack([flatten(memory).detach() for memory in memories]).to(device)
        named = [dict(loss.named_buffers()) for loss in self.losses]
        self.buffers = {name: torch.stack([b[name] for b in named]) for name in named[0]}
        graph = 8 * 4 * state_floats(self.first.init_state()) * budget.episodes
        self.chunk = max(1, int(GRAPH_BYTES // max(1, graph)))

    def gradient(self, weights: Tensor, episodes: Episodes) -> tuple[Tensor, Tensor]:
        """Gradients [S, P] and losses [S] of the mean over a lane's episodes."""

        def mean_loss(vector: Tensor, buffers: dict[str, Tensor], lane: int, *e: Any) -> Tensor:
            return self._each(vector, buffers, lane, e)[0].mean()

        gradient: Tensor
        loss: Tensor
        gradient, loss = self._mapped(grad_and_value(mean_loss), weights, episodes)
        return gradient, loss

    def recall_loss(self, weights: Tensor, episodes: Episodes) -> Tensor:
        """Mean recall loss [S] over a lane's episodes."""

        def recall(vector: Tensor, buffers: dict[str, Tensor], lane: int, *e: Any) -> Tensor:
            return self._each(vector, buffers, lane, e)[1].mean()

        with torch.no_grad():
            loss: Tensor = self._mapped(recall, weights, episodes)
        return loss

    def _each(
        self, vector: Tensor, buffers: dict[str, Tensor], lane: int, episodes: tuple[Any, ...]
    ) -> tuple[Tensor, Tensor]:
        """Both losses [B] of the episodes of one lane."""
        module = self.losses[lane]
        named = {f"memory.{n}": w for n, w in unflatten(self.first, vector).items()}

        def one(*episode: Any) -> tuple[Tensor, Tensor]:
            out: tuple[Tensor, Tensor] = functional_call(module, (named, buffers), episode)
            return out

        if not self.first.vectorized:
            rows = [one(*(None if x is None else x[b] for x in episodes))
                    for b in range(episodes[0].shape[0])]  # fmt: skip
            return torch.stack([r[0] for r in rows]), torch.stack([r[1] for r in rows])
        in_dims = tuple(None if x is None else 0 for x in episodes)
        out: tuple[Tensor, Tensor] = vmap(one, in_dims=in_dims)(*episodes)
        return out

    def _mapped(self, function: Callable[..., Any], weights: Tensor, episodes: Episodes) -> Any:
        """The function over lanes; memories that cannot be vmapped are taken one by one."""
        given = tuple(vars(episodes).values())
        if self.first.vectorized:
            dims = tuple(None if x is None else 0 for x in given)
            return vmap(function, in_dims=(0, 0, None, *dims), chunk_size=self.chunk)(
                weights, self.buffers, 0, *given
            )
        rows = [
            function(weights[lane], {n: b[lane] for n, b in self.buffers.items()}, lane,
                     *(None if x is None else x[lane] for x in given))
            for lane in range(len(self.losses))
        ]  # fmt: skip
        if isinstance(rows[0], tuple):
            return tuple(torch.stack(parts) for parts in zip(*rows, strict=True))
        return torch.stack(rows)
