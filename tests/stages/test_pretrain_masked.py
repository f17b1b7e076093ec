"""Pre-training of masked models through the stage: it learns context, leaves ordinary folders, resumes, and goes on from one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.data.marked import documents, marked_shard, masked_tokenizer
from trivium.base.errors import UserError
from trivium.base.progress import Context, Progress
from trivium.generate import load_generator
from trivium.model.folder import load
from trivium.predict.encoder import load_encoder
from trivium.stages.pretrain import PretrainSettings, check, run, tell_beside_frequencies
from trivium.stages.tokenize import TokenizeSettings

SIZES = {"hidden_size": 32, "num_layers": 2, "num_heads": 2, "num_kv_heads": 2, "head_dim": 16, "intermediate_size": 48}
SIZES |= {"max_positions": 64}
ADAM = {"name": "adamw", "adam_learning_rate": 0.01}
MUON = {"learning_rate": 0.02, "adam_learning_rate": 0.006}


def context_of(folder: Path, notes: list[str], name: str = "pretrain") -> Context:
    source = folder / "tokenize"
    if not source.exists():
        masked_tokenizer().save(source)
        marked_shard(source / "train", documents(300))
        marked_shard(source / "valid", documents(40))

    def report(progress: Progress) -> None:
        if progress.note:
            notes.append(progress.note)

    return Context(folder / name, {"tokenize": source}, seed=1, device="cpu", threads=1, report=report)


def settings_of(**more: Any) -> PretrainSettings:
    plain = {"objective": "masked", "length": 48, "batch_size": 16, "precision": "float32", "evaluate_every": 30}
    schedule = {"warmup": 5, "decay_share": 0.5}
    return PretrainSettings.model_validate({**plain, "optimizer": ADAM, "schedule": schedule, "model": SIZES, **more})


def test_a_masked_model_learns_context_and_its_folder_is_one_of_transformers(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    notes: list[str] = []
    settings = settings_of(steps=140, evaluate_every=140, masking={"rate": 0.3, "whole_words": True}, optimizer=MUON)
    figures = run(settings, context_of(tmp_path, notes))
    assert figures["valid_loss"] < figures["unigram_loss"] - 1.0
    assert figures["masked_accuracy"] > 0.5
    theirs = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "pretrain")
    words = transformers.AutoTokenizer.from_pretrained(tmp_path / "pretrain")
    inputs = words("A fox sleeps in <|mask|> barn.", return_tensors="pt")
    ours = load(tmp_path / "pretrain")
    with torch.no_grad():
        expected = theirs(**inputs).logits
        torch.testing.assert_close(ours.logits(ours(inputs["input_ids"])), expected, rtol=1e-5, atol=1e-4)
    hidden = (inputs["input_ids"] == words.mask_token_id).nonzero()[0, 1]
    assert words.decode(expected[0, hidden].argmax()) == " the"
    # and on from there, with pairs
    more = settings_of(steps=2, pairs="sop", base=tmp_path / "pretrain", model={})
    again = run(more, context_of(tmp_path, notes, "again"))
    assert again["valid_loss"] < figures["unigram_loss"] - 0.5
    assert load(tmp_path / "again").head.kind == "pretraining"
    with pytest.raises(UserError, match="kind 'masked' and writes no text"):
        load_generator(tmp_path / "pretrain")
    assert any(note.startswith("step 140: ") and "by frequencies alone 3." in note for note in notes)
    assert not any("that of their frequencies alone" in note for note in notes)


def test_bert_with_pairs_tells_its_ratio_and_leaves_what_bert_leaves(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    notes: list[str] = []
    model = {**SIZES, "family": "bert"}
    figures = run(settings_of(steps=4, evaluate_every=2, pairs="nsp", model=model), context_of(tmp_path, notes))
    assert 0.5 <= figures["pair_majority"] < 0.9 and 0 <= figures["pair_accuracy"] <= 1
    assert any("pairs in the first epoch" in note and "% of them with label 1" in note for note in notes)
    assert any("is above that of their frequencies alone" in note for note in notes)
    theirs, report = transformers.BertForPreTraining.from_pretrained(tmp_path / "pretrain", output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    words = transformers.AutoTokenizer.from_pretrained(tmp_path / "pretrain")
    inputs = words("A fox runs.", "The hen runs.", return_tensors="pt")
    ours = load(tmp_path / "pretrain")
    with torch.no_grad():
        hidden = ours(inputs["input_ids"], types=inputs["token_type_ids"])
        expected = theirs(**inputs)
        torch.testing.assert_close(ours.logits(hidden), expected.prediction_logits, rtol=1e-5, atol=1e-4)
        torch.testing.assert_close(ours.pair_logits(hidden), expected.seq_relationship_logits, rtol=1e-5, atol=1e-4)


def test_an_encoder_without_a_head_goes_on_with_a_new_one_and_it_is_told(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    notes: list[str] = []
    context = context_of(tmp_path, notes)
    tokenizer = masked_tokenizer()
    tokenizer.save(tmp_path / "bare")
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}
    config = transformers.BertConfig(vocab_size=tokenizer.vocab_size, max_position_embeddings=64, **sizes)
    transformers.BertModel(config).save_pretrained(tmp_path / "bare")
    base = tmp_path / "bare"
    settings = settings_of(steps=2, base=base, model={})
    assert check(settings, {}) == []
    run(settings, context)
    (note,) = [note for note in notes if "no trained head" in note]
    assert note.startswith(f"{base} has no trained head of the kind 'masked'; new, and to be learned: cls.predictions.")
    assert load(tmp_path / "pretrain").head.kind == "masked"
    run(settings_of(steps=2, base=tmp_path / "pretrain", model={}), context_of(tmp_path, notes, "again"))
    assert len([note for note in notes if "no trained head" in note]) == 1
    encoder = load_encoder(base, "cpu", 1)
    assert encoder.embed(["A fox runs."]).any()
    with pytest.raises(UserError, match="this model was not trained to fill gaps"):
        encoder.fill("A fox [MASK].")


def test_micro_batches_do_not_change_a_step(tmp_path: Path) -> None:
    for name, size in (("one", 16), ("four", 4)):
        run(settings_of(steps=2, pairs="nsp", micro_batch_size=size), context_of(tmp_path, [], name))
    one, four = load(tmp_path / "one").state_dict(), load(tmp_path / "four").state_dict()
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, four[name], rtol=1e-4, atol=1e-4)


def test_what_does_not_fit_together_is_told(tmp_path: Path) -> None:
    assert check(settings_of(), {"tokenize": TokenizeSettings()}) == [
        "objective is masked, which needs tokenize.masked_tokens: true"
    ]
    assert "needs objective: masked" in check(settings_of(objective="causal", pairs="nsp"), {})[0]
    assert "cannot have num_kv_heads 1" in check(settings_of(model={**SIZES, "num_kv_heads": 1}), {})[0]
    assert "has its own sizes" in check(settings_of(base=tmp_path), {})[0]
    gpt2 = settings_of(model={**SIZES, "family": "gpt2"})
    assert check(gpt2, {}) == ["objective is masked; a model of the family gpt2 is for causal"]


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        (5.91, "5.91 nats, is above that of their frequencies alone (4.30)"),
        (4.5, "is that of their frequencies alone (4.30)"),
        (4.2, "is that of their frequencies alone (4.30)"),
        (3.9, "loss 3.90, by frequencies alone 4.30"),
    ],
)
def test_a_loss_is_told_beside_that_of_frequencies_as_it_is(tmp_path: Path, loss: float, told: str) -> None:
    notes: list[str] = []
    look = {"valid_loss": loss, "unigram_loss": 4.3, "masked_accuracy": 0.1}
    tell_beside_frequencies(look, 30, 60, context_of(tmp_path, notes))
    assert len(notes) == 1 and told in notes[0]
