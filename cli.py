"""The `memb` command: parses, calls `bench`, prints. It has no logic of its own.

Data goes to stdout, everything else to stderr. Heavy modules are imported inside the verbs, so
that `--help` and completion answer at once.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, Literal

import typer

from bench import console
from bench.verbs.options import (
    DataDirOpt,
    DeviceOpt,
    JsonOpt,
    OnlyOpt,
    OutputOpt,
    PluginOpt,
    QuietOpt,
    SeedsOpt,
    SetOpt,
    SuiteArg,
    complete_memories,
    complete_names,
)
from bench.verbs.run import (
    check_device,
    load_plugins,
    prepare,
    print_plan,
    run_folder,
    run_suite,
    run_trial,
)

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

    check_device(device)
    plan = prepare(suite, set_, seeds, only, plugin, data_dir, device)
    folder = run_folder(plan, output)
    if dry_run:
        print_plan(plan, folder, json_=json_, verbose=False)
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
        raise typer.Exit(run_trial(plan, trial, options, folder, debug=debug))
    raise typer.Exit(run_suite(plan, options, folder, json_=json_, quiet=quiet))


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
    probe: Annotated[
        bool,
        typer.Option("--probe", help="Run the first moments of cells that were never timed."),
    ] = False,
    json_: JsonOpt = False,
) -> None:
    """Show what a run would do: cells, trials, what is done already, how long the rest takes."""
    made = prepare(suite, set_, seeds, only, plugin, data_dir, device)
    print_plan(made, run_folder(made, output), json_=json_, verbose=verbose, probe=probe)


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
        bool, typer.Option("--all-metrics", help="Show untested scalars and costs too.",
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
    pareto: Annotated[
        bool, typer.Option("--pareto", help="Show quality against state and read time instead.",
                           rich_help_panel="Output"),
    ] = False,
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
    if pareto:
        from bench.verbs.tradeoffs import show_fronts

        show_fronts(frame, metric, "json" if json_ else format_)
        return
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


@app.command(
    epilog="memb audit delta\n\nmemb audit my-memory --plugin my_memory.py\n\n"
    "memb audit ogd --backbone patchtst"
)
def audit(
    name: Annotated[
        str, typer.Argument(help="A registered memory.", autocompletion=complete_memories)
    ],
    plugin: PluginOpt = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="PARAM=VALUE", help="Set a parameter.")
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Backbone of a forecaster; the first that suits it."),
    ] = None,
    json_: JsonOpt = False,
) -> None:
    """Try every law on a memory: no leak, no hidden state; exit 1 if one is broken."""
    load_plugins(plugin)
    import torch

    from bench.audit import audit as try_all
    from bench.audit.run import assignments

    torch.set_num_threads(1)
    done = try_all(name, assignments(set_ or ()), backbone=backbone)
    if json_:
        from dataclasses import asdict

        console.print_json({"schema": "memb-audit/1", **asdict(done), "held": done.held})
    else:
        where = f", on {done.backbone}" if done.backbone else ""
        console.print_table(
            f"{done.memory} ({done.protocol}{where})",
            ("verdict", "law", "claim", "detail"),
            (
                ("ok" if v.outcome == "held" else "BROKEN" if v.outcome == "broken" else "n/a",
                 v.law, v.claim, v.detail)
                for v in done.verdicts
            ),
        )  # fmt: skip
        if done.note:
            console.note(done.note)
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

    load_plugins(plugin)
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
        typer.Argument(help="A memory, task or backbone.", autocompletion=complete_names),
    ],
    plugin: PluginOpt = None,
    json_: JsonOpt = False,
) -> None:
    """Show one memory, task or backbone: what it is, where it comes from, what a suite may set."""
    from bench.verbs.catalogue import about

    load_plugins(plugin)
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
