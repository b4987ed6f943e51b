"""Published numbers: the format, what matches, the verdict, how it is shown."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from bench import published, tables
from bench.compare import Comparison, compare
from bench.errors import MembError
from tests.bench.frames import ACCURACY, FrameBuilder
from tests.conftest import ROOT

SHIPPED = sorted((ROOT / "suites" / "published").glob("*.yaml"))
TEXT = """\
task: recall
metrics: {mse: mean squared error}
sources: {doe-2020: "Doe 2020, table 1"}
results:
  - {name: Theirs, metric: mse, value: 0.437, memory: ours, source: doe-2020}
"""


def write(folder: Path, text: str = TEXT) -> str:
    file = folder / "numbers.yaml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def with_params(frame: pd.DataFrame, params: dict[str, object]) -> pd.DataFrame:
    frame["task_params"] = json.dumps(params)
    return frame


def compared(file: str, values: list[float], **more: object) -> Comparison:
    built = (
        FrameBuilder().cell("ours", values, **more).cell("other", [v + 1 for v in values], **more)
    )
    return compare(built.frame(), published=file)


def verdict(tmp_path: Path, values: list[float], text: str = TEXT, **more: object) -> str:
    (entry,) = compared(write(tmp_path, text), values, **more).published
    (row,) = entry.rows
    return row.verdict


def test_three_seeds_neither_beat_nor_reproduce_a_number_printed_once(tmp_path: Path) -> None:
    """Three means of a README, 0.43325, 0.43950 and 0.42950, against the 0.437 of a competitor.

    The interval [0.42153, 0.44663] reaches beyond 0.437 +- 2% = [0.42826, 0.44574] on both sides.
    """
    (entry,) = compared(write(tmp_path), [0.43325, 0.43950, 0.42950]).published
    (row,) = entry.rows
    assert row.verdict == "inconclusive"
    assert row.replication is not None
    assert row.replication.p == pytest.approx(0.42265, abs=5e-6)
    assert row.margin == pytest.approx(0.00874)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0.436, 0.437, 0.438], "reproduced"),
        ([0.400, 0.401, 0.402], "better"),
        ([0.470, 0.471, 0.472], "worse"),
        ([0.400, 0.437, 0.470], "inconclusive"),
        ([0.437, 0.437], "n<3"),
    ],
)
def test_verdicts_on_a_loss(tmp_path: Path, values: list[float], said: str) -> None:
    assert verdict(tmp_path, values) == said


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0.899, 0.900, 0.901], "reproduced"),
        ([0.950, 0.951, 0.952], "better"),
        ([0.850, 0.851, 0.852], "worse"),
    ],
)
def test_a_proportion_may_differ_by_a_hundredth_and_more_of_it_is_better(
    tmp_path: Path, values: list[float], said: str
) -> None:
    text = TEXT.replace("mse", "accuracy").replace("0.437", "0.9")
    assert verdict(tmp_path, values, text, metric=ACCURACY) == said


def test_the_tolerance_of_the_suite_comes_first(tmp_path: Path) -> None:
    built = FrameBuilder().cell("ours", [0.470, 0.471, 0.472]).cell("other", [1.0, 1.1, 1.2])
    attrs = {"statistics": {"tolerance": {"mse": {"rel": 0.1}}}}
    (entry,) = compare(built.frame(**attrs), published=write(tmp_path)).published
    assert entry.rows[0].verdict == "reproduced"


def test_one_value_that_holds_for_every_seed_is_compared_as_it_is(tmp_path: Path) -> None:
    for value, said in ((0.44, "reproduced"), (0.42, "better"), (0.45, "worse")):
        found = compared(write(tmp_path), [value], seeds=[None], deterministic=True).published
        assert found[0].rows[0].verdict == said
        assert found[0].rows[0].replication is None


def test_a_published_spread_widens_the_interval(tmp_path: Path) -> None:
    values = [0.436, 0.437, 0.438]
    wide = TEXT.replace("value: 0.437", "value: 0.437, sd: 0.02, n: 3")
    runs = TEXT.replace("value: 0.437", "values: [0.417, 0.437, 0.457]")
    assert verdict(tmp_path, values, wide) == "inconclusive"
    (entry,) = compared(write(tmp_path, runs), values).published
    (row,) = entry.rows
    assert (row.value, row.sd, row.n) == pytest.approx((0.437, 0.02, 3))
    assert row.verdict == "inconclusive"


def test_what_failed_is_no_verdict_and_survivors_show_nothing(tmp_path: Path) -> None:
    built = FrameBuilder().cell("ours", [0.436, 0.437, 0.438, "oom"]).cell("other", [1, 2, 3, 4])
    (entry,) = compare(built.frame(), published=write(tmp_path)).published
    assert entry.rows[0].verdict == "inconclusive"
    built = FrameBuilder().cell("ours", ["oom"] * 3).cell("other", [1, 2, 3])
    (entry,) = compare(built.frame(), published=write(tmp_path)).published
    assert (entry.rows[0].verdict, entry.rows[0].ours) == ("no result", None)


def test_every_row_of_the_memory_with_the_parameters_is_judged(tmp_path: Path) -> None:
    text = TEXT.replace("memory: ours", "memory: ours, memory_params: {k: 2}")
    built = FrameBuilder()
    for label, k in (("a", 1), ("b", 2), ("c", 2)):
        built.cell(label, [0.436, 0.437, 0.438], memory="ours", params={"k": k, "more": None})
    (entry,) = compare(built.frame(), published=write(tmp_path, text)).published
    assert [(row.label, row.verdict) for row in entry.rows] == [
        ("b", "reproduced"),
        ("c", "reproduced"),
    ]


def test_parameters_of_the_task_must_be_those_of_the_number(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        TEXT.replace("metrics:", "params: {split: offline}\nmetrics:").replace(
            "value", "params: {horizon: 96, backbone: dlinear}, value"
        ),
    )
    backbone = {"name": "dlinear", "params": {"kernel": 25}}
    right = {"split": "offline", "horizon": 96, "backbone": backbone, "lookback": 336}
    built = FrameBuilder().cell("ours", [0.43, 0.44, 0.45])
    assert compare(with_params(built.frame(), right), published=file).published
    for wrong in ({"split": "online"}, {"horizon": 192}, {"backbone": {"name": "patchtst"}}):
        with pytest.raises(MembError, match="none of its numbers"):
            compare(with_params(built.frame(), right | wrong), published=file)
    del right["lookback"], right["split"]
    with pytest.raises(MembError, match="none of its numbers"):
        compare(with_params(built.frame(), right), published=file)


def test_what_fits_a_parameter() -> None:
    backbone = {"name": "dlinear", "params": {"kernel": 25, "revin": False}}
    assert published.holds({}, {"a": 1})
    assert published.holds({"a": 1.0, "b": [1, 2]}, {"a": 1, "b": [1, 2], "c": None})
    assert published.holds({"x": "dlinear"}, {"x": backbone})
    assert published.holds({"x": {"params": {"kernel": 25}}}, {"x": backbone})
    assert not published.holds({"x": {"params": {"kernel": 3}}}, {"x": backbone})
    assert not published.holds({"x": "patchtst"}, {"x": backbone})
    assert not published.holds({"x": 25}, {"x": backbone})
    assert not published.holds({"b": [1]}, {"b": [1, 2]})
    assert not published.holds({"missing": None}, {})


@pytest.mark.parametrize(
    ("change", "message", "line"),
    [
        (("value: 0.437", "value: .nan"), "must be finite", 5),
        (("value: 0.437, ", ""), "give either value or values", 5),
        (("value: 0.437", "value: 0.4, values: [0.3, 0.5]"), "give either value or values", 5),
        (("value: 0.437", "value: 0.437, sd: 0.1"), "sd needs n", 5),
        (("value: 0.437", "values: [0.3, 0.5], n: 2"), "sd and n follow from values", 5),
        (("value: 0.437", "values: [0.3, 0.5], seeds: [1]"), "seeds are those of values", 5),
        (("value: 0.437", "value: 0.437, seeds: [1]"), "seeds are those of values", 5),
        (("source: doe-2020", "source: doe"), "unknown source 'doe'", 5),
        (("metric: mse", "metric: mae"), "unknown metric 'mae'", 5),
        (("memory: ours", "memry: ours"), "unknown key 'memry'", 5),
        (("memory: ours", "memory_params: {k: 1}"), "memory_params needs memory", 5),
        (("metrics:", "comparable: false\nmetrics:"), "not comparable cannot be reproduced", 6),
        (("task: recall\n", ""), "missing key 'task'", 1),
        (("task: recall", "task: recall\ntask: recall"), "stands twice|duplicate", 2),
    ],
)
def test_a_wrong_file_is_refused_with_place_and_reason(
    tmp_path: Path, change: tuple[str, str], message: str, line: int
) -> None:
    file = write(tmp_path, TEXT.replace(*change))
    with pytest.raises(MembError, match=message) as caught:
        published.load(file, {"recall"})
    assert f"{file}:{line}:" in caught.value.render()
    assert caught.value.exit_code == 2


def test_a_file_that_is_not_there_or_about_another_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MembError, match=r"cannot read nowhere\.yaml"):
        published.load("nowhere.yaml", {"recall"})
    with pytest.raises(MembError, match="of task 'recall', which is not shown"):
        published.load(write(tmp_path), {"capacity"})


def test_nothing_is_read_for_tasks_without_published_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("parsed")

    monkeypatch.setattr(published, "read", refuse)
    assert published.load("auto", {"recall"}) == ()
    assert published.load("none", {"online-tsf"}) == ()


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_shipped_files_keep_the_format_and_say_nothing_twice(file: Path) -> None:
    model = published.read(file.read_text(encoding="utf-8"), file.name)
    said = [
        (r.name, r.metric, r.source, json.dumps(r.params, sort_keys=True)) for r in model.results
    ]
    assert len(set(said)) == len(said)
    assert {r.source for r in model.results} == set(model.sources)
    assert {r.metric for r in model.results} == set(model.metrics)
    assert [f.task for f in published.load("auto", {model.task})].count(model.task) >= 1


def test_shipped_numbers_are_those_of_the_sources() -> None:
    """DLinear and iTransformer at the shortest and the longest horizon in Liu et al. 2024."""
    text = (ROOT / "suites" / "published" / "etth1_offline.yaml").read_text(encoding="utf-8")
    values = {
        (r.name, r.params["horizon"], r.metric): r.value
        for r in published.read(text, "etth1_offline.yaml").results
    }
    assert (values["DLinear", 96, "mse"], values["DLinear", 720, "mae"]) == (0.386, 0.516)
    assert (values["iTransformer", 96, "mse"], values["iTransformer", 720, "mae"]) == (0.386, 0.491)
    assert (values["PatchTST", 96, "mse"], values["PatchTST, rerun", 96, "mse"]) == (0.414, 0.381)
    assert len(values) == 3 * 4 * 2 + 4 * 2


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    text = TEXT.replace(
        "source: doe-2020}",
        "source: doe-2020}\n  - {name: A_B|<c>, metric: mse, value: 0.5, sd: 0.01, n: 4, "
        "source: doe-2020}",
    )
    file = write(tmp_path_factory.mktemp("shown"), text)
    return compared(file, [0.400, 0.401, 0.402])


def test_markdown_shows_the_numbers_below_the_leaderboard(shown: Comparison) -> None:
    text = tables.render(shown, "markdown")
    assert text.index("recall: mse, lower is better") < text.index("recall: published mse")
    line = next(line for line in text.splitlines() if line.startswith("| Theirs"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[1:4] == ["0.437", "ours", "0.4010"]
    assert cells[-2:] == ["not reproduced: ours is better", "doe-2020"]
    assert r"A\_B\|\<c>" in text
    assert "0.500 ± 0.010 (n=4)" in text
    assert "- Source doe-2020: Doe 2020, table 1." in text
    assert "The margin is 2% of it for mse" in text


def test_json_has_every_number_and_is_strict(shown: Comparison) -> None:
    found = json.loads(tables.render(shown, "json"), parse_constant=lambda name: 1 / 0)
    (entry,) = found["published"]
    assert (entry["task_label"], entry["metric"], entry["comparable"]) == ("recall", "mse", True)
    theirs, alone = entry["rows"]
    assert theirs["verdict"] == "better"
    assert theirs["replication"]["lo"] < theirs["difference"] < theirs["replication"]["hi"]
    assert (alone["label"], alone["verdict"], alone["sd"], alone["n"]) == (None, "", 0.01, 4)
    assert entry["citations"] == {"doe-2020": "Doe 2020, table 1"}


def test_latex_shows_them_too(shown: Comparison) -> None:
    text = tables.render(shown, "latex")
    assert "recall: published mse" in text
    assert r"A\_B\textbar{}$<$c$>$" in text


def test_numbers_that_are_not_comparable_stand_alone_with_the_reason(tmp_path: Path) -> None:
    text = TEXT.replace("metrics:", "comparable: false\nremark: Not ours.\nmetrics:")
    comparison = compared(write(tmp_path, text.replace("memory: ours, ", "")), [0.4, 0.5, 0.6])
    drawn = tables.render(comparison, "markdown")
    assert "published mse, not comparable with ours" in drawn
    assert "verdict" not in drawn
    assert "- Not ours." in drawn


AT_FULL_SIZE = TEXT.replace(
    "metrics:",
    "comparable: {encoder: {name: former, params: {preset: paper}}, stride: 1}\nmetrics:",
)
FULL = {"encoder": {"name": "former", "params": {"preset": "paper", "width": 512}}, "stride": 1}


def test_numbers_are_judged_only_where_the_task_point_measures_as_they_were_measured(
    tmp_path: Path,
) -> None:
    frame = FrameBuilder().cell("ours", [0.400, 0.401, 0.402]).cell("other", [1, 2, 3]).frame()
    file = write(tmp_path, AT_FULL_SIZE)
    (entry,) = compare(with_params(frame.copy(), FULL), published=file).published
    assert (entry.comparable, entry.requires) == (True, "")
    assert [row.verdict for row in entry.rows] == ["better"]
    small = {"encoder": {"name": "former", "params": {"preset": "small"}}, "stride": 1}
    for params in (small, FULL | {"stride": 4}, {"stride": 1}):
        comparison = compare(with_params(frame.copy(), params), published=file)
        (entry,) = comparison.published
        assert not entry.comparable
        assert [(row.label, row.verdict) for row in entry.rows] == [(None, "")]
        text = tables.render(comparison, "markdown")
        assert "published mse, not comparable with ours" in text
        assert "verdict" not in text
        assert (
            "- Numbers of doe-2020 at recall are for reference: comparable with ours are those at "
            "encoder former (preset paper), stride 1." in text
        )


def test_single_runs_are_listed_by_their_seeds_below_the_table(tmp_path: Path) -> None:
    """Their mean and deviation get one decimal more than the runs have: 0.393 and 0.0217."""
    text = TEXT.replace("value: 0.437", "values: [0.418, 0.381, 0.380], seeds: [2019, 2020, 2021]")
    comparison = compared(write(tmp_path, text), [0.39, 0.4, 0.41])
    drawn = tables.render(comparison, "markdown")
    assert "0.3930 ± 0.0217 (n=3)" in drawn
    assert (
        "- Runs of Theirs (doe-2020) at recall, mse by seed: 2019: 0.418, 2020: 0.381, 2021: 0.380."
        in drawn
    )
    (entry,) = json.loads(tables.render(comparison, "json"))["published"]
    assert entry["rows"][0]["seeds"] == [2019, 2020, 2021]
    assert entry["rows"][0]["runs"] == [0.418, 0.381, 0.38]


def test_no_published_numbers_leave_a_comparison_as_it_was() -> None:
    built = FrameBuilder().cell("ours", [0.4, 0.5, 0.6]).cell("other", [1.0, 1.1, 1.3])
    shown, without = compare(built.frame()), compare(built.frame(), published="none")
    assert (shown.published, shown.notes) == ((), without.notes)
    assert tables.render(shown, "json") == tables.render(without, "json")


def test_the_example_of_the_documentation_keeps_the_format() -> None:
    text = (ROOT / "docs" / "published.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    model = published.read(shown, "published.yaml")
    assert yaml.safe_load(shown)["task"] == model.task == "online-tsf"
    keys = set(published.PublishedFile.model_fields) | set(published.PublishedNumber.model_fields)
    told = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| .*$", text, re.MULTILINE))))
    assert keys - {"name", "metric", "source", "results"} <= told
