"""Saved audits: read strictly, matched to the memories of a run, absent ones said to be absent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.errors import MembError
from bench.report import audits
from bench.report.audits import Audit, Member
from bench.report.grids import audit_grids
from bench.report.model import LawVerdict


def saved(memory: str = "delta", **changes: Any) -> dict[str, Any]:
    verdict = {"law": "reset", "claim": "forgets", "outcome": "held", "detail": ""}
    value = {
        "schema": "memb-audit/1", "memory": memory, "params": {"k": 1}, "held": True,
        "protocol": "associative", "verdicts": [verdict], "backbone": "", "note": "",
    }  # fmt: skip
    return value | changes


def put(file: Path, value: Any) -> Path:
    file.write_text(json.dumps(value), encoding="utf-8")
    return file


def test_a_file_and_a_folder_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "audits"
    folder.mkdir()
    put(folder / "b.json", saved("ogd"))
    put(folder / "a.json", saved("delta"))
    (folder / "README.md").write_text("not an audit", encoding="utf-8")
    one = put(tmp_path / "one.json", saved("zero"))
    assert [audit.memory for audit in audits.read([one, folder])] == ["zero", "delta", "ogd"]


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        ("{", "not an audit"),
        ("[]", "not an audit: schema None"),
        (json.dumps(saved(schema="memb-check/1")), "schema 'memb-check/1'"),
        (json.dumps({"schema": "memb-audit/1"}), "not a whole audit"),
        (json.dumps(saved(verdicts=[{"law": "x", "claim": "", "outcome": "maybe",
                                     "detail": ""}])), "outcome 'maybe'"),
        (json.dumps(saved(params=3)), "not a whole audit"),
    ],
)  # fmt: skip
def test_what_is_no_audit_is_refused_by_file(tmp_path: Path, content: str, finding: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(MembError) as refused:
        audits.read([file])
    (problem,) = refused.value.problems
    assert finding in problem.message
    assert problem.place == str(file)
    assert "memb audit NAME --json" in problem.help


def test_a_file_that_is_not_there_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    for path, finding in ((tmp_path / "gone.json", "cannot read"), (tmp_path, "no audit here")):
        with pytest.raises(MembError, match=finding):
            audits.read([path])


def verdicts(*outcomes: str) -> tuple[LawVerdict, ...]:
    return tuple(LawVerdict(f"law-{i}", "claim", o, "seen") for i, o in enumerate(outcomes))


def test_the_audit_with_the_parameters_of_the_run_is_preferred() -> None:
    other = Audit("delta", {"k": 2}, verdicts("broken"))
    own = Audit("delta", {"k": 1}, verdicts("held"))
    (row,) = audits.rows([Member("d", "delta", ({"k": 1},))], [own, other])
    assert (row.outcome, row.note) == ("held", "")


def test_an_audit_with_other_parameters_says_which() -> None:
    audit = Audit("delta", {"k": 2, "chunk": 1}, verdicts("held"), backbone="dlinear")
    (row,) = audits.rows([Member("d", "delta", ({"k": 1, "chunk": 1},))], [audit])
    assert row.note == "on dlinear; with other parameters: k 2, in the run 1"


def test_a_memory_without_an_audit_is_not_audited() -> None:
    (row,) = audits.rows([Member("d", "delta", ({},))], [Audit("ogd", {}, verdicts("held"))])
    assert row.outcome == "not audited"


def test_one_broken_law_breaks_the_audit() -> None:
    (row,) = audits.rows(
        [Member("d", "delta", ({},))], [Audit("delta", {}, verdicts("held", "n/a", "broken"))]
    )
    assert (row.outcome, row.count("broken"), row.count("n/a")) == ("broken", 1, 1)


def test_memories_of_one_protocol_share_a_table_of_laws() -> None:
    members = [Member(name, name, ({},)) for name in ("a", "b", "c")]
    found = [Audit("a", {}, verdicts("held")), Audit("b", {}, verdicts("broken")),
             Audit("c", {}, verdicts("held", "held"))]  # fmt: skip
    first, second = audit_grids(audits.rows(members, found))
    assert [[cell.text for cell in row] for row in first.rows] == [
        ["a", "all 1 held", "held"],
        ["b", "1 broken", "BROKEN"],
    ]
    assert second.header == ("memory", "verdict", "law-0", "law-1")
