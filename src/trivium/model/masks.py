"""What a query may see: one boolean mask of everything that hides a key.

Legend: B rows, T tokens in a row.
"""

from __future__ import annotations

import torch
from torch import Tensor


def attention_mask(
    shape: tuple[int, int, bool],
    device: torch.device,
    real: Tensor | None,
    segments: Tensor | None,
    prefix: Tensor | None,
) -> Tensor | None:
    """Boolean (B, 1, T, T) or broadcastable to it, True where a query sees a key; None where nothing is hidden but, in a
    causal model, what comes after. `shape` is T, the layer's window (0 for all), and whether it is causal.

    A query always sees at least one key (padding sees itself): a row of nothing but minus infinity is not a number.
    """
    length, window, causal = shape
    reach = window - 1 if causal else window // 2  # tokens to a side
    cut = bool(window) and reach < length - 1
    if segments is None and prefix is None and not cut:
        if real is None:
            return None
        if not causal:
            return (real | ~real.any(dim=1, keepdim=True))[:, None, None, :]  # (B, 1, 1, T)
    places = torch.arange(length, device=device)
    before = places[:, None] - places  # (T, T), how far a key lies before its query
    seen = (before >= (0 if causal else -length)).unsqueeze(0)  # (B or 1, T, T)
    if prefix is not None:
        seen = seen | prefix.unsqueeze(1)
    if cut:
        seen = seen & (before.abs() <= reach)
    if segments is not None:
        seen = seen & (segments.unsqueeze(2) == segments.unsqueeze(1))
    if real is not None:
        seen = seen & real.unsqueeze(1)
    return (seen | (before == 0)).unsqueeze(1)
