"""What sequence models with a memory share: tokens for events and queries, and their window."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memories.base import AssociativeMemory, State
from memories.dense import Dense
from memories.sequence.transformer import WindowTransformer

GATE_LOGIT = -2.0
"""Where the gate on what is recalled starts: 0.12 open."""
WINDOW_BLOCK = 256
"""Windows encoded at once: at W = 16, d = 64 their hidden layers take 4 MB a lane."""


class WindowedMemory(AssociativeMemory):
    """A transformer that reads a stream of events through a window, beside a memory of its past.

    Event (k, v) is the token [k, v, 1, 0] E, query q the token [q, 0, 0, 1] E. A token's hidden
    state h comes from a causal transformer over it and the W - 1 tokens before it; what a memory
    recalls for it, r, is added to it, and a linear head makes a value of the sum:

        y = (h + sigmoid(g) r W_o) H + b

    W_o starts at zero and g at -2. Events alone enter the window: a query is answered as if it
    were the next token, and leaves no trace.

    Args:
        key_dim: D.
        value_dim: V.
        window: W.
        layers: Transformer blocks.
        heads: Attention heads of each.
        head_dim: Width of one; the model's is d = heads x head_dim.
        generator: Source of the initial weights.
    """

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        window: int,
        layers: int,
        heads: int,
        head_dim: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.key_dim, self.value_dim = key_dim, value_dim
        self.window, self.dim = window, heads * head_dim
        self.embedding = Dense(key_dim + value_dim + 2, self.dim, generator, bias=False)
        self.encoder = WindowTransformer(
            window=window, layers=layers, heads=heads, head_dim=head_dim, generator=generator
        )
        self.recall_gate = nn.Parameter(torch.tensor(GATE_LOGIT))
        self.recall_out = Dense(self.dim, self.dim, generator=None, bias=False)
        self.head = Dense(self.dim, value_dim, generator)

    def empty_window(self) -> dict[str, Tensor]:
        """The state's entries ``window`` [W, d] and ``count`` before any event."""
        like = self.recall_gate
        return {
            "window": like.new_zeros(self.window, self.dim),
            "count": like.new_zeros((), dtype=torch.int64),
        }

    def stream(self, state: State, keys: Tensor, values: Tensor) -> Tensor:
        """Tokens [W + N, d]: those in the window, oldest first, then those of N events."""
        marks = keys.new_tensor([1.0, 0.0]).expand(keys.shape[0], 2)
        events: Tensor = self.embedding(torch.cat([keys, values, marks], dim=-1))
        return torch.cat([state["window"], events])

    def after(self, state: State, stream: Tensor) -> dict[str, Tensor]:
        """The entries ``window`` and ``count`` after the events of a stream."""
        count = state["count"] + stream.shape[0] - self.window
        return {"window": stream[-self.window :], "count": count}

    def encoded(self, state: State, stream: Tensor) -> Tensor:
        """Hidden states [N, d] of the events of a stream."""
        n = stream.shape[0] - self.window
        hidden = [stream[:0]]
        for start in range(0, n, WINDOW_BLOCK):
            ends = torch.arange(start, min(n, start + WINDOW_BLOCK), device=stream.device)
            # row of a token in the stream; the window's newest is the token itself
            rows = ends[:, None] + torch.arange(1, self.window + 1, device=stream.device)
            hidden.append(self.encoder(stream[rows], self._real(state, rows)))
        return torch.cat(hidden)

    def interleaved(
        self, state: State, stream: Tensor, queries: Tensor, *, inclusive: bool
    ) -> Tensor:
        """Hidden states [N, d] of queries [N, D], one after each event, or before it."""
        n, shift = queries.shape[0], 1 if inclusive else 0
        asked = self._asked(queries)
        hidden = [stream[:0]]
        for start in range(0, n, WINDOW_BLOCK):
            ends = torch.arange(start, min(n, start + WINDOW_BLOCK), device=stream.device)
            rows = ends[:, None] + torch.arange(1, self.window, device=stream.device) + shift
            windows = torch.cat([stream[rows], asked[ends][:, None]], dim=1)
            real = self._real(state, rows)
            real = torch.cat([real, torch.ones_like(ends, dtype=torch.bool)[:, None]], dim=1)
            hidden.append(self.encoder(windows, real))
        return torch.cat(hidden)

    def probed(self, state: State, queries: Tensor) -> Tensor:
        """Hidden states [Q, d] of queries [Q, D], each as if it were the next token."""
        rows = torch.arange(1, self.window, device=queries.device)
        real = self._real(state, rows)
        hidden: Tensor = self.encoder.appended(state["window"][1:], real, self._asked(queries))
        return hidden

    def answer(self, hidden: Tensor, recalled: Tensor, count: Tensor) -> Tensor:
        """Values [Q, V] from hidden states and what was recalled for them, both [Q, d].

        Args:
            hidden: [Q, d].
            recalled: [Q, d].
            count: Events that each query comes after, int64 [Q] or a scalar; zeros for none.
        """
        joined = hidden + self.recall_gate.sigmoid() * self.recall_out(recalled)
        return torch.where((count > 0)[..., None], self.head(joined), 0.0)

    def _asked(self, queries: Tensor) -> Tensor:
        """Tokens [Q, d] of queries [Q, D]."""
        rest = queries.new_tensor([0.0] * (self.value_dim + 1) + [1.0])
        rest = rest.expand(queries.shape[0], rest.shape[0])
        tokens: Tensor = self.embedding(torch.cat([queries, rest], dim=-1))
        return tokens

    def _real(self, state: State, rows: Tensor) -> Tensor:
        """Which rows of a stream hold a token, bool of the shape of `rows`."""
        return rows >= self.window - state["count"]
