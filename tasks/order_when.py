"""When an event was, which of two came first, and what came next."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from annotated_types import Ge
from scipy.stats import kendalltau
from torch import Tensor
from typing_extensions import override

from bench.registry import task
from memories.base import InvalidParameter
from tasks.association.episode_lanes import EpisodeLanes, mean
from tasks.association.keys import unit_keys
from tasks.association.recall import code_sequence, cosines, hits
from tasks.association.recall_metrics import accuracy, cosine
from tasks.association.task import AssociativeTask
from tasks.association.time_code import WIDTH, decode_times, time_codes
from tasks.base import Metric, Outcome, Workbench


@task("order-when", family="associative", source="Friedman 1993; Huet et al. 2025")
class OrderWhen(AssociativeTask):
    """Recall of the time of events: each value carries a code of when its event was.

    A value is a content code of width V - 16 beside a Fourier code of the time 0 to N-1, both of
    length one; reading a key gives both back. `when_acc` is the share of times decoded exactly
    (chance 1/N), `when_error` the mean distance over N, `order` the share of pairs of events whose
    decoded times are in the right order, ties counting one half, `kendall_tau` their rank
    correlation, 0 where all decoded times are the same.

    `acc_at_time` reads with a zero key at the time of each event, if the memory uses times;
    `acc_next` reads what followed each event but the last, if the memory recalls order. Both
    decode the content over the pool.

    Args:
        dim: Width of keys and values where `key_dim` or `value_dim` is not given.
        items: Events N.
        presentation: ``sequential`` writes them in the order of their times, ``permuted`` in random
            order; the events are the same.
        pool: Number of content codes; chance is 1/pool.
        episodes: Independent lists per seed.
        key_dim: Width of keys.
        value_dim: Width of values, 16 of them for the time.

    Raises:
        InvalidParameter: If values are too narrow for a content beside the time, or there are more
            events than codes.
    """

    def __init__(
        self,
        *,
        dim: Annotated[int, Ge(2)] = 64,
        items: Annotated[int, Ge(2)] = 20,
        presentation: Literal["sequential", "permuted"] = "sequential",
        pool: Annotated[int, Ge(2)] = 1024,
        episodes: Annotated[int, Ge(1)] = 20,
        key_dim: Annotated[int, Ge(2)] | None = None,
        value_dim: Annotated[int, Ge(2)] | None = None,
    ) -> None:
        self.items = items
        self.presentation = presentation
        self.pool = pool
        self.episodes = episodes
        self.key_dim = key_dim or dim
        self.value_dim = value_dim or dim
        if self.value_dim < WIDTH + 2:
            raise InvalidParameter(
                "value_dim" if value_dim else "dim",
                f"must be at least {WIDTH + 2}, {WIDTH} of them for the time, got {self.value_dim}",
            )
        if items > pool:
            raise InvalidParameter("items", f"{items} events need {items} codes", "raise pool")

    @override
    def dictates(self) -> dict[str, int]:
        """Sizes of keys and values, and the number of events."""
        return self.sizes(self.items)

    @override
    def run(self, bench: Workbench) -> list[Outcome]:
        """One outcome per seed, averaged over its episodes."""
        episodes = EpisodeLanes(bench, self.dictates(), self.episodes)
        keys, contents, book, codes, times = episodes.draw(self._events)
        phi = time_codes(self.items).to(bench.device)
        values = torch.cat([contents, phi[times]], dim=-1)
        state = episodes.lanes.write(episodes.fresh, keys, values)
        bench.progress(1, 3)
        reads = episodes.read("when", state, keys)
        decoded, nearest = decode_times(reads[..., -WIDTH:], phi)
        hit = nearest.gather(-1, times[..., None])[..., 0] / nearest.sum(-1)
        # a read that ties between times is as far off as their mean distance
        distance = (torch.arange(self.items, device=times.device) - times[..., None]).abs()
        away = (nearest * distance).sum(-1) / nearest.sum(-1)
        scores = {
            "when_acc": hit,
            "when_error": away / self.items,
            "order": _in_order(decoded, times),
            "kendall_tau": _kendall(decoded, times),
            "acc_code": self._hits(reads, book, codes),
            "cosine": cosines(reads[..., :-WIDTH], book, codes),
        }
        bench.progress(2, 3)
        scores |= self._cued(episodes, keys, values, times, book, codes)
        if episodes.lanes.memory.recalls_order:
            followed = episodes.lanes.call("successor", state, keys[:, :-1])
            followed = episodes.checked("next", followed)
            scores["acc_next"] = self._hits(followed, book, codes[:, 1:])
        bench.progress(3, 3)
        return episodes.outcomes(lambda rows: self._outcome(scores, rows))

    def _cued(
        self,
        episodes: EpisodeLanes,
        keys: Tensor,
        values: Tensor,
        times: Tensor,
        book: Tensor,
        codes: Tensor,
    ) -> dict[str, Tensor]:
        """Recall by time alone, from events that were written with their times."""
        if not episodes.lanes.memory.uses_time:
            return {}
        at = times.to(keys.dtype)
        state = episodes.lanes.write(episodes.fresh, keys, values, at)
        reads = episodes.read("at_time", state, torch.zeros_like(keys), at)
        return {"acc_at_time": self._hits(reads, book, codes)}

    def _hits(self, reads: Tensor, book: Tensor, codes: Tensor) -> Tensor:
        return hits(reads[..., :-WIDTH], book, codes)

    def _events(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Keys, contents, codebook, codes and times, in the order of writing."""
        keys = unit_keys(generator, self.items, self.key_dim)
        book = unit_keys(generator, self.pool, self.value_dim - WIDTH)
        codes = code_sequence(generator, self.items, self.pool)
        order = torch.arange(self.items)
        if self.presentation == "permuted":
            order = torch.randperm(self.items, generator=generator)
        return keys[order], book[codes[order]], book, codes[order], order

    def _outcome(self, scores: dict[str, Tensor], rows: slice) -> Outcome:
        n, means = self.items, {name: mean(values, rows) for name, values in scores.items()}
        metrics = [
            accuracy("when_acc", means["when_acc"], 1 / n, primary=True, answers=n * self.episodes),
            Metric(
                "when_error", means["when_error"], "lower",
                bounds=(0.0, (n - 1) / n), chance=(n * n - 1) / (3 * n * n), ceiling=0.0,
            ),
            accuracy(
                "order", means["order"], 0.5, primary=True, answers=n * (n - 1) * self.episodes
            ),
            Metric(
                "kendall_tau", means["kendall_tau"], "higher",
                bounds=(-1.0, 1.0), chance=0.0, ceiling=1.0,
            ),
            accuracy("acc_code", means["acc_code"], 1 / self.pool),
            cosine("cosine", means["cosine"]),
        ]  # fmt: skip
        metrics += [
            accuracy(name, means[name], 1 / self.pool)
            for name in ("acc_at_time", "acc_next")
            if name in means
        ]
        asked = n + (n if "acc_at_time" in means else 0) + (n - 1 if "acc_next" in means else 0)
        return Outcome(metrics=metrics, n_eval=asked * self.episodes)


def _in_order(decoded: Tensor, times: Tensor) -> Tensor:
    """Share of pairs [S] whose decoded times are in the order of their times; a tie is half."""
    n = times.shape[1]
    first, second = torch.triu_indices(n, n, offset=1, device=times.device)
    asked = (times[:, second] - times[:, first]).sign()
    said = (decoded[:, second] - decoded[:, first]).sign()
    return (0.5 * (1 + asked * said)).mean(-1)


def _kendall(decoded: Tensor, times: Tensor) -> Tensor:
    """Kendall's tau-b [S] between decoded and true times; 0 where nothing is told apart."""
    pairs = zip(times.cpu().numpy(), decoded.cpu().numpy(), strict=True)
    taus = [float(kendalltau(true, said).statistic) for true, said in pairs]
    return torch.tensor(taus, dtype=torch.float64).nan_to_num(0.0)
