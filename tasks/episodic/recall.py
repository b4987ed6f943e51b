"""What the memories of all lanes recall of their episodes, in the terms of the codebooks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from memories.base import State
from tasks.base import Lanes
from tasks.episodic.codes import BLOCKS, SHARE, Codebook, CodeTable, stacked
from tasks.episodic.events import Events
from tasks.episodic.questions import Questions
from tasks.episodic.templates import ABSENT

BLOCK = 2**22
"""Numbers that one batch of reads may hold in a tensor: 16 MB."""


@dataclass(frozen=True)
class Episode:
    """One book: its events, what they look like, and what is asked about them."""

    events: Events
    codebook: Codebook
    questions: Questions


@dataclass
class Recall:
    """S memories that have seen one episode each.

    Attributes:
        lanes: The memories.
        state: Their state after all events.
        table: The codes of their episodes.
        codes: Events as written [S, N, 4].
        finite: Whether all reads of a lane were finite so far, bool [S].
    """

    lanes: Lanes
    state: State
    table: CodeTable
    codes: Tensor
    finite: Tensor

    @classmethod
    def of(
        cls, lanes: Lanes, episodes: Sequence[Episode], device: torch.device, *, timed: bool
    ) -> Recall:
        """The memories after each wrote its episode, with times if `timed`."""
        table = CodeTable.of([episode.codebook for episode in episodes], device)
        codes, details = stacked([episode.events for episode in episodes], device)
        times = None
        if timed:
            times = torch.arange(codes.shape[1], dtype=torch.float32, device=device)
            times = times.expand(lanes.size, -1)
        state = lanes.write(
            lanes.init_state(), table.cues(codes), table.values(codes, details), times
        )
        finite = torch.ones(lanes.size, dtype=torch.bool, device=device)
        return cls(lanes, state, table, codes, finite)

    @property
    def n_events(self) -> int:
        """Events of each episode N."""
        return self.codes.shape[1]

    def read(self, cues: Tensor, times: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What cues [S, Q, 4] recall: codes as blocks [S, Q, 4, d] and details [S, Q, d].

        Amplitudes are inner products with unit codes. A lane whose read is not finite is noted
        and goes on with zeros.
        """
        queries = self.table.cues(cues)
        width = queries.shape[-1] + self.table.width
        reads = self.lanes.read(self.state, queries, times, value_dim=width)
        self.finite &= reads.isfinite().all(-1).all(-1)
        reads = reads.nan_to_num(0.0, 0.0, 0.0)
        blocks, details = torch.split(reads, [queries.shape[-1], self.table.width], dim=-1)
        return blocks.reshape(*cues.shape, self.table.width), details

    def amplitudes(self, cues: Tensor, blocks: Tensor) -> Tensor:
        """Amplitudes [S, Q, 4] of the codes that cues [S, Q, 4] name; 0 where they name none."""
        codes = self.table.cues(cues).reshape(blocks.shape) / SHARE
        return (blocks * codes).sum(-1)

    def presence(self, cues: Tensor, blocks: Tensor) -> Tensor:
        """Smallest amplitude [S, Q] of the codes that cues [S, Q, 4] name; inf if they name none.

        A mixture of events that agree on the cue has the amplitude of one of them; its cosine
        with a code that only some of them have would be high too, its amplitude is not.
        """
        return torch.where(cues != ABSENT, self.amplitudes(cues, blocks), torch.inf).amin(-1)

    def of_values(self, blocks: Tensor, attribute: Tensor) -> Tensor:
        """Amplitude of every value of an attribute [S, Q] in blocks [S, Q, 4, d]: [S, Q, U]."""
        lane = torch.arange(attribute.shape[0], device=attribute.device)[:, None]
        own = blocks.gather(2, attribute[..., None, None].expand(-1, -1, 1, blocks.shape[-1]))
        codes = self.table.blocks[lane, attribute, :-1] / SHARE
        return (codes @ own.transpose(2, 3)).squeeze(-1)

    def of_events(self) -> Tensor:
        """Amplitudes [S, 4 N] of the true codes when events are cued by all they consist of."""

        def true(codes: Tensor) -> Tensor:
            blocks, _ = self.read(codes)
            return self.amplitudes(codes, blocks)

        return in_parts(true, self.per_call(1), self.codes).flatten(1)

    def per_call(self, reads: int) -> int:
        """Questions of so many reads each whose tensors fit into one batch."""
        sizes = [size for entry in self.state.values() for size in entry.shape[1:]]
        widest = max([(BLOCKS + 1) * self.table.width, *sizes])
        return max(1, BLOCK // (self.lanes.size * reads * widest))


def in_parts(decode: Callable[..., Tensor], step: int, *questions: Tensor) -> Tensor:
    """What `decode` returns [S, K, ...] for [S, K, ...], called on `step` of K at a time."""
    parts = zip(*(torch.split(tensor, step, dim=1) for tensor in questions), strict=True)
    return torch.cat([decode(*part) for part in parts], dim=1)
