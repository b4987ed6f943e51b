from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import suite
from bench.errors import MembError

pytestmark = pytest.mark.usefixtures("fake_entries")

Write = Callable[[str], Path]

GOOD = """\
name: trial
description: Everything a suite can say.
seeds: [3, 5]
memories:
  - linear-assoc
  - name: fake-rag
    label: rag
    params: {top_k: [5, 10], decay: 5e-1}
    tune: {gain: [0.1, 1]}
    tasks: [small]
  - {name: fake-bank, params: {memory: fake-rag}, tune: none, tasks: [fake-probe]}
tasks:
  - {name: fake-probe, label: small, params: {dim: 8, loads: [1, 2]}, block: probes}
  - {name: fake-probe, params: {horizon: [13, 26], dataset: a}, memories: [rag, linear-assoc]}
reference: linear-assoc
statistics: {alpha: 0.01, correction: bh}
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a suite in a folder of its own, which is the current one."""
    monkeypatch.chdir(tmp_path)

    def write_suite(text: str) -> Path:
        path = Path("suite.yaml")
        path.write_text(text, encoding="utf-8")
        return path

    return write_suite


def failure(path: Path | str, **options: Any) -> str:
    with pytest.raises(MembError) as caught:
        suite.load(path, **options)
    assert caught.value.exit_code == 2
    return caught.value.render()


def test_several_references_are_kept_in_their_order(write: Write) -> None:
    text = GOOD.replace("reference: linear-assoc", "reference: [fake-bank, linear-assoc]")
    assert text != GOOD
    assert suite.load(write(text)).references == ("fake-bank", "linear-assoc")


def test_each_unknown_reference_of_several_is_named(write: Write) -> None:
    text = GOOD.replace("reference: linear-assoc", "reference: [linear-asoc, fake-bank]")
    line = text.splitlines().index("reference: [linear-asoc, fake-bank]") + 1
    assert f"suite.yaml:{line}:13   reference[0]" in failure(write(text))


def test_a_suite_is_resolved_until_nothing_is_implied(write: Write) -> None:
    loaded = suite.load(write(GOOD))
    assert (loaded.name, loaded.seeds, loaded.references) == (
        "trial",
        (3, 5),
        ("linear-assoc",),
    )
    assert [m.label for m in loaded.memories] == [
        "linear-assoc",
        "rag[top-k=5]",
        "rag[top-k=10]",
        "fake-bank",
    ]
    assert [t.label for t in loaded.tasks] == [
        "small",
        "fake-probe[horizon=13]",
        "fake-probe[horizon=26]",
    ]
    rag = loaded.memories[2]
    assert (rag.name, rag.base) == ("fake-rag", "rag")
    assert rag.params["top_k"] == 10
    assert rag.params["decay"] == 0.5
    assert rag.params["mode"] == "nearest"
    assert rag.tune == {"gain": (0.1, 1.0)}
    assert rag.tasks == ("small",)
    assert rag.place == "suite.yaml:6:11"
    assert loaded.memories[0].tune == {}
    assert loaded.memories[0].tasks is None
    assert loaded.tasks[0].block == "probes"
    assert loaded.tasks[1].block == "fake-probe"
    assert loaded.statistics == suite.Statistics(correction="bh", alpha=0.01)


def test_limits_take_labels_and_names_and_hold_for_every_point_of_a_grid(write: Write) -> None:
    loaded = suite.load(write(GOOD))
    everything = ("small", "fake-probe[horizon=13]", "fake-probe[horizon=26]")
    assert loaded.memories[3].tasks == everything
    assert loaded.tasks[1].memories == ("linear-assoc", "rag[top-k=5]", "rag[top-k=10]")
    assert [(m.label, t.label) for m, t in loaded.pairs()] == [
        ("linear-assoc", "small"),
        ("rag[top-k=5]", "small"),
        ("rag[top-k=10]", "small"),
        ("fake-bank", "small"),
        ("linear-assoc", "fake-probe[horizon=13]"),
        ("linear-assoc", "fake-probe[horizon=26]"),
    ]


def test_a_number_of_seeds_counts_from_zero(write: Write) -> None:
    assert suite.load(write(GOOD.replace("[3, 5]", "4"))).seeds == (0, 1, 2, 3)


def test_the_description_is_json_and_does_not_depend_on_how_it_was_written(write: Write) -> None:
    first = suite.load(write(GOOD))
    text = json.dumps(first.describe(), allow_nan=False)
    assert json.loads(text)["memories"][1]["tune"] == {"gain": [0.1, 1.0]}
    rewritten = GOOD.replace("5e-1", "0.5").replace(
        "  - linear-assoc\n", "  - name: linear-assoc\n"
    )
    second = suite.load(write("# another file\n\n" + rewritten))
    assert second.describe() == first.describe()
    assert second == first


BAD = """\
name: My Suite
seeds: 0
memories:
  - ar-fast_weights
  - {name: fake-rag, gama: 3}
  - {name: fake-rag, params: {topk: 1, decay: 1.3, mode: sofmax, key_dim: 3}}
  - {name: fake-bank, params: {memory: {name: fake-rag, params: {top_k: [1, 2]}}}}
  - {name: fake-bank, label: two, tune: {rte: [1], rate: [a], memory: []}, tasks: [probe]}
  - qqqqqq
tasks:
  - {name: fake-probe, params: {loads: [1, 0], dim: [4, x]}, memories: [fake-bnk]}
  - fake-probe
  - {params: {}}
reference: rag
statistics: {test: z, alpha: 1}
colour: red
"""


def test_all_problems_are_reported_at_once_in_the_order_of_the_file(write: Write) -> None:
    assert failure(write(BAD)) == (
        "23 problems in suite.yaml\n"
        "- name: must be lower-case words joined by hyphens, got 'My Suite'\n"
        "  --> suite.yaml:1:7   name\n"
        "- seeds: must be >= 1, got 0\n"
        "  --> suite.yaml:2:8   seeds\n"
        "- unknown memory 'ar-fast_weights'\n"
        "  --> suite.yaml:4:5   memories[0]\n"
        "  help: did you mean 'ar-fast-weights'? 'memb list memories' shows all\n"
        "- unknown key 'gama'\n"
        "  --> suite.yaml:5:22   memories[1].gama\n"
        "  help: allowed are name, label, params, tune, meta, tasks; parameters go under params\n"
        "- unknown parameter 'topk' of fake-rag\n"
        "  --> suite.yaml:6:31   memories[2].params.topk\n"
        "  help: did you mean 'top_k'? fake-rag takes top_k, decay, mode, sizes, gain, soft\n"
        "- decay of fake-rag: must be <= 1, got 1.3\n"
        "  --> suite.yaml:6:47   memories[2].params.decay\n"
        "- mode of fake-rag: must be 'nearest' or 'softmax', got 'sofmax'\n"
        "  --> suite.yaml:6:58   memories[2].params.mode\n"
        "  help: did you mean 'softmax'?\n"
        "- 'key_dim' is given by the task, not by the suite\n"
        "  --> suite.yaml:6:66   memories[2].params.key_dim\n"
        "- memory.params.top_k of fake-bank: must be a whole number, got [1, 2]\n"
        "  --> suite.yaml:7:73   memories[3].params.memory.params.top_k\n"
        "- missing parameter 'memory' of fake-bank\n"
        "  --> suite.yaml:8:5   memories[4].params\n"
        "- unknown parameter 'rte' of fake-bank\n"
        "  --> suite.yaml:8:42   memories[4].tune.rte\n"
        "  help: did you mean 'rate'? fake-bank takes memory, second, rate\n"
        "- rate[0] of two: must be a number, got 'a'\n"
        "  --> suite.yaml:8:59   memories[4].tune.rate[0]\n"
        "- memory of two: an empty list gives no value to try\n"
        "  --> suite.yaml:8:71   memories[4].tune.memory\n"
        "- unknown limit 'probe': it is none of the suite's tasks\n"
        "  --> suite.yaml:8:84   memories[4].tasks[0]\n"
        "  help: did you mean 'fake-probe'? the suite has fake-probe\n"
        "- unknown memory 'qqqqqq'\n"
        "  --> suite.yaml:9:5   memories[5]\n"
        "  help: 'memb list memories' shows all\n"
        "- loads[1] of fake-probe: must be >= 1, got 0\n"
        "  --> suite.yaml:11:44   tasks[0].params.loads[1]\n"
        "- dim[1] of fake-probe: must be a whole number, got 'x'\n"
        "  --> suite.yaml:11:57   tasks[0].params.dim[1]\n"
        "- unknown limit 'fake-bnk': it is none of the suite's memories\n"
        "  --> suite.yaml:11:73   tasks[0].memories[0]\n"
        "  help: did you mean 'fake-bank'? "
        "the suite has ar-fast_weights, fake-bank, fake-rag, qqqqqq, two\n"
        "- missing key 'name'\n"
        "  --> suite.yaml:13:5   tasks[2]\n"
        "- unknown reference 'rag': no memory has this label\n"
        "  --> suite.yaml:14:12   reference\n"
        "  help: the suite has ar-fast_weights, fake-bank, fake-rag, qqqqqq, two\n"
        "- statistics.test: must be 'auto', 't', 'signflip', 'wilcoxon' or 'welch', got 'z'\n"
        "  --> suite.yaml:15:20   statistics.test\n"
        "- statistics.alpha: must be < 1, got 1\n"
        "  --> suite.yaml:15:30   statistics.alpha\n"
        "- unknown key 'colour'\n"
        "  --> suite.yaml:16:1   colour\n"
        "  help: allowed are name, description, seeds, memories, tasks, reference, statistics"
    )


def base(memories: str = "[linear-assoc]", tasks: str = "[fake-probe]", more: str = "") -> str:
    return f"name: s\nseeds: 1\nmemories: {memories}\ntasks: {tasks}\n{more}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            base("[linear-assok]"),
            "unknown memory 'linear-assok'\n"
            "  --> suite.yaml:3:12   memories[0]\n"
            "  help: did you mean 'linear-assoc'? 'memb list memories' shows all",
        ),
        (
            base("[{name: linear-assok}]"),
            "unknown memory 'linear-assok'\n"
            "  --> suite.yaml:3:19   memories[0].name\n"
            "  help: did you mean 'linear-assoc'? 'memb list memories' shows all",
        ),
        (
            base(tasks="[fake-prob]"),
            "unknown task 'fake-prob'\n"
            "  --> suite.yaml:4:9   tasks[0]\n"
            "  help: did you mean 'fake-probe'? 'memb list tasks' shows all",
        ),
        (base("[]"),
         "memories: must have at least 1 item, got 0\n  --> suite.yaml:3:11   memories"),
        (base(tasks="[]"), "tasks: must have at least 1 item, got 0\n  --> suite.yaml:4:8   tasks"),
        (
            base(more="reference: linear\n"),
            "unknown reference 'linear': no memory has this label\n"
            "  --> suite.yaml:5:12   reference\n"
            "  help: did you mean 'linear-assoc'? the suite has linear-assoc",
        ),
        (
            base("[{name: fake-rag, params: {top_k: [1, 2]}}]", more="reference: fake-rag\n"),
            "unknown reference 'fake-rag': no memory has this label\n"
            "  --> suite.yaml:5:12   reference\n"
            "  help: did you mean 'fake-rag[top-k=2]'? the suite has fake-rag[top-k=1], "
            "fake-rag[top-k=2]",
        ),
        (
            base("[fake-rag, {name: fake-rag, params: {top_k: 3}}]"),
            "label 'fake-rag' is used twice, first at suite.yaml:3:12\n"
            "  --> suite.yaml:3:22   memories[1]\n"
            "  help: give one of the two its own label",
        ),
        (
            base("[{name: fake-rag, label: a}, {name: linear-assoc, label: a}]"),
            "label 'a' is used twice, first at suite.yaml:3:36\n"
            "  --> suite.yaml:3:68   memories[1].label\n"
            "  help: give one of the two its own label",
        ),
        (
            base("[{name: fake-rag, tasks: [fake-probe, fake]}]"),
            "unknown limit 'fake': it is none of the suite's tasks\n"
            "  --> suite.yaml:3:49   memories[0].tasks[1]\n"
            "  help: the suite has fake-probe",
        ),
        (
            base(tasks="[{name: fake-probe, memories: [linear]}]"),
            "unknown limit 'linear': it is none of the suite's memories\n"
            "  --> suite.yaml:4:39   tasks[0].memories[0]\n"
            "  help: did you mean 'linear-assoc'? the suite has linear-assoc",
        ),
        (
            base("[{name: fake-rag, params: {gain: 1}, tune: {gain: [1, 2]}}]"),
            "'gain' of fake-rag is both set and tuned\n"
            "  --> suite.yaml:3:55   memories[0].tune.gain\n"
            "  help: keep it under params or under tune",
        ),
        (
            base("[{name: fake-rag, tune: {gain: 1}}]"),
            "gain of fake-rag: must be a list, got 1\n"
            "  --> suite.yaml:3:42   memories[0].tune.gain",
        ),
        (
            base("[{name: fake-rag, label: 'a[b]'}]"),
            "memories[0].label: must be one line without '[', ']' or ':', got 'a[b]'\n"
            "  --> suite.yaml:3:36   memories[0].label",
        ),
        (base("[3]"), "memories[0]: must be a mapping, got 3\n  --> suite.yaml:3:12   memories[0]"),
        (base("linear-assoc"),
         "memories: must be a list, got 'linear-assoc'\n  --> suite.yaml:3:11   memories"),
        (
            "name: s\nmemories: [linear-assoc]\ntasks: [fake-probe]\n",
            "missing key 'seeds'\n  --> suite.yaml:1:1",
        ),
        ("", "the file is empty\n  --> suite.yaml:1:1\n  help: start with  name: my-suite"),
        ("- a\n", "the suite: must be a mapping, got ['a']\n  --> suite.yaml:1:1"),
        (
            "name: s\nseeds: 1\nseeds: 2\n",
            "key 'seeds' stands twice, first on line 2\n"
            "  --> suite.yaml:3:1\n"
            "  help: remove one of the two",
        ),
    ],
)  # fmt: skip
def test_one_mistake_gives_one_message(write: Write, text: str, message: str) -> None:
    assert failure(write(text)) == message


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ("-1", "must be >= 1, got -1"),
        ("20000", "must be <= 10000, got 20000"),
        ("true", "must be a number of seeds or a list of seeds, got true"),
        ("2.0", "must be a number of seeds or a list of seeds, got 2.0"),
        ("[]", "must be a number of seeds or a list of seeds, got []"),
        ("[1, -2]", "item 2 must be a whole number >= 0, got -2"),
        ("[true]", "item 1 must be a whole number >= 0, got true"),
        ("[1, 2, 1]", "seed 1 stands twice"),
    ],
)
def test_seeds_are_a_number_or_distinct_numbers(write: Write, seeds: str, message: str) -> None:
    text = base().replace("seeds: 1", f"seeds: {seeds}")
    assert failure(write(text)) == f"seeds: {message}\n  --> suite.yaml:2:8   seeds"


def test_an_entry_that_failed_raises_no_second_complaint_about_its_label(write: Write) -> None:
    text = base(
        "[{name: fake-rag, label: rag, params: {top_k: 0}}]",
        "[{name: fake-probe, memories: [rag]}]",
        "reference: rag\n",
    )
    assert failure(write(text)) == (
        "top_k of rag: must be >= 1, got 0\n  --> suite.yaml:3:57   memories[0].params.top_k"
    )


def test_a_bad_byte_is_named_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("name: x\ndescription: Zürich\n".encode("latin-1"))
    assert failure(path) == (
        f"byte 0xFC is not UTF-8\n  --> {path}:2:15\n  help: save the file as UTF-8"
    )


def test_a_file_that_cannot_be_read_is_named(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(base())

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    assert failure(path) == "cannot read suite.yaml: Permission denied"


def test_a_file_that_is_missing_is_answered_with_the_nearest(write: Write) -> None:
    write(base())
    assert failure("suit.yaml") == (
        "there is no suite file suit.yaml\n  help: did you mean 'suite.yaml'?"
    )
    assert failure("nowhere/suite.yaml") == "there is no suite file nowhere/suite.yaml"


def test_a_shipped_suite_is_found_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / "small-one.yaml").write_text(base(), encoding="utf-8")
    monkeypatch.setattr("importlib.resources.files", lambda package: tmp_path / "shipped")
    assert suite.shipped() == ["small-one"]
    assert suite.load("small-one").name == "s"
    assert suite.load("small-one").file == "shipped/small-one.yaml"
    assert failure("small_one") == (
        "unknown suite 'small_one'\n"
        "  help: did you mean 'small-one'? 'memb list suites' shows all; a file ends in .yaml"
    )
    assert failure("suites/small-one.yaml") == (
        "there is no suite file suites/small-one.yaml\n"
        "  help: 'small-one' alone means the suite that ships with memb"
    )


def test_every_shipped_suite_is_valid_and_named_after_its_file() -> None:
    for name in suite.shipped():
        assert suite.load(name).name == name


def test_a_constructors_complaint_is_placed_where_the_suite_gives_the_value(write: Write) -> None:
    loaded = suite.load(write(GOOD))
    rag = loaded.memories[2]
    message, help = "must be <= key_dim (8), got 10", "choose fewer"
    assert suite.problem_at(rag, "top_k", message, help).render() == (
        "top_k of rag[top-k=10]: must be <= key_dim (8), got 10\n"
        "  --> suite.yaml:8:25   memories[1].params.top_k[1]\n"
        "  help: choose fewer"
    )
    assert suite.problem_at(rag, "gain", "is too big").place == "suite.yaml:9:18"
    assert suite.problem_at(rag, "tune", "cannot be tuned").place == "suite.yaml:9:11"
    assert suite.problem_at(rag, "mode", "must not be its default").render() == (
        "mode of rag[top-k=10]: must not be its default\n"
        "  --> suite.yaml:6:11   memories[1].params.mode"
    )
    assert suite.problem_at(loaded.tasks[2], "horizon", "x").path == "tasks[1].params.horizon[1]"


def test_a_complaint_about_an_override_is_placed_at_the_option(write: Write) -> None:
    loaded = suite.load(write(GOOD), overrides=["memories.rag.top_k=99"])
    problem = suite.problem_at(loaded.memories[1], "top_k", "must be <= 8, got 99")
    assert problem.render() == (
        "top_k of rag: must be <= 8, got 99\n"
        "  --> --set memories.rag.top_k=99   memories[1].params.top_k"
    )
