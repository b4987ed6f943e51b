"""The second stage of H-Mem: remembered errors correct what the first stage says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from memories.base import InvalidParameter, MemorySlot, State
from memories.forecasters.hmem.adapting import Adapted, Adapting, Count
from memories.forecasters.hmem.buckets import BucketMode
from memories.forecasters.hmem.chrc import CHRC
from memories.forecasters.hmem.contradictions import (
    check_buckets,
    check_centering,
    check_entries,
    check_key_encoder,
    check_search,
    refuse_unread,
)
from memories.forecasters.hmem.correction import Gate, HorizonMask
from memories.forecasters.hmem.error_store import BankStore, ErrorStore, Found, MemoryStore
from memories.forecasters.hmem.evidence import Evidence
from memories.forecasters.hmem.fusion import FusionGate
from memories.forecasters.hmem.key_encoder import Pooling, Positions
from memories.forecasters.hmem.sizes import SIZES
from memories.forecasters.hmem.state import BANK, under, within
from memories.slots.bank_presets import PRESETS, Aggregate, Preset, PresetName
from memories.slots.error_memory_bank import ErrorMemoryBank

Positive = Annotated[float, Gt(0)]
TOLD = 3
"""Numbers that stand for similarities where a memory tells none."""
EVIDENCE = ("error", "similarity", "valid", "any_valid", "filled")
"""What a ring keeps of the evidence, by its names there."""


class Correcting(Adapting):
    """An adapted forecast with errors that were recalled for it.

    Args:
        channels: C.
        lookback: L.
        horizon: H.
        period: Rows per season, from which buckets are cut.
        backbone: Pre-trained module, [B, L, C] to [B, H, C].
        chrc: Whether forecasts are corrected.
        bank: Associative memory in the place of the error bank; null for the bank.
        bank_preset: Where settings of the bank come from that are null.
        capacity: Errors that are kept, in every bucket.
        top_k: Errors recalled.
        temperature: Of the softmax over their similarities.
        decay: Factor on a similarity per step of age.
        min_similarity: Least similarity that counts.
        min_entries: Errors that must be there before any is recalled.
        aggregate: How recalled errors become one.
        evict_weights: Of importance, frequency and recency in who stays.
        importance: ``raw`` mean absolute error, or ``unit`` for all alike.
        buckets: Parts of the season that have banks of their own.
        bucket_mode: ``daypart`` cuts the season into runs, ``mod`` deals rows in turn.
        center_keys: Whether a running mean is taken from keys before they are compared.
        feature_dim: d, width of keys and inner width of CHRC.
        key_encoder: ``pooled`` over rows, ``flat``, or ``shared``: SNMA's own encoding.
        pos: Where the pooled encoder adds positions: ``input``, or ``post`` as published, where a
            mean over rows loses them.
        pooling: How rows become one.
        pad: Whether the flat encoder pads its rows to H.
        dual_key: Whether keys are made of rows and forecast.
        adaptive: Whether the number and the weights of recalled errors are learned.
        quality: Whether the quality of what was recalled is estimated.
        use_refinement: Whether a network refines the recalled error.
        refiner_init: ``zero`` starts it at zero.
        gate: What the confidence sees: ``flat`` forecasts, ``stats`` of them; ``none`` is
            confidence one.
        similarity_gate: Whether the largest similarity gates the correction.
        horizon_mask: Weights of the leads of a correction.
        max_correction: Largest absolute correction, in standard deviations of the training rows;
            null for any.
        correction_scale: Factor on the correction.
        correction_ramp: Forecasts over which that factor grows from zero; 0 for none.
        retrieve_gate: Whether a learned switch decides if a recall is used.
        fusion: Whether a gate that sees M scales the correction.
        fusion_confidence_power: How often the confidence counts with it; 2 as in the guide's code.
        generator: Draws all weights.
        options: Of `Adapting`.

    Raises:
        InvalidParameter: If options contradict each other.
    """

    def __init__(
        self,
        channels: int,
        lookback: int,
        horizon: int,
        period: int,
        backbone: nn.Module,
        *,
        chrc: bool = True,
        bank: MemorySlot | None = None,
        bank_preset: PresetName = "v1",
        capacity: Count | None = None,
        top_k: Count | None = None,
        temperature: Positive | None = None,
        decay: Annotated[float, Gt(0), Le(1)] | None = None,
        min_similarity: Annotated[float, Ge(-1), Le(1)] | None = None,
        min_entries: Count | None = None,
        aggregate: Aggregate | None = None,
        evict_weights: tuple[float, float, float] | None = None,
        importance: Literal["raw", "unit"] = "raw",
        buckets: Count = 1,
        bucket_mode: BucketMode = "daypart",
        center_keys: bool = False,
        feature_dim: Count | None = None,
        key_encoder: Literal["pooled", "flat", "shared"] = "pooled",
        pos: Positions = "input",
        pooling: Pooling = "mean",
        pad: Literal["horizon", "none"] = "horizon",
        dual_key: bool = False,
        adaptive: bool = False,
        quality: bool = True,
        use_refinement: bool = True,
        refiner_init: Literal["zero", "default"] = "zero",
        gate: Gate = "flat",
        similarity_gate: bool = False,
        horizon_mask: HorizonMask = "none",
        max_correction: Positive | None = 5.0,
        correction_scale: Annotated[float, Ge(0)] = 1.0,
        correction_ramp: Annotated[int, Ge(0)] = 0,
        retrieve_gate: Literal["none", "hard", "soft"] = "none",
        fusion: bool = False,
        fusion_confidence_power: Count = 1,
        generator: torch.Generator,
        **options: Any,
    ) -> None:
        super().__init__(channels, lookback, horizon, backbone, generator=generator, **options)
        self.store: ErrorStore | None = None
        if not chrc:
            given = {"bank": bank is not None, "fusion": fusion, "adaptive": adaptive}
            refuse_unread("needs CHRC, which is off", "set chrc: true", **given)
            return
        if not fusion:
            given = {"fusion_confidence_power": fusion_confidence_power != 1}
            refuse_unread("belongs to the fusion gate, which is off", "set fusion: true", **given)
        check_key_encoder(key_encoder, pos=pos, pooling=pooling, pad=pad)
        kept = capacity or SIZES[self.size].capacity
        dim = self._key_dim(feature_dim, shared=key_encoder == "shared")
        preset = PRESETS[bank_preset].merged(top_k=top_k, min_entries=min_entries)
        check_entries(preset.min_entries, kept)
        own: dict[str, Any] = {
            "temperature": temperature,
            "decay": decay,
            "min_similarity": min_similarity,
            "aggregate": aggregate,
            "evict_weights": evict_weights,
        }
        if bank is None:
            check_buckets(buckets, period, bucket_mode)
            settings = preset.merged(aggregate=aggregate, evict_weights=evict_weights)
            check_centering(settings, center_keys=center_keys)
            check_search(
                settings,
                adaptive=adaptive,
                aggregate=aggregate is not None,
                temperature=temperature is not None,
                importance=importance != "raw",
            )
            slots = ErrorMemoryBank(
                dim,
                horizon * channels,
                max_events=kept,
                preset=bank_preset,
                capacity=kept * buckets,
                top_k=min(preset.top_k, kept),
                min_entries=preset.min_entries,
                importance=importance,
                age_unit="time",
                center_keys=center_keys,
                **own,
            )
            self.store = BankStore(
                slots, horizon, buckets=buckets, bucket_mode=bucket_mode, period=period
            )
        else:
            asked = {name: value is not None for name, value in own.items()}
            asked |= {"buckets": buckets > 1, "center_keys": center_keys, "adaptive": adaptive}
            asked |= {"importance": importance != "raw"}
            refuse_unread(
                "is a setting of the error bank, and another memory takes its place",
                "set it in the memory's own params, or leave bank null",
                **asked,
            )
            self.store = self._memory_store(bank, dim, kept, preset, generator)
        part = CHRC(
            channels,
            horizon,
            self.rows,
            evidence=self.store.width,
            dim=dim,
            key_encoder=key_encoder,
            pos=pos,
            pooling=pooling,
            pad=pad,
            dual_key=dual_key,
            quality=quality,
            use_refinement=use_refinement,
            refiner_init=refiner_init,
            gate=gate,
            similarity_gate=similarity_gate,
            horizon_mask=horizon_mask,
            max_correction=max_correction,
            correction_scale=correction_scale,
            correction_ramp=correction_ramp,
            adaptive=adaptive,
            retrieve_gate=retrieve_gate,
            scaled=self.store.sums,
            generator=generator,
        )
        self.adapter.add("chrc", part)
        if fusion:
            power = fusion_confidence_power
            sizes = (channels, horizon, self.memory_dim)
            self.adapter.add(
                "fusion", FusionGate(*sizes, confidence_power=power, generator=generator)
            )

    def correcting_state(self) -> dict[str, Tensor]:
        """What this stage adds to the state before any row."""
        return {} if self.store is None else under(BANK, self.store.init_state())

    def correcting_record(self, *, cached: bool) -> dict[str, tuple[int, ...]]:
        """What a replay of this stage needs of its time, as names and shapes.

        Args:
            cached: Whether it sees the evidence of that time instead of recalling anew.
        """
        if self.adapter.chrc is None or self.store is None:
            return {}
        fields: dict[str, tuple[int, ...]] = {}
        if self.adapter.chrc.correction_ramp:
            fields["issued"] = ()
        if cached:
            width = (self.store.width,)
            shapes = ((self.horizon, self.channels), width, width, (), ())
            fields |= dict(zip(EVIDENCE, shapes, strict=True))
        return fields

    def correct(
        self,
        chrc: CHRC,
        fusion: FusionGate | None,
        adapted: Adapted,
        z: Tensor,
        evidence: Evidence,
        issued: Tensor,
        on: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """What is added to an adapted forecast [H, C], and the gate it passed, a scalar.

        Args:
            chrc: CHRC with its present weights.
            fusion: The gate that scales the correction, with its own; None without it.
            adapted: What the first stage made of the origin.
            z: Encoding of its newest rows [d].
            evidence: What was recalled.
            issued: Forecasts issued before it.
            on: Whether anything is corrected; None for always.
        """
        correction = chrc.correct(
            adapted.forecast, z, evidence, surprise=adapted.surprise, step=issued
        )
        delta, gate = correction.delta, correction.alpha
        if fusion is not None:
            delta = fusion(adapted.forecast, correction, adapted.memory)
        if on is not None:
            delta, gate = torch.where(on, delta, 0.0), torch.where(on, gate, 0.0)
        return delta, gate

    def recall(
        self, chrc: CHRC, store: ErrorStore, state: State, adapted: Adapted, rows: Tensor
    ) -> tuple[Tensor, Found]:
        """Encoding [d] of the newest rows [P, C], and what the store knows for them."""
        z = chrc.encode(rows, adapted.encoding)
        key = chrc.key(z, adapted.forecast)
        bank = within(state, BANK)
        return z, store.read(bank, chrc, key, z, state["step"], past=False)

    def _key_dim(self, given: int | None, *, shared: bool) -> int:
        """The width of keys: that of SNMA's encoding where they are shared."""
        if not shared:
            return given or SIZES[self.size].feature_dim
        if self.adapter.snma is None:
            raise InvalidParameter("key_encoder", "'shared' needs SNMA, which is off")
        if given not in (None, self.encoding_dim):
            raise InvalidParameter(
                "feature_dim",
                f"must be {self.encoding_dim}, the width of SNMA's encoding, got {given}",
                "leave it null with key_encoder: shared",
            )
        return self.encoding_dim

    def _memory_store(
        self,
        bank: MemorySlot,
        dim: int,
        kept: int,
        preset: Preset,
        generator: torch.Generator,
    ) -> MemoryStore:
        """The store around any associative memory."""
        memory = bank(
            key_dim=dim,
            value_dim=self.horizon * self.channels,
            context_dim=0,
            max_events=kept,
            generator=generator,
        )
        self.vectorized = memory.vectorized
        return MemoryStore(
            memory,
            self.horizon,
            self.channels,
            dim,
            capacity=kept,
            width=max(TOLD, preset.top_k),
            min_entries=preset.min_entries,
        )


def evidence_of_record(record: Mapping[str, Tensor], *, comparable: bool) -> Evidence:
    """The evidence that a ring kept as floats."""
    error, similarity, valid, any_valid, filled = (record[name] for name in EVIDENCE)
    return Evidence(error, similarity, valid > 0, any_valid > 0, filled, comparable)


def told_of(found: Found, delta: Tensor, gate: Tensor) -> dict[str, Tensor]:
    """What `report` tells of a correction [H, C]."""
    told = {"gate": gate, "correction_rms": delta.square().mean().sqrt()}
    if found.recalled is not None:
        valid = found.recalled.valid
        age = torch.where(valid, found.recalled.age.to(delta.dtype), 0.0)
        told["retrieved_age"] = age.sum() / valid.sum().clamp(min=1)
    return told
