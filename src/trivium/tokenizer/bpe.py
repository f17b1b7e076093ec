"""The tokenizer: encoding, decoding, conversations, and its folder.

Encoding is tiktoken's, built from the ranks in tokenizer.json; ids equal those of `tokenizers` and of
`transformers.AutoTokenizer` on the same folder, but text never becomes a special token, here or in a process that got
the tokenizer by pickle. Training is in train.py.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.base.errors import CheckpointError, UserError
from trivium.base.files import hash_bytes, read_json, write_atomic, write_json
from trivium.base.words import Message
from trivium.tokenizer.chat import TEMPLATE, ChatTemplate, Rendered
from trivium.tokenizer.framing import Frame, Framed, Spans, frame_of, spans_of
from trivium.tokenizer.layout import (
    CLS,
    END_OF_TEXT,
    END_OF_TURN,
    MASK,
    PAD,
    SEP,
    SPECIAL_TOKENS,
    SPLIT,
    read_layout,
    without_surrogates,
)

if TYPE_CHECKING:
    import numpy
    import tiktoken
    import tokenizers

DEFINITION, CONFIG = "tokenizer.json", "tokenizer_config.json"
# On some million spaces tiktoken's regular expression runs out of stack; far below that, `tokenizers` takes over.
LONGEST_BLANK = 100_000
_BLANK = re.compile(rf"\s{{{LONGEST_BLANK}}}")


class Tokenizer:
    """A byte-level BPE with special tokens and a chat template. It does not change once made.

    `cls`, `sep` and `mask` are None but in a tokenizer for masked models.
    """

    cls: int | None
    sep: int | None
    mask: int | None

    def __init__(self, definition: bytes, template: str = TEMPLATE) -> None:
        """`definition` is the content of a tokenizer.json. Raises CheckpointError where it is not of our form."""
        layout = read_layout(definition)
        self.definition, self.template = definition, template
        self.sha256 = hash_bytes(definition)
        self.vocab_size = layout.vocab_size
        self.special = dict(layout.special)
        self.end_of_text, self.end_of_turn, self.pad = (self.special[name] for name in (END_OF_TEXT, END_OF_TURN, PAD))
        self.cls, self.sep, self.mask = (self.special.get(name) for name in (CLS, SEP, MASK))
        self._ranks = layout.ranks
        self._chat = ChatTemplate(template, layout.special)

    def __reduce__(self) -> tuple[Any, ...]:
        return Tokenizer, (self.definition, self.template)

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """The tokenizer in `folder`, ours or one that another model came with. Raises CheckpointError where its files are
        missing or damaged."""
        try:
            definition = (folder / DEFINITION).read_bytes()
        except OSError as error:
            raise CheckpointError(
                f"{folder / DEFINITION}: {error.strerror}; run the stage that writes it again, or write it from the files of "
                "a slow tokenizer with transformers: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"
            ) from None
        config = read_json(folder / CONFIG) if (folder / CONFIG).exists() else {}
        if any(json.dumps(token).encode() not in definition for token in SPECIAL_TOKENS):
            from trivium.tokenizer.imported import ImportedTokenizer

            return ImportedTokenizer.load(folder)
        template = config.get("chat_template") or TEMPLATE
        if not isinstance(template, str):
            raise CheckpointError(
                f"{folder / CONFIG}: chat_template is a {type(template).__name__}; one template as text is supported"
            )
        try:
            return cls(definition, template)
        except CheckpointError as error:
            raise CheckpointError(f"{folder}: {error}") from None

    def save(self, folder: Path, max_length: int | None = None, *, types: bool = False) -> None:
        """Write tokenizer.json and tokenizer_config.json; `max_length` is the longest text that the model beside it reads,
        `types` whether it tells first and second text apart."""
        write_atomic(folder / DEFINITION, self.definition)
        longest = {} if max_length is None else {"model_max_length": max_length}
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": END_OF_TEXT,
            "pad_token": PAD,
            "clean_up_tokenization_spaces": False,
            **longest,
            **self._masked_config(types),
            "chat_template": self.template,
        }
        write_json(folder / CONFIG, config)

    def _masked_config(self, types: bool) -> dict[str, Any]:
        if self.mask is None:
            return {}
        inputs = ["input_ids", *(["token_type_ids"] if types else []), "attention_mask"]
        return {"cls_token": CLS, "sep_token": SEP, "mask_token": MASK, "model_input_names": inputs}

    def special_ids(self) -> dict[str, int | list[int]]:
        """What a model's config.json says of special tokens."""
        ids: dict[str, int | list[int]] = {"bos_token_id": self.end_of_text, "pad_token_id": self.pad}
        ids["eos_token_id"] = [self.end_of_turn, self.end_of_text]
        if self.cls is not None and self.sep is not None:
            ids |= {
                "bos_token_id": self.cls,
                "eos_token_id": self.sep,
                "cls_token_id": self.cls,
                "sep_token_id": self.sep,
            }
        return ids

    def with_chat(self) -> Tokenizer:
        """A tokenizer that can render conversations: this one."""
        return self

    def frame(self, first: Sequence[int], second: Sequence[int] | None = None) -> Framed:
        """The row that a model reads of one text's ids, or of two: with what `AutoTokenizer` puts around them."""
        return self.framing.put(first, second)

    def added(self, pair: bool) -> int:
        """How many tokens `frame` adds to one text, or to two."""
        return self.framing.added(pair)

    def encode_spans(self, text: str) -> Spans:
        """Ids of `text`, as `encode` has them, with their places in it and their words."""
        return spans_of(self._library, without_surrogates(text)[0])

    def encode(self, text: str) -> list[int]:
        """Ids of `text`; no text becomes a special token. A lone surrogate is read as U+FFFD."""
        if _has_long_blank(text):
            return list(self._library.encode(without_surrogates(text)[0], add_special_tokens=False).ids)
        return self._encoder.encode_ordinary(text)

    def encode_many(self, texts: Iterable[str]) -> list[numpy.ndarray[Any, Any]]:
        """For each text its ids, uint32 (T,), as `encode` has them."""
        import numpy

        return [
            numpy.array(self.encode(text), numpy.uint32) for text in texts
        ]  # faster than tiktoken's encode_to_numpy

    def decode(self, ids: Iterable[int], keep_special: bool = False) -> str:
        """The text of `ids`; bytes that are no whole character become U+FFFD. Raises UserError for an id out of range."""
        return b"".join(self.pieces(ids, keep_special)).decode("utf-8", errors="replace")

    def pieces(self, ids: Iterable[int], keep_special: bool = True) -> list[bytes]:
        """The bytes of each id; those of special tokens are empty unless they are kept."""
        table = self._table if keep_special else self._table_without_special
        try:
            return [table[number] for number in ids]
        except KeyError as error:
            raise UserError(f"token id {error}: this tokenizer has ids 0 to {self.vocab_size - 1}") from None

    def render(self, messages: Sequence[Message], add_generation_prompt: bool = False) -> Rendered:
        """Ids and mask of a conversation; with `add_generation_prompt` the assistant's turn is opened at the end.

        For contents without special tokens' text the ids are those of `AutoTokenizer.apply_chat_template`; in any
        case contents stay text. Raises UserError for an unknown role.
        """
        ids: list[int] = []
        mask: list[bool] = []
        for part in self._chat.parts(messages, add_generation_prompt):
            new = self.encode(part.text) if part.special is None else [part.special]
            ids += new
            if not part.learned:
                mask += [part.learned is not None] * len(new)
            else:  # a token that begins before the assistant's first character and ends after it is the assistant's
                before = len(part.text[: part.learned].encode())
                mask += [end > before for end in itertools.accumulate(len(piece) for piece in self.pieces(new))]
        return Rendered(ids, mask)

    @functools.cached_property
    def _encoder(self) -> tiktoken.Encoding:
        import tiktoken

        return tiktoken.Encoding("trivium", pat_str=SPLIT, mergeable_ranks=dict(self._ranks), special_tokens={})

    @functools.cached_property
    def framing(self) -> Frame:
        """What stands around texts in a row."""
        return frame_of(self._library)

    @functools.cached_property
    def _library(self) -> tokenizers.Tokenizer:
        import tokenizers

        library = tokenizers.Tokenizer.from_str(self.definition.decode())
        library.encode_special_tokens = True  # their text is encoded as text; neither JSON nor pickle keeps this
        return library

    @functools.cached_property
    def _table_without_special(self) -> dict[int, bytes]:
        return {number: piece for piece, number in self._ranks.items()} | dict.fromkeys(self.special.values(), b"")

    @functools.cached_property
    def _table(self) -> dict[int, bytes]:
        return self._table_without_special | {number: text.encode() for text, number in self.special.items()}


def _has_long_blank(text: str) -> bool:
    return len(text) > LONGEST_BLANK and _BLANK.search(text) is not None
