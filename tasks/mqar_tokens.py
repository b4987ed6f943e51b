"""Multi-query associative recall by a sequence model that is trained around the memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from bench.registry import task
from memories.base import InvalidParameter
from tasks.base import Metric, Outcome, Randomness, Split, Task, Workbench
from tasks.mqar.generator import Fillers, SequenceFormat, Sequences, Variant
from tasks.mqar.model import Gate, RecallModel
from tasks.mqar.show import sequence
from tasks.mqar.training import Training
from tasks.samples.sample import Sample

FINAL_STEPS = 50
"""Last steps whose mean is the final training loss."""
SELECTION_SEQUENCES = 512
"""Validation sequences on which a learning rate is chosen."""
SCORED_AT_ONCE = 64
"""Sequences that are scored together."""
UNDERTRAINED = 0.5
"""Share of the loss of guessing among all values above which a model has not learned the task."""


@dataclass(frozen=True)
class _Scores:
    """What the lanes made of some sequences: loss and hits [L, B, n], and whether all is finite."""

    loss: Tensor
    hits: Tensor
    finite: Tensor


@task("mqar-tokens", family="associative", source="Arora, Eyuboglu et al. 2023")
class MqarTokens(Task):
    """Train a one-block sequence model around the memory to recall values of keys in its input.

    A sequence of `length` tokens begins with `pairs` key-value pairs; then every key is asked for
    once and the model names its value. The memory is the model's only way to look back further
    than four tokens: it writes a key and a value and reads at every token, through its `scan`.
    Model and slow weights of the memory are trained together, on fresh sequences at each step,
    one model per seed (AdamW, decay 0.1, gradients clipped at 1, cosine of the rate to zero).

    `accuracy` is the share of queries whose largest logit over the whole vocabulary is the answer;
    guessing among all values gives 1 over their number, guessing among the values of the sequence,
    which takes a memory but no association, 1/`pairs`. `accuracy_by_gap` is the same by the tokens
    between a value and its query, in bins from one power of two to the next. A row is marked
    `undertrained` while its final training loss exceeds half of that of guessing among all values:
    its accuracy then says how fast it learns, not how much it stores.

    Args:
        vocabulary: Tokens, half of them keys and half values; more than `length`.
        length: Tokens of a sequence, even.
        pairs: Key-value pairs, and queries.
        width: Width of the model, of keys and of values.
        steps: Training steps.
        batch: Sequences of a step.
        learning_rate: Rate at the first step; of a list, each seed keeps the one whose model has
            the smallest loss on validation sequences.
        gates: Gates that the model computes for memories that take them.
        variant: ``standard``; ``forgetting``: some keys get a new value, which is the answer;
            ``compositional``: a key is a pair of tokens, neither of which determines the value.
        rewrites: Keys that get a new value, 4 if null, with ``forgetting``.
        passes: How often the pairs are written, each time in another order.
        power: Exponent a of the weight (g+1)^(a-1) with which slot g behind the context holds a
            query; 1 is uniform. It is measured from the end of the context, not from a key's pair.
        fillers: Unused positions are ``blank`` or hold ``random`` tokens.
        legacy_order: Ask for keys written first sooner than for others, as published.
        legacy_fillers: Let random fillers repeat keys of their sequence, as published.
        eval_sequences: Test sequences per seed.

    Raises:
        InvalidParameter: If such sequences cannot be made, or a learning rate is given twice.
    """

    def __init__(
        self,
        *,
        vocabulary: Annotated[int, Ge(4)] = 512,
        length: Annotated[int, Ge(4)] = 64,
        pairs: Annotated[int, Ge(1)] = 8,
        width: Annotated[int, Ge(2)] = 32,
        steps: Annotated[int, Ge(1)] = 1500,
        batch: Annotated[int, Ge(1)] = 64,
        learning_rate: Annotated[float, Gt(0)] | list[Annotated[float, Gt(0)]] = 3e-3,
        gates: tuple[Gate, ...] = ("write", "keep"),
        variant: Variant = "standard",
        rewrites: Annotated[int, Ge(1)] | None = None,
        passes: Annotated[int, Ge(1)] = 1,
        power: Annotated[float, Gt(0)] = 0.01,
        fillers: Fillers = "blank",
        legacy_order: bool = False,
        legacy_fillers: bool = False,
        eval_sequences: Annotated[int, Ge(1)] = 1024,
    ) -> None:
        self.format = SequenceFormat(
            vocabulary, length, pairs, variant, rewrites, passes,
            power, fillers, legacy_order, legacy_fillers,
        )  # fmt: skip
        self.rates = learning_rate if isinstance(learning_rate, list) else [learning_rate]
        if len(set(self.rates)) < max(1, len(self.rates)):
            message = f"must be distinct rates, at least one, got {self.rates}"
            raise InvalidParameter("learning_rate", message)
        self.width = width
        self.steps = steps
        self.batch = batch
        self.gates = gates
        self.eval_sequences = eval_sequences

    @property
    def guessing_loss(self) -> float:
        """Cross-entropy of guessing among all values, in nats."""
        return math.log(self.format.n_values)

    def requires(self) -> frozenset[str]:
        """A scan that does not go event by event, and that can be stacked over sequences."""
        return frozenset({"chunked_scan", "vectorized"})

    def dictates(self) -> dict[str, int]:
        """Keys and values of the model's width; a memory's events are a sequence's tokens."""
        return {
            "key_dim": self.width,
            "value_dim": self.width,
            "context_dim": 0,
            "max_events": self.format.length,
        }

    def samples(self, n: int, seed: int, source: Randomness) -> list[Sample]:
        """The first of the test sequences."""
        drawn = self.format.draw(self.eval_sequences, source.torch_rng(seed, "test", "scored"))
        return [sequence(self.format, drawn, row) for row in range(min(n, self.eval_sequences))]

    def run(self, bench: Workbench) -> list[Outcome]:
        """One outcome per seed: its model trained, its learning rate chosen, then the test."""
        training = Training(
            [model for model in self._models(bench) for _ in self.rates],
            self.rates * len(bench.seeds),
            self.steps,
        )
        kept, position = bench.resume() or ({}, 0)
        if position:
            training.restore(kept, position)
        for step in range(training.taken, self.steps):
            training.step(self._sequences(bench, "test", self.batch, "training", step))
            bench.checkpoint(step + 1, training.tensors)
            bench.progress(step + 1, self.steps)
        selection = self._selection(bench, training)
        chosen = selection.argmin(1) + torch.arange(len(bench.seeds)) * len(self.rates)
        asked = self._sequences(bench, "test", self.eval_sequences, "scored")
        scores = _score(training, asked)
        return [
            self._outcome(training, selection[seed], scores, asked.gaps, int(lane))
            for seed, lane in enumerate(chosen)
        ]

    def _models(self, bench: Workbench) -> list[RecallModel]:
        """A fresh model per seed around the seed's memory."""
        lanes = bench.lanes([self.dictates()] * len(bench.seeds))
        models = []
        for seed, memory in zip(bench.seeds, lanes.memories, strict=True):
            # not the initialisation stream itself: the memory has drawn from its beginning
            generator = bench.torch_rng(seed, "test", "model")
            model = RecallModel(
                memory, self.format.vocabulary, self.width, gates=self.gates, generator=generator
            )
            models.append(model.to(bench.device))
        return models

    def _sequences(self, bench: Workbench, split: Split, count: int, *key: int | str) -> Sequences:
        """Sequences [L, count, ...]: each seed its own, the same at all its learning rates."""
        drawn = [
            self.format.draw(count, bench.torch_rng(seed, split, *key)) for seed in bench.seeds
        ]

        def stacked(parts: list[Tensor]) -> Tensor:
            return torch.stack(parts).repeat_interleave(len(self.rates), 0).to(bench.device)

        return Sequences(
            stacked([d.tokens for d in drawn]),
            stacked([d.at for d in drawn]),
            stacked([d.answers for d in drawn]),
            stacked([d.gaps for d in drawn]),
        )

    def _selection(self, bench: Workbench, training: Training) -> Tensor:
        """Validation loss [S, R] of every learning rate; infinite where it is not finite."""
        shape = (len(bench.seeds), len(self.rates))
        if len(self.rates) == 1:
            return torch.zeros(shape)
        asked = self._sequences(bench, "validation", SELECTION_SEQUENCES, "selection")
        loss = _score(training, asked).loss.double().mean((1, 2))
        return torch.where(loss.isfinite(), loss, torch.inf).reshape(shape).cpu()

    def _outcome(
        self, training: Training, selection: Tensor, scores: _Scores, gaps: Tensor, lane: int
    ) -> Outcome:
        losses = training.losses[lane].cpu()
        if not bool(losses.isfinite().all()):
            step = int((~losses.isfinite()).int().argmax()) + 1
            return Outcome("nonfinite", f"the training loss was not finite at step {step}")
        if not bool(scores.finite[lane]):
            return Outcome("nonfinite", "a logit of the trained model was not finite")
        final = float(losses[-FINAL_STEPS:].double().mean())
        hits = scores.hits[lane].cpu()
        undertrained = final > UNDERTRAINED * self.guessing_loss
        notes, warnings = self._notes(training, selection, lane % len(self.rates))
        if undertrained:
            warnings.append(
                f"it is undertrained: its final training loss {final:.2f} exceeds "
                f"{UNDERTRAINED * self.guessing_loss:.2f}, half of that of guessing, so its "
                "accuracy does not show how much it can store"
            )
        metrics = [self._accuracy(hits, primary=True), *self._by_gap(hits, gaps[lane].cpu())]
        return Outcome(
            metrics=[*metrics, self._final_loss(final)],
            n_eval=hits.numel(),
            notes=notes | ({"warnings": warnings} if warnings else {}),
            series={"train_loss": losses.numpy()},
            marks=("undertrained",) if undertrained else (),
        )

    def _final_loss(self, value: float) -> Metric:
        return Metric(
            "train_loss_final",
            value,
            "lower",
            unit="nats",
            bounds=(0.0, None),
            chance=self.guessing_loss,
            ceiling=0.0,
        )

    def _accuracy(self, hits: Tensor, x: float | None = None, *, primary: bool = False) -> Metric:
        return Metric(
            "accuracy" if x is None else "accuracy_by_gap",
            float(hits.double().mean()),
            "higher",
            primary=primary,
            x=x,
            bounds=(0.0, 1.0),
            resolution=1 / hits.numel(),
            chance=1 / self.format.n_values,
            ceiling=1.0,
        )

    def _by_gap(self, hits: Tensor, gaps: Tensor) -> list[Metric]:
        """Accuracy of the gaps in [x, 2x) for x = 1, 2, 4, ..., where there are any."""
        points = []
        for exponent in range(self.format.length.bit_length()):
            within = (gaps >= 2**exponent) & (gaps < 2 ** (exponent + 1))
            if bool(within.any()):
                points.append(self._accuracy(hits[within], x=float(2**exponent)))
        return points

    def _notes(
        self, training: Training, selection: Tensor, choice: int
    ) -> tuple[dict[str, Any], list[str]]:
        """How the model was trained, which of several rates was chosen and why; warnings."""
        chosen = self.rates[choice]
        notes: dict[str, Any] = {
            "training": {
                "learning_rate": chosen,
                "steps": self.steps,
                "weights": training.weights.shape[1],
            }
        }
        if len(self.rates) == 1:
            return notes, []
        at_edge = chosen in (min(self.rates), max(self.rates))
        notes["tuned"] = {
            "choice": {"learning_rate": chosen},
            "candidates": [{"learning_rate": rate} for rate in self.rates],
            "validation_loss": [v if math.isfinite(v) else None for v in selection.tolist()],
            "at_edge": ["learning_rate"] if at_edge else [],
        }
        edge = f"the choice learning_rate = {chosen:g} lies at the edge of its grid"
        return notes, [edge] if at_edge else []


def _score(training: Training, asked: Sequences) -> _Scores:
    """What every lane answers, and at what loss."""
    losses, hits, finite = [], [], []
    # logits over a whole vocabulary: a few sequences at a time
    for start in range(0, asked.tokens.shape[1], SCORED_AT_ONCE):
        rows = slice(start, start + SCORED_AT_ONCE)
        answers = asked.answers[:, rows]
        logits = training.logits(asked.tokens[:, rows], asked.at[:, rows])
        hits.append(logits.argmax(-1) == answers)
        losses.append(-logits.log_softmax(-1).gather(-1, answers[..., None]).squeeze(-1))
        finite.append(logits.isfinite().flatten(1).all(1))
    return _Scores(torch.cat(losses, 1), torch.cat(hits, 1), torch.stack(finite).all(0))
