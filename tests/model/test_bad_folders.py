"""A model folder that is not as it should be is refused in a sentence: values of config.json, damaged files, pickles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.model.variants import any_model, shape_of
from trivium.base.errors import CheckpointError
from trivium.model.folder import load, save
from trivium.model.hub import find_model
from trivium.stages.pretrain import PretrainSettings, check

GONE = object()


def saved(folder: Path, variant: str = "bert", kind: str = "sequence") -> Path:
    save(any_model(shape_of(variant), kind), folder, {"pad_token_id": 1})
    return folder


def with_value(folder: Path, key: str, value: Any) -> None:
    path = folder / "config.json"
    config = {name: one for name, one in json.loads(path.read_text()).items() if name != key}
    path.write_text(json.dumps(config if value is GONE else {**config, key: value}))


@pytest.mark.parametrize(
    ("variant", "key", "value", "told"),
    [
        ("bert", "id2label", {"x": "a"}, "id2label is {'x': 'a'}; it must be an object from numbers to labels"),
        ("bert", "id2label", ["a"], "id2label is ['a']; it must be an object"),
        ("bert", "num_attention_heads", 0, "num_attention_heads is 0; it must be a whole number above 0"),
        ("bert", "num_attention_heads", 5, "the hidden size is 24, which the number of heads, 5, does not divide"),
        ("bert", "hidden_size", "16", "hidden_size is '16'; it must be a whole number above 0"),
        ("bert", "hidden_size", -24, "hidden_size is -24; it must be"),
        ("bert", "hidden_size", 24.0, "hidden_size is 24.0; it must be"),
        ("bert", "hidden_size", GONE, "'hidden_size' is missing"),
        ("bert", "layer_norm_eps", "small", "layer_norm_eps is 'small'; it must be a number above 0"),
        ("bert", "tie_word_embeddings", "yes", "tie_word_embeddings is 'yes'; it must be true or false"),
        ("bert", "architectures", 3, "architectures is 3; it must be a list of names"),
        ("roberta", "pad_token_id", 40_000, "pad_token_id is 40000; it must be a whole number"),
        ("distilbert", "n_heads", 0, "n_heads is 0; it must be"),
        ("modernbert", "global_attn_every_n_layers", 0, "global_attn_every_n_layers is 0; it must be"),
        ("modernbert", "rope_parameters", {"full_attention": 3}, "its values do not fit together"),
        ("gpt2", "n_head", True, "n_head is True; it must be"),
        ("gpt2", "n_embd", GONE, "'n_embd' is missing"),
        ("llama", "num_key_value_heads", -2, "num_key_value_heads is -2; it must be"),
        ("llama", "rope_scaling", "linear", "rope_scaling is 'linear'; it must be an object"),
        ("mistral", "sliding_window", "4096", "sliding_window is '4096'; it must be a whole number, 0 or more"),
    ],
)
def test_a_wrong_value_is_told_with_its_key(tmp_path: Path, variant: str, key: str, value: Any, told: str) -> None:
    saved(tmp_path, variant)
    with_value(tmp_path, key, value)
    with pytest.raises(CheckpointError) as caught:
        load(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}: config.json: ") and told in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content"), [("config.json", "[1]"), ("config.json", "{"), ("model.safetensors", "x")]
)
def test_a_damaged_folder_is_fetched_again_or_written_again_by_its_stage(
    tmp_path: Path, name: str, content: str
) -> None:
    (saved(tmp_path) / name).write_text(content)
    with pytest.raises(CheckpointError, match=rf"{name}: .*damaged .*fetch or copy the folder again$"):
        load(tmp_path)
    (tmp_path / "trivium").mkdir()
    with pytest.raises(CheckpointError, match=r"run the stage that writes it again$"):
        load(tmp_path)


def test_a_file_in_place_of_a_folder_and_a_pickle_are_told_before_anything_runs(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model", kind="masked")

    def faults(base: Path) -> list[str]:
        return check(PretrainSettings(base=base, length=32), {})

    assert faults(folder) == []
    (fault,) = faults(folder / "model.safetensors")
    assert "this is a file; a model is a folder with config.json" in fault and fault.endswith(": give the folder")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    (fault,) = faults(folder)
    assert (
        fault.startswith(f"base: {folder}/pytorch_model.bin: a pickle can run any code") and "save_pretrained" in fault
    )
    for name in ("model.pt", "a.pth", "a.ckpt", "a.pkl", "pytorch_model.bin"):
        (folder / name).write_bytes(b"")
        (fault,) = faults(folder / name)
        assert "this is a file" in fault and "a pickle can run any code" in fault and "AutoModelForMaskedLM" in fault
        with pytest.raises(CheckpointError, match="this is a file"):
            find_model(folder / name)
