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
from bench.garbage import nothing_collected
from bench.verbs import check_options as of_check
from bench.verbs import compare_options as of_compare
from bench.verbs import report_options as of_report
from bench.verbs import run_options as of_run
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
    complete_tasks,
)
from bench.verbs.run import (
    check_device,
    load_plugins,
    prepare,
    print_plan,
    run_folder,
    run_suite,
    run_trial,
    use_data_dir,
)

EPILOG = (
    "Exit codes: 0 all done, every law held, nothing regressed; 1 negative verdict (a broken law, "
    "a regression); 2 usage or input wrong, nothing ran; 3 ran, but some trials failed, or cells "
    "are inconclusive and --fail-on asks for it; 4 a bug in memb; 130 interrupted, finished "
    "trials kept."
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
    jobs: of_run.JobsOpt = 1,
    device: DeviceOpt = "cpu",
    timeout: of_run.TimeoutOpt = 3600.0,
    cache: of_run.CacheOpt = "only-missing",
    fresh: of_run.FreshOpt = False,
    checkpoint_every: of_run.CheckpointOpt = 60.0,
    dry_run: of_run.DryRunOpt = False,
    trial: of_run.TrialOpt = None,
    debug: of_run.DebugOpt = False,
    output: OutputOpt = None,
    json_: JsonOpt = False,
    quiet: QuietOpt = False,
) -> None:
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
    verbose: of_run.VerboseOpt = False,
    probe: of_run.ProbeOpt = False,
    json_: JsonOpt = False,
) -> None:
    """Show what a run would do: cells, trials, what is done already, how long the rest takes."""
    made = prepare(suite, set_, seeds, only, plugin, data_dir, device)
    print_plan(made, run_folder(made, output), json_=json_, verbose=verbose, probe=probe)


@app.command(epilog="memb compare results/quickstart\n\nmemb compare --format latex > table.tex")
@nothing_collected()
def compare(
    runs: of_compare.RunsArg = None,
    reference: of_compare.ReferenceOpt = None,
    mode: of_compare.ModeOpt = "vs-reference",
    metric: of_compare.MetricOpt = None,
    all_metrics: of_compare.AllMetricsOpt = False,
    test: of_compare.TestOpt = None,
    correction: of_compare.CorrectionOpt = None,
    family: of_compare.FamilyOpt = "table",
    alpha: of_compare.AlphaOpt = None,
    ci: of_compare.CiOpt = "t",
    missing: of_compare.MissingOpt = "worst",
    rows: of_compare.RowsOpt = "block",
    posthoc: of_compare.PosthocOpt = "wilcoxon",
    resample: of_compare.ResampleOpt = "seeds",
    claim: of_compare.ClaimOpt = "both",
    margin: of_compare.MarginOpt = None,
    two_stage: of_compare.TwoStageOpt = False,
    pab: of_compare.PabOpt = False,
    unpaired: of_compare.UnpairedOpt = False,
    published: of_compare.PublishedOpt = "auto",
    call: of_compare.CallOpt = None,
    pareto: of_compare.ParetoOpt = False,
    format_: of_compare.FormatOpt = None,
    json_: JsonOpt = False,
    spread: of_compare.SpreadOpt = None,
    digits: of_compare.DigitsOpt = None,
    transpose: of_compare.TransposeOpt = False,
    output: of_compare.FileOpt = None,
    figures: of_compare.FiguresOpt = None,
) -> None:
    """Print the leaderboard of one run or several: means, intervals, corrected paired tests."""
    import bench.frame
    from bench.compare import compare as compare_frame
    from bench.compare import margins
    from bench.verbs.printing import print_comparison, printing

    asked = printing(
        format_, json=json_, spread=spread, digits=digits, transpose=transpose, output=output,
        pareto=pareto,
    )  # fmt: skip
    # a leaderboard shows the headline metrics: of many records these are read in half the time
    asked_more = bool(metric or all_metrics or margin or pareto or figures)
    frame = bench.frame.load(runs or (), call=call, headline=not asked_more)
    if pareto:
        from bench.verbs.tradeoffs import show_fronts

        show_fronts(frame, metric, asked)
        if figures is None:
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
        rows=rows,
        posthoc=posthoc,
        resample=resample,
        all_metrics=all_metrics,
        margins=margins.parsed(margin or ()),
        claim=claim,
        two_stage=two_stage,
        pab=pab,
        unpaired=unpaired,
        published=published,
    )
    if not pareto:
        print_comparison(comparison, asked)
    if figures is not None:
        from bench.verbs.figures import write_figures

        write_figures(comparison, frame, figures)


@app.command(
    epilog="memb merge results/machine-a results/machine-b -o results/all\n\n"
    "memb merge results/mqar --slim -o records/mqar"
)
def merge(
    runs: Annotated[list[Path], typer.Argument(help="Run folders; they are only read.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The new run folder; it must not exist yet.")
    ],
    slim: Annotated[
        bool,
        typer.Option("--slim", help="Keep what tables need: no curves, no series, packed."),
    ] = False,
    json_: JsonOpt = False,
    quiet: QuietOpt = False,
) -> None:
    """Make one run of several: seeds of several machines, a memory that was added elsewhere."""
    from bench.verbs.merge import merge_runs

    merge_runs(runs, output, slim=slim, json_=json_, quiet=quiet)


@app.command(
    epilog="memb report results/quickstart -o report.html\n\n"
    "memb report results/etth1 --reference ogd --audits audits/"
)
def report(
    runs: of_compare.RunsArg = None,
    output: of_report.PageOpt = Path("report.html"),
    title: of_report.TitleOpt = None,
    figures: of_report.FiguresOpt = True,
    reference: of_compare.ReferenceOpt = None,
    mode: of_compare.ModeOpt = "vs-reference",
    metric: of_compare.MetricOpt = None,
    all_metrics: of_compare.AllMetricsOpt = False,
    test: of_compare.TestOpt = None,
    correction: of_compare.CorrectionOpt = None,
    family: of_compare.FamilyOpt = "table",
    alpha: of_compare.AlphaOpt = None,
    ci: of_compare.CiOpt = "t",
    missing: of_compare.MissingOpt = "worst",
    rows: of_compare.RowsOpt = "block",
    posthoc: of_compare.PosthocOpt = "wilcoxon",
    resample: of_compare.ResampleOpt = "seeds",
    claim: of_compare.ClaimOpt = "both",
    margin: of_compare.MarginOpt = None,
    two_stage: of_compare.TwoStageOpt = False,
    pab: of_compare.PabOpt = False,
    unpaired: of_compare.UnpairedOpt = False,
    published: of_compare.PublishedOpt = "auto",
    call: of_compare.CallOpt = None,
    audits: of_report.AuditsOpt = None,
    audit: of_report.AuditOpt = False,
    plugin: PluginOpt = None,
    json_: JsonOpt = False,
) -> None:
    """Write one page with everything: findings, tables, figures, plan, failures, data."""
    import bench.frame
    import bench.report
    from bench.compare import compare as compare_frame
    from bench.compare import margins
    from bench.verbs.report import audits_of, write

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
        rows=rows,
        posthoc=posthoc,
        resample=resample,
        all_metrics=all_metrics,
        margins=margins.parsed(margin or ()),
        claim=claim,
        two_stage=two_stage,
        pab=pab,
        unpaired=unpaired,
        published=published,
    )
    known = audits_of(frame, audits or (), run_them=audit, plugins=plugin)
    made = bench.report.report(frame, comparison, audits=known, title=title, with_figures=figures)
    write(made, output, json_=json_)


@app.command(
    epilog="memb check results/quickstart -b baseline.json --update-baseline\n\n"
    "memb check suites/check.yaml -b baseline.json --jobs 2 --report junit=build/check.xml"
)
def check(
    current: of_check.CurrentArg = None,
    baseline: of_check.BaselineOpt = None,
    update_baseline: of_check.UpdateOpt = False,
    metric: of_check.MetricOpt = None,
    call: of_check.CallOpt = None,
    mode: of_check.ModeOpt = "auto",
    alpha: of_check.AlphaOpt = None,
    tolerance: of_check.ToleranceOpt = None,
    strict_margin: of_check.StrictMarginOpt = False,
    two_stage: of_check.TwoStageOpt = False,
    fail_on: of_check.FailOnOpt = "regressed",
    perf: of_check.PerfOpt = "report",
    allow_failures: of_check.AllowFailuresOpt = False,
    allow_env_change: of_check.AllowEnvOpt = False,
    allow_improvement: of_check.AllowImprovementOpt = False,
    seeds: SeedsOpt = None,
    plugin: PluginOpt = None,
    data_dir: DataDirOpt = None,
    jobs: of_check.JobsOpt = 1,
    timeout: of_check.TimeoutOpt = 3600.0,
    fresh: of_check.FreshOpt = False,
    output: OutputOpt = None,
    format_: of_check.FormatOpt = "rich",
    report: of_check.ReportOpt = None,
    json_: JsonOpt = False,
    verbose: of_check.VerboseOpt = False,
    quiet: QuietOpt = False,
) -> None:
    """Hold a run against a baseline: exit 1 if a cell regressed, 0 if none did."""
    from bench.check.model import Policy
    from bench.verbs import check as verb

    policy = Policy(
        mode=mode,
        two_stage=two_stage,
        strict_margin=strict_margin,
        fail_on=fail_on,
        perf=perf,
        metrics=tuple(metric) if metric else None,
        tolerances=verb.tolerances_of(tolerance),
        allow_failures=allow_failures,
        allow_env_change=allow_env_change,
        allow_improvement=allow_improvement,
    )
    options = verb.RunOptions(
        seeds=seeds,
        jobs=jobs,
        timeout_s=timeout or None,
        fresh=fresh,
        plugins=tuple(plugin or ()),
        data_dir=data_dir,
        output=output,
        quiet=quiet,
        call=call,
    )
    shown = verb.Shown("json" if json_ else format_, verb.report_files(report or ()), verbose)
    act = verb.update if update_baseline else verb.check
    raise typer.Exit(act(current, baseline or [], policy, alpha, options, shown))


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
    from bench.verbs.audit import audit_memory

    load_plugins(plugin)
    raise typer.Exit(audit_memory(name, set_ or (), backbone, json_=json_))


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


@app.command(
    epilog="memb show pair-recall\n\nmemb show online-tsf -p dataset=sm-co2 -n 2\n\n"
    "memb show episodic-events --seed 3 --format json"
)
def show(
    task: Annotated[str, typer.Argument(help="A registered task.", autocompletion=complete_tasks)],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", "-p", metavar="PARAM=VALUE", help="Set a parameter of the task."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the data.")] = 0,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="Samples to show.")] = 1,
    format_: Annotated[
        Literal["rich", "json"],
        typer.Option("--format", help="Drawn, or as data.", rich_help_panel="Output"),
    ] = "rich",
    plugin: PluginOpt = None,
    data_dir: DataDirOpt = None,
    json_: JsonOpt = False,
) -> None:
    """Draw samples of a task's data, so that a person can look at what is being asked."""
    from bench.verbs import show as verb

    load_plugins(plugin)
    use_data_dir(data_dir)
    chosen = "json" if json_ else format_
    verb.show(task, set_ or (), seed=seed, n=number, format=chosen)


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
    # products here are small: threads for them cost more than they save, all the more beside others
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from bench.errors import MembError

    try:
        app(prog_name="memb")
    except MembError as error:
        console.note(f"error: {error.render()}")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        console.print_nothing_more()
        sys.exit(0)
    except Exception:  # noqa: BLE001 - the outermost boundary: a bug of ours, with all we know
        console.note(
            f"{traceback.format_exc()}\n"
            "this is a bug in memb: please report it with the lines above"
        )
        sys.exit(4)


if __name__ == "__main__":
    main()
