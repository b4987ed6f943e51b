"""Records with what tables need of them: of a hundred thousand, all fit in a few hundred MB.

The trials of a cell measure the same metrics: what is said of these is kept once, and beside it
of each trial only the values.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeVar, overload

from bench.store import Record

About = Mapping[str, Any]
"""What a record says of a metric beside its value."""

KEPT = (
    "kind", "trial_key", "cell_key", "protocol_hash", "label", "task_label", "seed", "status",
    "message", "n_eval", "series", "call_id",
)  # fmt: skip
_NOTHING: Mapping[str, Any] = {}


class Measured(Sequence[Mapping[str, Any]]):
    """The metrics of a record, as the record lists them.

    Attributes:
        abouts: What is said of each metric; one list for all trials that say the same.
        values: Their values, in the same order; None where a value is not finite.
    """

    __slots__ = ("abouts", "values")

    def __init__(self, abouts: list[About], values: tuple[float | None, ...]) -> None:
        self.abouts = abouts
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, index: int) -> Mapping[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> Measured: ...

    def __getitem__(self, index: int | slice) -> Mapping[str, Any] | Measured:
        if isinstance(index, slice):
            return Measured(self.abouts[index], self.values[index])
        return {**self.abouts[index], "value": self.values[index]}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Measured):
            return NotImplemented
        return self.values == other.values and self.abouts == other.abouts


def condensed(records: Iterable[Record]) -> Iterator[Record]:
    """The records without parameters, tracebacks and times, their ``metrics`` as `Measured`.

    Of ``notes`` the warnings are kept. The records that are given are used up.
    """
    kept = itemgetter(*KEPT)
    abouts: dict[tuple[str, str], list[About]] = {}
    sizes: dict[tuple[str, str], Mapping[str, Any]] = {}
    for record in records:
        values = tuple([metric.pop("value", None) for metric in record["metrics"]])
        place = record["cell_key"], record["kind"]
        warnings = record["notes"].get("warnings")
        brief = dict(zip(KEPT, kept(record), strict=True))
        brief["notes"] = {"warnings": warnings} if warnings else _NOTHING
        brief["marks"] = record.get("marks") or ()
        brief["costs"] = _latest(sizes, place, record["costs"])
        brief["metrics"] = Measured(_latest(abouts, place, record["metrics"]), values)
        yield brief


_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


def _latest(known: dict[_Key, _Value], key: _Key, value: _Value) -> _Value:
    """The value last kept under the key if this one equals it, so that only one is kept."""
    found = known.get(key)
    if found is not None and found == value:
        return found
    known[key] = value
    return value
