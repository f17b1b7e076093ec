"""A stage's folder works in the pipelines of transformers, which know nothing of us, and says there what it says here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.model.shapes import SHAPE, random_model
from tests.model.variants import any_model, shape_of
from trivium.base.words import Message
from trivium.generate import load_generator
from trivium.model.folder import save
from trivium.model.transformer import Transformer
from trivium.tokenizer import Tokenizer, train

transformers = pytest.importorskip("transformers")
TEXT = "The fox met an owl in Mirano, 12 years old. It's late! "


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train([TEXT * 3] * 9, 280, masked=True)


def written(model: Transformer, tokenizer: Tokenizer, folder: Path) -> Path:
    save(model, folder, tokenizer.special_ids())
    tokenizer.save(folder, model.shape.max_positions)
    return folder


def encoder(tokenizer: Tokenizer, kind: str) -> Transformer:
    shape = replace(shape_of("modernbert"), vocab_size=tokenizer.vocab_size, max_positions=64)
    return any_model(shape, kind)


def outputs(model: Transformer, tokenizer: Tokenizer, text: str) -> torch.Tensor:
    """Probabilities of the head for one framed text."""
    ids = torch.tensor([tokenizer.frame(tokenizer.encode(text)).ids])
    with torch.no_grad():
        return model.outputs(model(ids, real=torch.ones_like(ids, dtype=torch.bool)))[0].softmax(dim=-1)


def test_a_chat(tmp_path: Path, tokenizer: Tokenizer) -> None:
    plain = train([TEXT * 3] * 9, 280)
    model = random_model(replace(SHAPE, vocab_size=plain.vocab_size, max_positions=96))
    folder = written(model, plain, tmp_path)
    talk = transformers.pipeline("text-generation", str(folder), device="cpu")
    said = talk([{"role": "user", "content": "A fox?"}], max_new_tokens=12, do_sample=False)[0]["generated_text"]
    prompt = plain.render([Message("user", "A fox?")], add_generation_prompt=True).ids
    (ours,) = load_generator(folder, "cpu", 1).complete([prompt], max_new_tokens=12)
    assert said[-1]["role"] == "assistant" and said[-1]["content"].strip() == ours.text


def test_labels_of_a_text(tmp_path: Path, tokenizer: Tokenizer) -> None:
    model = encoder(tokenizer, "sequence")
    judge = transformers.pipeline("text-classification", str(written(model, tokenizer, tmp_path)), device="cpu")
    found = {each["label"]: each["score"] for each in judge("The owl met a fox!", top_k=None)}
    expected = outputs(model, tokenizer, "The owl met a fox!")
    assert [found[label] for label in model.head.labels] == pytest.approx(expected.tolist(), abs=1e-5)


def test_tags_of_tokens(tmp_path: Path, tokenizer: Tokenizer) -> None:
    model = encoder(tokenizer, "tokens")
    tag = transformers.pipeline("token-classification", str(written(model, tokenizer, tmp_path)), device="cpu")
    text = "in Mirano, a fox met the owl"
    found = {each["index"]: (each["entity"], each["score"]) for each in tag(text)}
    expected = outputs(model, tokenizer, text)[1:-1]
    labels = [model.head.labels[number] for number in expected.argmax(dim=-1).tolist()]
    assert [found[number + 1][0] for number in range(len(labels))] == labels
    scores = [found[number + 1][1] for number in range(len(labels))]
    assert scores == pytest.approx(expected.max(dim=-1).values.tolist(), abs=1e-5)


def test_words_for_a_gap(tmp_path: Path, tokenizer: Tokenizer) -> None:
    model = encoder(tokenizer, "masked")
    fill = transformers.pipeline("fill-mask", str(written(model, tokenizer, tmp_path)), device="cpu")
    found = fill("The fox met<|mask|>", top_k=3)
    assert tokenizer.mask is not None
    ids = tokenizer.frame([*tokenizer.encode("The fox met"), tokenizer.mask]).ids
    with torch.no_grad():
        chances = model.logits(model(torch.tensor([ids])))[0, ids.index(tokenizer.mask)].softmax(dim=-1)
    values, numbers = chances.topk(3)
    assert [each["token"] for each in found] == numbers.tolist()
    assert [each["score"] for each in found] == pytest.approx(values.tolist(), abs=1e-5)
