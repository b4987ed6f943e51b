"""The `memb` command: parses, calls `bench`, prints. It has no logic of its own.

Data goes to stdout, everything else to stderr. Heavy modules are imported inside the verbs, so
that `--help` and completion answer at once.
"""

from __future__ import annotations

import os
import shlex
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bench import console

if TYPE_CHECKING:
    from bench.plan import Plan
    from bench.runner import Options

EPILOG = (
    "Exit codes: 0 all done, every law held; 1 negative verdict (a broken law); 2 usage or input "
    "wrong, nothing ran; 3 ran, but some trials failed; 4 a bug in memb; 130 interrupted, "
    "finished trials kept."
)

app = typer.Typer(
    name="memb",
    help="Compare memory architectures: many seeds, causal streams, paired statistics.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
cache_app = typer.Typer(no_args_is_help=True, help="Show or shrink the shared cache.")
data_app = typer.Typer(no_args_is_help=True, help="Find, fetch and verify datasets.")
new_app = typer.Typer(no_args_is_help=True, help="Write a file to start from.")
app.add_typer(cache_app, name="cache")
app.add_typer(data_app, name="data")
app.add_typer(new_app, name="new")


def _complete_suites(start: str) -> list[str]:
    names = [file.stem for file in (Path(__file__).parent / "suites").glob("*.yaml")]
    return sorted(name for name in names if name.startswith(start))


def _complete_memories(start: str) -> list[str]:
    from bench import registry

    return [name for name in registry.names("memory") if name.startswith(start)]


def _complete_names(start: str) -> list[str]:
    from bench import registry

    return [n for kind in registry.KINDS for n in registry.names(kind) if n.startswith(start)]


SuiteArg = Annotated[
    str,
    typer.Argument(
        help="A suite file, or the name of a shipped suite.", autocompletion=_complete_suites
    ),
]
SetOpt = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Change a value, e.g. tasks.online-tsf.dataset=sm-co2.",
        rich_help_panel="Selection",
    ),
]
SeedsOpt = Annotated[
    str | None,
    typer.Option(
        help="Seeds instead of the suite's: 3, 0,2,5 or 0..9.", rich_help_panel="Selection"
    ),
]
OnlyOpt = Annotated[
    list[str] | None,
    typer.Option(
        help="Run only what fits MEMORY, TASK or MEMORY:TASK (* matches).",
        rich_help_panel="Selection",
    ),
]
PluginOpt = Annotated[
    list[str] | None,
    typer.Option(
        help="A Python file or module with memories or tasks.", rich_help_panel="Selection"
    ),
]
DataDirOpt = Annotated[
    Path | None,
    typer.Option(help="Where data files are looked for first.", rich_help_panel="Selection"),
]
OutputOpt = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="The run's folder; results/<suite name> if not given.",
        rich_help_panel="Output",
    ),
]  # fmt: skip
JsonOpt = Annotated[
    bool, typer.Option("--json", help="Print one JSON object.", rich_help_panel="Output")
]
QuietOpt = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print errors only.", rich_help_panel="Output")
]
DeviceOpt = Annotated[
    str, typer.Option(help="Where trials run: cpu, cuda, cuda:1.", rich_help_panel="Execution")
]


def _use_data_dir(data_dir: Path | None) -> None:
    """Name the folder in the environment, where worker processes find it too."""
    if data_dir is not None:
        from bench.errors import MembError

        if not data_dir.is_dir():
            raise MembError(f"--data-dir: no folder {data_dir}", help="name an existing folder")
        os.environ["MEMB_DATA_DIR"] = str(data_dir.resolve())


def _load_plugins(given: list[str] | None) -> None:
    """Load plug-ins; one that was asked for and is broken is an error, an installed one a note."""
    from bench import plugins
    from bench.errors import MembError

    if wrong := plugins.load(given or (), entry_points=False):
        raise MembError(wrong)
    for problem in plugins.load(()):
        console.note(f"warning: {problem.render()}")


def _plan(
    suite: str,
    set_: list[str] | None,
    seeds: str | None,
    only: list[str] | None,
    plugin: list[str] | None,
    data_dir: Path | None,
    device: str,
) -> Plan:
    _use_data_dir(data_dir)
    _load_plugins(plugin)
    import bench.plan
    import bench.suite

    loaded = bench.suite.load(suite, overrides=set_ or (), seeds=seeds, only=only)
    return bench.plan.make(loaded, device=device)


def _folder(plan: Plan, output: Path | None) -> Path:
    from bench.frame import RESULTS

    return output or RESULTS / plan.suite.name


@app.command(epilog="memb run quickstart\n\nmemb run suites/etth1.yaml --seeds 0..9 --jobs 4")
def run(
    suite: SuiteArg,
    set_: SetOpt = None,
    seeds: SeedsOpt = None,
    only: OnlyOpt = None,
    plugin: PluginOpt = None,
    data_dir: DataDirOpt = None,
    jobs: Annotated[
        int,
        typer.Option("--jobs", "-j", min=1, help="Worker processes.", rich_help_panel="Execution"),
    ] = 1,
    device: DeviceOpt = "cpu",
    timeout: Annotated[
        float,
        typer.Option(
            min=0, help="Seconds a block of seeds may take; 0 for no limit.",
            rich_help_panel="Execution",
        ),
    ] = 3600.0,
    cache: Annotated[
        Literal["only-missing", "never", "only-cache"],
        typer.Option(
            help="only-missing runs what is not done; never runs all again, keeping the old "
            "records aside; only-cache runs nothing.",
            rich_help_panel="Execution",
        ),
    ] = "only-missing",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Same as --cache never.", rich_help_panel="Execution")
    ] = False,
    checkpoint_every: Annotated[
        float,
        typer.Option(
            min=0, help="Seconds between check-points of a long block.", rich_help_panel="Execution"
        ),
    ] = 60.0,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the plan and stop.", rich_help_panel="Execution"),
    ] = False,
    trial: Annotated[
        str | None,
        typer.Option(
            metavar="KEY", help="Run this one trial, in this process, storing nothing.",
            rich_help_panel="Execution",
        ),
    ] = None,
    debug: Annotated[
        bool,
        typer.Option(
            "--debug", help="With --trial: print its traceback.", rich_help_panel="Execution"
        ),
    ] = False,
    output: OutputOpt = None,
    json_: JsonOpt = False,
    quiet: QuietOpt = False,
) -> None:  # fmt: skip
    """Run a suite, or go on with it: finished trials are never run twice."""
    from bench import runner

    _check_device(device)
    plan = _plan(suite, set_, seeds, only, plugin, data_dir, device)
    folder = _folder(plan, output)
    if dry_run:
        _print_plan(plan, folder, json_=json_, verbose=False)
        return
    from bench import plugins

    options = runner.Options(
        jobs=jobs,
        device=device,
        timeout_s=timeout or None,
        cache="never" if fresh else cache,
        checkpoint_s=checkpoint_every,
        plugins=tuple(plugins.loaded()),
    )
    if trial is not None:
        _run_trial(plan, trial, options, folder, debug=debug)
        return
    _run_suite(plan, options, folder, json_=json_, quiet=quiet)


def _check_device(device: str) -> None:
    if device == "cpu":
        return
    import torch

    from bench.errors import MembError

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as err:
        reason = str(err).strip().split("\n", 1)[0]
        raise MembError(f"--device {device}: {reason}", help="use --device cpu") from err


def _run_suite(plan: Plan, options: Options, folder: Path, *, json_: bool, quiet: bool) -> None:
    from bench import runner
    from bench.running.progress import KEY_DIGITS, Bar, Lines, Quiet, failures
    from bench.store import RunFolder

    screen = console.stderr()
    shown = Quiet() if quiet else Bar(screen) if screen.is_terminal else Lines(screen)
    if not quiet:
        console.note(_headline(plan, folder))
    try:
        summary = runner.run(plan, folder, options, shown)
    except KeyboardInterrupt:
        done = runner.summarise(plan, RunFolder(folder)).statuses["ok"]
        console.note(
            f"interrupted: {done} of {len(plan.trials)} trials kept in {folder}\n"
            f"  go on with: {_command()}"
        )
        raise typer.Exit(130) from None
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
            f"{_command('--trial', failure.trial_key[:KEY_DIGITS], '--debug')}"
        )
    if json_:
        console.print_json({
            "schema": "memb-run/1", "folder": str(folder), "trials": summary.n_trials,
            "cached": summary.n_cached, "statuses": dict(summary.statuses),
            "failures": [{k: r[k] for k in ("trial_key", "label", "task_label", "seed", "status",
                                            "message")} for r in summary.failures],
            "wall_s": round(summary.wall_s, 3), "exit_code": summary.exit_code,
        })  # fmt: skip
    elif not quiet:
        console.note(f"next: memb compare {folder}")
    raise typer.Exit(summary.exit_code)


def _command(*more: str) -> str:
    """This command line with more words, without those that would start over."""
    words = [word for word in _kept(sys.argv[1:]) if word not in ("--fresh", *more)]
    return shlex.join(["memb", *words, *more])


def _kept(words: list[str]) -> Iterator[str]:
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


def _run_trial(plan: Plan, key: str, options: Options, folder: Path, *, debug: bool) -> None:
    from bench import runner

    records = runner.debug(plan, key, options, folder)
    console.print_json({"schema": "memb-trial/1", "records": records})
    if debug:
        for record in records:
            if record["traceback"]:
                console.note(record["traceback"])
    raise typer.Exit(3 if any(r["status"] in runner.FAILURES for r in records) else 0)


@app.command(epilog="memb plan quickstart\n\nmemb plan etth1 --seeds 10 -v")
def plan(
    suite: SuiteArg,
    set_: SetOpt = None,
    seeds: SeedsOpt = None,
    only: OnlyOpt = None,
    plugin: PluginOpt = None,
    data_dir: DataDirOpt = None,
    device: DeviceOpt = "cpu",
    output: OutputOpt = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="List every trial with its key.")
    ] = False,
    json_: JsonOpt = False,
) -> None:
    """Show what a run would do: cells, trials, what is done already, how long the rest takes."""
    made = _plan(suite, set_, seeds, only, plugin, data_dir, device)
    _print_plan(made, _folder(made, output), json_=json_, verbose=verbose)


def _print_plan(plan: Plan, folder: Path, *, json_: bool, verbose: bool) -> None:
    from bench.verbs.outlook import outlook

    seen = outlook(plan, folder)
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


@app.command(epilog="memb compare results/quickstart\n\nmemb compare --format latex > table.tex")
def compare(
    runs: Annotated[
        list[Path] | None, typer.Argument(help="Run folders; the newest under results/ if none.")
    ] = None,
    reference: Annotated[
        str | None, typer.Option(help="The memory that others are compared with.",
                                 rich_help_panel="Statistics"),
    ] = None,
    mode: Annotated[
        Literal["vs-reference", "vs-best", "all-pairs"],
        typer.Option(help="Which pairs are compared.", rich_help_panel="Statistics"),
    ] = "vs-reference",
    metric: Annotated[
        list[str] | None, typer.Option(help="Show this metric.", rich_help_panel="Selection")
    ] = None,
    all_metrics: Annotated[
        bool, typer.Option("--all-metrics", help="Show all scalars; only primary ones are tested.",
                           rich_help_panel="Selection"),
    ] = False,
    test: Annotated[
        Literal["auto", "t", "signflip", "wilcoxon", "welch"] | None,
        typer.Option(
            help="Test; auto chooses by the number of seeds.", rich_help_panel="Statistics"
        ),
    ] = None,
    correction: Annotated[
        Literal["holm", "bh", "hommel", "bonferroni", "none"] | None,
        typer.Option(help="Correction for many tests.", rich_help_panel="Statistics"),
    ] = None,
    family: Annotated[
        Literal["table", "task", "none"],
        typer.Option(help="Which tests are corrected together.", rich_help_panel="Statistics"),
    ] = "table",
    alpha: Annotated[
        float | None, typer.Option(help="Significance level.", rich_help_panel="Statistics")
    ] = None,
    ci: Annotated[
        Literal["t", "bca", "percentile"],
        typer.Option(help="Method of the 95% intervals.", rich_help_panel="Statistics"),
    ] = "t",
    missing: Annotated[
        Literal["worst", "error", "drop"],
        typer.Option(help="What is done about incomplete cells.", rich_help_panel="Statistics"),
    ] = "worst",
    call: Annotated[
        str | None, typer.Option(help="The plan of this call instead of the latest.",
                                 rich_help_panel="Selection"),
    ] = None,
    format_: Annotated[
        Literal["rich", "markdown", "latex", "csv", "json"],
        typer.Option("--format", help="How it is printed.", rich_help_panel="Output"),
    ] = "rich",
    json_: JsonOpt = False,
) -> None:  # fmt: skip
    """Print the leaderboard of one run or several: means, intervals, corrected paired tests."""
    import bench.frame
    from bench.compare import compare as compare_frame
    from bench.tables import render, rich_table

    frame = bench.frame.load(runs or (), call=call)
    comparison = compare_frame(
        frame,
        reference=reference,
        mode=mode,
        metrics=metric,
        test=test,
        correction=correction,
        family=family,
        alpha=alpha,
        ci=ci,
        missing=missing,
        all_metrics=all_metrics,
    )
    if format_ == "rich" and not json_:
        rich_table.show(comparison, console.stdout())
    else:
        sys.stdout.write(render(comparison, "json" if json_ or format_ == "rich" else format_))


@app.command(epilog="memb audit delta\n\nmemb audit my-memory --plugin my_memory.py")
def audit(
    name: Annotated[
        str, typer.Argument(help="A registered memory.", autocompletion=_complete_memories)
    ],
    plugin: PluginOpt = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="PARAM=VALUE", help="Set a parameter.")
    ] = None,
    json_: JsonOpt = False,
) -> None:
    """Try every law on a memory: no leak, no hidden state; exit 1 if one is broken."""
    _load_plugins(plugin)
    import torch

    from bench.audit import audit as try_all
    from bench.audit.run import assignments

    torch.set_num_threads(1)
    done = try_all(name, assignments(set_ or ()))
    if json_:
        from dataclasses import asdict

        console.print_json({"schema": "memb-audit/1", **asdict(done), "held": done.held})
    else:
        console.print_table(
            f"{done.memory} ({done.protocol})",
            ("verdict", "law", "claim", "detail"),
            (
                ("ok" if v.outcome == "held" else "BROKEN" if v.outcome == "broken" else "n/a",
                 v.law, v.claim, v.detail)
                for v in done.verdicts
            ),
        )  # fmt: skip
        broken = sum(v.outcome == "broken" for v in done.verdicts)
        console.note(f"{broken} broken" if broken else "every law held")
    raise typer.Exit(0 if done.held else 1)


@app.command("list", epilog="memb list memories\n\nmemb list suites --json")
def list_(
    what: Annotated[str, typer.Argument(help="memories, tasks, backbones or suites.")] = "memories",
    plugin: PluginOpt = None,
    json_: JsonOpt = False,
) -> None:
    """List what there is, by name."""
    from bench.verbs.catalogue import catalogue

    _load_plugins(plugin)
    rows = catalogue(what)
    if json_:
        console.print_json({"schema": "memb-list/1", "what": what, "items": rows})
        return
    columns = list(rows[0]) if rows else ["name"]
    console.print_table("", columns, ([str(row[c]) for c in columns] for row in rows))


@app.command(epilog="memb info delta\n\nmemb info online-tsf")
def info(
    name: Annotated[
        str,
        typer.Argument(help="A memory, task or backbone.", autocompletion=_complete_names),
    ],
    plugin: PluginOpt = None,
    json_: JsonOpt = False,
) -> None:
    """Show one memory, task or backbone: what it is, where it comes from, what a suite may set."""
    from bench.verbs.catalogue import about

    _load_plugins(plugin)
    facts = about(name)
    if json_:
        console.print_json({"schema": "memb-info/1", **facts})
        return
    sys.stdout.write(facts["text"] + "\n\n")
    for key in ("kind", "family", "source", "protocol", "flags", "file"):
        if facts.get(key):
            sys.stdout.write(f"{key:<9} {facts[key]}\n")
    if facts["params"]:
        sys.stdout.write("\n")
        console.print_table("", ("parameter", "type", "default", "meaning"), (
            (p["name"], p["type"], p["default"], p["doc"]) for p in facts["params"]
        ))  # fmt: skip


@app.command()
def schema() -> None:
    """Print the JSON Schema of suite files, for editors."""
    from bench.reading.suite_format import schema as of_suites

    console.print_json(of_suites())


@cache_app.command("list")
def cache_list(json_: JsonOpt = False) -> None:
    """Show what the shared cache holds: pre-trained backbones and fitted memories."""
    from bench.running.cache import Cache

    cache = Cache()
    rows = [
        {"key": e.name, "made": str(e.key.get("made", "")), "for": e.subject, "seeds": len(e.seeds),
         "kB": round(e.bytes / 1000, 1)}
        for e in cache.entries()
    ]  # fmt: skip
    if json_:
        console.print_json({"schema": "memb-cache/1", "root": str(cache.root), "entries": rows})
        return
    columns = ("key", "made", "for", "seeds", "kB")
    console.print_table(f"{cache.root}", columns, ([str(row[c]) for c in columns] for row in rows))


@cache_app.command("prune")
def cache_prune(
    older_than_days: Annotated[
        float, typer.Option(min=0, help="Delete entries not used for this long; 0 deletes all.")
    ] = 30.0,
) -> None:
    """Delete entries of the shared cache that were not used lately; they are rebuilt on demand."""
    import time

    from bench.running.cache import Cache

    gone = Cache().prune(older_than_days * 86_400, time.time())
    console.note(f"{len(gone)} entries deleted, {sum(e.bytes for e in gone) / 1e6:.1f} MB")


@data_app.command("list")
def data_list(data_dir: DataDirOpt = None, json_: JsonOpt = False) -> None:
    """List the datasets, and which of them are here."""
    from bench.verbs.datasets import listing

    rows = listing(data_dir)
    if json_:
        console.print_json({"schema": "memb-data/1", "datasets": rows})
        return
    columns = ("name", "here", "rows", "channels", "step", "licence", "description")
    console.print_table("", columns, ([str(row[c]) for c in columns] for row in rows))


@data_app.command("path")
def data_path(name: str, data_dir: DataDirOpt = None) -> None:
    """Print where a dataset's file is expected; on stderr, where to get it."""
    from bench.verbs.datasets import path

    found, note = path(name, data_dir)
    sys.stdout.write(f"{found}\n")
    if note:
        console.note(note)


@data_app.command("get")
def data_get(name: str, data_dir: DataDirOpt = None) -> None:
    """Download a dataset and verify its checksum: the only verb that uses the network."""
    from bench.verbs.datasets import fetch

    sys.stdout.write(f"{fetch(name, data_dir)}\n")


@data_app.command("verify")
def data_verify(name: str, data_dir: DataDirOpt = None) -> None:
    """Check a dataset's file against the published checksum. Exit 1 if it differs."""
    from bench.verbs.datasets import verify

    held, text = verify(name, data_dir)
    console.note(text)
    raise typer.Exit(0 if held else 1)


@new_app.command("memory")
def new_memory(
    name: Annotated[str, typer.Argument(help="kebab-case name, e.g. my-memory.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write; my_memory.py if not given."),
    ] = None,
) -> None:
    """Write a memory of about forty lines to start from: it passes the audit as it is."""
    from bench.verbs.templates import write_memory

    file = write_memory(name, output)
    console.note(f"wrote {file}")
    console.note(f"next: memb audit {name} --plugin {file}")


def _version(wanted: bool) -> None:
    if wanted:
        from bench.provenance import version

        sys.stdout.write(f"memb {version()}\n")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command; user errors print without a traceback, bugs with one and exit code 4."""
    from bench.errors import MembError

    try:
        app(prog_name="memb")
    except MembError as error:
        console.note(f"error: {error.render()}")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # the reader of a pipe has gone: nothing is left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception:  # noqa: BLE001 - the outermost boundary: a bug of ours, with all we know
        console.note(
            f"{traceback.format_exc()}\n"
            "this is a bug in memb: please report it with the lines above"
        )
        sys.exit(4)


if __name__ == "__main__":
    main()
