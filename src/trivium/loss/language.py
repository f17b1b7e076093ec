"""Cross-entropy of a language model, fused with its head, and log-probabilities of given tokens.

`linear_cross_entropy` never holds more than a chunk of logits: each chunk's gradient is taken while its logits are
at hand (as in Liger Kernel, Hsu et al. 2024, section 3), so the backward pass has only to scale. Only positions that
carry weight enter. The plain version stands in tests/reference.

Legend: N positions, D hidden size, V vocabulary.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from trivium.base.product import SIZES, across, linear
from trivium.loss import language_kernel

CHUNK_POSITIONS = 512  # 512 x 2,048 logits in float32 are 4 MiB, which stays in a core's share of the cache
CHUNK_BYTES = 1 << 29  # of logits in float32 on a GPU, where a chunk's products must fill it
Kernel = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]  # as `nats_and_gradient`
_kernel: contextvars.ContextVar[Kernel | None] = contextvars.ContextVar("kernel", default=None)


def _cross_entropy(
    logits: Tensor, bias: Tensor | None, targets: Tensor, weights: Tensor, sloped: bool
) -> language_kernel.Found:
    """As `language_kernel.cross_entropy`."""
    low = logits.dtype
    logits = logits.float()
    if bias is not None:
        logits += bias
    log_probabilities = F.log_softmax(logits, dim=-1)
    chosen = log_probabilities.gather(1, targets[:, None]).squeeze(1)  # (C,)
    loss = -(chosen * weights).sum()
    if not sloped:
        return loss, None, None
    # d/dlogits of -w log p[target] is w (p - onehot)
    gradient = log_probabilities.exp_().mul_(weights[:, None])
    gradient.scatter_add_(1, targets[:, None], -weights[:, None])
    return loss, gradient.to(low), None if bias is None else gradient.sum(dim=0)


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, weights: Tensor, bias: Tensor | None, size: int
    ) -> Tensor:
        narrow = weight.to(hidden.dtype)
        chunk = language_kernel.cross_entropy if language_kernel.is_for(hidden, len(weight)) else _cross_entropy
        wants_hidden, wants_weight = ctx.needs_input_grad[0], ctx.needs_input_grad[1]
        hidden_gradient = torch.empty_like(hidden) if wants_hidden else None
        weight_gradient = torch.zeros_like(weight, dtype=torch.float32) if wants_weight else None
        bias_gradient = torch.zeros_like(bias, dtype=torch.float32) if bias is not None else None
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        sloped = wants_hidden or wants_weight
        kernel = _kernel.get() if bias is None and sloped else None
        slim: Tensor | None
        for start in range(0, len(hidden), size):
            part = slice(start, start + size)
            logits = linear(hidden[part], narrow)  # (C, V)
            if kernel is not None:
                (loss, slim), for_bias = kernel(logits, targets[part], weights[part]), None
            else:
                loss, slim, for_bias = chunk(logits, bias, targets[part], weights[part], sloped)
            total += loss
            if slim is None:
                continue
            if bias_gradient is not None and for_bias is not None:
                bias_gradient += for_bias
            if hidden_gradient is not None:
                hidden_gradient[part] = linear(slim, narrow.t())
            if weight_gradient is not None:
                weight_gradient += across(slim, hidden[part])
        ctx.save_for_backward(hidden_gradient, weight_gradient, bias_gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, Tensor | None, None]:
        hidden_gradient, weight_gradient, bias_gradient = ctx.saved_tensors
        scale = outputs[0]
        return (
            None if hidden_gradient is None else hidden_gradient * scale.to(hidden_gradient.dtype),
            None if weight_gradient is None else weight_gradient * scale,
            None,
            None,
            None if bias_gradient is None else bias_gradient * scale,
            None,
        )


def nats_and_gradient(logits: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Of logits (C, V): the sum of weights * -log softmax[target], float32, and its gradient (C, V) in their type.

    As formulas, for a compiler to make one pass of; operation by operation the loop above takes less memory.
    """
    wide = logits.float()
    log_probabilities = wide - wide.logsumexp(dim=-1, keepdim=True)
    nats = -(log_probabilities.gather(1, targets[:, None]).squeeze(1) * weights).sum()
    hit = targets[:, None] == torch.arange(logits.shape[1], device=logits.device)
    return nats, ((log_probabilities.exp() - hit.float()) * weights[:, None]).to(logits.dtype)


@contextlib.contextmanager
def chunk_by(kernel: Kernel | None) -> Iterator[None]:
    """While the block runs, losses with a gradient take their chunks through `kernel`; None for this file's own operations."""
    before = _kernel.set(kernel)
    try:
        yield
    finally:
        _kernel.reset(before)


def chunk_positions(device: str, vocabulary: int) -> int:
    """How many positions the head is computed at in one piece: a power of two."""
    if device != "cuda":
        return CHUNK_POSITIONS
    return max(CHUNK_POSITIONS, 1 << ((CHUNK_BYTES // (4 * vocabulary)).bit_length() - 1))


def linear_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    weights: Tensor,
    bias: Tensor | None = None,
    places: Tensor | None = None,
) -> Tensor:
    """Sum over positions of weights * -log softmax(hidden @ weight.T + bias)[targets], in nats; a float32 scalar.

    `hidden` (..., D), `weight` (V, D), `bias` (V,), `targets` and `weights` (...). It is a sum: the caller divides by a
    count taken once for the whole optimizer step. `places` (N,) are those where weights are not 0, and maybe others, among
    all, where that is known: else it is looked up, for which a GPU has to be waited for.
    """
    flat_weights = weights.reshape(-1)
    flat_targets = targets.reshape(-1)
    flat_hidden = hidden.reshape(-1, hidden.shape[-1])
    if places is not None:
        if len(places) < len(flat_weights):
            flat_hidden = flat_hidden.index_select(0, places)
            flat_targets, flat_weights = flat_targets[places], flat_weights[places]
    elif not bool(flat_weights.all()):
        kept = flat_weights.nonzero().squeeze(1)  # (N,)
        spare = -len(kept) % SIZES
        chosen = F.pad(kept, (0, spare))  # the spare ones are the first position again, without weight
        flat_hidden = flat_hidden.index_select(0, chosen)
        flat_targets, flat_weights = flat_targets[chosen], F.pad(flat_weights[kept], (0, spare))
    return chosen_cross_entropy(flat_hidden, weight, flat_targets, flat_weights, bias)


def chosen_cross_entropy(
    hidden: Tensor, weight: Tensor, targets: Tensor, weights: Tensor, bias: Tensor | None = None
) -> Tensor:
    """As `linear_cross_entropy`, for `hidden` (N, D), `targets` and `weights` (N,) that were chosen because they count."""
    size = chunk_positions(hidden.device.type, len(weight))
    result: Tensor = _LinearCrossEntropy.apply(hidden, weight, targets, weights, bias, size)  # type: ignore[no-untyped-call]
    return result


class _LogLikelihoods(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        narrow = weight.to(hidden.dtype)
        found = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        kept = []
        for start in range(0, len(hidden), CHUNK_POSITIONS):
            part = slice(start, start + CHUNK_POSITIONS)
            log_probabilities = F.log_softmax(linear(hidden[part], narrow).float(), dim=-1)  # (C, V)
            found[part] = log_probabilities.gather(1, targets[part, None]).squeeze(1)
            if any(ctx.needs_input_grad):
                kept.append(log_probabilities.exp_())
        ctx.save_for_backward(hidden, weight, targets, *kept)
        return found

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        hidden, weight, targets, *kept = ctx.saved_tensors
        narrow = weight.to(hidden.dtype)
        wants_hidden, wants_weight = ctx.needs_input_grad[0], ctx.needs_input_grad[1]
        hidden_gradient = torch.empty_like(hidden) if wants_hidden else None
        weight_gradient = torch.zeros_like(weight, dtype=torch.float32) if wants_weight else None
        for number, probabilities in enumerate(kept):
            part = slice(number * CHUNK_POSITIONS, (number + 1) * CHUNK_POSITIONS)
            # d/dlogits of w log p[target] is w (onehot - p)
            gradient = probabilities * -outputs[0][part, None]
            gradient.scatter_add_(1, targets[part, None], outputs[0][part, None])
            slim = gradient.to(hidden.dtype)
            if hidden_gradient is not None:
                hidden_gradient[part] = linear(slim, narrow.t())
            if weight_gradient is not None:
                weight_gradient += across(slim, hidden[part])
        return hidden_gradient, weight_gradient, None


def linear_log_likelihoods(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """log softmax(hidden @ weight.T)[targets], float32 (N,), for `hidden` (N, D), `weight` (V, D) and `targets` (N,).

    It is computed chunk by chunk; the probabilities are kept for the backward pass, which may weigh every position by what
    came of all of them.
    """
    spare = -len(targets) % SIZES
    flat, chosen = F.pad(hidden, (0, 0, 0, spare)), F.pad(targets, (0, spare))
    found: Tensor = _LogLikelihoods.apply(flat, weight, chosen)  # type: ignore[no-untyped-call]
    return found[: len(targets)]


def token_log_probabilities(logits: Tensor, tokens: Tensor, temperature: float = 1.0) -> Tensor:
    """log softmax(logits / temperature)[tokens], float32 (...), for `logits` (..., V) and `tokens` (...)."""
    scaled = logits.float() / temperature
    return scaled.gather(-1, tokens.unsqueeze(-1)).squeeze(-1) - scaled.logsumexp(dim=-1)
