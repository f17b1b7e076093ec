"""A tokenizer that another model came with: WordPiece, byte-level BPE with another pattern, Unigram, byte fallback.

Encoding is the `tokenizers` library's, from the folder's own tokenizer.json, so ids are those of `AutoTokenizer`; text never
becomes a special token. Both files are kept as they are. A decoder's tokenizer without a chat template can be given ours.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.base.errors import CheckpointError, UserError
from trivium.base.files import hash_bytes, read_json, write_atomic, write_json
from trivium.base.words import Message
from trivium.tokenizer.bpe import CONFIG, DEFINITION, Tokenizer
from trivium.tokenizer.chat import TEMPLATE, ChatTemplate, Rendered
from trivium.tokenizer.framing import Spans, spans_of
from trivium.tokenizer.layout import END_OF_TURN, PAD, ROLES, without_surrogates

if TYPE_CHECKING:
    import numpy
    import tokenizers

TEMPLATE_FILE = "chat_template.jinja"
CHAT_TOKENS = (END_OF_TURN, *(f"<|{role}|>" for role in ROLES))


class ImportedTokenizer(Tokenizer):
    """Any tokenizer.json with the tokenizer_config.json beside it. It does not change once made."""

    def __init__(self, definition: bytes, config: Mapping[str, Any], template: str = "") -> None:
        """`template` is empty where the folder has none. Raises CheckpointError where the files make no tokenizer."""
        import tokenizers

        try:
            text = definition.decode()
            tokenizers.Tokenizer.from_str(text)
            content = json.loads(text)
        except Exception as error:
            raise CheckpointError(f"tokenizer.json: not a tokenizer ({error})") from None
        self.definition, self.template, self.config = definition, template, dict(config)
        self.sha256 = hash_bytes(definition)
        self.special = {token["content"]: token["id"] for token in content["added_tokens"] if token["special"]}
        self.vocab_size = max(self._library.get_vocab(with_added_tokens=True).values()) + 1
        self.cls, self.sep, self.mask = (self._named(name) for name in ("cls_token", "sep_token", "mask_token"))
        end = next((i for i in map(self._named, ("eos_token", "sep_token", "bos_token")) if i is not None), None)
        if end is None:
            raise CheckpointError(
                "tokenizer_config.json: neither eos_token nor sep_token says what ends a text; add one"
            )
        self.end_of_text = end
        self.end_of_turn = self.special.get(END_OF_TURN, end)
        padding = self._named("pad_token")
        self.pad = end if padding is None else padding
        self._talk = ChatTemplate(template, self.special) if template else None

    def __reduce__(self) -> tuple[Any, ...]:
        return ImportedTokenizer, (self.definition, self.config, self.template)

    @classmethod
    def load(cls, folder: Path) -> ImportedTokenizer:
        """The tokenizer in `folder`. Raises CheckpointError where its files are missing or damaged."""
        config = read_json(folder / CONFIG) if (folder / CONFIG).exists() else {}
        special = folder / "special_tokens_map.json"
        config = {**(read_json(special) if special.exists() else {}), **config}
        template = config.pop("chat_template", None) or ""
        if (folder / TEMPLATE_FILE).exists():
            template = (folder / TEMPLATE_FILE).read_text(encoding="utf-8")
        if not isinstance(template, str):
            template = next((one["template"] for one in template if one.get("name") == "default"), "")
        try:
            return cls((folder / DEFINITION).read_bytes(), config, template)
        except CheckpointError as error:
            raise CheckpointError(f"{folder}: {error}") from None

    def save(self, folder: Path, max_length: int | None = None, *, types: bool = False) -> None:
        """Write tokenizer.json and tokenizer_config.json as they came; `max_length` is what the model beside them reads."""
        write_atomic(folder / DEFINITION, self.definition)
        longest = {} if max_length is None else {"model_max_length": max_length}
        template = {"chat_template": self.template} if self.template else {}
        write_json(folder / CONFIG, {**self.config, **longest, **template})

    def special_ids(self) -> dict[str, int | list[int]]:
        """What a model's config.json says of special tokens."""
        named = {f"{name}_token_id": self._named(f"{name}_token") for name in ("bos", "eos", "pad", "cls", "sep")}
        ids: dict[str, int | list[int]] = {name: number for name, number in named.items() if number is not None}
        if self.end_of_turn != self.end_of_text:
            ids["eos_token_id"] = [self.end_of_turn, self.end_of_text]
        return ids

    def with_chat(self) -> ImportedTokenizer:
        """This tokenizer with our chat template and its special tokens as new ids at the end; itself where it has one."""
        if self.template:
            return self
        from tokenizers import AddedToken

        library = self._new_library()
        padding = [] if self._named("pad_token") is not None else [PAD]
        library.add_special_tokens(
            [AddedToken(token, special=True, normalized=False) for token in (*CHAT_TOKENS, *padding)]
        )
        config = {**self.config, **({"pad_token": PAD} if padding else {})}
        return ImportedTokenizer(library.to_str(pretty=True).encode(), config, TEMPLATE)

    def encode(self, text: str) -> list[int]:
        """Ids of `text` alone; no text becomes a special token. A lone surrogate is read as U+FFFD."""
        return self.encode_spans(text).ids

    def encode_many(self, texts: Iterable[str]) -> list[numpy.ndarray[Any, Any]]:
        """For each text its ids, uint32 (T,), as `encode` has them."""
        import numpy

        clean = [without_surrogates(text)[0] for text in texts]
        encoded = self._library.encode_batch_fast(clean, add_special_tokens=False)
        return [
            numpy.array(self.encode(text) if self._control.intersection(one.ids) else one.ids, numpy.uint32)
            for one, text in zip(encoded, clean, strict=True)
        ]

    def encode_spans(self, text: str) -> Spans:
        """Ids of `text`, as `encode` has them, with their places in it and their words."""
        text = without_surrogates(text)[0]
        spans = spans_of(self._library, text)
        if not self._control.intersection(spans.ids):
            return spans
        # a special token that is also a piece of the model's own: cut in two, its text gives no such piece
        whole, at = Spans([], [], [], []), 0
        for end in [*(found.start() + 1 for found in self._control_texts.finditer(text)), len(text)]:
            part = spans_of(self._library, text[at:end])
            words = whole.words[-1] + 1 if whole.words else 0
            whole.ids.extend(part.ids)
            whole.starts.extend(at + start for start in part.starts)
            whole.ends.extend(at + stop for stop in part.ends)
            whole.words.extend(words + word for word in part.words)
            at = end
        assert not self._control.intersection(whole.ids), f"{text!r} still makes a special token"
        return whole

    def decode(self, ids: Iterable[int], keep_special: bool = False) -> str:
        """The text of `ids`. Raises UserError for an id out of range."""
        given = list(ids)
        wrong = next((number for number in given if not 0 <= number < self.vocab_size), None)
        if wrong is not None:
            raise UserError(f"token id {wrong}: this tokenizer has ids 0 to {self.vocab_size - 1}")
        return str(self._library.decode(given, skip_special_tokens=not keep_special))

    def pieces(self, ids: Iterable[int], keep_special: bool = True) -> list[bytes]:
        """What each id stands for in the vocabulary's own spelling; special tokens are empty unless they are kept."""
        special = set(self.special.values())
        names = [(number, self._library.id_to_token(number) or "") for number in ids]
        return [b"" if number in special and not keep_special else name.encode() for number, name in names]

    def render(self, messages: Sequence[Message], add_generation_prompt: bool = False) -> Rendered:
        """As the base class has it; where the assistant's words begin is found by the places of tokens in the text."""
        if self._talk is None:
            raise UserError(
                "this tokenizer has no chat template; use one that has, or a model that was fine-tuned to chat"
            )
        ids: list[int] = []
        mask: list[bool] = []
        for part in self._talk.parts(messages, add_generation_prompt):
            if part.special is not None:
                ids.append(part.special)
                mask.append(part.learned is not None)
                continue
            spans = self.encode_spans(part.text)
            ids += spans.ids
            first = len(part.text) if part.learned is None else part.learned
            mask += [end > first for end in spans.ends]
        return Rendered(ids, mask)

    @functools.cached_property
    def _control(self) -> frozenset[int]:
        """Special tokens that no text may become; what stands for an unknown character may come of text."""
        return frozenset(self.special.values()) - {self._named("unk_token")}

    @functools.cached_property
    def _control_texts(self) -> re.Pattern[str]:
        return re.compile("|".join(re.escape(token) for token in sorted(self.special, key=len, reverse=True)))

    def _named(self, name: str) -> int | None:
        """The id of a special token that the config names."""
        token = self.config.get(name)
        text = token.get("content") if isinstance(token, dict) else token
        return None if text is None else self._library.token_to_id(text)

    def _new_library(self) -> tokenizers.Tokenizer:
        import tokenizers

        library = tokenizers.Tokenizer.from_str(self.definition.decode())
        library.no_padding()
        library.no_truncation()
        return library

    @functools.cached_property
    def _library(self) -> tokenizers.Tokenizer:
        library = self._new_library()
        library.encode_special_tokens = True  # their text is encoded as text; neither JSON nor pickle keeps this
        return library
