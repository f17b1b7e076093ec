"""Numbers as people read them: durations, sizes, counts, and the few figures of a stage that are worth a line.

Which figures those are is a table here; a stage says what it measured, not how it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trivium.base.progress import Progress

# Which figures of a finished stage are shown, in this order, and how. A stage without any shows its first two.
HEADLINES: dict[str, str] = {
    "documents": "{:,} documents",
    "bytes": "{size}",
    "instructions": "{:,} instructions",
    "accuracy": "accuracy {:.1%}",
    "micro_f1": "F1 {:.1%}",
    "pearson": "correlation {:.2f}",
    "span_f1": "entity F1 {:.1%}",
    "word_accuracy": "words right {:.1%}",
    "exact_match": "exact answers {:.1%}",
    "rougeLsum": "ROUGE-L {:.1%}",
    "baseline": "best baseline {:.1%}",
    "vocab_size": "vocabulary {:,}",
    "bytes_per_token": "{:.2f} bytes/token",
    "examples": "{:,} examples",
    "pairs": "{:,} pairs",
    "heldout_accuracy": "held-out accuracy {:.1%}",
    "ceiling": "ceiling {:.1%}",
    "reward_first": "reward {:.2f}",
    "reward_last": "-> {:.2f}",
    "exact_finetune": "exact answers {:.1%}",
    "exact_align": "-> {:.1%}",
    "win_rate": "win rate {:.1%}",
    "kl": "KL {:.2f}",
    "masked_accuracy": "hidden tokens found {:.1%}",
    "pair_accuracy": "pairs told {:.1%}",
    "valid_bits_per_byte": "valid {:.2f} bits/byte",
    "tokens_per_second": "{count} tokens/s",
}
SHOWN = 3


def headline(figures: Mapping[str, Any]) -> str:
    """The figures worth a line, for example 'valid 1.23 bits/byte  12.1k tokens/s'; empty where there are none."""
    numbers = {name: value for name, value in figures.items() if _is_number(value)}
    forms = HEADLINES | ({"baseline": "best baseline {:.2f}"} if "pearson" in numbers else {})  # no share
    known = [
        form.format(numbers[name], count=count(numbers[name]), size=size(numbers[name]))
        for name, form in forms.items()
        if name in numbers
    ]
    others = [f"{name.replace('_', ' ')} {value:.4g}" for name, value in list(numbers.items())[:2]]
    return "  ".join((known or others)[:SHOWN])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def live(figures: Mapping[str, float]) -> str:
    """The figures of a running stage: 'loss 2.310  12.3k tokens/s'."""
    parts = []
    for name, value in figures.items():
        parts.append(f"{count(value)} {name}" if name.endswith("/s") else f"{name} {value:.3f}")
    return "  ".join(parts[:SHOWN])


def progressed(progress: Progress) -> str:
    """How far a stage is: '1200/2000 steps', '1.2 MB of 11 MB'."""
    if progress.unit == "bytes":
        return f"{size(progress.done)} of {size(progress.total)}"
    return f"{progress.done}/{progress.total} {progress.unit}"


def duration(seconds: float) -> str:
    """0.42s, 12s, 1m58s, 3h07m, 2d04h."""
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02}h"


def count(value: float) -> str:
    """950, 12.3k, 4.56M."""
    for limit, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g}{sign}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def size(value: float) -> str:
    """Bytes as 512 B, 12.3 MB; a thousand to the kilobyte."""
    return (
        f"{value:.0f} B"
        if value < 1000
        else f"{count(value).upper()}B".replace("KB", " kB").replace("MB", " MB").replace("GB", " GB")
    )
