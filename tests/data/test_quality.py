"""Quality rules: the fast figures are the slow ones, hand-worked texts get the verdict that the papers give them."""

from __future__ import annotations

import random

import pytest

from tests.reference.quality import repeated_characters, top_characters
from trivium.data.quality import _GROUPS, PRESETS, Preset, faults_of, figures_of
from trivium.data.words import Words

PROSE = (
    "The river that runs past the old mill is slow, and the people who live there have always been glad of it. In the "
    "spring it carries ice and branches to the sea. Nobody remembers with any certainty when the mill was built, but a "
    "stone above the door says that it was there before the bridge. Children fish from it, and the fish do not seem to mind."
)


@pytest.mark.parametrize("seed", range(8))
def test_repetition_is_that_of_the_slow_twin(seed: int) -> None:
    draw = random.Random(seed)
    words = [draw.choice(["a", "bb", "ccc", "The", "the"]) for _ in range(draw.choice((3, 12, 200)))]
    words += words[5:30] * draw.randrange(3)
    text = " ".join(words)
    found = figures_of(Words(text))
    for length in (2, 3, 4):
        assert found[f"characters in the top {length}-gram"] == pytest.approx(top_characters(words, length) / len(text))
    for length in range(5, 11):
        expected = repeated_characters(words, length) / len(text)
        assert found[f"characters in repeated {length}-grams"] == pytest.approx(expected)


def faults(text: str, preset: Preset) -> list[str]:
    return faults_of(Words(text), [preset])[preset]


def test_good_prose_passes_and_each_fault_is_found() -> None:
    assert faults(PROSE, "gopher") == faults(PROSE, "fineweb") == faults(PROSE, "web") == []
    assert "words" in faults(PROSE[:100], "gopher")
    assert "stop words" in faults("Lexical items only here. " * 30, "gopher")
    assert "hashes per word" in faults(PROSE + " #" * 30, "gopher")
    assert "lines with bullets" in faults(
        "\n".join(f"- {word} and more of the same" for word in PROSE.split()), "gopher"
    )
    assert "lines ending in an ellipsis" in faults(
        "\n".join(f"{word} and so on ..." for word in PROSE.split()), "gopher"
    )
    assert faults(PROSE.replace(". ", "\n").replace(".", ""), "fineweb") == ["lines with end punctuation"]
    assert "short lines" in faults(PROSE.replace(" ", "\n"), "fineweb")
    assert "curly brackets" in faults(PROSE + " function() { return; } and so it went on and on.", "c4")
    assert "lorem ipsum" in faults("Lorem ipsum dolor sit amet.\n" * 9, "c4")
    assert faults("One sentence only is here.", "c4") == ["sentences that C4 keeps"]
    assert faults("The first. The second. The third. The fourth. The fifth.", "c4") == []


def test_code_is_judged_as_code() -> None:
    code = "\n".join(f"def function_{n}(value):\n    return value + {n}\n" for n in range(20))
    assert faults(code, "code") == [] and faults(code, "gopher")
    assert "longest line" in faults(code + "x = '" + "ab" * 800 + "'", "code")


def test_every_limit_has_its_figure() -> None:
    figures = figures_of(Words(PROSE))
    assert {limit.figure for limits in PRESETS.values() for limit in limits} <= figures.keys()
    for names, measure in _GROUPS:
        assert names == {name for name, _ in measure(Words(PROSE))}


@pytest.mark.parametrize("text", ["", " \n", "#", "...", "\u4e2d\u6587", "\x00", "a" * 5000])
def test_strange_texts_have_figures_too(text: str) -> None:
    assert faults(text, "web")
