"""Online forecasting with delayed feedback: the target of a forecast is revealed H rows later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor, nn

from bench.registry import task
from memories.base import BackboneSlot, InvalidParameter, State
from tasks.base import Lanes, Outcome, Randomness, Task, Workbench
from tasks.data import series as data
from tasks.data.errors import DataProblem
from tasks.data.scaling import Scaler
from tasks.data.series import Series
from tasks.data.splits import Protocol
from tasks.forecasting.online_pass import Pass, drive
from tasks.forecasting.outcome import Setting, judge, warn
from tasks.forecasting.pretraining import Pretrained, pretrain
from tasks.forecasting.recipes import RECIPES
from tasks.forecasting.reports import Reports
from tasks.forecasting.scores import ForecastScores
from tasks.forecasting.show import origin, spread
from tasks.forecasting.stream import CausalStream
from tasks.forecasting.training_lanes import Chance
from tasks.forecasting.yardsticks import Yardsticks, measure
from tasks.samples.sample import Sample
from tasks.tuning import best_lanes, choice

RESERVED = frozenset({"seed_rng", "data_dir", "protocol"})
"""Arguments of the loader that a suite cannot set."""
DLINEAR = BackboneSlot("dlinear")
SELECTION = "selection"
"""Entry of a check-point that holds the validation errors once that pass is over."""


@dataclass(frozen=True)
class _Prepared:
    """The series of a block's seeds, scaled, with a pre-trained backbone each."""

    stream: CausalStream
    scalers: Sequence[Scaler]
    backbones: Sequence[nn.Module]
    pretrained: Sequence[Pretrained]
    yardsticks: Sequence[Yardsticks]


@task("online-tsf", family="forecasting", source="Zhao & Shen 2025; Pham et al. 2023")
class OnlineTSF(Task):
    """Forecast a real or synthetic stream online, learning only from what has been revealed.

    Rows are scaled by the training rows' mean and standard deviation. A backbone is pre-trained on
    the training rows, one per seed, shared by every forecaster of that seed. Then the stream is
    run row by row: a pass over the validation rows, on which learning rates may be chosen (`tune`),
    and the test pass, which is scored and starts from the state the validation pass left.

    Args:
        dataset: A name of `memb data list`, or the path of a csv file.
        horizon: Rows to forecast, H; the dataset's default if null.
        lookback: Rows of a window, L; the dataset's default if null.
        backbone: Backbone that forecasters adapt, by name or as ``{name: ..., params: {...}}``.
        split: ``online`` trains on the first fifth or so and streams the rest; ``offline`` cuts the
            series as long-term forecasting does, to set a backbone beside published figures. Each
            has a recipe of its own for pre-training (`tasks.forecasting.recipes`).
        options: What the dataset takes, e.g. ``{rows: 2000, channels: 3}`` for synth-drift.

    A memory that overrides `fit` is given the scaled ``train`` and ``validation`` rows, once per
    seed, before the first pass.

    Metrics are in standard deviations of the training rows unless their name says ``original``.
    On a fixed series seeds vary the backbone's initialisation and batch order, not the data.
    """

    protocol: ClassVar[str] = "forecaster"
    tunes: ClassVar[bool] = True

    def __init__(
        self,
        *,
        dataset: str = "sm-co2",
        horizon: Annotated[int, Ge(1)] | None = None,
        lookback: Annotated[int, Ge(1)] | None = None,
        backbone: BackboneSlot = DLINEAR,
        split: Protocol = "online",
        options: dict[str, bool | int | float | str] | None = None,
    ) -> None:
        self.dataset = dataset
        self.options = dict(options or {})
        if reserved := RESERVED & self.options.keys():
            raise InvalidParameter("options", f"'{min(reserved)}' is no option of a dataset")
        self.backbone = backbone
        self.split: Protocol = split
        try:
            sample = self._load(np.random.default_rng(0))
            self.horizon = horizon or sample.horizon
            self.lookback = lookback or sample.lookback
            sample.require_origins(self.lookback, self.horizon)
        except DataProblem as problem:
            where = f" ({problem.place})" if problem.place and problem.place != dataset else ""
            raise InvalidParameter("dataset", problem.message + where, problem.help) from problem
        self.sample = sample

    def _load(self, rng: np.random.Generator) -> Series:
        options: dict[str, Any] = self.options
        return data.load(self.dataset, seed_rng=rng, protocol=self.split, **options)

    @property
    def seeded(self) -> bool:
        """Whether the series is generated from the seed."""
        return self.sample.drift is not None

    @property
    def varies(self) -> str:
        """What differs between seeds."""
        own = "initialisation and batch order of the backbone"
        return f"data, {own}" if self.seeded else own

    def digest(self) -> str:
        """Checksum of the series."""
        return self.sample.digest

    def identity(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters with a csv's path cut to its name; its content is in the digest."""
        named = dict(params)
        if self.dataset.endswith(".csv"):
            named["dataset"] = Path(self.dataset).name
        return named

    def dictates(self) -> dict[str, Any]:
        """Sizes of the stream, its period, the steps of both passes, the backbone to be built."""
        split = self.sample.split
        return {
            "channels": self.sample.values.shape[1],
            "lookback": self.lookback,
            "horizon": self.horizon,
            "period": self.sample.period,
            "steps": len(split.update_origins()) + len(split.test_origins(self.horizon)),
            "backbone": self.backbone,
        }

    def samples(self, n: int, seed: int, source: Randomness) -> list[Sample]:
        """Origins spread over the test rows, the window and what is to be forecast there."""
        series = self._load(source.rng(seed, "test", "series")) if self.seeded else self.sample
        scaled = series.scaler().transform(series.values)
        return [
            origin(series, scaled, t, self.lookback, self.horizon)
            for t in spread(series.split.test_origins(self.horizon), n)
        ]

    def run(self, bench: Workbench) -> list[Outcome]:
        """One outcome per seed: the test pass of the setting chosen on validation."""
        prepared = self._prepare(bench)
        lanes = bench.lanes(
            [{**self.dictates(), "backbone": b} for b in prepared.backbones],
            train=[self._revealed_rows(prepared.stream, seed) for seed in range(len(bench.seeds))],
        )
        updates = self.sample.split.update_origins()
        origins = self.sample.split.test_origins(self.horizon)
        total = len(updates) + len(origins)
        kept, position = bench.resume() or ({}, 0)
        selection = kept[SELECTION].cpu() if SELECTION in kept else None
        state: State = {}
        if selection is None:
            scored = self.sample.split.selection_origins(self.horizon)
            validation = self._pass(bench, updates, scored, lanes)
            validation.restore(kept, position)
            drive(validation, prepared.stream, bench, before=0, total=total)
            selection = validation.scores.mean_squared()
            state = validation.state
        chosen = best_lanes(selection.tolist(), len(bench.seeds))
        test = self._pass(bench, origins, origins, lanes.select(chosen))
        test.reports = Reports.empty(test.lanes, test.state, len(origins))
        if position > len(updates):
            test.restore(kept, position - len(updates))
        else:
            test.state = lanes.select_state(state, chosen)
        carried = {SELECTION: selection}
        drive(test, prepared.stream, bench, before=len(updates), total=total, carry=carried)
        return [
            self._outcome(bench, prepared, selection, test, seed)
            for seed in range(len(bench.seeds))
        ]

    def _revealed_rows(self, stream: CausalStream, seed: int) -> dict[str, Tensor]:
        """What a memory may `fit` on: ``train`` rows [a, C] and ``validation`` rows [b-a, C]."""
        rows = stream.rows[min(seed, stream.rows.shape[0] - 1)]
        split = self.sample.split
        return {"train": rows[: split.a].clone(), "validation": rows[split.a : split.b].clone()}

    def _pass(self, bench: Workbench, origins: range, scored: range, lanes: Lanes) -> Pass:
        """A pass not yet begun; forecasters of one seed follow that seed's series."""
        per_seed = lanes.size // len(bench.seeds)
        channels = self.sample.values.shape[1]
        return Pass(
            origins,
            scored,
            lanes,
            [lane // per_seed for lane in range(lanes.size)],
            lanes.init_state(),
            ForecastScores.empty(lanes.size, self.horizon, channels, len(scored)),
        )

    def _prepare(self, bench: Workbench) -> _Prepared:
        """Scale each seed's series and pre-train, or take from the cache, its backbone."""
        loaded = [self.sample]
        if self.seeded:
            loaded = [self._load(bench.rng(seed, "test", "series")) for seed in bench.seeds]
        scalers = [series.scaler() for series in loaded]
        scaled = [s.transform(series.values) for s, series in zip(scalers, loaded, strict=True)]
        rows = torch.from_numpy(np.stack(scaled)).to(bench.device)
        stream = CausalStream(rows, self.lookback, self.horizon)
        key = {
            "made": "pre-trained backbone",
            "dataset": Path(self.dataset).name,
            "series": self.digest(),
            "split": self.split,
            **self.dictates(),
            "backbone": self.backbone.name,
            "backbone_params": dict(self.backbone.params),
        }
        cached = bench.shared(
            key, bench.seeds, lambda missing: self._pretrain(bench, key, stream, missing)
        )
        pretrained = [Pretrained.from_tensors(cached[seed]) for seed in bench.seeds]
        backbones = [
            trained.into(self._fresh_backbone(bench, seed))
            for seed, trained in zip(bench.seeds, pretrained, strict=True)
        ]
        yardsticks = self._yardsticks(bench, key, backbones, stream)
        return _Prepared(stream, scalers, backbones, pretrained, yardsticks)

    def _fresh_backbone(self, bench: Workbench, seed: int) -> nn.Module:
        sizes = {name: self.dictates()[name] for name in ("channels", "lookback", "horizon")}
        module = bench.backbone(self.backbone)(**sizes, generator=bench.init_rng(seed))
        return module.to(bench.device)

    def _pretrain(
        self,
        bench: Workbench,
        key: Mapping[str, Any],
        stream: CausalStream,
        seeds: Sequence[int],
    ) -> dict[int, dict[str, Tensor]]:
        """Pre-training of the seeds that the cache does not hold."""
        position = {seed: lane for lane, seed in enumerate(bench.seeds)}
        rows = stream.rows
        if self.seeded:
            rows = rows[[position[seed] for seed in seeds]]
        trained = pretrain(
            [self._fresh_backbone(bench, seed) for seed in seeds],
            CausalStream(rows, self.lookback, self.horizon),
            self.sample.split,
            RECIPES[self.split],
            [
                Chance(
                    partial(bench.rng, seed, "test", "batch order"),
                    partial(bench.torch_rng, seed, "test", "dropout"),
                )
                for seed in seeds
            ],
            keeper=bench.keeper({**key, "seeds": list(seeds)}),
            progress=bench.progress,
        )
        return {seed: result.tensors() for seed, result in zip(seeds, trained, strict=True)}

    def _yardsticks(
        self,
        bench: Workbench,
        key: Mapping[str, Any],
        backbones: Sequence[nn.Module],
        stream: CausalStream,
    ) -> list[Yardsticks]:
        """Errors of the backbones as pre-trained, to which skill refers, and of persistence.

        Args:
            bench: Keeps them for the other forecasters of the same seeds.
            key: What the pre-trained weights depend on.
            backbones: One per seed.
            stream: The scaled series.
        """
        origins = self.sample.split.test_origins(self.horizon)
        position = {seed: lane for lane, seed in enumerate(bench.seeds)}

        def build(missing: Sequence[int]) -> dict[int, dict[str, Tensor]]:
            made = {}
            for seed in missing:
                series = min(position[seed], stream.rows.shape[0] - 1)
                module = backbones[position[seed]]
                made[seed] = measure(module, stream, series, origins).tensors()
            return made

        cached = bench.shared({**key, "made": "errors held against"}, bench.seeds, build)
        return [Yardsticks.from_tensors(cached[seed]) for seed in bench.seeds]

    def _outcome(
        self, bench: Workbench, prepared: _Prepared, selection: Tensor, test: Pass, seed: int
    ) -> Outcome:
        sample = self.sample
        scaler = prepared.scalers[min(seed, len(prepared.scalers) - 1)]
        schedule = sample.drift.schedule if sample.drift else None
        setting = Setting(sample.split, self.horizon, scaler, sample.columns, schedule)
        outcome = judge(test.scores, seed, setting, prepared.yardsticks[seed], test.reports)
        if outcome.status == "ok":
            self._tell(outcome, bench, prepared, selection, seed)
        return outcome

    def _tell(
        self, outcome: Outcome, bench: Workbench, prepared: _Prepared, selection: Tensor, seed: int
    ) -> None:
        """Note what was chosen on validation, how pre-training ended, what the data's notes say."""
        pretrained = prepared.pretrained[seed]
        outcome.notes["pretraining"] = {
            "learning_rate": pretrained.learning_rate,
            "validation_mse": pretrained.validation_mse,
            "epochs": pretrained.epochs,
        }
        warn(outcome, self.sample.notes)
        if pretrained.capped:
            warn(outcome, [f"pre-training of {self.backbone} stopped at its cap, still improving"])
        candidates = [dict(candidate) for candidate in bench.candidates]
        if len(candidates) > 1:
            tried = selection.reshape(len(bench.seeds), -1)[seed].tolist()
            (best,) = best_lanes(tried, 1)
            told, at_edge = choice(candidates, tried, best, score="validation_mse")
            outcome.notes["tuned"] = told
            warn(outcome, at_edge)
