"""What a meta-training works on: its episodes, and its memories as functions of flat weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from bench import seeds
from memories.adam import flatten, unflatten
from memories.base import AssociativeMemory, state_floats
from memories.features import unit
from tasks.base import Curriculum, Episodes

STREAM_KEY = "curriculum"
"""Names the data of training and validation: the same for every memory of a seed."""
GRAPH_BYTES = 2**30
"""State bytes that the graphs of one call may hold; more lanes than fit are done in chunks."""


class EpisodeStreams:
    """Episodes of all lanes, stacked along a leading lane axis.

    Args:
        curriculum: Where they come from.
        lane_seeds: The seed of each lane.
        device: Where they go.
        episodes: Episodes of a training step.
        validation_episodes: Episodes of a validation.
    """

    def __init__(
        self,
        curriculum: Curriculum,
        lane_seeds: Sequence[int],
        device: torch.device,
        *,
        episodes: int,
        validation_episodes: int,
    ) -> None:
        self.curriculum, self.seeds, self.device = curriculum, lane_seeds, device
        self.episodes = episodes
        per_lane = [
            curriculum.validation(
                validation_episodes,
                seeds.torch_generator(seed, seeds.VALIDATION, STREAM_KEY),
            )
            for seed in lane_seeds
        ]
        self.validation = [self._stacked(group) for group in zip(*per_lane, strict=True)]

    @property
    def most_events(self) -> int:
        """Most events of an episode, over all kinds and loads."""
        return max(group.keys.shape[2] for group in self.validation)

    def training(self, step: int) -> Episodes:
        """The episodes of one step, [S, B, ...]."""
        return self._stacked(
            [
                self.curriculum.training(
                    step,
                    self.episodes,
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


class StackedWeights:
    """The memories as functions of one flat vector of weights per lane.

    Args:
        memories: One per lane.
        device: Where they are.
        episodes: Episodes of a call: they decide how many lanes are done at a time.
    """

    def __init__(
        self, memories: Sequence[AssociativeMemory], device: torch.device, *, episodes: int
    ) -> None:
        self.first = memories[0]
        self.losses = [_Recall(memory).to(device) for memory in memories]
        self.initial = torch.stack([flatten(memory).detach() for memory in memories]).to(device)
        named = [dict(loss.named_buffers()) for loss in self.losses]
        self.buffers = {name: torch.stack([b[name] for b in named]) for name in named[0]}
        graph = 8 * 4 * state_floats(self.first.init_state()) * episodes
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
