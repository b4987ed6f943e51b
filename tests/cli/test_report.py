"""`memb report` through the real command line: where it writes, what it refuses, what it says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.bench.small_runs import TROUBLED, suite_text
from tests.cli.conftest import Memb

FAST = "--no-figures"


def test_a_page_is_written_and_stdout_stays_empty(
    memb: Memb, small_run: Path, tmp_path: Path
) -> None:
    done = memb("report", small_run, "-o", tmp_path / "deep" / "page.html", FAST)
    assert (done.code, done.out) == (0, "")
    assert "wrote" in done.err
    page = (tmp_path / "deep" / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["page.html"]


def test_the_newest_run_and_a_name_are_the_defaults(
    memb: Memb, small_run: Path, tmp_path: Path
) -> None:
    shutil.copytree(small_run, tmp_path / "results" / "small")
    assert memb("report", FAST).code == 0
    assert (tmp_path / "report.html").exists()


def test_the_same_records_give_the_same_bytes(
    memb: Memb, small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures included, and whatever the order of the records in their file."""
    pages = []
    for place, order in (("as-written", 1), ("reversed", -1)):
        shutil.copytree(small_run, tmp_path / place / "run")
        records = tmp_path / place / "run" / "records.jsonl"
        lines = records.read_text(encoding="utf-8").splitlines(keepends=True)
        records.write_text("".join(lines[::order]), encoding="utf-8")
        monkeypatch.chdir(tmp_path / place)
        pages.append(memb("report", "run", "-o", "-").out)
    assert pages[0].startswith("<!doctype html>")
    assert pages[0] == pages[1]


def test_the_page_may_go_to_stdout(memb: Memb, small_run: Path) -> None:
    done = memb("report", small_run, "-o", "-", FAST)
    assert done.code == 0
    assert done.out.startswith("<!doctype html>")
    assert done.err == ""


def test_json_says_what_was_written(memb: Memb, small_run: Path, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    said = memb("report", small_run, "-o", file, "--json", "--title", "Ours").json
    assert said["schema"] == "memb-report/1"
    assert (said["file"], said["title"]) == (str(file), "Ours")
    assert said["bytes"] == file.stat().st_size
    assert said["audits"] == {"linear-assoc": "not audited", "persistence": "not audited"}
    assert said["figures"]
    assert said["failed_trials"] == 0


def test_json_and_the_page_do_not_share_stdout(memb: Memb, small_run: Path) -> None:
    done = memb("report", small_run, "-o", "-", "--json", FAST)
    assert (done.code, done.out) == (2, "")
    assert "--output" in done.err


def test_failures_stand_on_the_page_with_their_tracebacks(memb: Memb, tmp_path: Path) -> None:
    (tmp_path / "troubled.py").write_text(TROUBLED, encoding="utf-8")
    text = suite_text("{name: linear-assoc}\n{name: troubled, params: {how: raise, at: 1}}")
    (tmp_path / "suite.yaml").write_text(text, encoding="utf-8")
    words = ("suite.yaml", "--plugin", "troubled.py", "-o", "run", "--timeout", "0", "-q")
    assert memb("run", *words).code == 3
    done = memb("report", "run", "-o", "page.html", FAST)
    assert done.code == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Traceback (most recent call last)" in page
    assert "ZeroDivisionError: division by zero" in page
    assert "lambda values: 1 / 0" in page


def test_saved_audits_are_shown(memb: Memb, small_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "audits"
    folder.mkdir()
    saved = memb("audit", "linear-assoc", "--json")
    (folder / "linear-assoc.json").write_text(saved.out, encoding="utf-8")
    said = memb("report", small_run, "--audits", folder, "--json", FAST).json
    assert said["audits"] == {"linear-assoc": "held", "persistence": "not audited"}
    assert "init_state forgets everything" not in (tmp_path / "report.html").read_text()
    assert ">reset<" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_audits_are_run_if_asked_for(memb: Memb, small_run: Path) -> None:
    said = memb("report", small_run, "--audit", "--json", FAST).json
    assert said["audits"] == {"linear-assoc": "held", "persistence": "held"}


@pytest.mark.parametrize(
    ("words", "finding", "remedy"),
    [
        (["nowhere"], "no run in nowhere", "memb run"),
        (["RUN", "--reference", "lineer"], "unknown reference", "compared here"),
        (["RUN", "--audits", "nowhere.json"], "cannot read the audit", "memb audit NAME --json"),
        (["RUN", "-o", "file/page.html"], "cannot write the report", "--output"),
        (["RUN", "--audit", "--plugin", "gone.py"], "gone.py", ""),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_remedy(
    memb: Memb, small_run: Path, tmp_path: Path, words: list[str], finding: str, remedy: str
) -> None:
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    given = [str(small_run) if word == "RUN" else word for word in words]
    done = memb("report", *given, FAST)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert finding in done.err
    assert remedy in done.err
    assert not list(tmp_path.glob(".*.html*"))
