from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import registry, runner
from bench.provenance import version
from tests.bench.small_runs import SMALL, lines, suite_text
from tests.cli.conftest import Memb


def write(text: str, name: str = "suite.yaml") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def test_without_a_verb_the_help_is_shown(memb: Memb) -> None:
    said = memb()
    assert said.code == 2  # as Typer has it: nothing was asked for
    assert "Usage: memb" in said.out + said.err
    assert "Usage: memb" in memb("--help").out


def test_help_documents_every_exit_code(memb: Memb) -> None:
    said = memb("--help")
    assert said.code == 0
    for code in ("0", "1", "2", "3", "4", "130"):
        assert f" {code} " in " ".join(said.out.split()), code


@pytest.mark.parametrize(
    "verb", ["run", "plan", "compare", "audit", "list", "info", "schema", "cache", "data", "new"]
)
def test_every_verb_explains_itself(memb: Memb, verb: str) -> None:
    said = memb(verb, "--help")
    assert said.code == 0
    assert f"memb {verb}" in said.out


def test_the_version_is_printed(memb: Memb) -> None:
    assert memb("--version").out == f"memb {version()}\n"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["comprae"], "compare"),
        (["run"], "Missing argument 'suite'"),
        (["run", "quickstart", "--job", "2"], "--jobs"),
        (["run", "quickstart", "--jobs", "0"], "greater than or equal to"),
        (["run", "quickstart", "--timeout", "-1"], "greater than or equal to 0"),
        (["run", "quickstart", "--cache", "sometimes"], "only-missing"),
        (["compare", "--mode", "all"], "all-pairs"),
    ],
)
def test_wrong_usage_exits_2_with_a_hint_on_stderr(memb: Memb, words: list[str], hint: str) -> None:
    said = memb(*words)
    assert (said.code, said.out) == (2, "")
    assert hint in said.err


def test_run_stores_and_says_what_it_did(memb: Memb) -> None:
    done = memb("run", write(SMALL), "--timeout", "0")
    assert (done.code, done.out) == (0, "")
    head, first, second, total, following = done.err.splitlines()
    assert head == (
        "small: 2 memories, 2 task points, 2 seeds: 4 trials in 2 cells -> results/small"
    )
    assert first.split()[:4] == ["linear-assoc", "capacity", "2/2", "ok"]
    assert second.split()[:4] == ["persistence", "drift", "2/2", "ok"]
    assert total.startswith("4 trials (0 cached): 4 ok; ")
    assert following == "next: memb compare results/small"
    assert len(lines(Path("results/small"))) == 6


def test_a_second_run_has_nothing_to_do(memb: Memb) -> None:
    suite = write(suite_text("linear-assoc"))
    memb("run", suite, "--timeout", "0")
    again = memb("run", suite, "--timeout", "0", "--json")
    assert again.code == 0
    facts = again.json
    assert (facts["schema"], facts["trials"], facts["cached"]) == ("memb-run/1", 2, 2)
    assert facts["statuses"] == {"ok": 2}


def test_quiet_says_nothing_when_all_is_well(memb: Memb) -> None:
    done = memb("run", write(suite_text("linear-assoc")), "--timeout", "0", "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_options_win_over_the_suite_and_are_stored(memb: Memb) -> None:
    suite = write(SMALL)
    done = memb(
        "run", suite, "--timeout", "0", "--seeds", "3,5", "--only", "linear-assoc",
        "--set", "tasks.capacity.pool=32", "-o", "elsewhere",
    )  # fmt: skip
    assert done.code == 0
    found = [r for r in lines(Path("elsewhere")) if r["kind"] == "trial"]
    assert [(r["label"], r["seed"]) for r in found] == [("linear-assoc", 3), ("linear-assoc", 5)]
    assert {r["task_params"]["pool"] for r in found} == {32}
    manifest = json.loads(Path("elsewhere/manifest.json").read_text(encoding="utf-8"))
    assert manifest["calls"][0]["suite"]["seeds"] == [3, 5]
    assert "--set" in manifest["calls"][0]["provenance"]["command"]


def test_fresh_and_only_cache_are_offered(memb: Memb) -> None:
    suite = write(suite_text("linear-assoc"))
    nothing = memb("run", suite, "--cache", "only-cache", "--json")
    assert (nothing.code, nothing.json["statuses"]) == (0, {"missing": 2})
    memb("run", suite, "--timeout", "0", "-q")
    afresh = memb("run", suite, "--timeout", "0", "--fresh", "--json")
    assert (afresh.json["cached"], afresh.json["statuses"]) == (0, {"ok": 2})
    assert len(list(Path("results/small").glob("records.before-*.jsonl"))) == 1


def test_one_trial_alone_prints_its_record_and_stores_nothing(memb: Memb, small_run: Path) -> None:
    kept = next(r for r in lines(small_run) if r["seed"] == 1 and r["label"] == "linear-assoc")
    done = memb("run", write(SMALL), "--trial", kept["trial_key"][:6])
    assert done.code == 0
    (record,) = done.json["records"]
    assert done.json["schema"] == "memb-trial/1"
    assert record["metrics"] == kept["metrics"]
    assert not Path("results").exists()


def test_an_unknown_trial_is_refused(memb: Memb) -> None:
    said = memb("run", write(SMALL), "--trial", "zzzz")
    assert (said.code, said.out) == (2, "")
    assert "no trial with a key that begins with 'zzzz'" in said.err
    assert "memb plan" in said.err


@pytest.mark.parametrize("words", [["plan", "suite.yaml"], ["run", "suite.yaml", "--dry-run"]])
def test_a_plan_is_shown_and_nothing_runs(memb: Memb, words: list[str]) -> None:
    write(SMALL)
    shown = memb(*words)
    assert shown.code == 0
    assert "time left: unknown" in shown.err
    rows = [line.split() for line in shown.out.splitlines()]
    assert ["capacity", "linear-assoc", "2", "0", "unknown"] in rows
    assert not Path("results").exists()
    facts = memb(*words, "--json").json
    assert (facts["schema"], facts["trials"], facts["cached"]) == ("memb-plan/1", 4, 0)


def test_a_probe_gives_a_first_plan_its_times(memb: Memb) -> None:
    cells = memb("plan", write(SMALL), "--probe", "--json").json["cells"]
    assert len(cells) == 2
    assert all(cell["seconds_left"] > 0 for cell in cells)
    assert not Path("results").exists()


def test_a_verbose_plan_lists_every_trials_key(memb: Memb, small_run: Path) -> None:
    keys = {r["trial_key"] for r in lines(small_run) if r["kind"] == "trial"}
    shown = memb("plan", write(SMALL), "--verbose", "-o", small_run)
    assert keys <= set(shown.out.split())
    assert "4 trials, 4 cached, time left: none" in shown.err
    assert set(memb("plan", "suite.yaml", "-v", "--json").json["keys"]) == keys


def test_compare_prints_a_leaderboard(memb: Memb, small_run: Path) -> None:
    shown = memb("compare", small_run)
    assert (shown.code, shown.err) == (0, "")
    assert "capacity: capacity_90 (items), higher is better" in shown.out
    assert "linear-assoc" in shown.out
    assert "persistence" in shown.out


@pytest.mark.parametrize(
    ("format_", "start"),
    [("markdown", "### capacity"), ("latex", "%"), ("csv", "task,"), ("json", "{")],
)
def test_compare_prints_other_formats(
    memb: Memb, small_run: Path, format_: str, start: str
) -> None:
    shown = memb("compare", small_run, "--format", format_)
    assert shown.code == 0
    assert shown.out.startswith(start), shown.out[:80]
    assert shown.out.endswith("\n")


def test_json_is_an_alias_of_its_format(memb: Memb, small_run: Path) -> None:
    alias = memb("compare", small_run, "--json")
    assert alias.out == memb("compare", small_run, "--format", "json").out
    assert alias.json["schema"].startswith("memb-")


def test_compare_takes_several_runs(memb: Memb, small_run: Path) -> None:
    memb("run", write(suite_text("delta\nexact-knn")), "--timeout", "0", "-q", "-o", "second")
    shown = memb("compare", small_run, "second", "--reference", "linear-assoc")
    assert shown.code == 0
    for label in ("linear-assoc", "delta", "exact-knn", "persistence"):
        assert label in shown.out


def test_compare_without_a_folder_takes_the_newest_run(memb: Memb) -> None:
    nothing = memb("compare")
    assert (nothing.code, nothing.out) == (2, "")
    assert "memb run quickstart" in nothing.err
    for memory in ("linear-assoc", "delta"):
        memb("run", write(suite_text(memory, name=memory)), "--timeout", "0", "-q")
    assert "delta" in memb("compare").out


@pytest.mark.parametrize(
    ("words", "finding"),
    [
        (["nowhere"], "no run in nowhere"),
        (["--metric", "msee"], "msee"),
        (["--reference", "linear-asoc"], "did you mean 'linear-assoc'?"),
        (["--call", "c9"], "no call 'c9'"),
    ],
)
def test_an_empty_selection_exits_2(
    memb: Memb, small_run: Path, words: list[str], finding: str
) -> None:
    given = words if words[0] == "nowhere" else [str(small_run), *words]
    said = memb("compare", *given)
    assert (said.code, said.out) == (2, "")
    assert finding in said.err


@pytest.mark.parametrize("what", ["memories", "tasks", "backbones", "suites"])
def test_lists_are_complete(memb: Memb, what: str) -> None:
    names = {
        "memories": registry.names("memory"),
        "tasks": registry.names("task"),
        "backbones": registry.names("backbone"),
        "suites": sorted(p.stem for p in Path(registry._HOME / "suites").glob("*.yaml")),
    }[what]
    shown = memb("list", what)
    assert shown.code == 0
    assert sorted(line.split()[0] for line in shown.out.splitlines()[1:]) == sorted(names)
    facts = memb("list", what, "--json").json
    assert sorted(item["name"] for item in facts["items"]) == sorted(names)
    assert all(item["description"] for item in facts["items"])


def test_an_unknown_list_is_refused(memb: Memb) -> None:
    said = memb("list", "memoires")
    assert said.code == 2
    assert "did you mean 'memories'?" in said.err


@pytest.mark.parametrize(
    ("name", "kind", "parameter"),
    [
        ("delta", "memory", "write_strength"),
        ("capacity", "task", "loads"),
        ("dlinear", "backbone", "kernel"),
    ],
)
def test_info_says_what_it_is_and_what_may_be_set(
    memb: Memb, name: str, kind: str, parameter: str
) -> None:
    facts = memb("info", name, "--json").json
    assert (facts["schema"], facts["name"], facts["kind"]) == ("memb-info/1", name, kind)
    shown = memb("info", name)
    assert shown.code == 0
    assert facts["text"].splitlines()[0] in shown.out
    if facts["params"]:
        assert parameter in {p["name"] for p in facts["params"]}
        assert parameter in shown.out


def test_info_on_a_misspelt_name_tells_the_nearest(memb: Memb) -> None:
    said = memb("info", "write_strenght")
    assert said.code == 2
    said = memb("info", "ar_rag")
    assert said.code == 2
    assert "did you mean 'ar-rag'?" in said.err


def test_the_schema_is_json_schema_with_all_names(memb: Memb) -> None:
    schema = memb("schema").json
    assert schema["$schema"].startswith("https://json-schema.org/")
    names = schema["$defs"]["MemoryEntry"]["properties"]["name"]["enum"]
    assert names == registry.names("memory")


def test_audit_tells_every_law(memb: Memb) -> None:
    held = memb("audit", "zero")
    assert held.code == 0
    assert "every law held" in held.err
    assert "BROKEN" not in held.out
    facts = memb("audit", "zero", "--json").json
    assert (facts["schema"], facts["memory"], facts["held"]) == ("memb-audit/1", "zero", True)


def test_audit_says_on_which_backbone(memb: Memb) -> None:
    shown = memb("audit", "frozen", "--backbone", "patchtst")
    assert shown.code == 0
    assert "frozen (forecaster, on patchtst)" in shown.out
    other = memb("audit", "ogd-head")
    assert other.code == 0
    assert "not on dlinear: the last linear map of DLinear is the whole of it" in other.err
    assert memb("audit", "frozen", "--backbone", "dlinera").code == 2


LEAKY = """\
import torch
from bench.registry import memory
from memories.base import AssociativeMemory


@memory("leaky")
class Leaky(AssociativeMemory):
    def __init__(self, key_dim: int, value_dim: int) -> None:
        super().__init__()
        self.value_dim = value_dim

    def init_state(self):
        return {"sum": torch.zeros(self.value_dim)}

    def write(self, state, keys, values, times=None, contexts=None):
        state["sum"].add_(values.sum(0))
        return {"sum": state["sum"].clone()}

    def read(self, state, queries, times=None, contexts=None):
        return state["sum"].expand(queries.shape[0], -1)
"""


def test_a_broken_law_exits_1(memb: Memb) -> None:
    broken = memb("audit", "leaky", "--plugin", write(LEAKY, "leaky.py"))
    assert broken.code == 1
    assert "BROKEN" in broken.out
    assert "broken" in broken.err


def test_a_new_memory_is_written_audited_and_run(memb: Memb) -> None:
    written = memb("new", "memory", "my-memory")
    assert written.code == 0
    assert "memb audit my-memory --plugin my_memory.py" in written.err
    assert memb("audit", "my-memory", "--plugin", "my_memory.py").code == 0
    assert "my-memory" in memb("list", "memories", "--plugin", "my_memory.py").out
    suite = write(suite_text("my-memory\nlinear-assoc"))
    assert memb("run", suite, "--plugin", "my_memory.py", "--timeout", "0", "-q").code == 0
    again = memb("new", "memory", "my-memory", "-o", "other.py")
    assert again.code == 2, "the plug-in is loaded in this process: the name is taken"


def test_a_bug_of_ours_exits_4_with_its_traceback(
    memb: Memb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.verbs.catalogue.catalogue", lambda what: 1 / 0)
    said = memb("list")
    assert (said.code, said.out) == (4, "")
    assert "ZeroDivisionError" in said.err
    assert "this is a bug in memb" in said.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], {"jobs": 1, "timeout_s": 3600.0, "cache": "only-missing", "checkpoint_s": 60.0}),
        (["--timeout", "0"], {"timeout_s": None}),
        (["--timeout", "2.5", "-j", "3"], {"timeout_s": 2.5, "jobs": 3}),
        (["--fresh"], {"cache": "never"}),
        (["--cache", "never", "--checkpoint-every", "0"], {"cache": "never", "checkpoint_s": 0.0}),
    ],
    ids=" ".join,
)
def test_options_of_a_run_reach_it(
    memb: Memb, monkeypatch: pytest.MonkeyPatch, words: list[str], expected: dict[str, object]
) -> None:
    given: list[runner.Options] = []

    def caught(plan: object, folder: Path, options: runner.Options, _: object) -> runner.Summary:
        given.append(options)
        return runner.Summary(folder, 0)

    monkeypatch.setattr(runner, "run", caught)
    assert memb("run", write(suite_text("linear-assoc")), *words).code == 0
    assert {name: getattr(given[0], name) for name in expected} == expected
