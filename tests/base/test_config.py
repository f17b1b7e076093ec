"""A recipe's faults are told all at once, each with its line, path, value, range and what was meant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, model_validator

from trivium.base.config import Settings, apply_overrides, read_yaml, read_yaml_lines, validate
from trivium.base.errors import RecipeError


class Files(Settings):
    kind: Literal["files"] = "files"
    path: Path
    encoding: str = "utf-8"


class World(Settings):
    kind: Literal["world"] = "world"
    documents: int = Field(default=100, ge=1)


class Optimizer(Settings):
    name: str = "any"
    learning_rate: float = Field(default=1e-3, gt=0, le=1)


class Model(Settings):
    layers: int = 1
    optimizer: Optimizer = Optimizer()


class Pretrain(Settings):
    steps: int | Literal["auto"] = 10
    optimizer: Optimizer = Optimizer()
    schedule: Optimizer | World = Optimizer()
    model: Model = Model(layers=3, optimizer=Optimizer(name="own", learning_rate=0.5))


class Gather(Settings):
    sources: tuple[Annotated[Files | World, Field(discriminator="kind")], ...] = Field(default=(World(),), min_length=1)
    first: int = 1
    second: int = 2

    @model_validator(mode="after")
    def _ordered(self) -> Gather:
        if self.first > self.second:
            raise ValueError(f"first is {self.first}, it must be at most second ({self.second})")
        return self


class Whole(Settings):
    seed: int = 0
    gather: Gather | None = None
    pretrain: Pretrain | None = None


def faults(content: dict[str, Any]) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        validate(Whole, content, "r.yaml")
    return str(caught.value).splitlines()


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5_000_000", 5_000_000),
        ("2e-3", 2e-3),
        ("1e5", 1e5),
        ("-3E+4", -3e4),
        (".5e-3", 5e-4),
        ("1_000.5", 1000.5),
        ("007", 7),
        ("no", "no"),
        ("true", True),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("", None),
        ("~", None),
        ("e5", "e5"),
        ("1e", "1e"),
        ("'2e-3'", "2e-3"),
    ],
)
def test_scalars_are_read_as_people_mean_them(tmp_path: Path, text: str, value: Any) -> None:
    read = read_yaml(written(tmp_path, f"a: {text}\n"))["a"]
    assert read == value
    assert type(read) is type(value)
    assert apply_overrides({}, [f"a={text}"]) == {"a": value}


def test_a_key_given_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"recipe\.yaml:3:3: not YAML \('steps' is given twice\)"):
        read_yaml(written(tmp_path, "pretrain:\n  steps: 1\n  steps: 2\n"))


def test_yaml_builds_no_objects(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="not YAML"):
        read_yaml(written(tmp_path, "a: !!python/object/apply:os.system ['true']\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "a recipe is a mapping"),
        ("a: [1\n", r"recipe\.yaml:2:1: not YAML"),
        ("a: b: c\n", r"recipe\.yaml:1:5"),
    ],
)
def test_what_is_no_recipe_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        read_yaml(written(tmp_path, text))


def test_a_missing_recipe_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="trivium init"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(RecipeError, match="this is a folder"):
        read_yaml(tmp_path)


def test_unknown_keys_are_told_with_what_was_meant_at_every_depth() -> None:
    assert faults({"pretrian": {}}) == ["r.yaml: 'pretrian': unknown key; did you mean 'pretrain'?"]
    assert faults({"pretrain": {"stpes": 3}}) == ["r.yaml: 'pretrain.stpes': unknown key; did you mean 'steps'?"]
    assert faults({"pretrain": {"optimizer": {"learning_rat": 1}}}) == [
        "r.yaml: 'pretrain.optimizer.learning_rat': unknown key; did you mean 'learning_rate'?"
    ]
    assert faults({"pretrain": {"optimizer": {"zzz": 1}}})[0].endswith("known here: learning_rate, name")


def test_in_a_list_of_alternatives_only_keys_of_the_chosen_kind_are_proposed() -> None:
    content = {"gather": {"sources": [{"kind": "world"}, {"kind": "files", "path": "a", "documnts": 3}]}}
    assert faults(content)[0].startswith("r.yaml: 'gather.sources[1].documnts': unknown key")
    assert "documents" not in faults(content)[0]
    content = {"gather": {"sources": [{"kind": "world", "documnts": 3}]}}
    assert faults(content) == ["r.yaml: 'gather.sources[0].documnts': unknown key; did you mean 'documents'?"]


def test_missing_keys_and_unknown_kinds_are_named() -> None:
    assert faults({"gather": {"sources": [{"kind": "files"}]}}) == ["r.yaml: 'gather.sources[0].path': Field required"]
    (fault,) = faults({"gather": {"sources": [{"kind": "fils"}]}})
    assert "gather.sources[0]" in fault
    assert "'files', 'world'" in fault


def test_a_list_with_a_wrong_item_is_not_called_too_short_as_well() -> None:
    (fault,) = faults({"gather": {"sources": [{"kind": "fils"}]}})
    assert "at least 1 item" not in fault
    (fault,) = faults({"gather": {"sources": []}})
    assert "at least 1 item" in fault


@pytest.mark.parametrize(
    ("given", "model"),
    [
        ({}, {"layers": 3, "optimizer": {"name": "own", "learning_rate": 0.5}}),
        ({"layers": 4}, {"layers": 4, "optimizer": {"name": "own", "learning_rate": 0.5}}),
        ({"optimizer": {"learning_rate": 0.1}}, {"layers": 3, "optimizer": {"name": "own", "learning_rate": 0.1}}),
        ({"optimizer": Optimizer()}, {"layers": 3, "optimizer": {"name": "any", "learning_rate": 1e-3}}),
    ],
)
def test_settings_inside_settings_given_in_part_keep_the_rest_of_the_default(
    given: dict[str, Any], model: dict[str, Any]
) -> None:
    assert validate(Pretrain, {"model": given}, "r").model.model_dump() == model
    assert Pretrain(model=given).model.model_dump() == model  # type: ignore[arg-type]


def test_of_alternatives_no_default_is_filled_in() -> None:
    assert validate(Pretrain, {"schedule": {"documents": 7}}, "r").schedule == World(documents=7)


def test_values_are_told_with_path_range_and_what_was_given() -> None:
    assert faults({"seed": "many"})[0].startswith("r.yaml: 'seed': should be a valid integer")
    (fault,) = faults({"pretrain": {"optimizer": {"learning_rate": 3}}})
    assert "'pretrain.optimizer.learning_rate': should be less than or equal to 1 (given: 3)" in fault
    (fault,) = faults({"pretrain": {"optimizer": {"learning_rate": float("nan")}}})
    assert "finite" in fault
    assert faults({"pretrain": 3}) == [
        "r.yaml: 'pretrain': should be a section (a mapping of keys to values) (given: 3)"
    ]


def test_alternatives_are_told_in_one_line() -> None:
    (fault,) = faults({"pretrain": {"steps": "lots"}})
    assert fault.startswith("r.yaml: 'pretrain.steps': should be a valid integer")
    assert fault.endswith("or 'auto' (given: 'lots')")
    assert faults({"pretrain": {"schedule": {"learning_rat": 1}}}) == [
        "r.yaml: 'pretrain.schedule.learning_rat': unknown key; did you mean 'learning_rate'?"
    ]


def test_checks_across_fields_speak_for_their_section() -> None:
    assert faults({"gather": {"first": 3}}) == ["r.yaml: 'gather': first is 3, it must be at most second (2)"]


def test_every_fault_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    path = written(
        tmp_path, "seed: x\n\npretrain:\n  steps: 3\n  optimiser: {}\ngather:\n  sources:\n    - kind: files\n"
    )
    content, lines = read_yaml_lines(path)
    with pytest.raises(RecipeError) as caught:
        validate(Whole, content, str(path), lines)
    told = [line.removeprefix(str(path)).split(": ")[0] for line in str(caught.value).splitlines()]
    assert sorted(told) == [":1", ":5", ":8"]


def test_overrides_reach_lists_and_leave_the_original_alone() -> None:
    content = {"gather": {"sources": [{"kind": "world"}, {"kind": "files"}]}, "pretrain": None}
    result = apply_overrides(content, ["gather.sources.1.path=a/b.txt", "pretrain.steps=2e3", "seed=4"])
    assert result["gather"]["sources"] == [{"kind": "world"}, {"kind": "files", "path": "a/b.txt"}]
    assert result["pretrain"] == {"steps": 2000.0}
    assert result["seed"] == 4
    assert content == {"gather": {"sources": [{"kind": "world"}, {"kind": "files"}]}, "pretrain": None}
    assert validate(Whole, {"pretrain": {"steps": 2e3}}, "r").pretrain == Pretrain(steps=2000)


@pytest.mark.parametrize("override", ["pretrain", "=3", "seed.deep=1", "gather.sources.7.path=x", "a=[1"])
def test_overrides_that_make_no_sense_are_refused(override: str) -> None:
    with pytest.raises(RecipeError, match="--set"):
        apply_overrides({"seed": 3, "gather": {"sources": [{}]}}, [override])
