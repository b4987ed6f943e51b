"""What `memb run` and `memb plan` do and print."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench import console
from bench.errors import MembError

if TYPE_CHECKING:
    from bench.plan import Plan
    from bench.runner import Options, Summary
    from bench.running.progress import Progress


def use_data_dir(data_dir: Path | None) -> None:
    """Name the folder in the environment, where worker processes find it too."""
    if data_dir is None:
        return
    if not data_dir.is_dir():
        raise MembError(f"--data-dir: no folder {data_dir}", help="name an existing folder")
    os.environ["MEMB_DATA_DIR"] = str(data_dir.resolve())


def load_plugins(given: Sequence[str] | None) -> None:
    """Load plug-ins; one that was asked for and is broken is an error, an installed one a note."""
    from bench import plugins

    if wrong := plugins.load(given or (), entry_points=False):
        raise MembError(wrong)
    for problem in plugins.load(()):
        console.note(f"warning: {problem.render()}")


def prepare(
    suite: str,
    set_: Sequence[str] | None,
    seeds: str | None,
    only: Sequence[str] | None,
    plugin: Sequence[str] | None,
    data_dir: Path | None,
    device: str,
) -> Plan:
    """The plan of a suite as the options change it.

    Raises:
        MembError: All that is wrong with the suite, its options or its plug-ins.
    """
    use_data_dir(data_dir)
    load_plugins(plugin)
    import bench.plan
    import bench.suite

    loaded = bench.suite.load(suite, overrides=set_ or (), seeds=seeds, only=only)
    return bench.plan.make(loaded, device=device)


def run_folder(plan: Plan, output: Path | None) -> Path:
    """Where the run of a plan lands."""
    from bench.frame import RESULTS

    return output or RESULTS / plan.suite.name


def check_device(device: str) -> None:
    """Refuse a device that torch cannot use.

    Raises:
        MembError: If a tensor cannot be put there.
    """
    if device == "cpu":
        return
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as err:
        reason = str(err).strip().split("\n", 1)[0]
        raise MembError(f"--device {device}: {reason}", help="use --device cpu") from err


def run_suite(
    plan: Plan,
    options: Options,
    folder: Path,
    *,
    json_: bool,
    quiet: bool,
    alone: Sequence[str] | None = None,
) -> int:
    """Run what the plan lacks and tell how it went; the exit code.

    Args:
        plan: What is run.
        options: How.
        folder: Where to.
        json_: Whether a summary is printed, as JSON.
        quiet: Whether no progress is shown.
        alone: Words of the command that runs one trial again; this one's if None.
    """
    from bench import runner
    from bench.store import RunFolder

    if not quiet:
        console.note(_headline(plan, folder))
    try:
        summary = runner.run(plan, folder, options, _progress(quiet=quiet))
    except KeyboardInterrupt:
        done = runner.summarise(plan, RunFolder(folder)).statuses["ok"]
        console.note(
            f"interrupted: {done} of {len(plan.trials)} trials kept in {folder}\n"
            f"  go on with: {_command()}"
        )
        return 130
    _tell(summary, folder, quiet=quiet, alone=alone)
    if json_:
        _print_summary(summary, folder)
    elif not quiet:
        console.note(f"next: memb compare {folder}")
    return summary.exit_code


def _progress(*, quiet: bool) -> Progress:
    """What is shown on stderr while a suite runs."""
    from bench.running.progress import Bar, Lines, Quiet

    screen = console.stderr()
    return Quiet() if quiet else Bar(screen) if screen.is_terminal else Lines(screen)


def _tell(summary: Summary, folder: Path, *, quiet: bool, alone: Sequence[str] | None) -> None:
    """Tell how a run went, and of each failure how to see it alone."""
    from bench.running.progress import KEY_DIGITS, failures

    counts = ", ".join(f"{n} {status}" for status, n in sorted(summary.statuses.items()))
    if not quiet:
        console.note(
            f"{summary.n_trials} trials ({summary.n_cached} cached): {counts}; "
            f"{summary.wall_s:.1f} s; stored in {folder}"
        )
    for failure in failures(summary.failures):
        console.note(
            f"FAILED {failure.cell}, {failure.where}: {failure.what}\n"
            f"  help: rerun that trial alone with  "
            f"{_command('--trial', failure.trial_key[:KEY_DIGITS], '--debug', words=alone)}"
        )


def _print_summary(summary: Summary, folder: Path) -> None:
    """Print how a run went, as JSON."""
    console.print_json({
        "schema": "memb-run/1", "folder": str(folder), "trials": summary.n_trials,
        "cached": summary.n_cached, "statuses": dict(summary.statuses),
        "failures": [{k: r[k] for k in ("trial_key", "label", "task_label", "seed", "status",
                                        "message")} for r in summary.failures],
        "wall_s": round(summary.wall_s, 3), "exit_code": summary.exit_code,
    })  # fmt: skip


def _command(*more: str, words: Sequence[str] | None = None) -> str:
    """A command line, by default this one, with more words, without any that would start over."""
    given = sys.argv[1:] if words is None else words
    kept = [word for word in _kept(given) if word not in ("--fresh", *more)]
    return shlex.join(["memb", *kept, *more])


def _kept(words: Sequence[str]) -> Iterator[str]:
    """The words but ``--cache POLICY``: going on is the default."""
    previous = ""
    for word in words:
        if "--cache" not in (word, previous) and not word.startswith("--cache="):
            yield word
        previous = word


def _headline(plan: Plan, folder: Path) -> str:
    memories = len({cell.label for cell in plan.cells})
    tasks = len({cell.task_label for cell in plan.cells})
    return (
        f"{plan.suite.name}: {memories} memories, {tasks} task points, {len(plan.suite.seeds)} "
        f"seeds: {len(plan.trials)} trials in {len(plan.cells)} cells -> {folder}"
    )


def run_trial(plan: Plan, key: str, options: Options, folder: Path, *, debug: bool) -> int:
    """Run one trial alone and print its record, with `debug` its traceback too; the exit code."""
    from bench import runner

    records = runner.debug(plan, key, options, folder)
    console.print_json({"schema": "memb-trial/1", "records": records})
    if debug:
        for record in records:
            if record["traceback"]:
                console.note(record["traceback"])
    return 3 if any(r["status"] in runner.FAILURES for r in records) else 0


def print_plan(
    plan: Plan, folder: Path, *, json_: bool, verbose: bool, probe: bool = False
) -> None:
    """Print what a run would do; with `probe`, run the first moments of what was never timed."""
    from bench.verbs.outlook import outlook

    if probe:
        import torch

        torch.set_num_threads(1)  # as a worker has
    seen = outlook(plan, folder, probe=probe)
    if json_:
        console.print_json({"schema": "memb-plan/1", **seen.describe(verbose=verbose)})
        return
    console.print_table(
        _headline(plan, folder),
        ("task", "memory", "trials", "cached", "time left", "note"),
        ((c.task, c.memory, str(c.trials), str(c.cached), c.time_left, c.note) for c in seen.cells),
    )
    if verbose:
        console.print_table("", ("key", "task", "memory", "seed"), (
            (key, cell.task_label, cell.label, "-" if seed is None else str(seed))
            for key, (cell, seed) in plan.trials.items()
        ))  # fmt: skip
    console.note(seen.sentence)
