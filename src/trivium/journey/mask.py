"""Which tokens of a conversation are learned: the first examples of a recipe, as fine-tuning will see them.

What the run has already gathered and tokenised is used; where it has not, the first examples are read from the recipe's
sources and a small tokenizer is trained on them, which cuts words into smaller pieces but masks the same characters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.base.errors import RecipeError, UserError
from trivium.base.files import read_jsonl
from trivium.base.words import Message
from trivium.journey.recipe import Recipe

if TYPE_CHECKING:
    from trivium.tokenizer import Tokenizer

SAMPLE = 2000  # items of each source from which a small tokenizer is trained
WORLD_TOKENS = 50_000
VOCABULARY = 1000


@dataclass(frozen=True)
class Masked:
    """A token's text, and whether its prediction is learned."""

    text: str
    learned: bool


def masked_examples(recipe: Recipe, run: Path, count: int) -> tuple[list[list[Masked]], str]:
    """The first `count` conversations, and a sentence on where they and the tokenizer are from. Raises RecipeError."""
    gathered = run / "gather" / "instructions" / "train.jsonl"
    items = [] if gathered.exists() else list(_sample(recipe))
    rows = read_jsonl(gathered) if gathered.exists() else (item.row for item in items if item.part == "instructions")
    conversations = [[Message(**turn) for turn in row["messages"]] for row in islice(rows, count) if "messages" in row]
    if not conversations:
        raise RecipeError(
            "the recipe gathers no instructions, so there is no mask; add a source of kind instructions or world"
        )
    tokenizer, where = _tokenizer(recipe, run, items)
    source = gathered if gathered.exists() else "the beginning of the recipe's sources"
    return [_masked(tokenizer, messages) for messages in conversations], f"conversations from {source}, {where}"


def _masked(tokenizer: Tokenizer, messages: list[Message]) -> list[Masked]:
    rendered = tokenizer.render(messages)
    pieces = [piece.decode("utf-8", errors="replace") for piece in tokenizer.pieces(rendered.ids)]
    return [Masked(text, learned) for text, learned in zip(pieces, rendered.mask, strict=True)]


def _sample(recipe: Recipe) -> Iterator[Any]:
    from trivium.data.intake import Intake
    from trivium.data.sources import at_hand, names_of, read

    sources = getattr(recipe.sections.get("gather"), "sources", ())
    intake = Intake(recipe.seed, 0.1)
    for source, name in zip(sources, names_of(sources), strict=True):
        if source.kind == "world":  # writes its documents first, and as many as it is asked for
            source = source.model_copy(update={"tokens": WORLD_TOKENS})
        here = at_hand(source)
        items = read(here, name, intake) if here is not None else iter(())
        yield from islice((item for item in items if item.split == "train"), SAMPLE)


def _tokenizer(recipe: Recipe, run: Path, items: list[Any]) -> tuple[Tokenizer, str]:
    from trivium.tokenizer import Tokenizer, train
    from trivium.tokenizer.layout import SMALLEST_VOCABULARY

    for stage in ("tokenize", "pretrain"):
        if (run / stage / "tokenizer.json").exists():
            return Tokenizer.load(run / stage), f"tokenizer from {run / stage}"
    rows = [item.row for item in items or _sample(recipe)]
    texts = [row["text"] if "text" in row else " ".join(turn["content"] for turn in row["messages"]) for row in rows]
    try:
        tokenizer = train(texts, VOCABULARY)
    except UserError:  # too little text for so many
        tokenizer = train(texts, SMALLEST_VOCABULARY)
    return tokenizer, f"a tokenizer of {tokenizer.vocab_size} tokens trained on {len(texts)} of the recipe's texts"
