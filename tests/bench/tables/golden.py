"""The comparison behind the golden tables: every state, mark and note that a table can show."""

from __future__ import annotations

import os
from pathlib import Path

from bench.compare import Comparison, compare
from tests.bench.frames import ACCURACY, FrameBuilder, Metric

FOLDER = Path(__file__).resolve().parents[2] / "golden"
SCORE = Metric("accuracy", "higher", bounds=(0.0, 1.0), resolution=0.01)


def comparison(**options: str) -> Comparison:
    """Three task points: seeded losses with failures, accuracies, and a fixed series."""
    builder = (
        FrameBuilder()
        .cell("linear-assoc", [0.405, 0.417, 0.397, 0.409, 0.418])
        .cell("delta", [0.305, 0.318, 0.296, 0.310, 0.317])
        .cell("shaky", [0.305, 0.397, 0.297, 0.379, 0.318])
        .cell("near_twin|x", [0.404, 0.418, 0.396, 0.411, 0.417])
        .cell("partial", [0.40, 0.41, "oom", "nonfinite", 0.41], message="first at t=12")
        .cell("broken", ["error"] * 5, message="ValueError: 100% of $x_{1} & more")
        .cell("absent", ["missing"] * 5)
    )
    capacity = "capacity[dim=64]"
    builder.cell("linear-assoc", [0.5, 0.6, 0.55, 0.52, 0.58], task=capacity, metric=SCORE)
    builder.cell("delta", [1.0] * 5, task=capacity, metric=SCORE)
    builder.cell("shaky", [0.4, 0.31, 0.42, 0.35, 0.37], task=capacity, metric=ACCURACY)
    builder.cell("partial", ["skipped"] * 5, task=capacity, metric=SCORE, message="needs times")
    series = "online-tsf[dataset=sm-co2,horizon=13]"
    builder.cell("linear-assoc", [0.5, 0.6, 0.55, 0.52, 0.58], task=series, seeded=False)
    for label, value in {"persistence": 0.7, "seasonal-naive": 0.72}.items():
        builder.cell(label, [value], task=series, seeds=[None], seeded=False, deterministic=True)
    run = {
        "path": "results/golden",
        "memb": "0.1.0",
        "git": {"commit": "0123456789abcdef", "dirty": False},
        "cpu": "any",
        "nan": float("nan"),
    }
    frame = builder.frame(reference="linear-assoc", runs=[run], suite="golden")
    return compare(frame, **options)


def suite() -> Comparison:
    """Four blocks and five memories, one of them failing: ranks and scores over a suite."""
    builder = FrameBuilder()
    shifts = {"linear-assoc": 0.0, "delta": -0.1, "hebb": 0.004, "ridge": -0.05, "sick": 0.1}
    for j, task in enumerate(("recall", "mqar", "order", "serial")):
        for i, (label, shift) in enumerate(shifts.items()):
            base = [0.405, 0.417, 0.397, 0.409, 0.418]
            noise = [0.002 * ((3 * i + 2 * j + s * (i + 1)) % 7) for s in range(5)]
            values: list[float | str] = [a + b + shift for a, b in zip(base, noise, strict=True)]
            if (label, task) == ("sick", "order"):
                values = ["oom"] * 5
            builder.cell(label, values, task=task)
    return compare(builder.frame(reference="linear-assoc", suite="golden-suite"))


def check(name: str, text: str) -> None:
    """Fail unless the text equals the golden file; write it if ``MEMB_GOLDEN=write``.

    Regenerate all with ``MEMB_GOLDEN=write pytest tests/bench/tables`` and review the diff.
    """
    path = FOLDER / name
    if os.environ.get("MEMB_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), (
        f"{path.name} differs; if that is meant: MEMB_GOLDEN=write pytest tests/bench/tables"
    )
