"""`memb compare` on forecasts, and its options about claims, through the real entry point."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.forecast_runs import FROZEN, REFERENCE, ForecastRun, beside, turning
from tests.cli.conftest import Memb


@pytest.fixture(scope="module")
def forecasts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = ForecastRun(tmp_path_factory.mktemp("claims") / "run").forecaster("frozen", REFERENCE)
    found.forecaster("clear", beside(FROZEN, 0.05)).forecaster("lucky", turning(FROZEN, 0.01))
    return found.forecaster("unsure", beside(FROZEN, 0.01, over_seeds=0.02)).write()


def verdicts(memb: Memb, folder: Path, *words: str) -> dict[str, str]:
    done = memb("compare", folder, "--json", *words)
    assert (done.code, done.err) == (0, "")
    (section,) = done.json["sections"]
    return {contrast["label"]: contrast["verdict"] for contrast in section["contrasts"]}


def test_marks_on_a_fixed_series_take_both_tests(memb: Memb, forecasts: Path) -> None:
    assert verdicts(memb, forecasts) == {"clear": "better", "lucky": "n.s.", "unsure": "n.s."}
    done = memb("compare", forecasts)
    assert done.code == 0
    assert "time p (Holm)" in done.out and "n.s. over time" in done.out


@pytest.mark.parametrize(
    ("claim", "lucky", "unsure"),
    [("both", "n.s.", "n.s."), ("seed", "better", "n.s."), ("time", "n.s.", "better")],
)
def test_claim(memb: Memb, forecasts: Path, claim: str, lucky: str, unsure: str) -> None:
    found = verdicts(memb, forecasts, "--claim", claim)
    assert found == {"clear": "better", "lucky": lucky, "unsure": unsure}


def test_margin_in_units_and_as_a_share(memb: Memb, forecasts: Path) -> None:
    """The reference's mean is .746: its tenth is wider than what clear gains, .05."""
    for margin in ("mse=0.0746", "mse=rel:0.1"):
        done = memb("compare", forecasts, "--json", "--margin", margin)
        assert done.code == 0
        contrasts = {c["label"]: c for c in done.json["sections"][0]["contrasts"]}
        assert contrasts["clear"]["margin"] == pytest.approx(0.0746, abs=1e-4)
        assert contrasts["clear"]["marks"] == ["better", "within-margin"]
        assert contrasts["unsure"]["verdict"] == "equiv"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("mse=wide", "--margin mse=wide: not a tolerance"),
        ("mse=0", "the margin of mse must be positive"),
        ("msee=0.1", "unknown metric 'msee'\n  help: did you mean 'mse'?"),
    ],
)
def test_a_wrong_margin_exits_2(memb: Memb, forecasts: Path, word: str, message: str) -> None:
    done = memb("compare", forecasts, "--margin", word)
    assert (done.code, done.out) == (2, "")
    assert f"error: {message}" in done.err


def test_two_stage(memb: Memb, forecasts: Path) -> None:
    done = memb("compare", forecasts, "--json", "--two-stage", "--alpha", "0.02")
    assert done.code == 0
    assert (done.json["options"]["alpha"], done.json["options"]["two_stage"]) == (0.01, True)
    assert any(note.startswith("Two looks were planned") for note in done.json["notes"])


def test_pab_below_29_seeds_exits_2_and_says_why(memb: Memb, forecasts: Path) -> None:
    done = memb("compare", forecasts, "--pab")
    assert (done.code, done.out) == (2, "")
    assert "not decided below 29 paired seeds, and there are at most 5" in done.err


def test_pab_with_enough_seeds(memb: Memb, tmp_path: Path) -> None:
    path = FROZEN[0, :40]
    wins = [path - (0.05 if seed % 10 else -0.05) for seed in range(30)]
    found = ForecastRun(tmp_path / "run", seeds=range(30))
    found.forecaster("ref", [path] * 30).forecaster("a", wins)
    done = memb("compare", found.write(), "--pab", "--format", "csv")
    assert done.code == 0
    assert ",meaningful," in done.out


def test_unpaired(memb: Memb, forecasts: Path) -> None:
    done = memb("compare", forecasts, "--json", "--unpaired")
    assert done.code == 0
    assert {c["test"] for c in done.json["sections"][0]["contrasts"]} == {"welch"}
    wrong = memb("compare", forecasts, "--unpaired", "--test", "t")
    assert wrong.code == 2
    assert "leave out one of --test and --unpaired" in wrong.err


def test_damaged_losses_exit_2(memb: Memb, tmp_path: Path) -> None:
    found = ForecastRun(tmp_path / "run").forecaster("frozen", REFERENCE)
    folder = found.forecaster("clear", beside(FROZEN, 0.05)).write()
    (folder / "series" / "etth1-clear-0.npz").unlink()
    done = memb("compare", folder)
    assert (done.code, done.out) == (2, "")
    assert "the series of clear on etth1, seed 0 cannot be read" in done.err
    assert memb("compare", folder, "--claim", "seed").code == 0


def test_a_claim_over_time_without_losses_exits_2(memb: Memb, tmp_path: Path) -> None:
    found = ForecastRun(tmp_path / "run").forecaster("frozen", REFERENCE, seeded=True)
    folder = found.forecaster("clear", beside(FROZEN, 0.05), seeded=True).write()
    done = memb("compare", folder, "--claim", "time")
    assert (done.code, done.out) == (2, "")
    assert "nothing to claim over time" in done.err
