from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from bench.frame import COLUMNS
from bench.records.long_table import OF_CELL, LongTable

ACC = [{"name": "acc", "primary": True, "bounds": [0.0, 1.0]}]
CURVE = [{"name": "curve", "x": 1.0}, {"name": "curve", "x": 2.0}]


def begin(table: LongTable, label: str, *, seeded: bool = True) -> None:
    texts = dict.fromkeys(OF_CELL, "text")
    table.cell(**(texts | {"label": label, "deterministic": False, "seeded": seeded}))


def trial(table: LongTable, key: str, seed: int | None, status: str = "ok") -> None:
    table.trial(seed, 25, status, "", key, "call", "run")


def made(*added: tuple[str, Sequence[Any], Sequence[float | None]]) -> pd.DataFrame:
    """A table of one cell with a trial per key."""
    table = LongTable()
    begin(table, "delta")
    for seed, (key, abouts, values) in enumerate(added):
        trial(table, key, seed)
        table.add(abouts, values)
    return table.frame(COLUMNS)


def test_every_value_is_a_row_with_what_its_trial_and_cell_are() -> None:
    table = LongTable()
    for label, seeded in (("a", True), ("b", False)):
        begin(table, label, seeded=seeded)
        trial(table, f"key-{label}", 3)
        table.add(ACC, [0.5])
        table.add(CURVE, [1.0, 2.0])
    frame = table.frame(COLUMNS)
    columns = ["label", "trial_key", "seeded", "metric", "x", "value"]
    assert frame[columns].fillna(-1.0).values.tolist() == [
        ["a", "key-a", True, "acc", -1.0, 0.5],
        ["a", "key-a", True, "curve", 1.0, 1.0],
        ["a", "key-a", True, "curve", 2.0, 2.0],
        ["b", "key-b", False, "acc", -1.0, 0.5],
        ["b", "key-b", False, "curve", 1.0, 1.0],
        ["b", "key-b", False, "curve", 2.0, 2.0],
    ]


def test_what_is_not_said_of_a_metric_has_its_default() -> None:
    (row,) = made(("k", [{}], [None])).to_dict("records")
    texts = ("metric", "unit", "direction", "kind", "primary", "resolution")
    assert [row[name] for name in texts] == ["", "", "higher", "quality", True, 0.0]
    numbers = ("bounds_lo", "bounds_hi", "chance", "ceiling", "x", "value")
    assert all(math.isnan(row[name]) for name in numbers)


def test_columns_have_their_types_whatever_their_values() -> None:
    whole = made(("k", [{"resolution": 1, "chance": 0, "bounds": [0, 1]}], [1]))
    types = whole.dtypes.astype(str)
    assert types["seed"] == "Int64"
    assert types["n_eval"] == "int64"
    floats = ["bounds_lo", "bounds_hi", "resolution", "chance", "ceiling", "x", "value"]
    assert set(types[floats]) == {"float64"}
    assert set(types[["primary", "deterministic", "seeded"]]) == {"bool"}
    table = LongTable()
    begin(table, "delta")
    trial(table, "k", None)
    table.add(ACC, [1.0])
    alone = table.frame(COLUMNS)
    assert alone["seed"].isna().all()
    assert alone.dtypes.astype(str)["seed"] == "Int64"


def test_of_one_number_added_twice_the_last_stands_in_the_place_of_the_first() -> None:
    again = {"name": "acc", "unit": "share"}
    frame = made(("k0", ACC, [0.25]), ("k1", ACC, [0.5]), ("k0", [again], [0.75]))
    assert frame[["trial_key", "value", "unit"]].values.tolist() == [
        ["k0", 0.75, "share"],
        ["k1", 0.5, ""],
    ]


def test_points_of_one_curve_are_numbers_of_their_own() -> None:
    frame = made(("k", [*ACC, *CURVE, {"name": "curve"}], [1.0, 2.0, 3.0, 4.0]))
    assert frame["value"].tolist() == [1.0, 2.0, 3.0, 4.0]
