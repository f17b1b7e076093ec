"""What `compare` and `check --show-mask` draw."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console

from trivium.apps.comparison import draw, read_prompts
from trivium.apps.mask import draw_mask
from trivium.base.errors import DataError
from trivium.journey.recipe import read_recipe


@dataclass
class Row:
    prompt: str
    answers: Mapping[str, str]
    explanations: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def console(terminal: bool = False) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, force_terminal=terminal, width=80, color_system="standard" if terminal else None), file


def test_every_stage_s_answer_stands_under_its_prompt_in_eighty_columns() -> None:
    target, file = console()
    answers = {"pretrain": "and then " * 20, "finetune": "[bold]Paris[/bold]", "align": "Paris."}
    draw(
        [Row("What is [the] capital?", answers, {"align": "It ends [by itself]."}), Row("Second", {"align": "x"})],
        target,
    )
    lines = file.getvalue().splitlines()
    assert "What is [the] capital?" in lines[0]
    assert max(len(line) for line in lines) <= 80
    text = "\n".join(lines)
    assert text.index("pretrain") < text.index("finetune") < text.index("align") < text.index("Second")
    for shown in ("[bold]Paris[/bold]", "Paris.", "It ends [by itself]."):
        assert shown in text


def test_prompts_are_the_lines_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("one\n\n  two ö \n", encoding="utf-8")
    assert read_prompts(path) == ["one", "two ö"]
    path.write_text("\n")
    with pytest.raises(DataError, match="holds no prompt"):
        read_prompts(path)
    path.write_bytes(b"\xff")
    with pytest.raises(DataError, match="cannot be read as UTF-8"):
        read_prompts(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_prompts(tmp_path / "none")


def test_the_mask_is_told_by_brackets_where_there_are_no_colours(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps({"instruction": "Say [it].", "output": "No\nway"}))
    (tmp_path / "r.yaml").write_text(
        "gather:\n  sources: [{kind: instructions, path: rows.jsonl, heldout_share: 0}]\ntokenize:\n"
    )
    recipe = read_recipe(tmp_path / "r.yaml")
    target, file = console()
    draw_mask(recipe, tmp_path / "run", target)
    last = file.getvalue().splitlines()[-1]
    assert last.endswith("<|assistant|> [·] [N] [o] [⏎] [w] [a] [y] [<|end|>] ")
    assert "S a y · [ i t ] ." in last
    assert "1. " in file.getvalue()
    target, file = console(terminal=True)
    draw_mask(recipe, tmp_path / "run", target)
    assert "\x1b[32mN\x1b[0m" in file.getvalue()
    assert "green" in file.getvalue()
