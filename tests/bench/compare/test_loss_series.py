"""Where the losses of trials are, and which of them a comparison reads."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

import bench
from bench.compare import compare
from bench.errors import MembError
from tests.bench.forecast_runs import FROZEN, REFERENCE, ForecastRun, beside

CLEAR = beside(FROZEN, 0.05)


def two(folder: Path) -> ForecastRun:
    found = ForecastRun(folder).forecaster("frozen", REFERENCE)
    return found.forecaster("clear", CLEAR, failed={2: "timeout"})


def test_a_frame_names_file_and_checksum_of_each_trial_that_stored_series(tmp_path: Path) -> None:
    folder = two(tmp_path / "run").forecaster("bare", CLEAR, series=None).write()
    series = bench.load(folder).attrs["series"]
    labels = {"frozen": range(5), "clear": (0, 1, 3, 4)}
    assert set(series) == {f"etth1-{label}-{i}" for label, seeds in labels.items() for i in seeds}
    path, sha256 = series["etth1-clear-3"]
    assert hashlib.sha256(Path(path).read_bytes()).hexdigest() == sha256
    with np.load(path) as archive:
        assert archive["squared_error"].shape == (400,)


def test_runs_of_two_folders_keep_their_own_series(tmp_path: Path) -> None:
    one = ForecastRun(tmp_path / "one").forecaster("frozen", REFERENCE).write()
    other = ForecastRun(tmp_path / "other").forecaster("clear", CLEAR).write()
    (contrast,) = compare(bench.load(one, other)).sections[0].contrasts
    together = ForecastRun(tmp_path / "all").forecaster("frozen", REFERENCE)
    (expected,) = (
        compare(bench.load(together.forecaster("clear", CLEAR).write())).sections[0].contrasts
    )
    assert contrast.time == expected.time
    assert contrast.time is not None and contrast.time.p is not None


def test_a_comparison_on_seeds_reads_no_file(tmp_path: Path) -> None:
    folder = two(tmp_path / "run").write()
    for file in (folder / "series").iterdir():
        file.unlink()
    assert compare(bench.load(folder), claim="seed").sections[0].contrasts[0].time is None


def test_metrics_that_are_not_tested_read_no_file(tmp_path: Path) -> None:
    """Data of their own neither: the files of a seeded task may be gone."""
    folder = ForecastRun(tmp_path / "run").forecaster("frozen", REFERENCE, seeded=True)
    folder.forecaster("clear", CLEAR, seeded=True)
    path = folder.write()
    for file in (path / "series").iterdir():
        file.unlink()
    (contrast,) = compare(bench.load(path)).sections[0].contrasts
    assert contrast.verdict == "better"


def test_a_file_that_is_no_npz_is_named(tmp_path: Path) -> None:
    found = ForecastRun(tmp_path / "run").forecaster("frozen", REFERENCE)
    found.forecaster("clear", CLEAR)
    for record in found.records:
        content = b"not a zip file"
        (found.path / record["series"]["path"]).write_bytes(content)
        record["series"]["sha256"] = hashlib.sha256(content).hexdigest()
    with pytest.raises(MembError, match=r"the series of frozen on etth1, seed 0 are no npz file"):
        compare(bench.load(found.write()))


def damage(folder: Path, how: str) -> str:
    file = folder / "series" / "etth1-clear-3.npz"
    if how == "gone":
        file.unlink()
    else:
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    return str(file)


@pytest.mark.parametrize(
    ("how", "words"),
    [("gone", "cannot be read: No such file"), ("changed", "checksums differ")],
)
def test_a_missing_or_changed_file_of_losses_is_refused(
    tmp_path: Path, how: str, words: str
) -> None:
    found = ForecastRun(tmp_path / "run").forecaster("frozen", REFERENCE)
    folder = found.forecaster("clear", CLEAR).write()
    file = damage(folder, how)
    with pytest.raises(MembError) as caught:
        compare(bench.load(folder))
    text = str(caught.value)
    assert text.startswith("the series of clear on etth1, seed 3 ")
    assert words in text and file in text and "--claim seed" in text
    (on_seeds,) = compare(bench.load(folder), claim="seed").sections[0].contrasts
    assert on_seeds.verdict == "better"
