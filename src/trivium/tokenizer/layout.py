"""What every tokenizer of ours is: the split pattern, the special tokens, and the form of its tokenizer.json.

`read_layout` turns a tokenizer.json into what an encoder needs, and refuses any whose ids could differ between the two
encoders (`tokenizers` merges by the list of merges, tiktoken by rank). It encodes nothing itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trivium.base.errors import CheckpointError

# The split of Llama 3 (and of cl100k), without possessive quantifiers, which not every reader of a tokenizer.json takes.
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
END_OF_TEXT, PAD, END_OF_TURN = "<|endoftext|>", "<|pad|>", "<|end|>"
CLS, SEP, MASK = "<|cls|>", "<|sep|>", "<|mask|>"  # only where a masked model is to be trained
MASKED_TOKENS = (CLS, SEP, MASK)
ROLES = ("system", "user", "assistant")
SPECIAL_TOKENS = (END_OF_TEXT, PAD, END_OF_TURN, *(f"<|{role}|>" for role in ROLES))  # the last ids of a vocabulary
BYTES = 256
SMALLEST_VOCABULARY = BYTES + len(SPECIAL_TOKENS)


@dataclass(frozen=True)
class Layout:
    """`ranks`: the id of each token's bytes, lower is merged earlier; `special`: the id of each special token's text."""

    ranks: Mapping[bytes, int]
    special: Mapping[str, int]

    @property
    def vocab_size(self) -> int:
        return len(self.ranks) + len(self.special)


def read_layout(definition: bytes) -> Layout:
    """The layout of the bytes of a tokenizer.json. Raises CheckpointError where it is not one that Trivium writes."""
    try:
        content = json.loads(definition)
        model = content["model"]
        vocabulary: dict[str, int] = model["vocab"]
        merges = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
        special = {token["content"]: token["id"] for token in content["added_tokens"] if token["special"]}
        ordinary = [token["content"] for token in content["added_tokens"] if not token["special"]]
        to_byte = {character: byte for byte, character in byte_characters().items()}
        ranks = {
            bytes(to_byte[c] for c in token): number for token, number in vocabulary.items() if token not in special
        }
        merged = [vocabulary[first + second] for first, second in merges]
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"tokenizer.json: not a byte-level BPE ({type(error).__name__}: {error})") from None
    faults = [*_faults(content, model), *(f"'{token}' is an added token that is not special" for token in ordinary)]
    if merged != sorted(set(merged)) or len(merged) + BYTES != len(ranks):
        faults.append("its merges are not in the order of the ids")
    if sorted([*ranks.values(), *special.values()]) != list(range(len(ranks) + len(special))):
        faults.append("its ids have gaps or doubles")
    faults += [f"'{token}' is missing" for token in SPECIAL_TOKENS if token not in special]
    if faults:
        raise CheckpointError(f"tokenizer.json: not a tokenizer of Trivium's form: {'; '.join(faults)}")
    return Layout(ranks, special)


def _faults(content: Mapping[str, Any], model: Mapping[str, Any]) -> Iterator[str]:
    steps = (content.get("pre_tokenizer") or {}).get("pretokenizers") or [{}]
    split, byte_level = steps[0], steps[-1]
    if model.get("type") != "BPE":
        yield f"its model is {model.get('type')}, not BPE"
    tokens = {token["content"] for token in content["added_tokens"]}
    framed = (content.get("post_processor") or {}).get("type") == "TemplateProcessing" and tokens.issuperset(
        MASKED_TOKENS
    )
    if content.get("normalizer") or (content.get("post_processor") and not framed):
        yield "it normalises or adds to the text"
    if (
        len(steps) != 2
        or split.get("pattern") != {"Regex": SPLIT}
        or split.get("behavior") != "Isolated"
        or split.get("invert")
    ):
        yield "its split pattern is another one"
    if byte_level.get("type") != "ByteLevel" or byte_level.get("use_regex") or byte_level.get("add_prefix_space"):
        yield "its bytes are spelled another way"
    for name in (
        "dropout",
        "unk_token",
        "continuing_subword_prefix",
        "end_of_word_suffix",
        "byte_fallback",
        "ignore_merges",
    ):
        if model.get(name):
            yield f"its model has {name}"


def byte_characters() -> dict[int, str]:
    """The printable character by which GPT-2's byte-level BPE, and so every tokenizer.json, spells each byte."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(BYTES) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(BYTES + n) for n, byte in enumerate(others)}


def without_surrogates(text: str) -> tuple[str, int]:
    """`text` with pairs of surrogates joined and lone ones replaced by U+FFFD, and how many those were.

    Lone surrogates come from JSON escapes; they are no characters, and no encoder takes them.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        clean = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return clean, clean.count("\ufffd") - text.count("\ufffd")
    return text, 0
