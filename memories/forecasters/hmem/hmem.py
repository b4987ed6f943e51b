"""H-Mem: a backbone adapted by a fast memory and corrected by remembered errors, online."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch.func import grad_and_value
from torch.nn import functional as F
from typing_extensions import override

from bench.registry import memory
from memories.base import InvalidParameter, State
from memories.forecasters.hmem.adapter import Adapter
from memories.forecasters.hmem.adapting import Adapted, Count
from memories.forecasters.hmem.chrc import CHRC
from memories.forecasters.hmem.contradictions import check_learning, check_memories
from memories.forecasters.hmem.correcting import (
    EVIDENCE,
    Correcting,
    Positive,
    evidence_of_record,
    told_of,
)
from memories.forecasters.hmem.error_store import ErrorStore
from memories.forecasters.hmem.evidence import Evidence
from memories.forecasters.hmem.issued import IssuedRing
from memories.forecasters.hmem.state import (
    BANK,
    CONSOLIDATION,
    REPORT,
    RING,
    SNMA_STATE,
    TRAINING,
    under,
    within,
)
from memories.forecasters.hmem.training import OnlineTraining

Amount = Annotated[float, Ge(0)]
Replay = Literal["masked", "cached"]


class Revealed(NamedTuple):
    """An origin whose target is known.

    Attributes:
        origin: Its step.
        issued: Whether a forecast was issued there.
        record: What the ring kept of it.
        rows: The newest rows at the origin [P, C].
    """

    origin: Tensor
    issued: Tensor
    record: Mapping[str, Tensor]
    rows: Tensor


@memory("hmem", family="h-mem", source="H-Mem (2025, unpublished): its current form")
class HMem(Correcting):
    """A frozen backbone adapted by a surprise-driven memory and corrected by remembered errors.

    Horizon-bridging neural memory network. At an origin SNMA encodes the newest P rows, moves its
    memory M by how surprising they are and generates low-rank weights from it; CHRC recalls the
    errors of forecasts that were made after like rows and adds them, as far as it trusts them.
    When the target of origin t-H is known, its error is written to the bank, the origin is
    forecast anew with the present weights, and one step of AdamW on the mean squared error moves
    the weights of both. Where the source's loops look at targets before they are known, this one
    does not. The replay encodes with present weights, while keys stay as they were written.

    State: ``training/`` (of each part weights [P] and both moments; counters), ``snma/`` (``M``,
    ``age``, ``mu``, ``var``), ``bank/``, ``ring/`` (forecasts not known yet, and what a replay
    needs of their time), ``report/``, ``step`` and ``issued``; ``lora_ema`` and
    ``consolidation/`` where these are on.

    Args:
        channels: C.
        lookback: L.
        horizon: H.
        period: Rows per season, from which buckets are cut.
        steps: Steps of the run, with which the cosine schedule ends.
        backbone: Pre-trained module, [B, L, C] to [B, H, C].
        store: Whose error is stored: the backbone's (``base``), that before CHRC (``adapted``),
            or that of what was issued (``final``): a correction that works then erases what it
            is made of.
        pairing: ``exact``, or ``shifted``: a forecast with the target of H rows later, as
            published.
        replay: ``masked`` recalls anew among what was known at the origin, ``cached`` keeps what
            was recalled then; null is masked with the error bank, cached with any other memory.
        gain_penalty: Weight of by how much the adapted forecast is worse than the backbone's.
        surprise_loss_weight: Weight of the loss that trains what measures the surprise.
        online_lr: Learning rate of SNMA, half of which is CHRC's; choose it with `tune`.
        weight_decay: Decoupled weight decay.
        clip: Largest norm of the gradient; null for any.
        schedule: ``const``, or ``cosine`` down to a hundredth of the rate.
        warmup_steps: Training steps in which SNMA learns alone.
        warmup_chrc: During these CHRC is ``off``, or corrects with ``frozen`` weights.
        joint_training: Whether CHRC learns after them.
        train_every: Every how many revealed targets a step is taken.
        freeze: Whether the backbone keeps its weights; if not, they learn at a tenth of the rate.
        generator: Draws all weights.
        options: Of both stages, `Correcting` and `Adapting`.

    Raises:
        InvalidParameter: If options contradict each other.
        Unsuitable: If the window is shorter than the newest rows that are looked at.
    """

    online_lr: Tensor

    def __init__(
        self,
        channels: int,
        lookback: int,
        horizon: int,
        period: int,
        steps: int,
        backbone: nn.Module,
        *,
        store: Literal["final", "adapted", "base"] = "adapted",
        pairing: Literal["exact", "shifted"] = "exact",
        replay: Replay | None = None,
        gain_penalty: Amount = 0.0,
        surprise_loss_weight: Amount = 0.0,
        online_lr: Amount = 1e-5,
        weight_decay: Amount = 0.01,
        clip: Positive | None = 1.0,
        schedule: Literal["const", "cosine"] = "const",
        warmup_steps: Annotated[int, Ge(0)] = 100,
        warmup_chrc: Literal["off", "frozen"] = "off",
        joint_training: bool = True,
        train_every: Count = 1,
        freeze: bool = True,
        generator: torch.Generator,
        **options: Any,
    ) -> None:
        super().__init__(
            channels, lookback, horizon, period, backbone, generator=generator, **options
        )
        timed = self.store is not None and self.store.timed
        check_memories(self.adapter, pairing, replay, timed=timed)
        check_learning(self.adapter.snma, surprise_loss_weight, warmup_steps, warmup_chrc)
        if not freeze and self.consolidation is not None:
            raise InvalidParameter("freeze", "must be true for a backbone that consolidates")
        if not freeze:
            self.adapter.add("backbone", self.backbone)
        self.stored, self.shifted = store, pairing == "shifted"
        self.cached = (replay or ("masked" if timed else "cached")) == "cached"
        self.gain_penalty, self.surprise_loss_weight = gain_penalty, surprise_loss_weight
        self.waits = warmup_chrc == "off" and warmup_steps > 0
        self.optimiser = OnlineTraining(
            self.adapter.parts,
            steps - horizon,
            schedule=schedule,
            clip=clip,
            weight_decay=weight_decay,
            warmup_steps=warmup_steps,
            joint_training=joint_training,
            train_every=train_every,
        )
        fields = {
            "forecast": (horizon, channels),
            **self.adapting_record(),
            **self.correcting_record(cached=self.cached),
            **({"rows": (self.rows, channels)} if self.shifted else {}),
        }
        slots = max(2 * horizon if self.shifted else horizon, self.rows + self.lag)
        self.ring = IssuedRing(slots, fields)
        self.scalar("online_lr", online_lr)

    @override
    def init_state(self) -> State:
        device = self.online_lr.device
        return {
            **under(TRAINING, self.optimiser.init_state(self.adapter.vectors())),
            **self.adapting_state(device),
            **self.correcting_state(),
            **under(RING, self.ring.init_state(device)),
            **{REPORT + name: torch.zeros((), device=device) for name in self._reported()},
            "step": torch.zeros((), dtype=torch.int64, device=device),
            "issued": torch.zeros((), dtype=torch.int64, device=device),
        }

    @override
    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:
        """The state after the error of origin t-H was stored and learned from."""
        window, target = recent
        state = {**state, "step": state["step"] + 1}
        revealed = self._revealed(state, self.horizon, self.newest(window))
        stored = self._revealed(state, 2 * self.horizon) if self.shifted else revealed
        training, due = self.optimiser.due(within(state, TRAINING), revealed.issued)

        def replay(adapter: Adapter) -> tuple[Tensor, dict[str, Tensor]]:
            return self._replay(adapter, state, revealed, stored, window, target)

        def loss(weights: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
            return self.adapter.run(weights, replay)

        weights = self.optimiser.weights(training)
        gradients, (value, changed) = grad_and_value(loss, has_aux=True)(weights)
        training, failed = self.optimiser.step(training, gradients, value, due, self.online_lr)
        new = {**state, **changed, **under(TRAINING, training)}
        new[REPORT + "n_nan"] = state[REPORT + "n_nan"] + failed
        if self.adapter.snma is not None:
            for name, empty in under(SNMA_STATE, self.adapter.snma.init_state()).items():
                new[name] = torch.where(failed, empty, state[name])
        return new

    @override
    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        """The adapted and corrected forecast [H, C], and the state after it was issued."""
        weights = self.optimiser.weights(within(state, TRAINING))
        return self.adapter.run(weights, lambda adapter: self._issue(adapter, state, window))

    @override
    def report(self, state: State) -> Mapping[str, Tensor]:
        """How full the store is, how old what it found, and how much both stages did."""
        told = within(state, REPORT)
        if self.store is not None:
            told["bank_utilisation"] = self.store.utilisation(within(state, BANK))
        return told

    def _reported(self) -> list[str]:
        """What the state keeps for `report`, of the newest forecast unless it is a count."""
        names = ["n_nan"]
        if self.adapter.snma is not None:
            names.append("surprise")
        if self.store is not None:
            names += ["gate", "correction_rms", *(["retrieved_age"] if self.store.timed else [])]
        return names

    def _revealed(self, state: State, ago: int, rows: Tensor | None = None) -> Revealed:
        """The origin of so many steps ago, as the ring remembers it."""
        origin = state["step"] - ago
        record, issued = self.ring.get(within(state, RING), origin)
        return Revealed(origin, issued, record, record["rows"] if rows is None else rows)

    def _partial_error(self, state: State, rows: Tensor) -> Tensor:
        """Error [P, C] on the newest rows of the forecast whose first targets they are."""
        if not self.partial:
            return torch.zeros_like(rows)
        earlier = state["step"] - self.rows - self.lag
        record, issued = self.ring.get(within(state, RING), earlier)
        return torch.where(issued, rows - record["forecast"][: self.rows], 0.0)

    def _warm(self, state: State) -> Tensor:
        return self.optimiser.warm(within(state, TRAINING))

    def _issue(self, adapter: Adapter, state: State, window: Tensor) -> tuple[Tensor, State]:
        """The forecast [H, C] of the present origin and the state after it."""
        rows, before = self.newest(window), within(state, SNMA_STATE)
        partial = self._partial_error(state, rows)
        adapted = self.adapt(adapter, state, before, rows, partial, window, guard=True)
        new = {**state, "issued": state["issued"] + 1}
        record = {**before, "partial": partial, "rows": rows, "issued": state["issued"]}
        final = adapted.forecast
        if adapter.chrc is not None and self.store is not None:
            z, found = self.recall(adapter.chrc, self.store, state, adapted, rows)
            on = self._warm(state) if self.waits else None
            delta, gate = self.correct(
                adapter.chrc, adapter.fusion, adapted, z, found.evidence, state["issued"], on
            )
            corrected = adapted.forecast + delta
            final = torch.where(corrected.isfinite().all(), corrected, adapted.forecast)
            record |= {name: getattr(found.evidence, name) for name in EVIDENCE}
            new |= under(REPORT, told_of(found, delta, gate))
            new |= under(BANK, self.store.touch(within(state, BANK), found))
        if adapter.snma is not None:
            new |= self.after_adapting(new, adapted, self._warm(state))
            new[REPORT + "surprise"] = adapted.surprise
        record["forecast"] = self._stored_forecast(state, window, adapted.forecast, final)
        new |= under(RING, self.ring.put(within(state, RING), state["step"], record))
        return final, new

    def _stored_forecast(
        self, state: State, window: Tensor, adapted: Tensor, final: Tensor
    ) -> Tensor:
        """The forecast [H, C] whose error will be stored."""
        if self.stored == "base":
            return self.unadapted(state, window)
        return final if self.stored == "final" else adapted

    def _replay(
        self,
        adapter: Adapter,
        state: State,
        revealed: Revealed,
        stored: Revealed,
        window: Tensor,
        target: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of an origin forecast anew, and the state entries that change on the way."""
        record, rows = revealed.record, revealed.rows
        partial = record["partial"] if self.partial else torch.zeros_like(rows)
        adapted = self.adapt(adapter, state, record, rows, partial, window)
        final, changed = adapted.forecast, dict[str, Tensor]()
        if adapter.chrc is not None and self.store is not None:
            z = adapter.chrc.encode(rows, adapted.encoding)
            bank = self._remember(adapter.chrc, self.store, state, stored, z, target)
            evidence = self._evidence(adapter.chrc, self.store, bank, revealed, adapted, z)
            on = self._warm(state) if self.waits else None
            issued = record.get("issued", state["issued"])
            delta, _ = self.correct(adapter.chrc, adapter.fusion, adapted, z, evidence, issued, on)
            final = final + delta
            changed = under(BANK, bank)
        loss, credited = self._loss(state, adapted, final, window, target, revealed.issued)
        return loss, changed | credited

    def _remember(
        self,
        chrc: CHRC,
        store: ErrorStore,
        state: State,
        stored: Revealed,
        z: Tensor,
        target: Tensor,
    ) -> State:
        """The store after the error of an origin, under the key that its rows have now."""
        if self.shifted:
            z = chrc.encode(stored.rows)
        forecast = stored.record["forecast"]
        error = target - forecast
        key = chrc.key(z, forecast).detach()
        on = stored.issued & error.isfinite().all()
        return store.write(within(state, BANK), key, error, state["step"], stored.origin, on)

    def _evidence(
        self,
        chrc: CHRC,
        store: ErrorStore,
        bank: State,
        revealed: Revealed,
        adapted: Adapted,
        z: Tensor,
    ) -> Evidence:
        """The evidence for an origin: that of its time, or what was known then and still is."""
        if self.cached:
            return evidence_of_record(revealed.record, comparable=store.comparable)
        key = chrc.key(z, adapted.forecast)
        return store.read(bank, chrc, key, z, revealed.origin, past=True).evidence

    def _loss(
        self,
        state: State,
        adapted: Adapted,
        final: Tensor,
        window: Tensor,
        target: Tensor,
        issued: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a replayed forecast, and what consolidation learns from it."""
        loss = F.mse_loss(final, target)
        if self.surprise_loss_weight:
            loss = loss + self.surprise_loss_weight * adapted.surprise_loss
        if not self.gain_penalty and self.consolidation is None:
            return loss, {}
        # a backbone that learns must not gain by being worse
        base = F.mse_loss(self.unadapted(state, window), target).detach()
        own = F.mse_loss(adapted.forecast, target)
        loss = loss + self.gain_penalty * torch.relu(own - base)
        if self.consolidation is None:
            return loss, {}
        gain = base - own.detach()
        credited = self.consolidation.credit(within(state, CONSOLIDATION), gain, issued)
        return loss, under(CONSOLIDATION, credited)
