"""Training of the byte-level BPE (Sennrich et al. 2016; bytes as in GPT-2), with the `tokenizers` library.

The texts are what the caller chooses: the trainer holds every distinct piece of them in memory, so a large corpus is
sampled before it comes here. Nothing is normalised; a pair is merged only if it was seen twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from trivium.base.errors import UserError
from trivium.tokenizer.bpe import Tokenizer
from trivium.tokenizer.layout import BYTES, SMALLEST_VOCABULARY, SPECIAL_TOKENS, SPLIT, without_surrogates

SEEN = 2  # a pair seen once is noise
LONGEST_PIECE = 1000  # a run without any space (or of nothing else) is cut here: it teaches nothing and costs much
_RUN = re.compile(rf"\S{{{LONGEST_PIECE}}}|\s{{{LONGEST_PIECE}}}")


def train(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """A tokenizer of exactly `vocab_size` tokens, special ones included; the same texts give the same bytes.

    Raises UserError, with the largest size that would do, where the texts do not support that many.
    """
    from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, trainers
    from tokenizers import Tokenizer as Trainee

    if vocab_size < SMALLEST_VOCABULARY:
        raise UserError(
            f"vocab_size is {vocab_size}; it must be at least {SMALLEST_VOCABULARY} ({BYTES} bytes and "
            f"{len(SPECIAL_TOKENS)} special tokens)"
        )
    trainee = Trainee(models.BPE())
    split = pre_tokenizers.Split(Regex(SPLIT), "isolated")
    trainee.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    trainee.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(SPECIAL_TOKENS),
        min_frequency=SEEN,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    trainee.train_from_iterator((piece for text in texts for piece in _in_pieces(text)), trainer)
    supported = trainee.get_vocab_size() + len(SPECIAL_TOKENS)
    if supported < vocab_size:
        raise UserError(
            f"vocab_size is {vocab_size:,}; this text supports at most {supported:,} tokens "
            f"(pairs seen {SEEN} times or more): lower tokenize.vocab_size, or gather more text"
        )
    trainee.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS])
    return Tokenizer(trainee.to_str(pretty=True).encode())


def _in_pieces(text: str) -> Iterator[str]:
    text, _ = without_surrogates(text)
    start = 0
    while found := _RUN.search(text, start):
        yield text[start : found.end()]
        start = found.end()
    yield text[start:]
