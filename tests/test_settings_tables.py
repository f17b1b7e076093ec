"""The settings tables of the stages' pages against the classes: every name, every default."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import PydanticUndefined

from trivium.base.config import Settings
from trivium.base.yaml_text import parse
from trivium.data.sources.files import FilesSource, TextSettings
from trivium.data.sources.hub import HubSource
from trivium.data.sources.instructions import InstructionsSource
from trivium.data.sources.requests import RequestsSource
from trivium.data.sources.world import WorldSource
from trivium.journey.graph import ALGORITHMS, STAGES, load_stage, with_named

ROOT = Path(__file__).resolve().parents[1]
INSIDE = ("optimizer", "schedule")  # of these a page may list only what differs from the class's own defaults
SPELLED = {"sources": [{"kind": "world"}], "reward": [{"kind": "learned"}]}


def flat(settings: type[Settings], own: Any = None, at: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted name and default of every setting."""
    for name, field in settings.model_fields.items():
        default = field.default if own is None else getattr(own, name)
        if isinstance(default, Settings):
            yield from flat(type(default), default, f"{at}{name}.")
        else:
            yield f"{at}{name}", list(default) if isinstance(default, tuple) else default


def tables(page: Path) -> list[dict[str, Any]]:
    """The tables with a column `default`: name to default, as YAML reads it; 'none' is a setting that must be given."""
    found = re.findall(r"\| name \| default \| meaning \|\n\|[-|]+\|\n((?:\|.*\n)+)", page.read_text("utf-8"))
    return [
        {name: PydanticUndefined if text == "none" else parse(text.strip("`"))[0] for name, text in rows}
        for rows in (re.findall(r"^\| `([\w.]+)` \| (.*?) \|", table, re.MULTILINE) for table in found)
    ]


PAGES = {**{stage: f"stages/{stage}" for stage in STAGES}, "finetune-name": "tasks"}


@pytest.mark.parametrize("stage", PAGES)
def test_the_settings_of_a_page_are_those_of_the_stage(stage: str) -> None:
    (told, *_) = tables(ROOT / "docs" / f"{PAGES[stage]}.md")
    real = dict(flat(load_stage(stage, with_named([stage])).settings)) | {k: v for k, v in SPELLED.items() if k in told}
    general = dict(flat(load_stage("pretrain").settings))
    assert told == {name: real.get(name) for name in told}
    left_out = {name: value for name, value in real.items() if name not in told}
    assert left_out == {name: general[name] for name in left_out if name.split(".")[0] in INSIDE}


def test_the_settings_of_each_algorithm_are_on_aligns_page() -> None:
    """RLOO's are all there; the table of each other one, in their order, holds what it has beside RLOO's or otherwise."""
    first, *others = dict.fromkeys(ALGORITHMS.values())
    common = dict(flat(load_stage("align", {"align": first}).settings))
    told = tables(ROOT / "docs" / "stages" / "align.md")[1:]
    general = dict(flat(load_stage("pretrain").settings))  # of whose optimizer a page need not repeat what is the same
    for table, module in zip(told, others, strict=True):
        real = dict(flat(load_stage("align", {"align": module}).settings))
        own = {name: value for name, value in real.items() if name not in common or common[name] != value}
        same = {name for name, value in own.items() if general.get(f"optimizer.{name.partition('.')[2]}") == value}
        assert table == {name: own.get(name) for name in table}
        assert own.keys() - table.keys() <= same


def test_the_settings_of_the_sources_are_on_gathers_page() -> None:
    told = tables(ROOT / "docs" / "stages" / "gather.md")[1:]
    sources = (WorldSource, FilesSource, HubSource, InstructionsSource, RequestsSource)
    for table, source in zip(told, sources, strict=True):
        told_before = {"kind", *(TextSettings.model_fields if source is HubSource else ())}
        assert table == {name: value for name, value in flat(source) if name not in told_before}
