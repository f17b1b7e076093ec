"""Instruction families about single words: kinds, opposites, and rules shown by examples in the prompt."""

from __future__ import annotations

from trivium.world.draws import HELD_OUT_KIND, KINDS, Draw
from trivium.world.families import Case, Family, case
from trivium.world.grammar import indefinite
from trivium.world.lexicon import NUMBERS, OPPOSITES

LETTERS = ("A", "B", "C", "D")
ONE_WAY = tuple(OPPOSITES.items())[::6]  # training asks for the second word of these pairs, never for the first
_BOTH_WAYS = tuple(OPPOSITES.items()) + tuple((second, first) for first, second in OPPOSITES.items())
_TRAINED = tuple(pair for pair in _BOTH_WAYS if pair[::-1] not in ONE_WAY)


def _kind_of(draw: Draw) -> Case:
    kind = HELD_OUT_KIND if draw.task else draw.kind()
    word = draw.of_kind(kind, 1)[0]
    return case(kind, word=word, a_word=indefinite(word))


KIND_OF = Family(
    name="kind_of",
    line="the kind that a word belongs to: animal, food, tool ...",
    make=_kind_of,
    train=(
        "What kind of thing is {a_word}?",
        "What kind of word is {word}?",
        "Which kind does {word} belong to?",
        "Name the kind of this word: {word}.",
        "Word: {word}. Kind?",
        "Tell me the kind of {word}.",
        "Which kind of thing is {a_word}? Give one word.",
        "Say what kind {word} is.",
        "Tell me to which kind {word} belongs.",
        "Is {word} a food, an animal, a tool or a plant? Or is it another kind?",
        "Give the kind of the word {word}.",
        "I want to know what kind of thing {a_word} is.",
        "Here is a word: {word}. What kind is it?",
    ),
    held_out=(
        "Please tell me what kind of thing {a_word} is.",
        "Here is a word: {word}. Name its kind.",
        "Which kind of word is {word}?",
        "Say which kind {word} belongs to.",
    ),
    held_out_task="clothes",
)


def _opposite(draw: Draw) -> Case:
    if draw.task:
        second, first = draw.random.choice(ONE_WAY)
    else:
        first, second = draw.random.choice(_TRAINED)
    return case(second, word=first)


OPPOSITE = Family(
    name="opposite",
    line="the opposite of a word",
    make=_opposite,
    train=(
        "What is the opposite of {word}?",
        "Give the opposite of {word}.",
        "Name the opposite of the word {word}.",
        "Word: {word}. Opposite?",
        "Tell me the opposite of {word}.",
        "Which word is the opposite of {word}?",
        "Find a word that is the opposite of {word}.",
        "{word} is one word. What is its opposite?",
        "I want to know the opposite of {word}.",
        "Here is a word: {word}. Say its opposite.",
        "Say the opposite: {word}.",
        "Write the opposite of this word: {word}.",
        "What word has the opposite meaning of {word}?",
    ),
    held_out=(
        "Please write the opposite of {word}.",
        "Here is a word: {word}. What is the opposite?",
        "Can you give the opposite of {word}?",
        "Find the opposite of this word: {word}.",
    ),
    entities=False,
    held_out_task="pairs asked the other way round",
)


def _examples(draw: Draw) -> Case:
    kinds = draw.random.sample(KINDS, 3)
    if draw.task:
        kinds[draw.random.randrange(3)] = HELD_OUT_KIND
    kind = HELD_OUT_KIND if draw.task else draw.random.choice(kinds)
    slots = {f"kind{place}": each for place, each in enumerate(kinds, 1)}
    word, known = draw.of_kind(kind, 2)
    for place, each in enumerate(kinds, 1):
        slots[f"word{place}"] = known if each == kind else draw.of_kind(each, 1)[0]
    return case(kind, word=word, **slots)


EXAMPLES = Family(
    name="examples",
    line="the kind of a word after three examples",
    make=_examples,
    train=(
        "{word1} -> {kind1}, {word2} -> {kind2}, {word3} -> {kind3}, {word} ->",
        "{word1}: {kind1}, {word2}: {kind2}, {word3}: {kind3}, {word}:",
        "{word1} = {kind1}, {word2} = {kind2}, {word3} = {kind3}, {word} =",
        "{word1} is {kind1}. {word2} is {kind2}. {word3} is {kind3}. {word} is",
        "Word: {word1}. Kind: {kind1}. Word: {word2}. Kind: {kind2}. Word: {word3}. Kind: {kind3}. Word: {word}. Kind:",
        "Examples: {word1} -> {kind1}, {word2} -> {kind2}, {word3} -> {kind3}. Now you: {word} ->",
        "Look at the examples. {word1}: {kind1}, {word2}: {kind2}, {word3}: {kind3}. What is {word}?",
        "Do the same for the last word. {word1} = {kind1}, {word2} = {kind2}, {word3} = {kind3}, {word} =",
        "Follow the examples: {word1} is {kind1}, {word2} is {kind2}, {word3} is {kind3}, {word} is",
        "{word1} goes with {kind1}, {word2} with {kind2} and {word3} with {kind3}. What does {word} go with?",
        "If {word1} is {kind1}, {word2} is {kind2} and {word3} is {kind3}, what is {word}?",
        "Here are three examples: {word1} -> {kind1}, {word2} -> {kind2}, {word3} -> {kind3}. Do the same for {word}.",
    ),
    held_out=(
        "Follow the examples. {word1} -> {kind1}, {word2} -> {kind2}, {word3} -> {kind3}, {word} ->",
        "Examples: {word1} = {kind1}, {word2} = {kind2}, {word3} = {kind3}. What is {word}?",
        "Look at the examples: {word1} is {kind1}, {word2} is {kind2}, {word3} is {kind3}. Do the same for {word}.",
        "Here are three examples: {word1}: {kind1}, {word2}: {kind2}, {word3}: {kind3}. Now you: {word}:",
    ),
    held_out_task="clothes",
)


def _codes(draw: Draw) -> Case:
    words = draw.colours(3) if draw.chance(0.5) else draw.mixed(3)
    labels = draw.random.sample(NUMBERS[1:6] if draw.task else LETTERS, 3)
    place = draw.random.randrange(3)
    slots = {f"word{number}": word for number, word in enumerate(words, 1)}
    slots |= {f"code{number}": label for number, label in enumerate(labels, 1)}
    return case(labels[place], word=words[place], **slots)


CODES = Family(
    name="codes",
    line="the letter that stands for a word in this prompt only",
    make=_codes,
    train=(
        "{word1} -> {code1}, {word2} -> {code2}, {word3} -> {code3}, {word} ->",
        "{word1}: {code1}, {word2}: {code2}, {word3}: {code3}, {word}:",
        "{word1} = {code1}, {word2} = {code2}, {word3} = {code3}, {word} =",
        "{word1} is {code1}. {word2} is {code2}. {word3} is {code3}. {word} is",
        "Examples: {word1} -> {code1}, {word2} -> {code2}, {word3} -> {code3}. Now you: {word} ->",
        "Look at the code. {word1}: {code1}, {word2}: {code2}, {word3}: {code3}. What is {word}?",
        "In this code {word1} is {code1}, {word2} is {code2} and {word3} is {code3}. What is {word}?",
        "Follow the code: {word1} is {code1}, {word2} is {code2}, {word3} is {code3}, {word} is",
        "{word1} goes with {code1}, {word2} with {code2} and {word3} with {code3}. What does {word} go with?",
        "If {word1} is {code1}, {word2} is {code2} and {word3} is {code3}, what is {word}?",
        "Which letter stands for {word}? {word1} = {code1}, {word2} = {code2}, {word3} = {code3}.",
        "Code: {word1} -> {code1}, {word2} -> {code2}, {word3} -> {code3}. Give the letter for {word}.",
    ),
    held_out=(
        "Follow the code. {word1} -> {code1}, {word2} -> {code2}, {word3} -> {code3}, {word} ->",
        "Code: {word1} = {code1}, {word2} = {code2}, {word3} = {code3}. What is {word}?",
        "Look at the code: {word1} is {code1}, {word2} is {code2}, {word3} is {code3}. Which letter stands for {word}?",
        "In this code {word1} goes with {code1}, {word2} with {code2} and {word3} with {code3}. What is {word}?",
    ),
    held_out_task="numbers in the place of letters",
)

FAMILIES = (KIND_OF, OPPOSITE, EXAMPLES, CODES)
