"""What `memb check` does beside checking: it runs a suite first, and prints and writes reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from bench import console
from bench.errors import MembError, Problem, StorageError, nearest

if TYPE_CHECKING:
    from bench.check import BaselineChange, CheckReport
    from bench.check.model import Cell, Policy
    from bench.check.performance import Remeasure
    from bench.tolerances import Tolerance

ReportFormat = Literal["rich", "markdown", "junit", "json"]
INTERRUPTED = 130
FILES = ("records.jsonl", "records.jsonl.gz", "manifest.json")
"""Files of a run, each of which names its folder."""
FORMATS: tuple[ReportFormat, ...] = get_args(ReportFormat)


@dataclass(frozen=True)
class RunOptions:
    """How a suite is run before it is checked.

    Attributes:
        seeds: In place of the suite's.
        jobs: Worker processes.
        timeout_s: Seconds a block may take; None for no limit.
        fresh: Whether finished trials run again.
        plugins: Python files or modules with memories or tasks.
        data_dir: Where data files are looked for first.
        output: The run's folder.
        quiet: Whether progress is not shown.
        call: The call of a finished run whose plan is taken.
    """

    seeds: str | None = None
    jobs: int = 1
    timeout_s: float | None = None
    fresh: bool = False
    plugins: tuple[str, ...] = ()
    data_dir: Path | None = None
    output: Path | None = None
    quiet: bool = False
    call: str | None = None

    def of_a_run(self, measures: bool) -> list[str]:
        """The options given that only running a suite takes, or measuring costs again."""
        named = {
            "--seeds": self.seeds, "--jobs": self.jobs != 1, "--fresh": self.fresh,
            "--output": self.output, "--plugin": self.plugins and not measures,
            "--data-dir": self.data_dir and not measures,
        }  # fmt: skip
        return [name for name, value in named.items() if value]

    def words(self) -> list[str]:
        """What decides on the trials of a suite, as `memb run` takes it."""
        named = {"--seeds": self.seeds, "--data-dir": self.data_dir}
        pairs = [(name, str(value)) for name, value in named.items() if value]
        pairs += [("--plugin", plugin) for plugin in self.plugins]
        return [word for pair in pairs for word in pair]


def checked_folder(
    current: str | None, options: RunOptions, *, measures: bool = False
) -> Path | None:
    """The run folder that is checked; a suite is run into it first; None if interrupted.

    Args:
        current: A run folder or a file of one, a suite, or None for the newest run.
        options: How a suite is run.
        measures: Whether costs of a finished run may be measured again.

    Raises:
        MembError: If there is no such run or suite, or an option does not go with a run folder.
    """
    from bench import frame

    if current is None:
        folder = frame.newest()
    else:
        path = Path(current)
        in_run = path.is_file() and path.name in FILES
        if not in_run and not path.is_dir():
            if options.call is not None:
                raise MembError(
                    f"--call: for a finished run, but {current} is not one",
                    help="name a run folder, or leave --call out",
                )
            return _run(current, options)
        folder = path.parent if in_run else path
    if wrong := options.of_a_run(measures):
        raise MembError(
            f"{', '.join(wrong)}: for a suite that is run first, but {folder} is a finished run",
            help="name a suite or its YAML file, or leave the option out",
        )
    return folder


def _run(suite: str, options: RunOptions) -> Path | None:
    """Run a suite; failed trials are the check's to judge.

    Raises:
        MembError: If the suite is wrong, or the disk refuses a record: without a whole run there
            is nothing to check.
    """
    from bench.verbs.run import prepare, run_folder, run_suite

    plan = prepare(
        suite, None, options.seeds, None, options.plugins, options.data_dir, device="cpu"
    )
    folder = run_folder(plan, options.output)
    from bench import plugins, runner

    how = runner.Options(
        jobs=options.jobs,
        timeout_s=options.timeout_s,
        cache="never" if options.fresh else "only-missing",
        plugins=tuple(plugins.loaded()),
    )
    alone = ["run", suite, *options.words(), "--output", str(folder)]
    try:
        code = run_suite(plan, how, folder, json_=False, quiet=options.quiet, alone=alone)
    except StorageError as err:
        raise MembError(err.problems) from err
    return None if code == INTERRUPTED else folder


def report_files(words: Iterable[str]) -> list[tuple[ReportFormat, Path]]:
    """Reports to write, from ``FORMAT=PATH``.

    Raises:
        MembError: All words that are none.
    """
    found: list[tuple[ReportFormat, Path]] = []
    problems = []
    for word in words:
        name, _, path = word.partition("=")
        known = next((fmt for fmt in FORMATS if fmt == name), None)
        if known is None or not path:
            help = f"{nearest(name, FORMATS)} write FORMAT=PATH, FORMAT one of {', '.join(FORMATS)}"
            problems.append(Problem(f"--report {word}: not a report", help=help.strip()))
        else:
            found.append((known, Path(path)))
    if problems:
        raise MembError(problems)
    return found


@dataclass(frozen=True)
class Shown:
    """How reports are shown.

    Attributes:
        format: On stdout.
        files: Reports to write too.
        verbose: Whether cells that are ok are listed.
    """

    format: ReportFormat
    files: Sequence[tuple[ReportFormat, Path]] = ()
    verbose: bool = False


def check(
    current: str | None,
    baselines: Sequence[Path],
    policy: Policy,
    alpha: float | None,
    options: RunOptions,
    shown: Shown,
) -> int:
    """Check a run against its baselines, print and write the reports; the exit code."""
    from bench.check import check as hold_against
    from bench.check import exit_code, refuse_level

    files = _existing(baselines)
    refuse_level(alpha, "--alpha")
    folder = checked_folder(current, options, measures=policy.perf == "gate")
    if folder is None:
        return INTERRUPTED
    reports = hold_against(
        folder,
        files,
        policy,
        alpha=alpha,
        call=options.call,
        remeasure=_remeasure(folder, options) if policy.perf == "gate" else None,
    )
    _write_reports(reports, shown)
    _print_reports(reports, shown)
    return exit_code(reports)


def update(
    current: str | None,
    baselines: Sequence[Path],
    policy: Policy,
    alpha: float | None,
    options: RunOptions,
    shown: Shown,
) -> int:
    """Write the baseline from a run and print what changed; the exit code."""
    from bench.check import refuse_level
    from bench.check import update as write_baseline

    file = _only(baselines)
    refuse_level(alpha, "--alpha")
    if shown.files or shown.format not in ("rich", "json"):
        raise MembError(
            "--update-baseline writes no report: it prints what changed, as text or --json",
            help="check against the baseline afterwards",
        )
    folder = checked_folder(current, options)
    if folder is None:
        return INTERRUPTED
    change = write_baseline(folder, file, policy, alpha=alpha, call=options.call)
    _print_change(change, json_=shown.format == "json")
    return 0


def _remeasure(folder: Path, options: RunOptions) -> Remeasure:
    """What times a cost again: with the plug-ins and data files that the run had."""
    from bench.check.remeasure import remeasurement
    from bench.verbs.run import load_plugins, use_data_dir

    use_data_dir(options.data_dir)
    load_plugins(options.plugins)
    return remeasurement(folder)


def _write_reports(reports: Sequence[CheckReport], shown: Shown) -> None:
    """Write each report file.

    Raises:
        MembError: If one cannot be written.
    """
    from bench.check.render import render

    for format_, path in shown.files:
        text = render(reports, format_, verbose=shown.verbose)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as err:
            raise MembError(
                f"cannot write the report: {err.strerror or err}",
                place=str(path),
                help="name a file in a folder that can be written to",
            ) from err


def _print_reports(reports: Sequence[CheckReport], shown: Shown) -> None:
    """Print the reports on stdout."""
    if shown.format == "rich":
        from bench.check.render import show

        show(reports, console.stdout(), verbose=shown.verbose)
        return
    from bench.check.render import render

    console.write(render(reports, shown.format, verbose=shown.verbose))


def _print_change(change: BaselineChange, *, json_: bool) -> None:
    """Print what writing a baseline changed."""
    if json_:
        console.print_json(_plain_change(change))
        return
    counts = (
        f"{len(change.added)} added, {len(change.removed)} removed, "
        f"{len(change.changed)} changed, {change.unchanged} unchanged"
    )
    lines = [f"{change.path}: {counts}"]
    lines += [f"  + {cell.name}  {_mean(cell)}" for cell in change.added]
    lines += [f"  - {cell.name}  {_mean(cell)}" for cell in change.removed]
    lines += [f"  ~ {new.name}  {_mean(old)} -> {_mean(new)}" for old, new in change.changed]
    console.write("".join(f"{line}\n" for line in lines))
    if not change.written:
        console.note(f"{change.path} was up to date: nothing written")


def _plain_change(change: BaselineChange) -> dict[str, Any]:
    def plain(cell: Cell) -> dict[str, Any]:
        names = ("cell_id", "task_label", "label", "metric", "x")
        return {name: getattr(cell, name) for name in names} | {"mean": cell.mean}

    return {
        "schema": "memb-baseline-change/1",
        "path": str(change.path),
        "written": change.written,
        "added": [plain(cell) for cell in change.added],
        "removed": [plain(cell) for cell in change.removed],
        "changed": [{"before": plain(old), "after": plain(new)} for old, new in change.changed],
        "unchanged": change.unchanged,
    }


def _mean(cell: Cell) -> str:
    if cell.failures and not cell.found:
        return next(iter(cell.failures.values()))
    return "no value" if cell.mean is None else f"{cell.mean:.6g}"


def _only(files: Sequence[Path]) -> Path:
    """The one baseline that is to be written.

    Raises:
        MembError: If none or several are named.
    """
    if len(files) != 1:
        raise MembError(
            "--update-baseline writes one file: name it with --baseline FILE",
            help="memb check RUN --baseline baseline.json --update-baseline",
        )
    return files[0]


def _existing(files: Sequence[Path]) -> list[Path]:
    """The baselines to check against, each existing; so that a suite is not run in vain.

    Raises:
        MembError: If none is named, or one is no baseline.
    """
    if not files:
        raise MembError(
            "nothing to check against: name a baseline with --baseline FILE",
            help="write one first: memb check RUN --baseline FILE --update-baseline",
        )
    from bench.check.baseline import load

    for file in files:
        load(file)
    return list(files)


def tolerances_of(words: Sequence[str] | None) -> dict[str, Tolerance]:
    """Tolerances of the command line, by metric; see `bench.tolerances.parsed`."""
    from bench.tolerances import parsed

    return parsed(words or ())
