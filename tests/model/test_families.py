"""Every family computes what `transformers` computes, both ways, with every head that it has a class for.

Random weights, no axis of another's size, ragged rows padded right and left, windows shorter than the rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.model.variants import LABELS, SIZES, VARIANTS, any_model, shape_of
from trivium.base.errors import CheckpointError, UserError
from trivium.model.families import FAMILIES, new_shape
from trivium.model.folder import load, load_extra, resize_vocabulary, save
from trivium.model.transformer import Transformer, parameter_count

transformers = pytest.importorskip("transformers")

PAD, LENGTHS, WIDTH = 1, (13, 7, 2), 13


@dataclass(frozen=True)
class Case:
    """Ragged rows: `real` is False on padding."""

    tokens: Tensor
    real: Tensor
    types: Tensor
    positions: Tensor


def case(side: str) -> Case:
    lengths = torch.tensor(LENGTHS)[:, None]
    places = torch.arange(WIDTH)
    real = places < lengths if side == "right" else places >= WIDTH - lengths
    tokens = torch.randint(2, SIZES["vocab_size"], real.shape, generator=torch.Generator().manual_seed(1))
    types = (places >= WIDTH - 6).long().expand_as(tokens) * real
    return Case(torch.where(real, tokens, PAD), real, types, (real.cumsum(1) - 1).clamp(min=0))


def theirs_in(folder: Path, cls: str) -> Any:
    model, report = getattr(transformers, cls).from_pretrained(
        folder, output_loading_info=True, attn_implementation="eager"
    )
    assert not report["missing_keys"] and not report["unexpected_keys"] and not report["mismatched_keys"]
    return model.eval()


def their_outputs(model: Any, given: Case, family: str, kind: str) -> list[Tensor]:
    inputs = {"input_ids": given.tokens, "attention_mask": given.real.long()}
    if FAMILIES[family].form.get("num_segments", 0) > 1:
        inputs["token_type_ids"] = given.types
    if FAMILIES[family].form.get("positions") == "learned" and family in ("gpt2", "bert"):
        inputs["position_ids"] = given.positions
    with torch.no_grad():
        out = model(**inputs)
    if kind == "span":
        return [torch.stack([out.start_logits, out.end_logits], dim=-1)]
    return [out.prediction_logits, out.seq_relationship_logits] if kind == "pretraining" else [out.logits]


def our_outputs(model: Transformer, given: Case, kind: str) -> list[Tensor]:
    with torch.no_grad():
        hidden = model(given.tokens, real=given.real, types=given.types, positions=given.positions)
        outputs = [model.outputs(hidden, given.real)]
        return [*outputs, model.pair_logits(hidden)] if kind == "pretraining" else outputs


def assert_equal(ours: list[Tensor], theirs: list[Tensor], real: Tensor) -> None:
    for found, expected in zip(ours, theirs, strict=True):
        assert found.shape == expected.shape
        if found.dim() == 3:  # what is said of padding is nobody's business
            found, expected = found[real], expected[real]
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def pairs() -> list[Any]:
    found = []
    for variant, (family, _) in VARIANTS.items():
        kinds = FAMILIES[family].heads if variant == family else list(FAMILIES[family].heads)[:1]
        found += [pytest.param(variant, kind, id=f"{variant}-{kind}") for kind in kinds]
    return found


@pytest.mark.parametrize(("variant", "kind"), pairs())
def test_transformers_loads_our_folder_and_computes_the_same(tmp_path: Path, variant: str, kind: str) -> None:
    shape = shape_of(variant)
    ours = any_model(shape, kind)
    save(ours, tmp_path, {"pad_token_id": PAD, "bos_token_id": 2, "eos_token_id": 3})
    theirs = theirs_in(tmp_path, FAMILIES[shape.family].head(kind).cls)
    # DistilBERT counts positions from the row's first place, padding or not
    sides = ("right",) if shape.family == "distilbert" else ("right", "left")
    for side in sides:
        given = case(side)
        if kind in ("sequence", "pretraining") and not shape.causal and side == "left":
            continue  # transformers reads the first place of a row, whatever is there
        assert_equal(our_outputs(ours, given, kind), their_outputs(theirs, given, shape.family, kind), given.real)
    if kind in ("sequence", "tokens"):
        assert [theirs.config.id2label[number] for number in range(len(LABELS))] == list(LABELS)


@pytest.mark.parametrize(("variant", "kind"), pairs())
def test_we_load_what_transformers_writes_and_compute_the_same(tmp_path: Path, variant: str, kind: str) -> None:
    shape = shape_of(variant)
    save(any_model(shape, kind), tmp_path / "form", {"pad_token_id": PAD, "bos_token_id": 2, "eos_token_id": 3})
    cls = getattr(transformers, FAMILIES[shape.family].head(kind).cls)
    theirs = cls(transformers.AutoConfig.from_pretrained(tmp_path / "form", attn_implementation="eager")).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    theirs.save_pretrained(tmp_path / "theirs")
    ours = load(tmp_path / "theirs").eval()
    assert ours.shape == shape
    assert ours.head == any_model(shape, kind).head
    given = case("right")
    assert_equal(our_outputs(ours, given, kind), their_outputs(theirs, given, shape.family, kind), given.real)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_round_trip_keeps_every_bit(tmp_path: Path, family: str) -> None:
    shape = shape_of(family)
    for kind in [*FAMILIES[family].heads, "pretraining" if "masked" in FAMILIES[family].heads else "score"]:
        model = any_model(shape, kind)
        save(model, tmp_path, {"pad_token_id": PAD})
        again = load(tmp_path)
        assert (again.shape, again.head) == (model.shape, model.head)
        for name, tensor in model.state_dict().items():
            assert torch.equal(tensor, again.state_dict()[name]), name


def test_a_shape_that_a_family_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="modernbert cannot have num_kv_heads 1"):
        new_shape("modernbert", {**SIZES, "hidden_size": 24, "num_heads": 3, "head_dim": 8, "num_kv_heads": 1})
    with pytest.raises(CheckpointError, match="llama cannot have query_key_norm True"):
        save(Transformer(replace(shape_of("llama"), query_key_norm=True)), tmp_path, {})
    assert not list(tmp_path.iterdir())


def saved(folder: Path, variant: str = "llama", kind: str = "language") -> Transformer:
    model = any_model(shape_of(variant), kind)
    save(model, folder, {"pad_token_id": PAD})
    return model


def test_shards_are_written_and_read_and_transformers_reads_them(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    from trivium.model.weight_files import write_weights

    model = saved(tmp_path)
    write_weights(tmp_path, load_file(tmp_path / "model.safetensors"), shard_bytes=8_000)
    assert len(list(tmp_path.glob("model-*-of-*.safetensors"))) > 3
    assert not (tmp_path / "model.safetensors").exists()
    again = load(tmp_path)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in model.state_dict().items())
    theirs = theirs_in(tmp_path, "LlamaForCausalLM")
    assert_equal(
        our_outputs(again, case("right"), "language"),
        their_outputs(theirs, case("right"), "llama", ""),
        case("right").real,
    )
    next(tmp_path.glob("model-00002-*")).unlink()
    with pytest.raises(CheckpointError, match=r"model-00002-of-.*missing or damaged"):
        load(tmp_path)
    save(model, tmp_path, {})
    assert [path.name for path in tmp_path.glob("*.safetensors*")] == ["model.safetensors"]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_written_and_read_as_the_nearest_numbers(tmp_path: Path, dtype: torch.dtype) -> None:
    model = any_model(shape_of("modernbert"), "masked")
    save(model, tmp_path, {"pad_token_id": PAD}, dtype)
    again = load(tmp_path)
    for name, tensor in model.state_dict().items():
        assert again.state_dict()[name].dtype == torch.float32
        assert torch.equal(again.state_dict()[name], tensor.to(dtype).float()), name
    theirs = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path)
    assert theirs.dtype == dtype


def test_weights_that_are_missing_or_of_no_family_are_listed_and_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    saved(tmp_path, "bert", "masked")
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    weights["bert.encoder.layer.0.adapter.weight"] = weights.pop("bert.encoder.layer.2.output.dense.bias")
    weights["bert.encoder.layer.3.output.dense.bias"] = torch.zeros(24)
    save_file(weights, path)
    with pytest.raises(CheckpointError) as caught:
        load(tmp_path)
    for text in ("missing bert.encoder.layer.2.output.dense.bias", "layer.0.adapter.weight", "layer.3.output"):
        assert text in str(caught.value)
    del weights["cls.predictions.transform.dense.weight"]
    save_file({name: tensor for name, tensor in weights.items() if "encoder" not in name}, path)
    with pytest.raises(CheckpointError, match=r"missing bert\.encoder\.layer\.2\.output\.LayerNorm\.bias"):
        load(tmp_path)


def test_a_head_of_another_shape_is_named_and_refused_but_a_new_one_may_stand_there(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    saved(tmp_path, "bert", "sequence")
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    save_file(weights | {"classifier.weight": weights["classifier.weight"][:3].clone()}, path)
    with pytest.raises(CheckpointError, match=r"classifier\.weight has shape \(3, 24\), expected \(5, 24\)"):
        load(tmp_path)
    assert load(tmp_path, "sequence", ("a", "b"), fresh=True).head.labels == ("a", "b")


def test_a_pickle_is_refused_with_how_to_convert_it(tmp_path: Path) -> None:
    saved(tmp_path, "bert", "masked")
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin: a pickle .*AutoModelForMaskedLM .*save_pretrained"):
        load(tmp_path)


def test_a_bare_trunk_takes_a_new_head(tmp_path: Path) -> None:
    shape = shape_of("bert")
    saved(tmp_path / "form", "bert", "masked")
    theirs = transformers.BertModel(transformers.AutoConfig.from_pretrained(tmp_path / "form")).eval()
    theirs.save_pretrained(tmp_path / "bare")
    ours = load(tmp_path / "bare", "sequence", ("no", "yes"))
    given = case("right")
    with torch.no_grad():
        hidden = ours(given.tokens, real=given.real, types=given.types)
        expected = theirs(given.tokens, attention_mask=given.real.long(), token_type_ids=given.types)
        torch.testing.assert_close(hidden[given.real], expected.last_hidden_state[given.real], rtol=1e-5, atol=1e-5)
        assert torch.equal(ours.outputs(hidden, given.real), torch.zeros(3, 2))
        pooled = torch.tanh(ours.head_dense(hidden[:, 0]))
        torch.testing.assert_close(pooled, expected.pooler_output, rtol=1e-5, atol=1e-5)
    assert ours.shape == shape


def test_labels_are_matched_by_name(tmp_path: Path) -> None:
    model = saved(tmp_path, "modernbert", "sequence")
    order = ("other", "blue", "red", "none", "green")
    given = case("right")
    before = our_outputs(model, given, "sequence")[0]
    after = our_outputs(load(tmp_path, "sequence", order), given, "sequence")[0]
    for number, label in enumerate(order):
        torch.testing.assert_close(after[:, number], before[:, LABELS.index(label)])
    with pytest.raises(CheckpointError, match="its labels are red, green, blue, none, other; asked for: red, pink"):
        load(tmp_path, "sequence", ("red", "pink"))
    anew = load(tmp_path, "sequence", ("red", "pink"), fresh=True)
    assert anew.head.labels == ("red", "pink") and not anew.head_out.weight.any()
    torch.testing.assert_close(anew.head_dense.weight, model.head_dense.weight)
    with pytest.raises(CheckpointError, match="each once; given: none"):
        load(tmp_path, "tokens")


def test_a_mean_pooled_head_and_a_next_sentence_head_come_back_where_no_class_has_them(tmp_path: Path) -> None:
    shape = shape_of("bert")
    mean = Transformer(shape, FAMILIES["bert"].head_shape("sequence", ("a", "b"), "mean"))
    save(mean, tmp_path, {"pad_token_id": PAD})
    assert load(tmp_path).head == mean.head
    pair = any_model(shape_of("modernbert"), "pretraining")
    save(pair, tmp_path, {"pad_token_id": PAD})
    theirs_in(tmp_path, "ModernBertForMaskedLM")
    again = load(tmp_path)
    assert_equal(
        our_outputs(again, case("right"), "pretraining"),
        our_outputs(pair, case("right"), "pretraining"),
        case("right").real,
    )
    save(mean, tmp_path, {"pad_token_id": PAD})
    assert not (tmp_path / "trivium" / "heads.safetensors").exists()


def test_another_module_is_saved_beside_and_comes_back(tmp_path: Path) -> None:
    model = any_model(shape_of("modernbert"), "tokens")
    model.extra = torch.nn.Linear(5, shape_of("modernbert").hidden_size)
    save(model, tmp_path, {"pad_token_id": PAD})
    theirs_in(tmp_path, "ModernBertForTokenClassification")
    again = load(tmp_path)
    again.extra = torch.nn.Linear(5, 24)
    load_extra(again, tmp_path)
    assert torch.equal(again.extra.weight, model.extra.weight)
    again.extra = torch.nn.Linear(6, 24)
    with pytest.raises(CheckpointError, match="size mismatch"):
        load_extra(again, tmp_path)


@pytest.mark.parametrize("variant", ["llama", "bert", "modernbert-untied"])
def test_a_resized_vocabulary_says_the_same_of_the_old_tokens(tmp_path: Path, variant: str) -> None:
    model = any_model(shape_of(variant), next(iter(FAMILIES[shape_of(variant).family].heads)))
    given = case("right")
    before = our_outputs(model, given, "")[0]
    larger = resize_vocabulary(model, 70)
    torch.testing.assert_close(our_outputs(larger, given, "")[0][..., :61], before)
    assert parameter_count(larger) > parameter_count(model)
    save(larger, tmp_path, {"pad_token_id": PAD})
    assert load(tmp_path).shape.vocab_size == 70
    back = resize_vocabulary(larger, 61)
    torch.testing.assert_close(our_outputs(back, given, "")[0], before)
