"""Low-rank adaptation: it begins as the model was, merging changes no output, and `peft` computes the same from the folder."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from trivium.base.errors import TrainingError
from trivium.model.adapter_folder import save_adapter
from trivium.model.families import family_named, new_shape
from trivium.model.folder import load, save
from trivium.model.initialise import initialise
from trivium.model.lora import adapt, adapted_layers, merge
from trivium.model.lora_settings import LoraSettings
from trivium.model.transformer import Transformer

SIZES = {"vocab_size": 120, "hidden_size": 32, "num_layers": 2, "num_heads": 4, "num_kv_heads": 4, "head_dim": 8}
SIZES |= {"intermediate_size": 56, "max_positions": 64}
FAMILIES = {"qwen3": {"num_kv_heads": 2}, "gpt2": {"mlp": "gelu_tanh"}, "bert": {"num_segments": 2}, "modernbert": {}}
LABELS = ("a", "b", "c")
TOKENS = torch.arange(5, 29).view(2, 12)


def base_of(family: str, folder: Path) -> Path:
    shape = new_shape(family, {**SIZES, **FAMILIES[family]})
    model = Transformer(shape, family_named(family).head_shape("language" if shape.causal else "masked"))
    generator = torch.Generator().manual_seed(0)
    initialise(model, generator)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    save(model, folder, {"pad_token_id": 0})
    return folder


def outputs(model: Transformer) -> Tensor:
    model.eval()
    with torch.no_grad():
        return model.outputs(model(TOKENS), torch.ones_like(TOKENS, dtype=torch.bool))


def adapted(folder: Path, settings: LoraSettings) -> Transformer:
    """A model whose adapter and head have been moved away from where they begin."""
    model = load(folder, "sequence", LABELS, fresh=True)
    generator = torch.Generator().manual_seed(1)
    adapt(model, settings, generator)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
                assert "lora" in name or name.startswith("head_")
    return model


@pytest.mark.parametrize("family", FAMILIES)
def test_an_adapted_model_begins_as_it_was_and_merges_into_the_same(family: str, tmp_path: Path) -> None:
    folder = base_of(family, tmp_path)
    plain = load(folder, "sequence", LABELS, fresh=True)
    torch.nn.init.normal_(plain.head_out.weight, generator=torch.Generator().manual_seed(3))
    before = outputs(plain)
    changed = adapt(plain, LoraSettings(), torch.Generator().manual_seed(1))
    assert len(changed) == 8
    assert torch.equal(outputs(plain), before)
    model = adapted(folder, LoraSettings(rank=4, alpha=6, rank_stabilised=True))
    told = outputs(model)
    merge(model)
    assert not adapted_layers(model) and all(p.requires_grad for p in model.parameters())
    assert "lora" not in " ".join(model.state_dict())
    torch.testing.assert_close(outputs(model), told, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("stabilised", [False, True])
def test_peft_computes_the_same_with_the_adapter_and_its_head(family: str, stabilised: bool, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    transformers = pytest.importorskip("transformers")
    folder = base_of(family, tmp_path / "base")
    settings = LoraSettings(rank=4, alpha=8, rank_stabilised=stabilised)
    model = adapted(folder, settings)
    save_adapter(model, settings, tmp_path / "adapter", str(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformers.logging.set_verbosity_error()
        more: dict[str, Any] = {"classifier_pooling": "cls"} if family == "modernbert" else {}
        theirs = transformers.AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3, **more)
        theirs = peft.PeftModel.from_pretrained(theirs, tmp_path / "adapter").eval()
    with torch.no_grad():
        found = theirs(input_ids=TOKENS, attention_mask=torch.ones_like(TOKENS)).logits
    torch.testing.assert_close(found, outputs(model), rtol=1e-4, atol=1e-5)


def test_a_change_that_is_no_number_is_not_merged(tmp_path: Path) -> None:
    model = adapted(base_of("qwen3", tmp_path), LoraSettings())
    next(iter(adapted_layers(model).values())).lora_b.data[0, 0] = float("nan")
    with pytest.raises(TrainingError, match="not finite"):
        merge(model)
