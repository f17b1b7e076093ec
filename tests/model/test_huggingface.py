"""A model folder is a Hugging Face model: same logits both ways, no missing and no unexpected weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.model.shapes import SHAPE, random_model
from trivium.base.errors import CheckpointError
from trivium.model.folder import load, save

transformers = pytest.importorskip("transformers")

SPECIAL: dict[str, int | list[int]] = {"bos_token_id": 0, "eos_token_id": [1, 0], "pad_token_id": 2}


def loaded(cls: str, folder: Path) -> torch.nn.Module:
    model, report = getattr(transformers, cls).from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"] and not report["mismatched_keys"]
    model.eval()
    return model  # type: ignore[no-any-return]


@pytest.mark.parametrize("tied", [True, False])
def test_transformers_computes_the_same_logits_also_for_ragged_rows(tmp_path: Path, tied: bool) -> None:
    ours = random_model(replace(SHAPE, tie_embeddings=tied))
    save(ours, tmp_path, SPECIAL)
    theirs = loaded("AutoModelForCausalLM", tmp_path)
    lengths = torch.tensor([13, 7, 1])
    tokens = torch.randint(3, SHAPE.vocab_size, (3, 13), generator=torch.Generator().manual_seed(1))
    mask = (torch.arange(13) < lengths[:, None]).long()
    with torch.no_grad():
        expected = theirs(input_ids=tokens, attention_mask=mask).logits
        found = ours.logits(ours(tokens))
    for row, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(found[row, :length], expected[row, :length], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("tied", [True, False])
def test_a_folder_written_by_transformers_is_read_with_equal_logits(tmp_path: Path, tied: bool) -> None:
    config = transformers.Qwen3Config(
        vocab_size=53,
        hidden_size=20,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=6,
        intermediate_size=28,
        max_position_embeddings=32,
        rope_theta=5000.0,
        tie_word_embeddings=tied,
    )
    torch.manual_seed(0)
    theirs = transformers.Qwen3ForCausalLM(config).eval()
    theirs.save_pretrained(tmp_path)
    ours = load(tmp_path)
    tokens = torch.arange(22).view(2, 11)
    with torch.no_grad():
        torch.testing.assert_close(ours.logits(ours(tokens)), theirs(input_ids=tokens).logits, rtol=1e-5, atol=1e-5)


def test_a_reward_model_scores_the_last_real_token_as_transformers_does(tmp_path: Path) -> None:
    ours = random_model(head="score")
    save(ours, tmp_path, SPECIAL)
    theirs = loaded("AutoModelForSequenceClassification", tmp_path)
    lengths = torch.tensor([9, 4])
    tokens = torch.randint(3, SHAPE.vocab_size, (2, 9), generator=torch.Generator().manual_seed(2))
    tokens[1, 4:] = 2
    with torch.no_grad():
        expected = theirs(input_ids=tokens, attention_mask=(tokens != 2).long()).logits.squeeze(1)
        found = ours.scores(ours(tokens)[torch.arange(2), lengths - 1])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_a_round_trip_keeps_every_bit(tmp_path: Path) -> None:
    model = random_model()
    save(model, tmp_path, SPECIAL)
    again = load(tmp_path)
    assert again.shape == model.shape
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_a_damaged_file_and_a_missing_weight_are_named(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    save(random_model(), tmp_path, SPECIAL)
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    weights["model.layers.0.mlp.extra_proj.weight"] = weights.pop("model.layers.0.mlp.up_proj.weight")
    save_file(weights, path)
    with pytest.raises(
        CheckpointError, match=r"missing model\.layers\.0\.mlp\.up_proj\.weight.*unexpected .*extra_proj"
    ):
        load(tmp_path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="damaged"):
        load(tmp_path)


def test_an_unsupported_family_names_the_supported(tmp_path: Path) -> None:
    save(random_model(), tmp_path, SPECIAL)
    config = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(config.replace('"qwen3"', '"mamba"'))
    with pytest.raises(
        CheckpointError,
        match="'mamba'; supported: bert, distilbert, gpt2, llama, mistral, modernbert, qwen2, qwen3, roberta",
    ):
        load(tmp_path)
