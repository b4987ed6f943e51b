"""The datasets there are: what each holds, where it comes from, how it is cut and checked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from tasks.data.errors import DataProblem, did_you_mean
from tasks.data.splits import SplitRule

Kind = Literal["csv", "statsmodels", "synthetic"]


@dataclass(frozen=True)
class Checksum:
    """What identifies the published bytes of a file.

    Attributes:
        algorithm: ``sha256``, or ``git-blob``: git's sha1 of the bytes behind a header.
        digest: Hexadecimal.
    """

    algorithm: Literal["sha256", "git-blob"]
    digest: str


@dataclass(frozen=True)
class Dataset:
    """One entry of the catalogue.

    Attributes:
        name: What a user types.
        description: One line.
        kind: Read from a csv, shipped inside statsmodels, or generated.
        licence: Under which the data may be used.
        origin: Page the data come from.
        rows: Rows of the original; the default number where it is generated; None for a user's.
        channels: As `rows`.
        step: Time between rows, in words.
        period: Rows in one season, 1 where there is none; None: inferred from the dates.
        lookback: Default window.
        horizon: Default horizon.
        split: Rule of the borders between training, validation and test.
        file: Name of the csv, or the path a user gave; empty where there is none.
        checksum: Of the published file; None where none is known.
        url: Where ``memb data get`` finds the file; None where a user must fetch it.
        obtain: For a file that a user must fetch: which one, and where it is distributed.
        seeded: Whether a seed changes the values.
    """

    name: str
    description: str
    kind: Kind
    licence: str
    origin: str
    rows: int | None
    channels: int | None
    step: str
    period: int | None
    lookback: int
    horizon: int
    split: SplitRule
    file: str = ""
    checksum: Checksum | None = None
    url: str | None = None
    obtain: str = ""
    seeded: bool = False


_ETT_PAGE = "https://github.com/zhouhaoyi/ETDataset"
_ETT_FILES = (
    "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/"
    "1d16c8f4f943005d613b5bc962e9eeb06058cf07/ETT-small"
)
_AUTOFORMER = (
    "the benchmark csv distributed with Autoformer (Wu et al. 2021), "
    "https://github.com/thuml/Autoformer"
)


def _ett(file: str, *, hourly: bool, checksum: Checksum) -> Dataset:
    station = file[-1]
    return Dataset(
        name=file.lower(),
        description=f"load and oil temperature of power transformer {station} (Zhou et al. 2021)",
        kind="csv",
        licence="CC BY-ND 4.0",
        origin=_ETT_PAGE,
        rows=17_420 if hourly else 69_680,
        channels=7,
        step="1 hour" if hourly else "15 minutes",
        period=24 if hourly else 96,
        lookback=96,
        horizon=24,
        split="ett-hourly" if hourly else "ett-15-min",
        file=f"{file}.csv",
        checksum=checksum,
        url=f"{_ETT_FILES}/{file}.csv",
    )


def _supplied(
    name: str,
    description: str,
    *,
    file: str,
    shape: tuple[int, int],
    step: str,
    period: int,
    origin: str,
    licence: str = "not stated",
    window: tuple[int, int] = (96, 24),
) -> Dataset:
    return Dataset(
        name=name,
        description=description,
        kind="csv",
        licence=licence,
        origin=origin,
        rows=shape[0],
        channels=shape[1],
        step=step,
        period=period,
        lookback=window[0],
        horizon=window[1],
        split="long",
        file=file,
        obtain=_AUTOFORMER,
    )


def _shipped(
    name: str,
    description: str,
    *,
    module: str,
    shape: tuple[int, int],
    step: str,
    period: int,
    window: tuple[int, int],
) -> Dataset:
    return Dataset(
        name=name,
        description=description,
        kind="statsmodels",
        licence="public domain",
        origin=f"https://www.statsmodels.org/stable/datasets/generated/{module}.html",
        rows=shape[0],
        channels=shape[1],
        step=step,
        period=period,
        lookback=window[0],
        horizon=window[1],
        split="short",
    )


def _generated(
    name: str,
    description: str,
    *,
    shape: tuple[int, int],
    period: int,
    window: tuple[int, int],
) -> Dataset:
    return Dataset(
        name=name,
        description=description,
        kind="synthetic",
        licence="none needed",
        origin="generated from the seed",
        rows=shape[0],
        channels=shape[1],
        step="1 row",
        period=period,
        lookback=window[0],
        horizon=window[1],
        split="synthetic",
        seeded=True,
    )


_FILES = (
    # sha256 of the bytes published at the commit in _ETT_FILES, LF line ends.
    _ett(
        "ETTh1",
        hourly=True,
        checksum=Checksum(
            "sha256", "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066"
        ),
    ),
    _ett(
        "ETTh2",
        hourly=True,
        checksum=Checksum(
            "sha256", "a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b"
        ),
    ),
    _ett(
        "ETTm1",
        hourly=False,
        checksum=Checksum("git-blob", "62c9f979e2dc5b05d9cc5b38891e60e6baf77417"),
    ),
    _ett(
        "ETTm2",
        hourly=False,
        checksum=Checksum("git-blob", "f9d46027c987d442d2d8f81308d1d8c4d1d35db8"),
    ),
    _supplied(
        "weather",
        "21 weather variables of the Jena station, 2020",
        file="weather.csv",
        shape=(52_696, 21),
        step="10 minutes",
        period=144,
        origin="https://www.bgc-jena.mpg.de/wetter/",
    ),
    _supplied(
        "ecl",
        "electricity used by 321 clients (Lai et al. 2018)",
        file="electricity.csv",
        shape=(26_304, 321),
        step="1 hour",
        period=24,
        origin="https://archive.ics.uci.edu/dataset/321/electricityloaddiagrams20112014",
        licence="CC BY 4.0 (source)",
    ),
    _supplied(
        "traffic",
        "road occupancy at 862 sensors in California (Lai et al. 2018)",
        file="traffic.csv",
        shape=(17_544, 862),
        step="1 hour",
        period=24,
        origin="https://pems.dot.ca.gov",
    ),
    _supplied(
        "exchange",
        "exchange rates of 8 currencies (Lai et al. 2018)",
        file="exchange_rate.csv",
        shape=(7_588, 8),
        step="1 day",
        period=7,
        origin="https://github.com/laiguokun/multivariate-time-series-data",
    ),
    _supplied(
        "ili",
        "influenza-like illness in the United States",
        file="national_illness.csv",
        shape=(966, 7),
        step="1 week",
        period=52,
        origin="https://gis.cdc.gov/grasp/fluview/fluportaldashboard.html",
        licence="US government data",
        window=(36, 24),
    ),
)

_BUILT_IN = (
    _shipped(
        "sm-co2",
        "CO2 at Mauna Loa: trend and yearly season",
        module="co2",
        shape=(2_284, 1),
        step="1 week",
        period=52,
        window=(104, 13),
    ),
    _shipped(
        "sm-elnino",
        "sea surface temperature, El Nino region",
        module="elnino",
        shape=(732, 1),
        step="1 month",
        period=12,
        window=(36, 12),
    ),
    _shipped(
        "sm-sunspots",
        "yearly sunspot number: quasi-period of 11",
        module="sunspots",
        shape=(309, 1),
        step="1 year",
        period=11,
        window=(33, 11),
    ),
    _shipped(
        "sm-macro",
        "US macroeconomic indicators: strong trends",
        module="macrodata",
        shape=(203, 12),
        step="1 quarter",
        period=4,
        window=(16, 4),
    ),
    _shipped(
        "sm-nile",
        "flow of the Nile: one break in level near 1899",
        module="nile",
        shape=(100, 1),
        step="1 year",
        period=1,
        window=(10, 1),
    ),
    _generated(
        "synth-drift",
        "seasonal channels whose regime changes at known rows",
        shape=(14_400, 7),
        period=24,
        window=(96, 24),
    ),
    _generated(
        "ar-switch",
        "AR(1) whose coefficient cycles through .1, .4, .6",
        shape=(8_000, 1),
        period=1,
        window=(16, 1),
    ),
)

CATALOG: dict[str, Dataset] = {entry.name: entry for entry in (*_FILES, *_BUILT_IN)}
"""All datasets by name, files first."""


def is_path(dataset: str) -> bool:
    """Whether a dataset string is a user's csv rather than a name of the catalogue."""
    separators = {os.sep, os.altsep or os.sep, "/"}
    return dataset.lower().endswith(".csv") or any(sign in dataset for sign in separators)


def find(dataset: str) -> Dataset:
    """The entry of a name, or one made for the path of a csv.

    Raises:
        DataProblem: If there is no such name; names the nearest one.
    """
    if is_path(dataset):
        return Dataset(
            name=dataset,
            description="csv given by its path",
            kind="csv",
            licence="the user's own",
            origin="",
            rows=None,
            channels=None,
            step="",
            period=None,
            lookback=96,
            horizon=24,
            split="long",
            file=dataset,
        )
    if dataset not in CATALOG:
        hint = did_you_mean(dataset, CATALOG, like="-")
        all_names = "'memb data list' shows all; a path to a csv is a dataset too"
        raise DataProblem(f"unknown dataset '{dataset}'", help=f"{hint} {all_names}".strip())
    return CATALOG[dataset]
