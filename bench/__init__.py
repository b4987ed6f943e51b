"""The harness: suites, plans, runs, records, statistics and tables.

It knows no particular memory and no particular task; it meets both through `bench.registry`.
What the command line does, these functions do:

    import bench
    from bench.compare import compare

    bench.run("quickstart")                   # as: memb run quickstart
    frame = bench.load("results/quickstart")  # one row per number, holes included
    compare(frame)                            # means, intervals, corrected paired tests
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from bench.runner import Summary

PathLike = str | os.PathLike[str]


def run(
    suite: PathLike,
    *,
    output: PathLike | None = None,
    overrides: Sequence[str] = (),
    seeds: str | None = None,
    only: Sequence[str] | None = None,
    plugins: Sequence[PathLike] = (),
    jobs: int = 1,
    device: str = "cpu",
    timeout_s: float | None = None,
) -> Summary:
    """Run a suite, or go on with it; what is done is not done again.

    Args:
        suite: A suite file, or the name of a shipped suite.
        output: The run's folder; ``results/<suite name>`` if None.
        overrides: Changes ``PATH=VALUE``.
        seeds: ``3``, ``0,2,5`` or ``0..9`` in place of the suite's.
        only: Patterns on memories, tasks or ``memory:task``.
        plugins: Python files or modules with memories or tasks of your own.
        jobs: Worker processes.
        device: Torch device name.
        timeout_s: Seconds per block; None for no limit, which with one job runs in this process.

    Raises:
        MembError: If anything about the suite, a plug-in or the folder is wrong.
    """
    from bench import frame, plan, runner
    from bench import plugins as plug
    from bench import suite as suites
    from bench.errors import MembError

    if wrong := plug.load([os.fspath(spec) for spec in plugins], entry_points=False):
        raise MembError(wrong)
    plug.load(())
    made = plan.make(suites.load(suite, overrides=overrides, seeds=seeds, only=only), device=device)
    folder = Path(output) if output is not None else frame.RESULTS / made.suite.name
    options = runner.Options(
        jobs=jobs, device=device, timeout_s=timeout_s, plugins=tuple(plug.loaded())
    )
    return runner.run(made, folder, options)


def load(*runs: PathLike) -> pd.DataFrame:
    """The numbers of one or several runs, one per row; the newest run if none is named.

    Raises:
        MembError: If a folder holds no run, or its records contradict each other.
    """
    from bench import frame

    return frame.load([Path(path) for path in runs])
