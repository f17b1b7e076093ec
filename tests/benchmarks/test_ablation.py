"""The ablation's switches do what they say, and its figures are differences of the same seed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import ablation
from tests.model.shapes import SHAPE
from trivium.journey.recipe import read_recipe
from trivium.model import elementwise, fused, initialise, transformer


@pytest.mark.parametrize("name", ablation.ROWS)
def test_every_row_is_a_recipe(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.txt").write_text("text", encoding="utf-8")
    path = tmp_path / "recipe.yaml"
    path.write_text(ablation.RECIPE.format(path='"text.txt"'), encoding="utf-8")
    base = read_recipe(path)
    recipe = read_recipe(path, [f"{key}={value}" for key, value in ablation.ROWS[name].settings(300).items()])
    assert (recipe.model_dump() != base.model_dump()) == (name != "default" and not ablation.ROWS[name].patch)


def test_the_switches_that_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(initialise, "initialise", initialise.initialise)  # put back afterwards
    monkeypatch.setattr(transformer, "norm_rotate", transformer.norm_rotate)
    ablation.plain_outputs()
    ablation.plain_heads()
    model = transformer.Transformer(SHAPE)
    initialise.initialise(model, torch.Generator().manual_seed(0))
    assert float(model.attentions[0].out.weight.detach().std()) == pytest.approx(
        (SHAPE.num_heads * SHAPE.head_dim) ** -0.5, rel=0.1
    )
    heads = torch.randn(2, 5, 3, 8)
    heads /= heads.square().mean(dim=-1, keepdim=True).sqrt()  # of these the norm is one already
    rotation = tuple(part[:, None] for part in elementwise.rotation_table(5, 8, 100.0))
    expected = fused.norm_rotate(heads, torch.ones(3, 8), rotation, 0.0)  # type: ignore[arg-type]
    torch.testing.assert_close(transformer.norm_rotate(heads, torch.ones(3, 8), rotation, 0.0), expected)  # type: ignore[arg-type]


def test_the_difference_is_taken_seed_by_seed() -> None:
    outcomes = {
        "default": [ablation.Outcome(2.0, 60.0, 100), ablation.Outcome(3.0, 61.0, 100)],
        "adamw": [ablation.Outcome(2.1, 60.0, 120), ablation.Outcome(3.3, 70.0, 120)],
    }
    base, other = ablation.figures_of(outcomes, [0, 1], 60.0)
    assert other.value == pytest.approx(2.7) and "+0.2000 to the default (+0.1000 to +0.3000)" in other.note
    assert "off by up to 17%" in other.note and "off by" not in base.note
