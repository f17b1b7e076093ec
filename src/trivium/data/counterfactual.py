"""Counterfactual twins of documents: paired terms exchanged, both ways at once (Zhao et al. 2018; Lu et al. 2020).

What is easy to get wrong, and how it is met:
- `her` is `his` before a noun and `him` elsewhere, `his` is `her` or `hers`: decided by the word after it, without a tagger;
  the rule is in `_is_possessive`;
- case is kept (he, He, HE), apostrophes stay where they are (she's, the man's, of either form);
- a title in a name stays (King Street, Martin Luther King): a capital inside a sentence, beside another one;
- sentences that are true of one sex alone stay (pregnant, gave birth), and a pronoun that goes back to them as well, with the
  sentence;
- only English is exchanged: in languages with grammatical gender half of the sentence would have to follow.

Where a term has two partners (lady: lord or gentleman), the pair that stands first in the table is taken back, so that twice
is the text again for every pair whose both sides stand in it once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources

from trivium.base.errors import DataError
from trivium.base.seeds import derive
from trivium.data.counterfactual_settings import CounterfactualSettings

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_SENTENCE_END = re.compile(r"[.!?:;]['\"\u201d\u2019)\]]*\s|\n")
PRONOUNS = {"he", "she", "him", "her", "his", "hers", "himself", "herself"}
TITLES = {"mr", "ms", "mrs"}
FACTUAL = re.compile(
    r"\b(pregnan\w+|gave birth|give birth|giving birth|breast-?fe\w+|prostate|uterus|ovar\w+|testic\w+|menstru\w+)\b",
    re.I,
)
# What may follow `her` or `his` where no noun does: it then stands for the person and not for what is hers or his.
_NO_NOUN = {
    "a", "about", "after", "again", "against", "all", "and", "another", "any", "around", "as", "at", "away",
    "back", "be", "because", "been", "before", "but", "by", "can", "could", "did", "do", "does", "down", "each",
    "for", "from", "had", "has", "have", "he", "her", "here", "him", "his", "how", "i", "if", "in", "into", "is",
    "it", "just", "not", "now", "of", "off", "on", "onto", "or", "our", "out", "over", "quickly", "she", "should",
    "slowly", "so", "some", "soon", "than", "that", "the", "their", "them", "then", "there", "they", "this",
    "those", "these", "to", "today", "together", "tomorrow", "tonight", "too", "twice", "under", "until", "up",
    "us", "very", "was", "we", "were", "what", "when", "where", "which", "while", "who", "why", "will", "with",
    "without", "would", "yesterday", "yet", "you", "your",
}  # fmt: skip
_WHOLE = 1 << 63


@dataclass(frozen=True)
class Exchange:
    """The pairs, ready: lower-case word to its partner."""

    partners: Mapping[str, str]
    names: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Swapped:
    """A text with its terms exchanged: how many were, and how many sentences stayed because they are true of one sex alone."""

    text: str
    swaps: int
    factual: int


def exchange_of(settings: CounterfactualSettings) -> Exchange:
    """The pairs that come with Trivium, the names if asked for, and the user's own. Raises DataError for a table at fault."""
    here = resources.files("trivium.data")
    pairs = _table(here.joinpath("counterfactual_pairs.tsv").read_text(encoding="utf-8"), "counterfactual_pairs.tsv")
    partners = _partners(pairs)
    names: dict[str, str] = {}
    if settings.names:
        text = here.joinpath("counterfactual_names.tsv").read_text(encoding="utf-8")
        names = _partners(_table(text, "counterfactual_names.tsv"))
    own = {}
    if settings.terms:
        try:
            own = _partners(_table(settings.terms.read_text(encoding="utf-8"), str(settings.terms)))
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"cannot be read as UTF-8 text ({error})", file=settings.terms) from None
    return Exchange({**partners, **names, **own}, frozenset(names))


def _table(text: str, file: str) -> list[tuple[str, str]]:
    pairs = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        parts = [part.strip().lower() for part in line.split("\t")]
        if len(parts) != 2 or not all(parts):
            raise DataError("a pair is two words divided by a tab", file=file, line=number)
        if parts[0] == parts[1]:
            raise DataError(f"'{parts[0]}' is its own partner", file=file, line=number)
        pairs.append((parts[0], parts[1]))
    return pairs


def _partners(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one, two in pairs:
        found.setdefault(one, two)
        found.setdefault(two, one)
    return found


def swap(text: str, exchange: Exchange) -> Swapped:
    """The text with every paired term exchanged."""
    swaps = factual = 0
    result: list[str] = []
    for sentence in _sentences(text):
        if FACTUAL.search(sentence):
            factual += 1
            result.append(sentence)
            continue
        changed, count = _swap_sentence(sentence, exchange)
        swaps += count
        result.append(changed)
    return Swapped("".join(result), swaps, factual)


def _sentences(text: str) -> Iterable[str]:
    start = 0
    for match in _SENTENCE_END.finditer(text):
        if text[: match.start()].endswith(("Mr", "Ms", "Mrs", "Dr")) and match[0][0] == ".":
            continue
        yield text[start : match.end()]
        start = match.end()
    yield text[start:]


def _swap_sentence(sentence: str, exchange: Exchange) -> tuple[str, int]:
    words = list(_WORD.finditer(sentence))
    pieces, last, count = [], 0, 0
    for number, match in enumerate(words):
        word = match[0]
        partner = _partner(sentence, words, number, exchange)
        if partner is None or (word[0].isupper() and _is_name(sentence, words, number, exchange)):
            continue
        pieces += [sentence[last : match.start()], _in_case(word, partner)]
        last, count = match.end(), count + 1
    return "".join([*pieces, sentence[last:]]), count


def _partner(sentence: str, words: list[re.Match[str]], number: int, exchange: Exchange) -> str | None:
    word = words[number][0].lower()
    match word:
        case "her":
            return "his" if _is_possessive(sentence, words, number) else "him"
        case "his":
            return "her" if _is_possessive(sentence, words, number) else "hers"
        case "him":
            return "her"
        case "hers":
            return "his"
    return exchange.partners.get(word)


def _is_possessive(sentence: str, words: list[re.Match[str]], number: int) -> bool:
    """Whether a noun (or what leads up to one) follows at once, with nothing but space between."""
    if number + 1 == len(words):
        return False
    after = words[number + 1]
    between = sentence[words[number].end() : after.start()]
    return not between.strip() and bool(between) and after[0].lower() not in _NO_NOUN


def _is_name(sentence: str, words: list[re.Match[str]], number: int, exchange: Exchange) -> bool:
    """Whether a capitalised term is part of a name: King Street, Martin Luther King. Pronouns, forms of address and listed
    names are not."""
    word = words[number][0]
    if word.lower() in PRONOUNS | TITLES | exchange.names or (word.isupper() and len(word) > 1):
        return False
    near = []
    if number:
        before = words[number - 1]
        if sentence[before.end() : words[number].start()] == " " and before[0].lower() not in ("the", "a", "an"):
            near.append((before, number - 1))
    if number + 1 < len(words) and sentence[words[number].end() : words[number + 1].start()] == " ":
        near.append((words[number + 1], number + 1))
    # the first word of a sentence has its capital from there, unless it is a term's neighbour that would not have one
    return any(one[0][0].isupper() and one[0] != "I" and place > 0 for one, place in near)


def _in_case(word: str, partner: str) -> str:
    if word.isupper() and len(word) > 1:
        return partner.upper()
    return partner[0].upper() + partner[1:] if word[0].isupper() else partner


def is_chosen(identifier: str, share: float, seed: int) -> bool:
    """Whether a document gets a twin: a function of its name and the seed."""
    return derive(seed, "counterfactual", identifier) < share * _WHOLE
