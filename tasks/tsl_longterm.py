"""Long-term forecasting with memory tokens: encoder and memory trained together, then tested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from annotated_types import Ge, Gt
from torch import Tensor

from bench import registry
from bench.registry import task
from memories.backbones.tokens import TokenBackbone, TokenModel, WithoutTokens, tried
from memories.base import BackboneSlot, InvalidParameter, TokenMemory
from memories.token_training.lanes import TokenLanes
from tasks.base import Outcome, Randomness, Task, Workbench
from tasks.data import series as data
from tasks.data.errors import DataProblem
from tasks.data.series import Series
from tasks.forecasting.recipes import OFFLINE
from tasks.forecasting.scores import ForecastScores
from tasks.forecasting.show import origin, spread
from tasks.forecasting.stream import CausalStream
from tasks.longterm.evaluation import before_test, passed
from tasks.longterm.outcome import Tested, judge, unwritten
from tasks.longterm.plan import Plan, Semantics, held_in_evaluation
from tasks.longterm.training import JointTraining
from tasks.longterm.windows import LaneWindows
from tasks.samples.sample import Sample

SPECTRAL_FORMER = BackboneSlot("spectral-former")
RESERVED = frozenset({"seed_rng", "data_dir", "protocol"})
"""Arguments of the loader that a suite cannot set."""


@task("tsl-longterm", family="forecasting", source="Wu et al. 2023; Marquez 2025")
class TslLongterm(Task):
    """Train an encoder together with a memory, keep the best epoch, test on every window.

    The protocol of the Time-Series-Library: rows cut 12 : 4 : 4 months on ETT, scaled by the
    training rows' mean and standard deviation; Adam on the mean squared error in batches of 32,
    up to 10 epochs at a rate halved from the third on, patience 3; every window of the test counts,
    and no test error is looked at before. The memory's tokens stand before the encoder's input,
    and what the encoder made of a window is absorbed after it was forecast, never before.

    What a memory holds in training and in evaluation is part of its parameters (`train_memory`,
    `memory_eval`). The record notes how many rows it held at the borders of every phase, and a
    memory whose tokens were empty throughout the test carries the mark `memory empty at test`.

    Args:
        dataset: A name of `memb data list`, or the path of a csv file.
        horizon: Rows to forecast, H.
        lookback: Rows of a window, L.
        encoder: Backbone that takes memory tokens, by name or as ``{name: ..., params: {...}}``.
        stride: Every so many rows a training window starts and a stream stores a row; 1 is the
            published protocol. Validation and test pass every window.
        chunk: Windows that read the same state in evaluation; 1 reads what is newest.
        fill_gaps: Whether a stream stores the windows before a border whose targets cross it.
        semantics: ``stream`` evaluates each memory as its `memory_eval` says, ``as-published`` as
            the published runner did: emptied before validation and test if it has a reset hook,
            as training left it if not, never written.
        drop_last_test: Whether windows beyond the test's last whole batch are left out, as in
            early versions of the library.
        learning_rate: Adam's, in the first two epochs.
        epochs: Epochs at most.
        options: What the dataset takes, e.g. ``{rows: 2000, channels: 3}`` for synth-drift.

    Metrics are in standard deviations of the training rows unless their name says ``original``.
    On a fixed series seeds vary initialisation, batch order and dropout, not the data.
    """

    protocol: ClassVar[str] = "tokens"
    trains: ClassVar[bool] = True

    def __init__(
        self,
        *,
        dataset: str = "sm-co2",
        horizon: Annotated[int, Ge(1)] = 96,
        lookback: Annotated[int, Ge(1)] = 96,
        encoder: BackboneSlot = SPECTRAL_FORMER,
        stride: Annotated[int, Ge(1)] = 4,
        chunk: Annotated[int, Ge(1)] = 32,
        fill_gaps: bool = True,
        semantics: Semantics = "stream",
        drop_last_test: bool = False,
        learning_rate: Annotated[float, Gt(0)] = 1e-4,
        epochs: Annotated[int, Ge(1)] = 10,
        options: dict[str, bool | int | float | str] | None = None,
    ) -> None:
        self.dataset, self.options, self.encoder = dataset, dict(options or {}), encoder
        self.horizon, self.lookback = horizon, lookback
        self.stride, self.chunk, self.fill_gaps = stride, chunk, fill_gaps
        self.semantics: Semantics = semantics
        self.drop_last_test = drop_last_test
        self.recipe = replace(OFFLINE, learning_rates=(learning_rate,), max_epochs=epochs)
        if reserved := RESERVED & self.options.keys():
            raise InvalidParameter("options", f"'{min(reserved)}' is no option of a dataset")
        try:
            sample = self._load(np.random.default_rng(0))
            sample.require_origins(self.lookback, self.horizon)
        except DataProblem as problem:
            where = f" ({problem.place})" if problem.place and problem.place != dataset else ""
            raise InvalidParameter("dataset", problem.message + where, problem.help) from problem
        self.sample = sample
        self._require_whole_batch()
        self.token_dim = self._token_dim()

    def _load(self, rng: np.random.Generator) -> Series:
        options: dict[str, Any] = self.options
        return data.load(self.dataset, seed_rng=rng, protocol="offline", **options)

    def _require_whole_batch(self) -> None:
        """Nothing, if windows of the test are left once its last partial batch is dropped."""
        windows, batch = len(self.sample.split.test_origins(self.horizon)), self.recipe.batch
        if self.drop_last_test and windows < batch:
            raise InvalidParameter(
                "drop_last_test",
                f"leaves no window to test on: there are {windows}, a batch is {batch}",
                "set it to false, or lower the horizon",
            )

    def _token_dim(self) -> int:
        """Width of the encoder's tokens.

        Raises:
            InvalidParameter: If the encoder takes no tokens or refuses a parameter.
        """
        build = registry.get("backbone", self.encoder.name).cls
        if not issubclass(build, TokenBackbone):
            raise InvalidParameter(
                "encoder",
                f"'{self.encoder.name}' takes no memory tokens",
                "take spectral-former or itransformer, or list it as a memory: "
                f"{{name: plain-backbone, params: {{backbone: {self.encoder.name}}}}}",
            )
        sizes = {"channels": self.channels, "lookback": self.lookback, "horizon": 1}
        probe = tried("encoder", self.encoder, **sizes)
        assert isinstance(probe, TokenBackbone)
        return probe.token_dim

    @property
    def channels(self) -> int:
        """C."""
        return int(self.sample.values.shape[1])

    @property
    def seeded(self) -> bool:
        """Whether the series is generated from the seed."""
        return self.sample.drift is not None

    @property
    def varies(self) -> str:
        """What differs between seeds."""
        own = "initialisation, batch order and dropout"
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
        """Sizes of the encoder's tokens and of the windows."""
        return {
            "token_dim": self.token_dim,
            "channels": self.channels,
            "lookback": self.lookback,
            "horizon": self.horizon,
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
        """One outcome per seed: the test with the weights of its best epoch."""
        loaded = [self.sample]
        if self.seeded:
            loaded = [self._load(bench.rng(seed, "test", "series")) for seed in bench.seeds]
        scaled = np.stack([s.scaler().transform(s.values) for s in loaded])
        stream = CausalStream(
            torch.from_numpy(scaled).to(bench.device), self.lookback, self.horizon
        )
        memories: Sequence[TokenMemory] = bench.lanes([self.dictates()] * len(bench.seeds)).memories
        lanes = self._lanes(bench, memories)
        plan = self._plan(memories[0])
        windows = LaneWindows(stream, lanes)
        orders = [partial(bench.rng, seed, "test", "batch order") for seed in bench.seeds]
        training = JointTraining(lanes, windows, plan, orders)
        if kept := bench.resume():
            training.restore(*kept)
        total = training.steps + len(plan.test)
        training.run(bench, total)
        tested = self._test(bench, training, total)
        errors = persistence(stream, plan.test)
        return [
            judge(tested, lane, loaded[lane % len(loaded)], plan, errors[lane % len(errors)])
            for lane in range(len(bench.seeds))
        ]

    def _plan(self, memory: TokenMemory) -> Plan:
        return Plan(
            split=self.sample.split,
            lookback=self.lookback,
            horizon=self.horizon,
            recipe=self.recipe,
            stride=self.stride,
            chunk=self.chunk,
            fill_gaps=self.fill_gaps,
            drop_last=self.drop_last_test,
            memory_eval=held_in_evaluation(memory, self.semantics),
            train_memory=memory.train_memory,
            resets=memory.resets,
        )

    def _lanes(self, bench: Workbench, memories: Sequence[TokenMemory]) -> TokenLanes:
        """One model per seed: a fresh encoder, drawn the same for every memory, and its memory."""
        sizes = {"channels": self.channels, "lookback": self.lookback, "horizon": self.horizon}
        models = []
        for seed, memory in zip(bench.seeds, memories, strict=True):
            # not the memory's own generator: what is drawn for one must not recur in the other
            generator = bench.torch_rng(seed, "test", "encoder")
            chosen = memory.replaces or self.encoder
            backbone = bench.backbone(chosen)(**sizes, generator=generator)
            encoder = (
                backbone
                if memory.replaces is None and isinstance(backbone, TokenBackbone)
                else WithoutTokens(backbone)
            )
            model = TokenModel(encoder, memory, self.horizon, generator)
            models.append(model.to(bench.device))
        noise = [partial(bench.torch_rng, seed, "test", "dropout") for seed in bench.seeds]
        return TokenLanes(models, self.recipe.learning_rates[0], noise)

    def _test(self, bench: Workbench, training: JointTraining, total: int) -> Tested:
        """The test pass of all lanes with their best weights."""
        lanes, windows, plan = training.lanes, training.windows, training.plan
        state = before_test(lanes, windows, plan, training.best.into(lanes))
        initial = lanes.init_state()
        empty = unwritten(state, initial)
        training.occupancy.note(lanes, plan.recipe.max_epochs + 1, "test", 0, state)
        scores = ForecastScores.empty(
            len(lanes.numbers), self.horizon, self.channels, len(plan.test)
        )
        for chunk in passed(lanes, windows, plan, plan.test, state):
            scores.add(chunk.forecasts.transpose(0, 1).cpu(), windows.targets(chunk.origins).cpu())
            state = chunk.after
            bench.progress(training.steps + scores.n, total)
        training.occupancy.note(lanes, plan.recipe.max_epochs + 1, "test", 1, state)
        empty &= unwritten(state, initial)
        tokens = lanes.model.memory.tokens(lanes.model.memory.init_state()).shape[0]
        return Tested(scores, training.best, training.occupancy, empty, tokens)


@torch.no_grad()
def persistence(stream: CausalStream, origins: Sequence[int]) -> list[float]:
    """Mean squared error [series] of repeating the last row over these origins."""
    series = range(stream.rows.shape[0])
    total = torch.zeros(len(series), dtype=torch.float64)
    for start in range(0, len(origins), 256):
        now = origins[start : start + 256]
        last: Tensor = stream.rows[:, list(now)]
        error = stream.targets(now, series) - last.transpose(0, 1)[:, :, None]
        total += error.double().square().mean((-1, -2)).sum(0).cpu()
    return [float(value) for value in total / len(origins)]
