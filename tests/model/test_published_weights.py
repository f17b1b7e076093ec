"""What published folders hold beside and instead of what their class says: a trunk alone, a part of a head, more than a head."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.model.variants import any_model, shape_of
from trivium.base.errors import CheckpointError
from trivium.model.families import FAMILIES
from trivium.model.folder import load, load_any, load_to_train, save
from trivium.model.transformer import Transformer

PAD = 1


def saved(folder: Path, variant: str, kind: str) -> Transformer:
    model = any_model(shape_of(variant), kind)
    save(model, folder, {"pad_token_id": PAD})
    return model


def changed(folder: Path, drop: str = "", **more: int) -> None:
    """Leave out the weights whose names begin with `drop`, and add some of so many rows."""
    path = folder / "model.safetensors"
    weights = {name: one for name, one in load_file(path).items() if not (drop and name.startswith(drop))}
    save_file(weights | {name.replace("__", "."): torch.zeros(rows, 24) for name, rows in more.items()}, path)


def bare(folder: Path, variant: str) -> tuple[Transformer, Any]:
    """A folder that the family's class without a head has written, the model whose trunk it holds, and that class's."""
    transformers = pytest.importorskip("transformers")
    family = FAMILIES[shape_of(variant).family]
    model = saved(folder / "form", variant, next(iter(family.heads)))
    theirs = getattr(transformers, family.trunk).from_pretrained(folder / "form").eval()
    theirs.save_pretrained(folder / "bare")
    assert json.loads((folder / "bare" / "config.json").read_text())["architectures"] == [family.trunk]
    return model, theirs


@pytest.mark.parametrize("variant", ["bert", "roberta", "distilbert", "modernbert", "modernbert-untied", "llama"])
def test_a_trunk_alone_gives_states_takes_a_new_head_and_is_no_model_with_one(tmp_path: Path, variant: str) -> None:
    _, theirs = bare(tmp_path, variant)
    model = load_any(tmp_path / "bare").eval()
    tokens = torch.tensor([[5, 9, 2, 30]])
    with torch.no_grad():
        expected = theirs(tokens).last_hidden_state
        torch.testing.assert_close(model(tokens), expected, rtol=1e-5, atol=1e-5)
        assert model.head.kind == "none"
        with pytest.raises(CheckpointError, match=rf"a trunk without a head \({FAMILIES[model.shape.family].trunk}\)"):
            load(tmp_path / "bare")
        kind = "language" if model.shape.causal else "masked"
        trained, drawn = load_to_train(tmp_path / "bare", kind)
        torch.testing.assert_close(trained.eval()(tokens), expected, rtol=1e-5, atol=1e-5)
        logits = trained.logits(trained(tokens))
    assert drawn and logits.std() > 0 and logits.isfinite().all()
    # a head that is there is none that is drawn
    assert load_to_train(tmp_path / "form", kind)[1] == []


def test_a_decoder_whose_head_is_its_embedding_lacks_none(tmp_path: Path) -> None:
    model, _ = bare(tmp_path, "gpt2")
    tokens = torch.tensor([[5, 9, 2, 30]])
    again = load(tmp_path / "bare").eval()
    with torch.no_grad():
        torch.testing.assert_close(again.logits(again(tokens)), model.logits(model(tokens)))
    assert load_to_train(tmp_path / "bare", "language")[1] == []


def test_missing_weights_are_called_as_the_files_would_call_them(tmp_path: Path) -> None:
    saved(tmp_path, "bert", "sequence")
    changed(tmp_path, "classifier")
    with pytest.raises(CheckpointError, match=r"missing classifier\.weight; missing classifier\.bias$"):
        load(tmp_path)
    saved(tmp_path, "bert", "masked")
    changed(tmp_path, "cls.predictions.transform")
    with pytest.raises(CheckpointError, match=r"configuration: missing cls\.predictions\.transform\.dense\.weight; "):
        load(tmp_path)
    bare(tmp_path, "bert")
    changed(tmp_path / "bare", "encoder.layer.1.output.dense")
    with pytest.raises(CheckpointError, match=r"missing encoder\.layer\.1\.output\.dense\.weight; "):
        load_any(tmp_path / "bare")
    saved(tmp_path, "llama", "span")
    changed(tmp_path, "transformer.norm")
    with pytest.raises(CheckpointError, match=r"configuration: missing transformer\.norm\.weight$"):
        load(tmp_path)


def test_weights_of_another_task_are_refused_and_those_of_pre_training_are_left_out(tmp_path: Path) -> None:
    saved(tmp_path, "bert", "sequence")
    changed(tmp_path, qa_outputs__weight=2)
    with pytest.raises(CheckpointError, match=r"configuration: unexpected qa_outputs\.weight$"):
        load(tmp_path)
    with pytest.raises(CheckpointError, match="unexpected classifier"):
        saved(tmp_path, "bert", "masked")
        changed(tmp_path, classifier__weight=2)
        load(tmp_path)
    model = saved(tmp_path, "bert", "masked")
    changed(tmp_path, cls__seq_relationship__weight=2, bert__pooler__dense__weight=24)
    assert all(torch.equal(one, model.state_dict()[name]) for name, one in load(tmp_path).state_dict().items())
    saved(tmp_path, "roberta", "tokens")
    changed(tmp_path, roberta__pooler__dense__weight=24, lm_head__dense__weight=24)
    assert load(tmp_path).head.kind == "tokens"
    assert load(tmp_path, "span").head.kind == "span"  # the stored head's own are left out


def test_norms_under_their_first_names_are_read(tmp_path: Path) -> None:
    model = saved(tmp_path, "bert", "masked")
    path = tmp_path / "model.safetensors"
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    weights = {}
    for name, one in load_file(path).items():
        stem = ".".join(name.split(".")[-2:])
        weights[name.removesuffix(stem) + old.get(stem, stem)] = one
    assert sum("gamma" in name for name in weights) == 8
    save_file(weights, path)
    assert all(torch.equal(one, model.state_dict()[name]) for name, one in load(tmp_path).state_dict().items())
