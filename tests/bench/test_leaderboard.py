"""The committed leaderboard: written from the records beside it, complete, and not stale."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from bench import frame, leaderboard, runner
from bench.compare import compare
from bench.errors import MembError
from bench.headline import headline
from bench.leaderboard import INDEX, PAGES, RECORDS, Page
from bench.records.merge import merge
from bench.store import RunFolder
from tests.bench.frames import ACCURACY, FrameBuilder
from tests.bench.small_runs import HERE, plan_of, suite_text
from tests.conftest import ROOT

RESULTS = ROOT / "results"
SUITES = sorted(folder.name for folder in (RESULTS / RECORDS).iterdir())
QUICK = ("mqar", "matrix-vs-linear", "episodic-budget")
"""Suites whose pages are made again in the default tests; the slow ones make all."""
LICENSED = {"etth1", "hmem-ablation", "spectral-etth1"}
REMEDY = "run 'make leaderboard' and commit what it writes"


def committed(suite: str) -> str:
    return (RESULTS / PAGES / f"{suite}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "suite",
    [pytest.param(s, marks=[] if s in QUICK else [pytest.mark.slow]) for s in SUITES],
)
def test_a_page_is_what_its_records_say(suite: str) -> None:
    made = leaderboard.page(RESULTS / RECORDS / suite, records=f"{RECORDS}/{suite}").text()
    assert made == committed(suite), REMEDY


def test_the_index_is_made_of_the_pages() -> None:
    pages = [Page.parse(committed(suite)) for suite in SUITES]
    text = leaderboard.index(pages, leaderboard.kept(RESULTS, pages))
    assert text == (RESULTS / INDEX).read_text(encoding="utf-8"), REMEDY


def test_every_page_has_records_or_a_licence_that_forbids_them() -> None:
    pages = {file.stem for file in (RESULTS / PAGES).glob("*.md")}
    assert pages == set(SUITES) | LICENSED
    for suite in LICENSED:
        datasets = {
            task["params"]["dataset"]
            for task in yaml.safe_load((ROOT / "suites" / f"{suite}.yaml").read_text())["tasks"]
        }
        assert datasets == {"etth1"}
        assert "licensed" in committed(suite)


@pytest.mark.parametrize("suite", SUITES)
def test_committed_records_are_complete_slim_and_free_data(suite: str) -> None:
    (call,) = RunFolder(RESULTS / RECORDS / suite).manifest()["calls"]
    assert call["slim"] is True
    shipped = {file.stem for file in (ROOT / "suites").glob("*.yaml")}
    assert call["suite"]["name"] == suite
    assert suite in shipped
    text = json.dumps(call)
    assert '"host"' not in text
    assert not re.search(r'"/(tmp|home|work|root|Users)/', text)
    assert "etth1" not in text.lower()


def test_committed_records_are_small() -> None:
    files = [file for file in (RESULTS / RECORDS).rglob("*") if file.is_file()]
    assert {file.name for file in files} == {"manifest.json", "records.jsonl.gz"}
    assert sum(file.stat().st_size for file in files) < 10e6


@pytest.mark.parametrize("file", [INDEX, f"{PAGES}/mqar.md"])
def test_links_lead_somewhere(file: str) -> None:
    text = (RESULTS / file).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    for link in links:
        assert ((RESULTS / file).parent / link).exists(), link


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with the records of one small suite and the page of another."""
    folder = tmp_path_factory.mktemp("board")
    for name in ("free", "licensed"):
        text = suite_text("linear-assoc\ndelta", name=name, seeds="3", more="description: What?")
        runner.run(plan_of(folder / name, text), folder / "runs" / name, HERE)
    merge([folder / "runs" / "free"], folder / "root" / RECORDS / "free", slim=True)
    leaderboard.write(folder / "root", [folder / "runs" / "licensed"])
    return folder / "root"


def test_one_command_writes_pages_and_index(root: Path, tmp_path: Path) -> None:
    assert {file.relative_to(root).as_posix() for file in root.rglob("*.md")} == {
        INDEX, f"{PAGES}/free.md", f"{PAGES}/licensed.md",
    }  # fmt: skip
    text = (root / PAGES / "free.md").read_text(encoding="utf-8")
    assert text.startswith("# free\n\nWhat?\n\n")
    assert "[records/free](../records/free)" in text
    assert "### capacity: capacity\\_90" in text
    assert "## Against cost" in text
    index = (root / INDEX).read_text(encoding="utf-8")
    assert re.search(
        r"^\| \[free\]\(reference/free\.md\) \| What\? \| .*\d{4}-\d\d-\d\d", index, re.M
    )
    assert "The data of licensed are licensed and not part of memb" in index


def test_writing_again_changes_nothing_and_a_change_is_stale(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "root"
    shutil.copytree(root, copy)
    assert leaderboard.main(["--root", str(copy), "--check"]) == 0
    before = {file: file.read_bytes() for file in copy.rglob("*.md")}
    assert leaderboard.main(["--root", str(copy)]) == 0
    assert {file: file.read_bytes() for file in copy.rglob("*.md")} == before
    page = copy / PAGES / "free.md"
    page.write_text(page.read_text(encoding="utf-8").replace("What?", "Who?"), encoding="utf-8")
    assert leaderboard.main(["--root", str(copy), "--check"]) == 1
    assert str(page) in capsys.readouterr().err
    assert leaderboard.stale(copy) == [page]


def test_a_page_survives_being_read(root: Path) -> None:
    text = (root / PAGES / "free.md").read_text(encoding="utf-8")
    assert Page.parse(text).text() == text
    for other in ("# free\n", text.replace("Written by `make", "By")):
        with pytest.raises(MembError, match="not a page of the leaderboard"):
            Page.parse(other)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    assert leaderboard.main(["--root", str(tmp_path), str(tmp_path)]) == 2


def test_a_headline_counts_what_the_tests_found() -> None:
    """`good` is better on both tasks, `bad` worse on both, `same` differs nowhere."""
    built = FrameBuilder()
    for task in ("recall", "noisy"):
        built.cell("base", [0.50, 0.52, 0.51, 0.49, 0.50], task=task, metric=ACCURACY)
        built.cell("good", [0.90, 0.93, 0.91, 0.88, 0.90], task=task, metric=ACCURACY)
        built.cell("bad", [0.10, 0.13, 0.11, 0.08, 0.10], task=task, metric=ACCURACY)
        built.cell("same", [0.51, 0.51, 0.52, 0.48, 0.50], task=task, metric=ACCURACY)
    assert headline(compare(built.frame(reference="base"))) == (
        "On at least one of 2 task points 1 of 3 memories is better than base in accuracy, and 1 "
        "is worse on at least one; most often better, on 2: good (paired t, n = 5, Holm correction "
        "over 6, alpha = 0.05)."
    )


def test_a_headline_says_it_if_nothing_is_better() -> None:
    built = FrameBuilder().cell("base", [0.50, 0.52, 0.51], metric=ACCURACY)
    built.cell("bad", [0.10, 0.13, 0.11], metric=ACCURACY)
    assert headline(compare(built.frame(reference="base"))).startswith(
        "On recall 1 of 1 memories is worse than base in accuracy, and none is better (paired t"
    )


def test_a_headline_claims_nothing_where_nothing_is_shown() -> None:
    built = FrameBuilder().cell("base", [0.5, 0.4, 0.6], metric=ACCURACY)
    built.cell("same", [0.6, 0.5, 0.45], metric=ACCURACY)
    assert headline(compare(built.frame(reference="base"))) == (
        "On recall no difference to base in accuracy is shown for any of 1 memories (paired t, "
        "n = 3, Holm correction over 1, alpha = 0.05)."
    )
    few = FrameBuilder().cell("base", [0.5, 0.4]).cell("other", [0.5, 0.4])
    assert headline(compare(few.frame(reference="base"))).startswith("Nothing is tested")


def test_a_headline_of_committed_records_names_its_test() -> None:
    said = headline(compare(frame.load([RESULTS / RECORDS / "mqar"])))
    assert re.search(r"\(.*alpha = 0\.05\)\.$", said)
