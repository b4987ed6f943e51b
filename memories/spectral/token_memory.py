"""Memory tokens from the spectrum of what an encoder made of earlier windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor, nn
from typing_extensions import override

from memories.backbones.base import Training
from memories.base import InvalidParameter, MemoryEval, State, TokenMemory, TrainMemory
from memories.slots.ring import ring_valid
from memories.spectral.heads import HEADS, HeadName
from memories.spectral.signs import Sign
from memories.spectral.spectrum import Normalise, Spectrum
from memories.spectral.stores import Kernel, Solver, StoreSettings, row_store
from memories.spectral.summary import Pool, RowPer, Summary
from memories.spectral.time_kernel import TimeUnits
from memories.spectral.time_store import TimeFiltered

Size = Annotated[int, Ge(1)]
Refresh = Literal["write", "every", "read"]

LEAST_ROWS = 4
"""Fewer rows than this, or than components, give no tokens."""
LEAST_EIGENVALUE = 1e-12
"""Up to this largest eigenvalue rows are all the same, and have no directions."""
EXACT: tuple[Solver, ...] = ("auto", "feature", "row")
"""Solvers whose spectrum depends on the stored rows alone, not on when it was taken before."""
SNAPSHOT = ("eigenvalues", "basis", "components", "refreshed_at")
"""What tokens are made from: all that a training loop has to keep of a state."""


class SpectralMemory(TokenMemory):
    """Tokens made by a small network from the leading spectral components of stored rows.

    After every pass of an encoder a summary of its hidden states is stored as a row h [d]. The
    K leading eigenpairs of a kernel matrix of the rows give patterns C [K, d], and a head turns
    these into M tokens (Marquez 2025). Data kernels (`empirical`, `cosine`, `linear`) see the set
    of the rows, time kernels (`exp`, `gauss`, `matern`) their order alone. Eigenpairs are exact
    but never come from a T x T matrix where a smaller one, or a closed form, has the same.

    Tokens are zero while fewer than max(4, K) rows have been refreshed into them, and for the
    anchor head while the largest eigenvalue is 1e-12 or less.

    State: what the rows are kept in (see `stores.row_store`), ``count`` of rows ever written,
    ``refreshed_at`` (the count at the last refresh), ``eigenvalues`` [K], ``components`` [K, d]
    and, for data kernels, ``basis`` [K, d].

    Args:
        token_dim: Width d of the encoder's tokens, and of a row.
        kernel: What two rows are compared by.
        components: Eigenpairs K.
        tokens: Tokens M.
        window: Newest rows that count, T_max; null for all, with a data kernel.
        forgetting: Weight of a row at each further row, gamma, without a window.
        solver: `auto` takes the closed form, the table or the dense solver for time kernels, and
            else T x T (`row`) where the window is shorter than a row is wide and d x d
            (`feature`) everywhere else. `subspace` iterates from the previous basis;
            `incremental-svd` and `frequent-directions` keep a factor instead of sums, without a
            window.
        sweeps: Iterations of `subspace` per refresh.
        rank: Rows of the factor; null for twice the components.
        head: Network from components to tokens.
        dropout: Rate inside the head, in training.
        gated: Whether tokens are multiplied by tanh(g), a learned scalar that starts at zero.
        scale: Whether a component is multiplied by the root of its eigenvalue.
        sign: Convention for the sign of directions.
        normalise: What components are divided by.
        centre: Whether a time kernel filters deviations from the mean row.
        tau: Time constant of a time kernel, in rows.
        time_units: What the time constant counts; see `time_kernel.neighbour_distance`.
        irregular: Whether a time kernel takes the times of rows into account.
        refresh: When eigenpairs are taken: after each write, on the first write after
            `refresh_every` new rows, or when tokens are read.
        refresh_every: See above.
        pool: Weights of positions in a summary.
        row_per: What a row stands for: a window, a batch, or one channel of a window.
        memory_eval: What the memory holds in evaluation: a causal stream of windows, nothing, or
            what training left.
        train_memory: What it holds in training: a snapshot of a chronological pass before the
            window, or the rows of earlier batches.
        resets: Whether the memory is emptied before each phase.
        generator: Draws all weights.

    Raises:
        InvalidParameter: If settings contradict each other.
    """

    zero: Tensor

    def __init__(
        self,
        token_dim: int,
        *,
        kernel: Kernel = "empirical",
        components: Size = 16,
        tokens: Size = 4,
        window: Size | None = 3000,
        forgetting: Annotated[float, Gt(0), Le(1)] = 1.0,
        solver: Solver = "auto",
        sweeps: Size = 2,
        rank: Size | None = None,
        head: HeadName = "anchor",
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.1,
        gated: bool = False,
        scale: bool = True,
        sign: Sign = "align",
        normalise: Normalise = "lam1",
        centre: bool = True,
        tau: Annotated[float, Gt(0)] = 64.0,
        time_units: TimeUnits = "steps",
        irregular: bool = False,
        refresh: Refresh = "write",
        refresh_every: Size = 32,
        pool: Pool = "mean",
        row_per: RowPer = "window",
        memory_eval: MemoryEval = "stream",
        train_memory: TrainMemory = "snapshot",
        resets: bool = True,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.token_dim, self.components = token_dim, components
        self.refresh, self.refresh_every = refresh, refresh_every
        self.memory_eval, self.train_memory, self.resets = memory_eval, train_memory, resets
        self.scalar("zero", 0.0)
        settings = StoreSettings(
            kernel=kernel, components=components, window=window, forgetting=forgetting,
            solver=solver, sweeps=sweeps, rank=rank, scale=scale, sign=sign, normalise=normalise,
            centre=centre, tau=tau, time_units=time_units, irregular=irregular,
        )  # fmt: skip
        self._refuse(head, settings, refresh, tokens_need=self.least_rows)
        self.store = row_store(token_dim, settings, generator)
        self.slot_state = self.store.slots
        self.has_basis = settings.of_data
        self.head = HEADS[head](token_dim, components, tokens, dropout, generator)
        self.gate = nn.Parameter(torch.zeros(())) if gated else None
        self.pool_learns = pool == "attn-trained"
        # a batch is one refresh: what depends on how many there were depends on the batch
        self.composes_batches = (
            row_per != "batch"
            and refresh != "every"
            and (not settings.of_data or (solver in EXACT and _signless(head, sign)))
        )
        self.summary = Summary(token_dim, pool, row_per, generator)

    @property
    def least_rows(self) -> int:
        """Rows below which there are no tokens, max(4, K)."""
        return max(LEAST_ROWS, self.components)

    @staticmethod
    def _refuse(
        head: HeadName, settings: StoreSettings, refresh: Refresh, tokens_need: int
    ) -> None:
        """Raise where head, window or refresh do not fit what is stored."""
        if HEADS[head].needs_basis and not settings.of_data:
            raise InvalidParameter(
                "head",
                f"'{head}' reads directions in feature space, which kernel '{settings.kernel}' "
                "does not have",
                help="use head bottleneck, mix, dense or diamond, or a data kernel",
            )
        if settings.window is not None and settings.window < tokens_need:
            raise InvalidParameter(
                "window",
                f"must be >= {tokens_need}, the rows below which there are no tokens, "
                f"got {settings.window}",
                help="widen the window or lower components",
            )
        if refresh == "read" and (settings.sign == "align" or settings.solver == "subspace"):
            raise InvalidParameter(
                "refresh",
                "'read' keeps no basis that sign 'align' or solver 'subspace' could go on from",
                help="use refresh write or every, or sign maxabs and another solver",
            )

    @override
    def init_state(self) -> State:
        like = self.zero.detach()
        count = like.new_zeros((), dtype=torch.int64)
        components = like.new_zeros(self.components, self.token_dim)
        return {
            **self.store.start(like),
            "count": count,
            "refreshed_at": count.clone(),
            "eigenvalues": components[:, 0].clone(),
            "components": components,
            **({"basis": components.clone()} if self.has_basis else {}),
        }

    @override
    def valid(self, state: State) -> Tensor:
        return ring_valid(state["count"], state["rows"].shape[0])

    @override
    def tokens(self, state: State) -> Tensor:
        return self.tokens_from(self.snapshot(state))

    @override
    def absorb(self, state: State, hidden: Tensor) -> State:
        return self.absorb_batch(state, hidden[None])

    @override
    def absorb_batch(self, state: State, hidden: Tensor) -> State:
        return self.write(state, self.summarise(hidden))

    def summarise(self, hidden: Tensor) -> Tensor:
        """The rows [N, d] that a pass with hidden states [B, L, C, d] leaves, detached.

        N is B for a row per window, one for a row per batch, B C for one per window and channel.
        """
        return self.summary.rows(hidden)

    @override
    def pooled(self, hidden: Tensor) -> Tensor | None:
        return self.summary.pooled(hidden) if self.pool_learns else None

    def write(self, state: State, rows: Tensor, times: Tensor | None = None) -> State:
        """The state after rows [N, d] were stored in order, at times [N], and a refresh if due."""
        if not rows.shape[0]:
            return state
        after = self.append(state, rows, times)
        if self.refresh == "read":
            return after
        if self.refresh == "write":
            return self.refreshed(after)
        due = after["count"] - after["refreshed_at"] >= self.refresh_every
        fresh = self.refreshed(after)
        return {name: torch.where(due, fresh[name], entry) for name, entry in after.items()}

    def append(self, state: State, rows: Tensor, times: Tensor | None = None) -> State:
        """The state after rows [N, d], N >= 1, with its spectrum left as it was."""
        rows = rows.detach().to(self.zero.dtype)
        stored = self.store.appended(state, rows, times)
        return {**state, **stored, "count": state["count"] + rows.shape[0]}

    def refreshed(self, state: State) -> State:
        """The state with the spectrum of the rows that are stored now."""
        dtype = self.zero.dtype
        previous = state["basis"].double() if self.has_basis else None
        spectrum = self.store.spectrum(state, previous)
        basis = {} if spectrum.basis is None else {"basis": spectrum.basis.to(dtype)}
        return {
            **state,
            **basis,
            "eigenvalues": spectrum.eigenvalues.to(dtype),
            "components": spectrum.components.to(dtype),
            "refreshed_at": state["count"].clone(),
        }

    def recomputed(self, state: State) -> State:
        """The state with running sums taken anew from the window, free of their rounding."""
        return {**state, **self.store.recomputed(state)}

    @override
    def snapshot(self, state: State) -> State:
        """The part of a state that tokens are made from, refreshed if that is due at reads."""
        state = self.refreshed(state) if self.refresh == "read" else state
        return {name: state[name] for name in SNAPSHOT if name in state}

    @override
    def tokens_from(
        self, snapshot: Mapping[str, Tensor], training: Training | None = None
    ) -> Tensor:
        """Tokens [..., M, d] from snapshots stacked along any leading axes.

        Differentiable in the weights of head and gate; a training loop reads snapshots that it
        kept, the harness those of the present state.

        Args:
            snapshot: Entries of `snapshot`, each with the same leading axes.
            training: Noise for the head's dropout; None in evaluation.
        """
        spectrum = Spectrum(snapshot["eigenvalues"], snapshot.get("basis"), snapshot["components"])
        tokens: Tensor = self.head(spectrum, training)
        tokens = tokens if self.gate is None else torch.tanh(self.gate) * tokens
        return torch.where(self.warm(snapshot)[..., None, None], tokens, 0.0)

    def warm(self, snapshot: Mapping[str, Tensor]) -> Tensor:
        """Whether there are rows enough for tokens, bool [...]."""
        enough = snapshot["refreshed_at"] >= self.least_rows
        if not self.head.needs_basis:
            return enough
        return enough & ~(snapshot["eigenvalues"][..., 0] <= LEAST_EIGENVALUE)

    def recalled(self, state: State, ages: Tensor) -> Tensor:
        """Stored rows [Q, d] as the K filters of a time kernel keep them.

        Args:
            state: State after the writes.
            ages: Rows written since each, int64 [Q]; 0 is the newest. An age at which no row is
                held recalls zeros.

        Raises:
            NotImplementedError: With a data kernel, which knows no times.
        """
        if not isinstance(self.store, TimeFiltered):
            raise NotImplementedError("a data kernel knows no times to recall rows by")
        return self.store.recalled(state, ages)

    def held(self, state: State) -> Tensor:
        """Rows that the memory holds now, T, int64; all ever written without a window."""
        if not self.store.slots:
            return state["count"]
        return state["count"].clamp(max=state["rows"].shape[0])

    @override
    def report(self, state: State) -> Mapping[str, Tensor]:
        return {"rows": self.held(state)}


def _signless(head: HeadName, sign: Sign) -> bool:
    """Whether tokens follow from the rows however a solver and earlier refreshes chose signs."""
    return HEADS[head].needs_basis or sign == "maxabs"
