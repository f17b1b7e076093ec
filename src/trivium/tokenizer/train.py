"""Training of the byte-level BPE (Sennrich et al. 2016; bytes as in GPT-2), with the `tokenizers` library.

The texts are what the caller chooses: the trainer holds every distinct piece of them in memory, so a large corpus is
sampled before it comes here. Nothing is normalised; a pair is merged only if it was seen twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from trivium.base.errors import UserError
from trivium.tokenizer.bpe import Tokenizer
from trivium.tokenizer.layout import (
    BYTES,
    CLS,
    MASKED_TOKENS,
    SEP,
    SPECIAL_TOKENS,
    SPLIT,
    without_surrogates,
)

SEEN = 2  # a pair seen once is noise
LONGEST_PIECE = 1000  # a run without any space (or of nothing else) is cut here: it teaches nothing and costs much
_RUN = re.compile(rf"\S{{{LONGEST_PIECE}}}|\s{{{LONGEST_PIECE}}}")


def train(texts: Iterable[str], vocab_size: int, masked: bool = False) -> Tokenizer:
    """A tokenizer of exactly `vocab_size` tokens, special ones included; the same texts give the same bytes.

    With `masked` it has the tokens of a masked model too, and puts them around texts.
    Raises UserError, with the largest size that would do, where the texts do not support that many.
    """
    from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, processors, trainers
    from tokenizers import Tokenizer as Trainee

    special = (*SPECIAL_TOKENS, *(MASKED_TOKENS if masked else ()))
    if vocab_size < BYTES + len(special):
        raise UserError(
            f"vocab_size is {vocab_size}; it must be at least {BYTES + len(special)} ({BYTES} bytes and "
            f"{len(special)} special tokens)"
        )
    trainee = Trainee(models.BPE())
    split = pre_tokenizers.Split(Regex(SPLIT), "isolated")
    trainee.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    trainee.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(special),
        min_frequency=SEEN,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    trainee.train_from_iterator((piece for text in texts for piece in _in_pieces(text)), trainer)
    supported = trainee.get_vocab_size() + len(special)
    if supported < vocab_size:
        raise UserError(
            f"vocab_size is {vocab_size:,}; this text supports at most {supported:,} tokens "
            f"(pairs seen {SEEN} times or more): lower tokenize.vocab_size, or gather more text"
        )
    trainee.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    if masked:
        named = [(token, trainee.token_to_id(token)) for token in (CLS, SEP)]
        trainee.post_processor = processors.TemplateProcessing(
            single=f"{CLS} $A {SEP}", pair=f"{CLS} $A {SEP} $B:1 {SEP}:1", special_tokens=named
        )
    return Tokenizer(trainee.to_str(pretty=True).encode())


def _in_pieces(text: str) -> Iterator[str]:
    text, _ = without_surrogates(text)
    start = 0
    while found := _RUN.search(text, start):
        yield text[start : found.end()]
        start = found.end()
    yield text[start:]
