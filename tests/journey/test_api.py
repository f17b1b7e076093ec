"""`trivium.run` and `trivium.load`, as a Python user calls them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import trivium
from tests.journey.fake_stages import calls, hows, in_place_of_the_real_ones
from trivium.base.errors import UserError
from trivium.journey import runner
from trivium.model.architecture import Architecture
from trivium.model.initialise import initialise
from trivium.model.transformer import Transformer
from trivium.tokenizer import train
from trivium.train.record import save_model_folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(runner, "_write_report", lambda folder: None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.yaml").write_text("name: first\ngather:\npretrain:\n")
    with in_place_of_the_real_ones(tmp_path):
        yield tmp_path


def test_running_a_recipe(home: Path) -> None:
    results = trivium.run("recipe.yaml", set=["pretrain.steps=4"])
    assert hows(results) == {"gather": "made", "pretrain": "made"}
    assert results[1].folder == Path("runs/first/pretrain")
    assert results[1].figures["steps"] == 4
    assert calls(home)[1] == "pretrain 0-4"
    assert hows(trivium.run(home / "recipe.yaml", ["pretrain.steps=4"])) == {"gather": "reused", "pretrain": "reused"}
    trivium.run("recipe.yaml", runs="other", name="2024")
    assert (home / "other/2024/pretrain/result.txt").exists()


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("run") / "finetune"
    tokenizer = train(["the cat sat on the mat, the dog did not. " * 20], 270)
    shape = Architecture(
        vocab_size=tokenizer.vocab_size,
        hidden_size=16,
        num_layers=1,
        num_heads=2,
        num_kv_heads=1,
        head_dim=8,
        max_positions=64,
    )
    model = Transformer(shape)
    initialise(model, torch.Generator().manual_seed(0))
    torch.nn.init.normal_(model.embedding.weight, generator=torch.Generator().manual_seed(1))
    save_model_folder(model, tokenizer, folder)
    yield folder


def test_talking_to_a_model_folder(model_folder: Path) -> None:
    assistant = trivium.load(model_folder, device="cpu")
    assert assistant.stage == "finetune"
    greedy = assistant.chat("the cat", max_new_tokens=12)
    assert greedy == assistant.chat([{"role": "user", "content": "the cat"}], max_new_tokens=12, seed=7)
    drawn = {assistant.chat("the cat", max_new_tokens=12, temperature=1.0, seed=seed) for seed in range(4)}
    assert len(drawn) > 1
    pieces = list(assistant.stream("the cat", max_new_tokens=12, temperature=1.0, seed=1))
    assert "".join(pieces).strip() == assistant.chat("the cat", max_new_tokens=12, temperature=1.0, seed=1)
    with pytest.raises(UserError, match=r"a prompt has \d+ tokens; the model reads at most 63"):
        assistant.chat("the cat " * 100)
    assert isinstance(assistant.complete("", max_new_tokens=3), str)
