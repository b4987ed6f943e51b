"""H-Mem's correction: past errors, recalled by what was just observed, put right a forecast."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from memories.base import InvalidParameter, State
from memories.features import unit
from memories.forecasters.hmem.adaptive import AdaptiveRetrieval
from memories.forecasters.hmem.correction import (
    Confidence,
    Gate,
    HorizonMask,
    HorizonWeights,
    Quality,
    Refiner,
)
from memories.forecasters.hmem.evidence import Evidence, evidence_of_bank, filled_share
from memories.forecasters.hmem.key_encoder import (
    FlatKeyEncoder,
    JointKey,
    PooledKeyEncoder,
    Pooling,
    Positions,
)
from memories.forecasters.hmem.retrieve_gate import RetrieveGate
from memories.slots.bank_search import Recalled
from memories.slots.error_memory_bank import ErrorMemoryBank

SHARPNESS = 10.0
"""Slope of the similarity gate."""


class Correction(NamedTuple):
    """What the evidence does to one forecast.

    Attributes:
        delta: What is added to the forecast [H, C]; exact zeros where nothing is valid.
        refined: The recalled error after refinement and horizon weights [H, C].
        alpha: Share of `refined` that `delta` takes, before limits; zero where nothing is valid.
        confidence: The confidence alone.
        quality: The quality of the evidence; one without an estimator.
        retrieved: Whether the retrieval is used: 1 or 0, or the soft gate.
        valid: Whether any evidence is.
    """

    delta: Tensor
    refined: Tensor
    alpha: Tensor
    confidence: Tensor
    quality: Tensor
    retrieved: Tensor
    valid: Tensor


class CHRC(nn.Module):
    """Corrects forecasts by recalled errors of forecasts that were made in like circumstances.

    H-Mem, 2025. The newest rows G [P, C] are encoded as z, the memory is searched with it, and
    the recalled error E becomes a correction C = (r R([E; z]) + (1 - r) E) w with a quality r and
    weights w over leads; added is

        clip(kappa r v g C, c) scale,

    kappa a confidence, v whether anything valid was recalled, g = sigmoid(10 (max s - tau)) if the
    similarity gate is on. Without a quality estimator all parts have the form of H-Mem's
    guide: R(E) in place of E, one hidden layer less in the confidence. It holds no state: what it
    learns are its parameters, what it remembers is in the memory.

    Args:
        channels: C.
        horizon: H.
        rows: P, newest rows that are encoded.
        evidence: K, similarities that are looked at.
        dim: d, width of the encoding and of keys.
        key_encoder: ``pooled``, ``flat``, or ``shared``: SNMA's encoding of width d.
        pos: Where the pooled encoder adds its position table.
        pooling: How the pooled encoder makes one row of many.
        pad: Whether the flat encoder pads its rows to H.
        dual_key: Whether keys are made of z and the forecast: Wf [z; encoder(forecast)].
        quality: Whether the quality of the evidence is estimated.
        use_refinement: Whether R changes the recalled error.
        refiner_init: ``zero`` starts R at zero, ``default`` as published.
        gate: What the confidence sees: ``flat`` forecast and correction, ``stats`` four numbers of
            them; ``none`` is confidence one.
        similarity_gate: Whether the largest similarity gates the correction.
        similarity_threshold: tau.
        horizon_mask: Weights w of the leads.
        max_correction: c, largest absolute correction; None for no limit.
        correction_scale: Factor on what was clipped.
        correction_ramp: Steps over which that factor grows from zero; 0 for none.
        adaptive: Whether attention over a learned number of errors takes the place of the bank's
            own aggregation.
        retrieve_gate: Whether a learned switch decides if a retrieval is used.
        scaled: Whether a learned factor per lead, one at first, meets the recalled error; for
            memories that sum their values.
        generator: Draws the weights.

    Raises:
        InvalidParameter: If `scaled` comes without a finite `max_correction`, or `adaptive` with
            fewer than two similarities.
    """

    def __init__(
        self,
        channels: int,
        horizon: int,
        rows: int,
        *,
        evidence: int = 5,
        dim: int = 128,
        key_encoder: Literal["pooled", "flat", "shared"] = "pooled",
        pos: Positions = "input",
        pooling: Pooling = "mean",
        pad: Literal["horizon", "none"] = "horizon",
        dual_key: bool = False,
        quality: bool = True,
        use_refinement: bool = True,
        refiner_init: Literal["zero", "default"] = "zero",
        gate: Gate = "flat",
        similarity_gate: bool = False,
        similarity_threshold: float = 0.5,
        horizon_mask: HorizonMask = "none",
        max_correction: float | None = 5.0,
        correction_scale: float = 1.0,
        correction_ramp: int = 0,
        adaptive: bool = False,
        retrieve_gate: Literal["none", "hard", "soft"] = "none",
        scaled: bool = False,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        _check(evidence, adaptive, scaled, max_correction)
        self.horizon, rng = horizon, generator
        self.encoder: nn.Module | None = None
        if key_encoder == "pooled":
            self.encoder = PooledKeyEncoder(
                channels, rows, dim, pos=pos, pooling=pooling, generator=rng
            )
        elif key_encoder == "flat":
            self.encoder = FlatKeyEncoder(channels, horizon, rows, dim, pad=pad, generator=rng)
        self.joint = JointKey(channels, horizon, dim, rng) if dual_key else None
        self.factor = nn.Parameter(torch.ones(horizon, 1)) if scaled else None
        self.quality = Quality(evidence, dim, rng) if quality else None
        self.refiner = self.confidence = None
        if use_refinement:
            zero = refiner_init == "zero"
            self.refiner = Refiner(channels, horizon, dim, blend=quality, zero=zero, generator=rng)
        if gate != "none":
            self.confidence = Confidence(
                channels, horizon, dim, stats=gate == "stats", deep=quality, generator=rng
            )
        self.leads = None if horizon_mask == "none" else HorizonWeights(horizon, horizon_mask)
        self.adaptive = AdaptiveRetrieval(evidence, dim, rng) if adaptive else None
        self.switch = None if retrieve_gate == "none" else RetrieveGate(dim, retrieve_gate)
        self.similarity_gate, self.similarity_threshold = similarity_gate, similarity_threshold
        self.max_correction, self.correction_scale = max_correction, correction_scale
        self.correction_ramp = correction_ramp

    def encode(self, rows: Tensor, shared: Tensor | None = None) -> Tensor:
        """The encoding z [d] of rows [P, C]; SNMA's own, `shared` [d], where keys are shared.

        Raises:
            ValueError: If keys are shared and there is none.
        """
        if self.encoder is not None:
            encoding: Tensor = self.encoder(rows)
            return encoding
        if shared is None:
            raise ValueError("key encoder 'shared' needs SNMA's encoding")
        return shared

    def key(self, z: Tensor, prediction: Tensor) -> Tensor:
        """The unit key [d] of an encoding z [d] and, where keys are dual, a forecast [H, C]."""
        return unit(z if self.joint is None else self.joint(z, prediction))

    def evidence(
        self, bank: ErrorMemoryBank, state: State, recalled: Recalled, z: Tensor
    ) -> Evidence:
        """What an error bank in this state recalled, by attention if that is `adaptive`."""
        weights = None
        if self.adaptive is not None:
            filled = filled_share(bank, state)
            weights = self.adaptive(recalled, z, filled, bank.temperature)
        return evidence_of_bank(bank, state, recalled, self.horizon, weights)

    def correct(
        self,
        prediction: Tensor,
        z: Tensor,
        evidence: Evidence,
        *,
        surprise: Tensor | None = None,
        step: Tensor | None = None,
    ) -> Correction:
        """What the evidence does to a forecast.

        Args:
            prediction: The forecast [H, C].
            z: Encoding of the newest rows [d].
            evidence: What was recalled.
            surprise: SNMA's surprise, seen by the retrieve gate; zero if None.
            step: Forecasts issued before this one, for the ramp; None stands at its end.
        """
        error = evidence.error if self.factor is None else self.factor * evidence.error
        one = torch.ones_like(evidence.filled)
        quality = one if self.quality is None else self.quality(evidence.similarity, z)
        refined = error if self.refiner is None else self.refiner(error, z, quality)
        if self.leads is not None:
            refined = refined * self.leads()
        confidence = one
        if self.confidence is not None:
            confidence = self.confidence(prediction, refined, z)
        retrieved = one
        if self.switch is not None:
            retrieved = self.switch(z, evidence, 0 * one if surprise is None else surprise)
        alpha = confidence * quality * retrieved
        if self.similarity_gate and evidence.comparable:
            margin = evidence.similarity.amax() - self.similarity_threshold
            alpha = alpha * torch.sigmoid(SHARPNESS * margin)
        found = evidence.any_valid
        alpha = torch.where(found, alpha, 0.0)
        delta = torch.where(found, self._limited(alpha * refined, step), 0.0)
        return Correction(delta, refined, alpha, confidence, quality, retrieved, found)

    def _limited(self, delta: Tensor, step: Tensor | None) -> Tensor:
        """A correction [H, C] within its limit, scaled."""
        if self.max_correction is not None:
            delta = delta.clamp(-self.max_correction, self.max_correction)
        if self.correction_scale != 1:
            delta = delta * self.correction_scale
        if self.correction_ramp and step is not None:
            delta = delta * (step / self.correction_ramp).clamp(max=1)
        return delta


def _check(evidence: int, adaptive: bool, scaled: bool, max_correction: float | None) -> None:
    if adaptive and evidence < 2:
        raise InvalidParameter(
            "top_k", f"must be >= 2 where their number is learned, got {evidence}", help="use 10"
        )
    if scaled and max_correction is None:
        raise InvalidParameter(
            "max_correction",
            "must be finite for a memory that may sum its values",
            help="use 5, in standard deviations of the training rows",
        )
