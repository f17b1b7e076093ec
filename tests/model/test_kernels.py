"""Documents by where they begin are the same to a model as a mask over them: everything but a GPU's own kernel."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.model.shapes import SHAPE, random_model
from trivium.base.words import Batch, Documents
from trivium.model import kernels, transformer
from trivium.model.kernels import BACKENDS, Apart, apart, attend_apart, documents_of, fastest, preferring
from trivium.model.transformer import Block
from trivium.train.loading import Loader
from trivium.train.step import next_token_loss


def segments_of(lengths: list[list[int]]) -> Tensor:
    """Numbers of documents in rows, which start again in every row."""
    rows = [torch.arange(len(row)).repeat_interleave(torch.tensor(row)) for row in lengths]
    return torch.stack(rows)


LENGTHS = [[3, 1, 7, 5], [16], [9, 7]]


def test_where_documents_begin() -> None:
    found = documents_of(segments_of(LENGTHS))
    assert found.starts.dtype == torch.int32
    begun = [0, 3, 4, 11, 16, 32, 41]
    assert found.starts.tolist() == begun + [48] * (9 - len(begun)), "filled up with documents of no tokens"
    assert found.longest == 16
    assert documents_of(segments_of([[5, 4], [2, 7]])).longest == 8
    ragged = [
        documents_of(segments_of([[count] * (60 // count)])) for count in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60)
    ]
    for sizes in ({len(one.starts) for one in ragged}, {one.longest for one in ragged}):
        assert len(sizes) <= 7, "few sizes, about the logarithm of 60, or kernels are compiled without end"


@pytest.mark.parametrize(("before", "after"), [(-1, 0), (2, 0), (-1, -1), (2, 2)])
def test_attention_by_documents_is_the_formula(before: int, after: int) -> None:
    """Against sums written out, with fewer keys' heads than queries'."""
    generator = torch.Generator().manual_seed(0)
    segments = segments_of(LENGTHS)
    query = torch.randn(3, 16, 6, 10, generator=generator)
    key, value = (torch.randn(3, 16, 2, 10, generator=generator) for _ in range(2))
    seen = Apart(documents_of(segments), before, after, kernels.document_by_document)
    found = attend_apart(query, key, value, seen)
    for row, place, head in [(0, 0, 0), (0, 3, 1), (0, 10, 5), (1, 9, 3), (2, 9, 2), (2, 15, 4)]:
        seen = [
            other
            for other in range(16)
            if segments[row, other] == segments[row, place]
            and (before < 0 or other >= place - before)
            and (after < 0 or other <= place + after)
        ]
        scores = (key[row, seen, head // 3] @ query[row, place, head]) / math.sqrt(10)
        torch.testing.assert_close(found[row, place, head], scores.softmax(dim=0) @ value[row, seen, head // 3])


@pytest.mark.parametrize(
    "changed", [{}, {"windows": (0, 4, 4)}, {"causal": False, "windows": (6, 0, 6)}, {"num_kv_heads": 6}]
)
def test_a_model_reads_documents_as_it_reads_masks(changed: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Loss and gradients, from the batch that a loader makes for another device."""
    model = random_model(replace(SHAPE, **changed))
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(0, SHAPE.vocab_size, (3, 17), generator=generator)
    segments = segments_of(LENGTHS)
    positions = torch.cat([torch.arange(length) for row in LENGTHS for length in row]).view(3, 16)
    weights = (torch.rand(3, 16, generator=generator) < 0.7).float()
    plain = Batch(tokens[:, :-1], tokens[:, 1:], weights, segments, positions)
    with Loader(lambda step: [plain], 1, torch.device("meta"), ahead=True) as loader:
        (ready,) = loader.take(0)
    assert isinstance(plain.segments, Tensor) and isinstance(ready.segments, Documents)
    asked = []

    def gradients(batch: Batch) -> dict[str, Tensor]:
        model.zero_grad()
        loss = next_token_loss(model, batch)
        loss.backward()
        return {"loss": loss.detach()} | {
            name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None
        }

    expected = gradients(plain)
    assert not asked
    monkeypatch.setattr(transformer, "reads_documents", lambda device, shape: True)
    monkeypatch.setattr(kernels, "document_by_document", _same(kernels.document_by_document, asked))
    found = gradients(ready)
    assert len(asked) == SHAPE.num_layers
    for name, value in expected.items():
        torch.testing.assert_close(
            found[name], value, rtol=1e-4, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}"
        )


def _same(work: Callable[..., Tensor], asked: list[Any]) -> Callable[..., Tensor]:
    def counted(*given: Any) -> Tensor:
        asked.append(given[3])
        return work(*given)

    return counted


@pytest.mark.parametrize("known", ["2.10", "2.11", "2.12"])
@pytest.mark.parametrize("causal", [True, False])
def test_the_kernel_is_called_as_each_pytorch_wants_it(
    known: str, causal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch 2.10 knows no windows, and before 2.12 it has no keys' heads of its own."""
    from torch.nn.attention import varlen

    heard: list[Any] = []

    def pretended(query: Tensor, key: Tensor, *given: Any, **how: Any) -> Tensor:
        heard.append((key.shape, given[1].dtype, given[-1], how))
        return query

    always = ("query", "key", "value", "cu_seq_q", "cu_seq_k", "max_q", "max_k")
    names = {"2.10": ("is_causal",), "2.11": ("scale", "window_size"), "2.12": ("window_size", "enable_gqa")}[known]
    pretended.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in (*always, *names)]
    )
    monkeypatch.setattr(varlen, "varlen_attn", pretended)
    kernels.varlen_kernel.cache_clear()
    try:
        assert (kernels.varlen_kernel(windows=True) is None) == (known == "2.10")
        kernel = kernels.varlen_kernel()
        assert kernel is not None
        seen = apart(Documents(torch.zeros(2, 4), torch.tensor([0, 4, 8], dtype=torch.int32), 4), 0, causal)
        kernel(torch.zeros(8, 6, 10), torch.zeros(8, 2, 10), torch.zeros(8, 2, 10), seen)
    finally:
        kernels.varlen_kernel.cache_clear()
    window = {"window_size": (-1, 0) if causal else (-1, -1)}
    how = {"2.10": {"is_causal": causal}, "2.11": window, "2.12": window | {"enable_gqa": True}}[known]
    assert heard == [(torch.Size([8, 2 if known == "2.12" else 6, 10]), torch.int32, 4, how)]


def test_the_kernel_of_this_pytorch_takes_what_it_is_given() -> None:
    """Names and sizes, by its own rehearsal on tensors without content."""
    kernel = kernels.varlen_kernel(windows=True)
    assert kernel is not None
    documents = Documents(torch.zeros(3, 16, device="meta"), torch.zeros(5, dtype=torch.int32, device="meta"), 16)
    query = torch.zeros(48, 6, 10, device="meta", dtype=torch.bfloat16)
    found = kernel(query, query[:, :2], query[:, 2:4], Apart(documents, 3, 0, kernel))
    assert found.shape == query.shape and found.dtype == query.dtype


def test_a_compiler_sees_the_path_of_a_gpu_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """On tensors without content, which go where a GPU's go: nothing in a block makes the compiler give up."""
    from trivium.train.speedup import block_forward

    monkeypatch.setattr(torch, "is_autocast_enabled", lambda kind: False)  # it knows no such device
    compiled = torch.compile(block_forward, backend="eager", fullgraph=True)
    kernel = kernels.varlen_kernel(windows=True)
    assert kernel is not None
    for changed in ({}, {"mlp": "gelu", "norm": "layer", "query_key_norm": False}):
        torch.compiler.reset()  # it makes no more than eight forms of one function
        with torch.device("meta"):
            block = Block(replace(SHAPE, **changed), 1)  # type: ignore[arg-type]
            hidden = torch.zeros(3, 16, SHAPE.hidden_size, requires_grad=True)
            rotation = torch.zeros(16, 1, 5), torch.zeros(16, 1, 5)
            documents = Documents(torch.zeros(3, 16), torch.zeros(9, dtype=torch.int32), 16)
            masks = (None, torch.ones(3, 1, 16, 16, dtype=torch.bool), Apart(documents, 3, 0, kernel))
        for mask in masks:
            for added in (None, torch.zeros_like(hidden)):
                found, more = compiled(block, hidden, added, rotation, mask)
                assert found.shape == more.shape == hidden.shape and more.requires_grad


def test_the_names_of_kernels_are_pytorchs() -> None:
    from torch.nn.attention import SDPBackend

    assert {getattr(SDPBackend, name).name for name in BACKENDS.values()} == set(BACKENDS.values())
    query = torch.randn(1, 2, 8, 4, generator=torch.Generator().manual_seed(0))
    expected = torch.nn.functional.scaled_dot_product_attention(query, query, query)
    for name in ("", *BACKENDS):
        with preferring(name):
            found = torch.nn.functional.scaled_dot_product_attention(query, query, query)
        torch.testing.assert_close(found, expected)
    times = {"cudnn": 1.0, "flash": 2.0}
    assert (fastest(times, fixed=True), fastest(times, fixed=False), fastest({}, fixed=True)) == ("cudnn", "flash", "")
