"""A small tokenizer for tests, trained once: Python's help topics, and a few lines in other scripts."""

from __future__ import annotations

from functools import cache
from pydoc_data.topics import topics

from trivium.tokenizer import Tokenizer, train

OTHER_SCRIPTS = (
    "L'été, où est-ce que tu vas? Ça, c'est déjà vu. Straße, Größe, naïve café.\n",
    "Съешь же ещё этих мягких французских булок, да выпей чаю.\n",
    "我能吞下玻璃而不伤身体。日本語の文章です。한국어 문장입니다.\n",
    "👩‍👩‍👧 🙂🙂 👍🏽 🇫🇷 e\u0301 \u00a0x \u200d\n",
    "don't I'll we've they're it's he'd I'M WE'LL 1234567 3.14159 ----====\t\t\r\n  \r\n",
)


def tiny_texts() -> list[str]:
    return [text for _, text in sorted(topics.items())][:30] + list(OTHER_SCRIPTS) * 5


@cache
def tiny_tokenizer() -> Tokenizer:
    return train(tiny_texts(), 1200)
