"""`trivium check --show-mask`: every token of the first conversations, and whether it is learned.

On a terminal the learned tokens are green and the others dim; everywhere else the learned ones stand in [brackets].
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from trivium.journey.mask import Masked, masked_examples
from trivium.journey.recipe import Recipe

SHOWN = 3
SPACES = str.maketrans({" ": "·", "\n": "⏎", "\t": "⇥"})


def draw_mask(recipe: Recipe, folder: Path, console: Console) -> None:
    """Print the first conversations of the recipe's data as the fine-tuning stage learns them."""
    examples, source = masked_examples(recipe, folder, SHOWN)
    console.print(f"\n{source}; learned tokens are {'green' if console.is_terminal else 'in [brackets]'}", markup=False)
    for number, example in enumerate(examples, 1):
        learned = sum(token.learned for token in example)
        console.print(f"\n{number}. {len(example)} tokens, {learned} learned", style="bold", highlight=False)
        console.print(_as_text(example, console.is_terminal), soft_wrap=not console.is_terminal)


def _as_text(example: list[Masked], coloured: bool) -> Text:
    text = Text()
    for token in example:
        shown = token.text.translate(SPACES)
        text.append(shown if coloured or not token.learned else f"[{shown}]", style="green" if token.learned else "dim")
        text.append(" ")
    return text
