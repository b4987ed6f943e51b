"""A series by name: read or generated, cut into parts, and identified by a digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.data.ar_switch import ArSwitch
from tasks.data.catalog import Dataset, find
from tasks.data.csv_series import CsvOptions, Table, read_table
from tasks.data.drift import Drift, DriftingStream
from tasks.data.errors import DataProblem
from tasks.data.files import digest_of, require_file, verify_entry
from tasks.data.options import parse_options
from tasks.data.scaling import Scaler
from tasks.data.schedules import Schedule
from tasks.data.splits import Protocol, Split, SplitRule, require_origins, split_rows
from tasks.data.statsmodels_series import SERIES, Shipped
from tasks.data.synth_drift import SynthDrift
from tasks.data.timestamps import Times

Array = NDArray[np.float64]

_STREAMS: dict[str, type[DriftingStream]] = {"synth-drift": SynthDrift, "ar-switch": ArSwitch}

UNVERIFIED = "unverified data"
"""How the note begins that marks results from a file other than the published one."""


@dataclass(frozen=True, eq=False)
class Series:
    """A multivariate series, ready to be streamed.

    Attributes:
        name: The dataset string it was loaded by.
        values: [T, C], float64, finite, read-only, in the units of the data.
        columns: C names.
        times: Dates [T], or None.
        period: Rows in one season; 1 where there is none.
        split: Training, validation and test rows.
        rule: The rule the split comes from.
        protocol: ``online`` or ``offline``.
        lookback: Default window of this dataset.
        horizon: Default horizon.
        digest: Identifies the data; of a generated series, its configuration without the seed.
        verified: False if the file is not the published one but was accepted as it is.
        notes: What a reader of results should know, one line each.
        drift: The truth behind a generated series, never given to a forecaster; else None.
    """

    name: str
    values: Array
    columns: tuple[str, ...]
    times: Times | None
    period: int
    split: Split
    rule: SplitRule
    protocol: Protocol
    lookback: int
    horizon: int
    digest: str
    verified: bool = True
    notes: tuple[str, ...] = ()
    drift: Drift | None = None

    def scaler(self) -> Scaler:
        """The scaler of the training rows."""
        return Scaler.fit(self.values, self.split.a)

    def require_origins(self, lookback: int, horizon: int) -> None:
        """Nothing, if each part has an origin for this lookback and horizon.

        Raises:
            DataProblem: If not; says what is short and what would do.
        """
        require_origins(
            self.split,
            lookback,
            horizon,
            rule=self.rule,
            protocol=self.protocol,
            place=self.name,
        )


def load(
    dataset: str,
    *,
    seed_rng: np.random.Generator | None = None,
    data_dir: Path | None = None,
    protocol: Protocol = "online",
    **options: Any,
) -> Series:
    """The series of that name, or of the csv at that path.

    Args:
        dataset: Name in the catalogue, or path of a csv.
        seed_rng: Source of randomness; needed by generated series, ignored by all others.
        data_dir: Folder to look in before MEMB_DATA_DIR and the user's cache.
        protocol: Which split: ``online`` or ``offline``.
        **options: What the dataset takes: `CsvOptions`, `MacroOptions`, `SynthDrift`, `ArSwitch`.

    Raises:
        DataProblem: If the dataset is unknown, its file missing, different or faulty, or an
            option unknown or wrong.
    """
    entry = find(dataset)
    if protocol not in ("online", "offline"):
        raise DataProblem(f"protocol must be 'online' or 'offline', got '{protocol}'", dataset)
    if entry.kind == "csv":
        return _load_csv(entry, data_dir, protocol, parse_options(CsvOptions, options, dataset))
    if entry.kind == "statsmodels":
        return _assemble(entry, protocol, **_shipped_parts(entry, options))
    return _load_generated(entry, seed_rng, protocol, options)


def digest(dataset: str, *, data_dir: Path | None = None, **options: Any) -> str:
    """What `load` would put into `Series.digest`, without reading a table or generating rows.

    Of a csv the sha256 of its bytes; of a series from statsmodels that of the values used; of a
    generated one that of its configuration, seeds apart.

    Raises:
        DataProblem: As `load` for an unknown name, a missing file or a wrong option.
    """
    entry = find(dataset)
    if entry.kind == "csv":
        parse_options(CsvOptions, options, dataset)
        return digest_of(require_file(entry, data_dir))
    if entry.kind == "statsmodels":
        return str(_shipped_parts(entry, options)["digest"])
    return _stream_digest(dataset, parse_options(_STREAMS[entry.name], options, dataset))


def _load_csv(
    entry: Dataset, data_dir: Path | None, protocol: Protocol, options: CsvOptions
) -> Series:
    path = require_file(entry, data_dir)
    remarks = _remarks(entry, data_dir, options)
    table = read_table(path, options)
    remarks += _shape_remarks(entry, table, path, options)
    return _assemble(
        entry,
        protocol,
        values=table.values,
        columns=table.columns,
        times=table.times,
        period=options.period or entry.period or table.period,
        digest=digest_of(path),
        verified=not remarks,
        notes=(*remarks, *table.notes),
    )


def _remarks(entry: Dataset, data_dir: Path | None, options: CsvOptions) -> tuple[str, ...]:
    """A note if the file is accepted though it differs from the published one."""
    result = verify_entry(entry, data_dir)
    if result.status != "mismatch":
        return ()
    if not options.allow_unverified:
        raise DataProblem(
            result.finding,
            str(result.path),
            f"replace it (move it away, then 'memb data get {entry.name}'), or accept it with "
            "option allow_unverified=true, which marks every result",
        )
    return (f"{UNVERIFIED}: {result.finding}",)


def _shape_remarks(
    entry: Dataset, table: Table, path: Path, options: CsvOptions
) -> tuple[str, ...]:
    """A note if a file without checksum is accepted though its size is not the original's."""
    if entry.rows is None or table.values.shape == (entry.rows, entry.channels):
        return ()
    rows, channels = table.values.shape
    finding = (
        f"'{entry.name}' is {entry.rows} rows x {entry.channels} channels, "
        f"this file {rows} rows x {channels} channels"
    )
    if not options.allow_unverified:
        raise DataProblem(
            finding,
            str(path),
            "use the original, give your file by its path instead of the name, or accept it with "
            "option allow_unverified=true, which marks every result",
        )
    return (f"{UNVERIFIED}: {finding}",)


def _shipped_parts(entry: Dataset, options: dict[str, Any]) -> dict[str, Any]:
    option_class, read = SERIES[entry.name]
    shipped: Shipped = read(parse_options(option_class, options, entry.name))
    data = np.ascontiguousarray(shipped.values, dtype="<f8")
    shape = json.dumps([*data.shape]).encode()
    return {
        "values": shipped.values,
        "columns": shipped.columns,
        "times": shipped.times,
        "period": entry.period,
        "digest": hashlib.sha256(shape + data.tobytes()).hexdigest(),
        "notes": shipped.notes,
    }


def _load_generated(
    entry: Dataset,
    seed_rng: np.random.Generator | None,
    protocol: Protocol,
    options: dict[str, Any],
) -> Series:
    stream = parse_options(_STREAMS[entry.name], options, entry.name)
    if seed_rng is None:
        raise ValueError(f"'{entry.name}' is generated: pass seed_rng, a numpy.random.Generator")
    schedule = stream.plan()
    split = split_rows(len(schedule.regime), entry.split, protocol, entry.name)
    stream.check(split)
    values, drift = stream.generate(seed_rng)
    return _assemble(
        entry,
        protocol,
        values=values,
        columns=tuple(f"x{c}" for c in range(values.shape[1])),
        times=None,
        period=entry.period,
        digest=_stream_digest(entry.name, stream),
        notes=_early_change(schedule, split),
        drift=drift,
    )


def _early_change(schedule: Schedule, split: Split) -> tuple[str, ...]:
    """A note if a forecaster meets the first mixture of regimes while it is being validated."""
    mixed = np.flatnonzero(schedule.mixed)
    if len(mixed) and split.a <= mixed[0] < split.b:
        return (f"the first change sets in at row {mixed[0]}, inside the validation rows",)
    return ()


def _stream_digest(name: str, stream: DriftingStream) -> str:
    text = json.dumps({"dataset": name, **stream.resolved()}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _assemble(entry: Dataset, protocol: Protocol, *, values: Array, **parts: Any) -> Series:
    values.flags.writeable = False
    return Series(
        name=entry.name,
        values=values,
        split=split_rows(len(values), entry.split, protocol, entry.name),
        rule=entry.split,
        protocol=protocol,
        lookback=entry.lookback,
        horizon=entry.horizon,
        **parts,
    )
