"""Backbones with parameters, from a suite to keys, built modules, costs and the shared cache."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from bench import plan, plugins, suite
from bench.errors import MembError
from bench.plan import Plan
from bench.running import construct, costs
from bench.running.cache import Cache
from bench.running.checkpoint import Checkpoint
from bench.running.workbench import Workbench
from memories.backbones.dlinear import DLinear
from memories.base import BackboneSlot, InvalidParameter
from tests.bench.small_runs import DRIFT, plan_of, suite_text
from tests.tasks.cells import cell
from tests.tasks.streams import DRIFT as SMALL

SIZES = {"channels": 2, "lookback": 12, "horizon": 3}


def on(backbone: str) -> str:
    return suite_text("frozen", DRIFT.replace("horizon: 4", f"horizon: 4, backbone: {backbone}"))


def keys(made: Plan) -> set[str]:
    return set(made.trials)


def test_the_parameters_of_a_backbone_are_part_of_the_key(tmp_path: Path) -> None:
    named, written, other = (
        plan_of(tmp_path, on(backbone))
        for backbone in (
            "dlinear",
            "{name: dlinear, params: {kernel: 25}}",
            "{name: dlinear, params: {kernel: 5}}",
        )
    )
    assert keys(named) == keys(written)
    assert not keys(named) & keys(other)


def test_a_grid_of_backbones_is_as_many_task_points(tmp_path: Path) -> None:
    made = plan_of(tmp_path, on("[dlinear, {name: itransformer, params: {width: 16, heads: 2}}]"))
    assert [c.task_label for c in made.cells] == [
        "drift[backbone=dlinear]",
        "drift[backbone=itransformer(width=16,heads=2)]",
    ]
    assert len({c.protocol_hash for c in made.cells}) == 2


def test_a_backbone_can_be_set_on_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text(on("dlinear"), encoding="utf-8")
    overrides = ["tasks.drift.backbone.params.kernel=5"]
    (task,) = suite.load(file, overrides=overrides).tasks
    assert task.params["backbone"]["params"]["kernel"] == 5
    (task,) = suite.load(file, overrides=["tasks.drift.backbone=patchtst"]).tasks
    assert task.params["backbone"]["name"] == "patchtst"


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ("{name: dlinear, params: {kernel: 4}}", "kernel of dlinear must be odd and positive"),
        ("{name: dlinear, params: {kernel: x}}", "must be a whole number, got 'x'"),
        ("{name: dlinear, params: {kernal: 5}}", "unknown parameter 'kernal' of dlinear"),
    ],
)
def test_what_a_backbone_refuses_is_told_at_its_place_in_the_task(
    tmp_path: Path, backbone: str, message: str
) -> None:
    with pytest.raises(MembError) as caught:
        plan_of(tmp_path, on(backbone))
    said = caught.value.render()
    assert message in said
    assert f"{tmp_path}/suite.yaml:6:" in said
    assert "tasks[0].params.backbone" in said


DROPPING = """\
import torch
from torch import nn
from bench.registry import backbone
from memories.backbones.layers import linear


@backbone("dropping")
class Dropping(nn.Module):
    def __init__(self, lookback: int, horizon: int, *, rate: float = 0.1, generator) -> None:
        super().__init__()
        self.map, self.drop = linear(lookback, horizon, generator), nn.Dropout(rate)

    def forward(self, windows):
        return self.drop(self.map(windows.transpose(-1, -2))).transpose(-1, -2)
"""


@pytest.mark.usefixtures("clean_plugins")
def test_a_plug_in_with_torchs_dropout_is_refused_before_anything_runs(tmp_path: Path) -> None:
    plugin = tmp_path / "dropping.py"
    plugin.write_text(DROPPING, encoding="utf-8")
    assert plugins.load([str(plugin)]) == []
    with pytest.raises(MembError) as caught:
        plan_of(tmp_path, on("dropping"))
    said = caught.value.render()
    assert "'dropping' holds Dropout at 'drop'" in said
    assert "subclass memories.backbones.base.Backbone" in said
    assert plan_of(tmp_path, on("{name: dropping, params: {rate: 0.0}}")).cells


@pytest.mark.usefixtures("clean_plugins")
def test_the_code_of_a_plug_ins_backbone_is_part_of_the_key(tmp_path: Path) -> None:
    plugin = tmp_path / "dropping.py"
    plugin.write_text(DROPPING, encoding="utf-8")
    assert plugins.load([str(plugin)]) == []
    text = on("{name: dropping, params: {rate: 0.0}}")
    before = keys(plan_of(tmp_path, text))
    plugin.write_text(DROPPING.replace("self.map(", "2 * self.map("), encoding="utf-8")
    assert not before & keys(plan_of(tmp_path, text))
    plugin.write_text("# a remark\n" + DROPPING, encoding="utf-8")
    assert before == keys(plan_of(tmp_path, text))


def test_a_backbone_is_built_from_its_name_or_its_choice() -> None:
    given = {**SIZES, "steps": 99, "period": 24, "generator": torch.Generator()}
    assert construct.build_backbone("dlinear", given).kernel == 25
    chosen = construct.build_backbone(BackboneSlot("dlinear", {"kernel": 5}), given)
    assert isinstance(chosen, DLinear)
    assert chosen.kernel == 5


def test_what_its_constructor_refuses_is_a_problem_of_the_tasks_parameter() -> None:
    choice = BackboneSlot("dlinear", {"kernel": 4})
    with pytest.raises(InvalidParameter, match="kernel of dlinear must be odd") as refused:
        construct.build_backbone(choice, {**SIZES, "generator": torch.Generator()})
    assert refused.value.parameter == "backbone"


def small(backbone: Any) -> plan.Cell:
    return cell("frozen", "online-tsf", SMALL | {"backbone": backbone})


def test_a_workbench_builds_the_chosen_backbone() -> None:
    bench = Workbench(small("dlinear"), [0])
    build = bench.backbone(BackboneSlot("dlinear", {"kernel": 7}))
    assert build(**SIZES, generator=bench.init_rng(0)).kernel == 7


def test_costs_are_measured_on_the_backbone_that_was_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built: list[str | BackboneSlot] = []
    build = construct.build_backbone

    def noted(choice: str | BackboneSlot, dictated: Mapping[str, Any]) -> torch.nn.Module:
        built.append(choice)
        return build(choice, dictated)

    monkeypatch.setattr(construct, "build_backbone", noted)
    choice = {"name": "itransformer", "params": {"width": 16, "heads": 2}}
    assert {"observe_us", "predict_us"} <= {m["name"] for m in costs.measure(small(choice), "cpu")}
    (only,) = built
    assert isinstance(only, BackboneSlot)
    assert (only.name, only.params["width"]) == ("itransformer", 16)


def test_an_unfinished_training_is_kept_beside_the_blocks_check_point(tmp_path: Path) -> None:
    file = tmp_path / "block.safetensors"
    bench = Workbench(small("dlinear"), [0], checkpoint=Checkpoint(file, every_s=0))
    first, other = bench.keeper({"seeds": [0]}), bench.keeper({"seeds": [1]})
    assert first is not None
    assert other is not None
    first.offer(3, lambda: {"weights": torch.ones(2)})
    assert other.load() is None
    again = Workbench(small("dlinear"), [0], checkpoint=Checkpoint(file)).keeper({"seeds": [0]})
    assert again is not None
    kept = again.load()
    assert kept is not None
    assert (kept[0]["weights"].tolist(), kept[1]) == ([1.0, 1.0], 3)
    assert not file.exists()
    assert Workbench(small("dlinear"), [0]).keeper({"seeds": [0]}) is None


def test_the_cache_says_which_backbone_it_holds(tmp_path: Path) -> None:
    root = tmp_path / "cache"
    bench = Workbench(small("dlinear"), [0], cache=Cache(root))
    key = {"made": "pre-trained backbone", "backbone": "patchtst", "horizon": 3}
    bench.shared(key, [0], lambda seeds: {seed: {"weights": torch.ones(1)} for seed in seeds})
    (entry,) = Cache(root).entries()
    assert entry.subject == "backbone=patchtst horizon=3"
