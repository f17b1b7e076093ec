"""Which kernels of PyTorch compute attention away from the CPU: for whole rows the fastest one that is right, measured; for rows
of several documents one that reads where each begins, instead of a mask of T x T.

Nothing here is assumed of a GPU: what raises, or computes something else than the formula, is not taken. The CPU's own
attention is in `attend`.

Legend: B rows, T tokens in a row, N = B T tokens, H query heads, K key and value heads, E head size, C documents.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from trivium.base.words import Documents
from trivium.model.architecture import Architecture

BACKENDS = {  # by the names that are told: what torch.nn.attention.SDPBackend calls them
    "cudnn": "CUDNN_ATTENTION",
    "flash": "FLASH_ATTENTION",
    "efficient": "EFFICIENT_ATTENTION",
    "math": "MATH",
}
FIXED = ("cudnn",)  # kernels that are planned anew, for tens of milliseconds, for every size that they meet
NARROW = (torch.bfloat16, torch.float16)
TOLERANCE = 0.02  # of the norm of outputs and gradients; bfloat16's rounding makes about 0.005 of it
LOOKED_AT = 2  # rows that are compared with the formula
TIMES = 10


@dataclass(frozen=True)
class Apart:
    """What queries see where documents of a row do not see each other: their own document, `before` tokens back and `after`
    tokens ahead, -1 for all. `kernel` computes it, called as `document_by_document`."""

    documents: Documents
    before: int
    after: int
    kernel: Callable[..., Tensor]


def apart(documents: Documents, window: int, causal: bool) -> Apart:
    """As `attention_mask` has it for a layer with that window, 0 for none."""
    reach = (window - 1 if causal else window // 2) if window else -1
    kernel = varlen_kernel(bool(window)) if documents.starts.is_cuda else document_by_document
    assert kernel is not None, "this is for where reads_documents"
    return Apart(documents, reach, 0 if causal else reach, kernel)


def reads_documents(device: torch.device, shape: Architecture) -> bool:
    """Whether attention of that shape on `device`, as autocast is now, reads where documents begin."""
    if device.type != "cuda" or not torch.is_autocast_enabled("cuda"):
        return False
    able = shape.head_dim % 8 == 0 and shape.head_dim <= 256 and torch.cuda.get_device_capability(device) >= (8, 0)
    narrow = torch.get_autocast_dtype("cuda") in NARROW
    return able and narrow and varlen_kernel(any(shape.layer_windows)) is not None


@functools.cache
def varlen_kernel(windows: bool = False) -> Callable[..., Tensor] | None:
    """PyTorch's FlashAttention over documents, called as (query (N, H, E), key and value (N, K, E), seen); None where this
    PyTorch has none, or with `windows` none that knows them. Its arguments changed between 2.10 and 2.12."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    known = inspect.signature(varlen_attn).parameters
    by_window, grouping = "window_size" in known, "enable_gqa" in known
    if not by_window and (windows or "is_causal" not in known):
        return None

    def attend(query: Tensor, key: Tensor, value: Tensor, seen: Apart) -> Tensor:
        how: dict[str, Any] = {}
        if by_window:
            how["window_size"] = (seen.before, seen.after)
        else:
            how["is_causal"] = seen.after == 0
        groups = query.shape[1] // key.shape[1]
        if groups > 1 and grouping:
            how["enable_gqa"] = True
        elif groups > 1:
            key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
        starts, longest = seen.documents.starts, seen.documents.longest
        found = varlen_attn(query, key, value, starts, starts, longest, longest, **how)
        assert isinstance(found, Tensor)  # a pair only where auxiliary results are asked for
        return found

    return attend


def document_by_document(query: Tensor, key: Tensor, value: Tensor, seen: Apart) -> Tensor:
    """What `varlen_kernel` computes, slowly, on any device: one document after the other."""
    groups, pieces = query.shape[1] // key.shape[1], []
    bounds = seen.documents.starts.tolist()
    for start, stop in itertools.pairwise(bounds):
        if start == stop:
            continue
        places = torch.arange(stop - start, device=query.device)
        ahead = places - places[:, None]  # (t, t), how far a key lies after its query
        mask = torch.ones_like(ahead, dtype=torch.bool)
        if seen.before >= 0:
            mask = mask & (ahead >= -seen.before)
        if seen.after >= 0:
            mask = mask & (ahead <= seen.after)
        own = [one[None, start:stop].transpose(1, 2) for one in (query, key, value)]  # (1, H or K, t, E)
        asked, known, told = own[0], *(one.repeat_interleave(groups, dim=1) for one in own[1:])
        mixed = F.scaled_dot_product_attention(asked, known, told, attn_mask=mask)  # (1, H, t, E)
        pieces.append(mixed[0].transpose(0, 1))
    return torch.cat(pieces)


def attend_apart(query: Tensor, key: Tensor, value: Tensor, seen: Apart) -> Tensor:
    """Attention inside documents, (B, T, H, E), of `query` (B, T, H, E), `key` and `value` (B, T, K, E)."""
    flat = [one.flatten(0, 1).contiguous() for one in (query, key, value)]  # (N, H or K, E)
    return seen.kernel(*flat, seen).view(query.shape)


def documents_of(segments: Tensor) -> Documents:
    """Where documents begin, from their numbers in each row (B, T) in main memory; each row's first token begins one."""
    rows, length = segments.shape
    begins = torch.ones(rows, length, dtype=torch.bool)
    begins[:, 1:] = segments[:, 1:] != segments[:, :-1]
    places = begins.flatten().nonzero().squeeze(1)  # (C,)
    count = 1 << len(places).bit_length()  # few different numbers, so that no kernel is compiled anew for each
    starts = torch.full((count + 1,), rows * length, dtype=torch.int32)
    starts[: len(places)] = places
    longest = int(starts.diff().max())
    return Documents(segments, starts, min(length, 1 << (longest - 1).bit_length()))


Sizes = tuple[int, int, int, int, int]  # B, T, H, K, E


@functools.lru_cache(maxsize=32)
def measured(sizes: Sizes, device: torch.device, dtype: torch.dtype, causal: bool = True) -> Mapping[str, float]:
    """Milliseconds of attention forwards and backwards on a GPU by each kernel of `BACKENDS` that computes the formula there,
    the fastest first."""
    rows, length, heads, kv_heads, size = sizes
    generator = torch.Generator(device).manual_seed(0)
    given = [
        torch.randn(rows, count, length, size, generator=generator, device=device).to(dtype).requires_grad_()
        for count in (heads, kv_heads, kv_heads, heads)
    ]
    few = [one[:LOOKED_AT].detach().requires_grad_() for one in given]
    with torch.autocast(device.type, enabled=False), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a kernel that cannot says why, at length
        right = _attended([one.detach().float().requires_grad_() for one in few], "math", causal)
        found: dict[str, float] = {}
        for name in BACKENDS:
            if name == "math" and found:
                continue  # what all others are quicker than
            with contextlib.suppress(RuntimeError):  # a kernel that cannot; also one that finds no memory
                pairs = zip(_attended(few, name, causal), right, strict=True)
                if all(float((one - other).norm() / other.norm()) < TOLERANCE for one, other in pairs):
                    found[name] = _milliseconds(given, name, causal)
    return dict(sorted(found.items(), key=lambda pair: pair[1]))


def _attended(given: list[Tensor], name: str, causal: bool) -> list[Tensor]:
    """The output and the gradients of query, key and value, for query, key, value and the output's gradient."""
    query, key, value, gradient = given
    with only(name):
        output = F.scaled_dot_product_attention(
            query, key, value, is_causal=causal, enable_gqa=query.shape[1] != key.shape[1]
        )
        return [output.detach(), *torch.autograd.grad(output, (query, key, value), gradient)]


def _milliseconds(given: list[Tensor], name: str, causal: bool) -> float:
    for _ in range(3):
        _attended(given, name, causal)
    begun, done = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    begun.record()
    for _ in range(TIMES):
        _attended(given, name, causal)
    done.record()
    done.synchronize()
    return float(begun.elapsed_time(done)) / TIMES


@contextlib.contextmanager
def only(name: str) -> Iterator[None]:
    """Whole rows' attention by this kernel, while the block runs."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with sdpa_kernel(getattr(SDPBackend, BACKENDS[name])):
        yield


@contextlib.contextmanager
def preferring(name: str) -> Iterator[None]:
    """Whole rows' attention by this kernel where it can, else by the others, while the block runs; '' changes nothing."""
    if not name:
        yield
        return
    from torch.nn.attention import SDPBackend, sdpa_kernel

    order = [name, *(other for other in BACKENDS if other not in (name, *FIXED))]
    with sdpa_kernel([getattr(SDPBackend, BACKENDS[one]) for one in order], set_priority=True):
        yield


def fastest(times: Mapping[str, float], fixed: bool) -> str:
    """The name of the fastest kernel; where sizes are not `fixed`, of those that need no plan for each. '' if there is none."""
    return next((name for name in times if fixed or name not in FIXED), "")
