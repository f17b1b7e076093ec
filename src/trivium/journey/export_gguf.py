"""A model folder as one GGUF file, for llama.cpp, Ollama and what is built on them. Adapter of the `gguf` library.

GGUF names the way in which a tokenizer splits text instead of holding it. Our own tokenizers split as Llama 3's does, which is
the name `llama-bpe`; a tokenizer that came with another model is refused, and llama.cpp's own converter takes that folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
from torch import Tensor

from trivium.base.errors import MissingExtra, UserError
from trivium.base.files import read_json
from trivium.model.architecture import Architecture
from trivium.model.families import family_of
from trivium.model.weight_files import read_folder
from trivium.tokenizer import Tokenizer
from trivium.tokenizer.imported import ImportedTokenizer

# family: the name that llama.cpp has for the architecture
ARCHITECTURES = {"qwen3": "qwen3", "qwen2": "qwen2", "llama": "llama"}
SPLIT_NAME = "llama-bpe"
TYPES = {"float32": "F32", "float16": "F16"}
NORMAL, CONTROL, UNUSED = 1, 3, 5  # kinds of tokens


def export_gguf(folder: Path, target: Path, dtype: str = "float32") -> None:
    """Write the decoder in `folder` to the file `target`, matrices as `dtype` (float32 or float16), vectors in float32.

    The file stands whole or not at all. Raises UserError for a family or tokenizer that llama.cpp would read otherwise,
    MissingExtra without the library.
    """
    try:
        import gguf
    except ImportError:
        raise MissingExtra("gguf", "export", "writing GGUF") from None
    if dtype not in TYPES:
        raise UserError(f"the type of a GGUF file is '{dtype}'; supported: {', '.join(TYPES)}")
    config = read_json(folder / "config.json")
    shape = family_of(config).architecture(config)
    tokenizer = Tokenizer.load(folder)
    _check(folder, shape, config, tokenizer)
    name = ARCHITECTURES[shape.family]
    part = target.with_name(f".{target.name}.new")
    writer = gguf.GGUFWriter(part, name)
    try:
        _write_shape(writer, shape, folder.resolve().name)
        writer.add_file_type(gguf.LlamaFileType["ALL_F32" if dtype == "float32" else "MOSTLY_F16"])
        _write_tokenizer(writer, tokenizer, shape.vocab_size)
        names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[name.upper()], shape.num_layers)
        for theirs, tensor in read_folder(folder).items():
            if theirs == "lm_head.weight" and shape.tie_embeddings:
                continue
            own = names.get_name(theirs, try_suffixes=(".weight", ".bias"))
            assert own is not None, theirs
            wide = tensor.dim() == 1 or dtype == "float32"
            values = _turned(theirs, tensor.float(), shape).numpy()
            writer.add_tensor(own, values if wide else values.astype(numpy.float16))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _check(folder: Path, shape: Architecture, config: Mapping[str, Any], tokenizer: Tokenizer) -> None:
    if shape.family not in ARCHITECTURES or not str((config.get("architectures") or [""])[0]).endswith("ForCausalLM"):
        known = ", ".join(sorted(ARCHITECTURES))
        raise UserError(
            f"{folder}: GGUF is written for causal language models of the families {known}; this is "
            f"{(config.get('architectures') or ['a model without a class'])[0]} ({shape.family})"
        )
    if isinstance(tokenizer, ImportedTokenizer):
        raise UserError(
            f"{folder}: its tokenizer came with another model, and GGUF has to name how it splits text; use llama.cpp's "
            "convert_hf_to_gguf.py, which knows the published ones"
        )
    if shape.rope_scaling or shape.windows:
        what = "scaled rotary positions" if shape.rope_scaling else "windows of attention"
        raise UserError(f"{folder}: {what} are not written to GGUF; use llama.cpp's convert_hf_to_gguf.py")


def _write_shape(writer: Any, shape: Architecture, name: str) -> None:
    writer.add_name(name)
    writer.add_context_length(shape.max_positions)
    writer.add_embedding_length(shape.hidden_size)
    writer.add_block_count(shape.num_layers)
    writer.add_feed_forward_length(shape.intermediate_size)
    writer.add_head_count(shape.num_heads)
    writer.add_head_count_kv(shape.num_kv_heads)
    writer.add_key_length(shape.head_dim)
    writer.add_value_length(shape.head_dim)
    writer.add_rope_dimension_count(shape.head_dim)
    writer.add_rope_freq_base(shape.rope_theta)
    writer.add_layer_norm_rms_eps(shape.norm_epsilon)
    writer.add_vocab_size(shape.vocab_size)


def _write_tokenizer(writer: Any, tokenizer: Tokenizer, size: int) -> None:
    model = json.loads(tokenizer.definition)["model"]
    texts = {number: text for text, number in model["vocab"].items()} | {
        number: text for text, number in tokenizer.special.items()
    }
    special = set(tokenizer.special.values())
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(SPLIT_NAME)
    writer.add_token_list([texts.get(number, f"[unused {number}]") for number in range(size)])
    kinds = [CONTROL if number in special else NORMAL if number in texts else UNUSED for number in range(size)]
    writer.add_token_types(kinds)
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]])
    writer.add_bos_token_id(tokenizer.end_of_text)  # what a document begins with; the chat template says so itself
    writer.add_eos_token_id(tokenizer.end_of_turn)
    writer.add_eot_token_id(tokenizer.end_of_turn)
    writer.add_pad_token_id(tokenizer.pad)
    writer.add_add_bos_token(False)
    writer.add_chat_template(tokenizer.template)


def _turned(name: str, tensor: Tensor, shape: Architecture) -> Tensor:
    """Queries and keys of the architecture `llama` are rotated in neighbouring pairs there, in halves here."""
    if shape.family != "llama" or not name.rsplit(".", 1)[0].endswith((".q_proj", ".k_proj")):
        return tensor
    halves = tensor.view(-1, 2, shape.head_dim // 2, *tensor.shape[1:])  # (heads, 2, E/2, ...)
    return halves.transpose(1, 2).reshape(tensor.shape).contiguous()
