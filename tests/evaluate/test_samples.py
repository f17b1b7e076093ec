"""What stands beside an answer: how likely each model finds it, against one forward pass, and the KL of that answer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.reference.folders import small_decoder
from trivium.base.words import Message
from trivium.evaluate.samples import pick, with_changes
from trivium.generate import Generator, load_generator


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Generator]:
    """Three models of random weights under the names of the phases."""
    folder = tmp_path_factory.mktemp("run")
    names = ("pretrain", "finetune", "align")
    return {name: load_generator(small_decoder(folder / name, seed), "cpu", 1) for seed, name in enumerate(names)}


def sample(**answers: str) -> dict[str, Any]:
    return {"prompt": "Who is there?", "kind": "open", "answers": answers, "reference": None, "rewards": {}}


def test_likelihoods_are_of_the_text_after_what_each_model_is_given(models: dict[str, Generator]) -> None:
    changes = with_changes(sample(pretrain="A fox.", finetune="Nobody.", align="I am."), models)["changes"]
    tokenizer = models["align"].tokenizer
    asked = tokenizer.render([Message("user", "Who is there?")], add_generation_prompt=True).ids
    bare = [tokenizer.end_of_text, *tokenizer.encode("Who is there?\n")]
    own, newest = tokenizer.encode("Nobody."), tokenizer.encode("I am.")
    assert changes["finetune"]["log_likelihood"] == pytest.approx(models["finetune"].log_likelihood(asked, own))
    assert changes["finetune"]["log_likelihood_of_newest"] == models["finetune"].log_likelihood(asked, newest)
    assert changes["pretrain"]["log_likelihood_of_newest"] == models["pretrain"].log_likelihood(bare, newest)
    told = changes["align"]
    assert told["log_likelihood"] == told["log_likelihood_of_newest"]
    assert told["kl"] == pytest.approx(told["log_likelihood"] - changes["finetune"]["log_likelihood_of_newest"])
    assert "kl" not in changes["finetune"]


def test_an_answer_that_is_empty_or_too_long_has_no_likelihood(models: dict[str, Generator]) -> None:
    changes = with_changes(sample(pretrain="", finetune="fox " * 200, align="I am."), models)["changes"]
    assert set(changes["pretrain"]) == set(changes["finetune"]) == {"log_likelihood_of_newest"}
    silent = with_changes(sample(pretrain="A fox.", finetune="Nobody.", align=""), models)["changes"]
    assert set(silent["finetune"]) == {"log_likelihood"} and silent["align"] == {}


def test_the_first_of_each_kind_is_shown_whatever_it_looks_like() -> None:
    rows = [{"kind": kind, "number": number} for number, kind in enumerate("aabcb")]
    assert [row["number"] for row in pick(rows, 2)] == [0, 2]
