"""Instruction families about short lists of words: pick by place, count, reverse, take out, find.

Every list is drawn without repeats and in random order, so that no answer can be told from its position alone.
"""

from __future__ import annotations

from trivium.world.draws import HELD_OUT_KIND, Draw
from trivium.world.families import Case, Family, case
from trivium.world.lexicon import KIND_PHRASES, NUMBERS


def _join(words: list[str]) -> str:
    return ", ".join(words)


def _list_item(draw: Draw) -> Case:
    words = draw.mixed(draw.random.randint(3, 5))
    position = "second" if draw.task else draw.random.choice(("first", "last"))
    return case(words[{"first": 0, "second": 1, "last": -1}[position]], list=_join(words), position=position)


LIST_ITEM = Family(
    name="list_item",
    line="the first or the last word of a list",
    make=_list_item,
    train=(
        "What is the {position} word in this list? {list}.",
        "List: {list}. What is the {position} word?",
        "Give the {position} word of the list: {list}.",
        "List: {list}. Which word is the {position} one?",
        "Here is a list: {list}. Tell me the {position} word.",
        "Read the list and say the {position} word. List: {list}.",
        "Which word comes {position} here? {list}.",
        "Words: {list}. Name the {position} one.",
        "Find the {position} word: {list}.",
        "In the list {list}, which word is {position}?",
        "Words: {list}. Please give only the {position} word.",
        "Look at these words: {list}. Which one is the {position}?",
        "I want only the {position} word of this list: {list}.",
    ),
    held_out=(
        "Please tell me the {position} word of this list: {list}.",
        "Words: {list}. Which word comes {position}?",
        "Here are some words: {list}. Say only the {position} one.",
        "Look at the list and find the {position} word. List: {list}.",
    ),
    held_out_task="the second word",
)


def _next_item(draw: Draw) -> Case:
    words = draw.mixed(draw.random.randint(3, 5))
    if draw.task:
        place = draw.random.randrange(1, len(words))
        return case(words[place - 1], list=_join(words), word=words[place])
    place = draw.random.randrange(len(words) - 1)
    return case(words[place + 1], list=_join(words), word=words[place])


NEXT_ITEM = Family(
    name="next_item",
    line="the word after a given word in a list",
    make=_next_item,
    train=(
        "Which word comes after {word} in this list? {list}.",
        "List: {list}. Which word comes after {word}?",
        "List: {list}. What is next after {word}?",
        "What comes right after {word} here? {list}.",
        "Give the word after {word}: {list}.",
        "Here is a list: {list}. Tell me the word after {word}.",
        "Read the list and say which word follows {word}. List: {list}.",
        "Words: {list}. Which one follows {word}?",
        "Find the word that comes after {word}. List: {list}.",
        "In the list {list}, what follows {word}?",
        "Look at these words: {list}. Name the one after {word}.",
        "Which word follows {word}? List: {list}.",
        "Words: {list}. Please give only the word after {word}.",
    ),
    held_out=(
        "Please tell me which word comes after {word} in this list: {list}.",
        "Here are some words: {list}. What follows {word}?",
        "Look at the list and give the word after {word}. List: {list}.",
        "Words: {list}. What comes right after {word}?",
    ),
    held_out_task="the word before a given word",
    task_phrasings=(
        "Which word comes before {word} in this list? {list}.",
        "List: {list}. What is right before {word}?",
        "Give the word before {word}: {list}.",
        "Here is a list: {list}. Tell me the word before {word}.",
    ),
)


def _count(draw: Draw) -> Case:
    number = draw.random.randint(2, 5)
    kind = HELD_OUT_KIND if draw.task else draw.kind()
    return case(NUMBERS[number], list=_join(draw.of_kind(kind, number)))


COUNT = Family(
    name="count",
    line="how many words a list has, two to five",
    make=_count,
    train=(
        "How many words are in this list? {list}.",
        "List: {list}. How many words are there?",
        "Count the words: {list}.",
        "Count the things in this list. {list}.",
        "Here is a list: {list}. How many things do you see?",
        "Read the list and count the words. List: {list}.",
        "How many things are here? {list}.",
        "Words: {list}. Count them.",
        "Tell me how many words this list has: {list}.",
        "List: {list}. Say how many words it has.",
        "Look at these words: {list}. How many are there?",
        "I want to know how many words are here: {list}.",
        "Give the number of words in the list: {list}.",
        "Words: {list}. Please give only the number of words.",
    ),
    held_out=(
        "Please count the words in this list: {list}.",
        "Here are some words: {list}. Tell me how many there are.",
        "Look at the list and count the things. List: {list}.",
        "Words: {list}. How many things are in the list?",
    ),
    held_out_task="lists of clothes",
)


def _reverse(draw: Draw) -> Case:
    words = draw.of_kind(HELD_OUT_KIND if draw.task else draw.kind(), 3)
    return case(_join(words[::-1]), list=_join(words))


REVERSE = Family(
    name="reverse",
    line="a list of three words, last word first",
    make=_reverse,
    train=(
        "Reverse this list: {list}.",
        "List: {list}. Reverse it.",
        "Say this list backwards: {list}.",
        "Write the list backwards: {list}.",
        "List: {list}. Say the words from last to first.",
        "Turn this list around: {list}.",
        "Here is a list: {list}. Turn it around.",
        "Read the list and give it in reverse order. List: {list}.",
        "Give these words in reverse order: {list}.",
        "Words: {list}. Write them backwards.",
        "Put the last word first and the first word last: {list}.",
        "Look at these words: {list}. Now reverse them.",
        "Words: {list}. Please reverse the order.",
    ),
    held_out=(
        "Please reverse the words of this list: {list}.",
        "Here are some words: {list}. Say them backwards.",
        "Look at the list and turn it around. List: {list}.",
        "Words: {list}. Give them from last to first.",
    ),
    held_out_task="lists of clothes",
)


def _remove(draw: Draw) -> Case:
    words = draw.mixed(draw.random.randint(3, 4))
    out = draw.random.choice(words)
    return case(_join([word for word in words if word != out]), list=_join(words), word=out)


REMOVE = Family(
    name="remove",
    line="a list without one of its words",
    make=_remove,
    train=(
        "Take {word} out of this list: {list}.",
        "List: {list}. Take out {word}.",
        "Leave {word} out: {list}.",
        "Write this list without {word}: {list}.",
        "List: {list}. Say it without {word}.",
        "Remove {word} from the list: {list}.",
        "Here is a list: {list}. Remove {word}.",
        "Read the list and leave out {word}. List: {list}.",
        "Give all words but {word}: {list}.",
        "Words: {list}. Give them all but {word}.",
        "Look at these words: {list}. Write them without {word}.",
        "I do not want {word} in this list: {list}.",
        "Words: {list}. Please remove {word}.",
    ),
    held_out=(
        "Please take {word} out of the list: {list}.",
        "Here are some words: {list}. Leave out {word}.",
        "Look at the list and remove {word}. List: {list}.",
        "Words: {list}. I do not want {word}. Give all the others.",
    ),
)


def _in_list(draw: Draw) -> Case:
    words = draw.mixed(draw.random.randint(3, 4) + 1)
    word = words.pop()
    if draw.random.random() < 0.5:
        return case("No.", list=_join(words), word=word)
    return case("Yes.", list=_join(words), word=draw.random.choice(words))


IN_LIST = Family(
    name="in_list",
    line="whether a word is in a list",
    make=_in_list,
    train=(
        "Is {word} in this list? {list}.",
        "List: {list}. Is {word} in it?",
        "Does this list have the word {word}? {list}.",
        "List: {list}. Does it have {word}?",
        "Look for {word} in the list: {list}. Is it there?",
        "Here is a list: {list}. Can you find {word} in it?",
        "Read the list and say yes or no: is {word} there? List: {list}.",
        "Can you see {word} here? {list}.",
        "Words: {list}. Is {word} one of them?",
        "Is {word} one of these words? {list}.",
        "Look at these words: {list}. Do you see {word}?",
        "I am looking for {word}. Is it in this list? {list}.",
        "Words: {list}. Yes or no, is {word} there?",
    ),
    held_out=(
        "Please say yes or no: is {word} in the list {list}?",
        "Here are some words: {list}. Is {word} one of them?",
        "Look at the list. Does it have {word}? List: {list}.",
        "Words: {list}. Can you find {word}?",
    ),
)


def _pick_kind(draw: Draw) -> Case:
    kind = HELD_OUT_KIND if draw.task else draw.kind()
    answer = draw.of_kind(kind, 1)[0]
    others = [draw.of_kind(other, 1)[0] for other in draw.other_kinds(kind, draw.random.randint(2, 3))]
    return case(answer, list=_join(draw.shuffled([answer, *others])), kind=KIND_PHRASES[kind])


PICK_KIND = Family(
    name="pick_kind",
    line="which word of a list is of a kind",
    make=_pick_kind,
    train=(
        "Which of these is {kind}? {list}.",
        "List: {list}. Which one is {kind}?",
        "Find the word that is {kind}: {list}.",
        "Pick the one that is {kind}. {list}.",
        "Only one of these words is {kind}. Which one? {list}.",
        "Here is a list: {list}. Tell me which word is {kind}.",
        "Read the list and say which word is {kind}. List: {list}.",
        "Words: {list}. Pick the one that is {kind}.",
        "What is {kind} in this list? {list}.",
        "Look at these words: {list}. One is {kind}. Which?",
        "Choose the word that is {kind}: {list}.",
        "Words: {list}. Please choose the one that is {kind}.",
        "In the list {list}, what is {kind}?",
    ),
    held_out=(
        "Please find the one that is {kind}: {list}.",
        "Here are some words: {list}. Choose the one that is {kind}.",
        "Look at the list and pick the word that is {kind}. List: {list}.",
        "Words: {list}. Only one is {kind}. Tell me which.",
    ),
    held_out_task="which word is clothes",
)


def _odd_one(draw: Draw) -> Case:
    kind = HELD_OUT_KIND if draw.task else draw.kind()
    answer = draw.of_kind(draw.other_kinds(kind, 1)[0], 1)[0]
    words = draw.shuffled([answer, *draw.of_kind(kind, draw.random.randint(2, 3))])
    return case(answer, list=_join(words))


ODD_ONE = Family(
    name="odd_one",
    line="the word of a list that is of another kind than the rest",
    make=_odd_one,
    train=(
        "Which word does not belong here? {list}.",
        "List: {list}. Which word does not belong?",
        "Find the odd one out: {list}.",
        "List: {list}. Find the odd one.",
        "One of these words is not like the others. Which one? {list}.",
        "Here is a list: {list}. Which one is not like the others?",
        "Read the list and name the odd word. List: {list}.",
        "Words: {list}. Name the one that does not belong.",
        "What is the odd one out in this list? {list}.",
        "Look at these words: {list}. One of them does not belong. Which?",
        "Pick the word that is not like the others: {list}.",
        "Words: {list}. Pick the odd one out.",
        "Tell me which of these is the odd one: {list}.",
    ),
    held_out=(
        "Please name the odd one out: {list}.",
        "Here are some words: {list}. Which one does not belong?",
        "Look at the list and find the word that is not like the others. List: {list}.",
        "Words: {list}. Which is the odd word?",
    ),
    held_out_task="one word among clothes",
)

FAMILIES = (LIST_ITEM, NEXT_ITEM, COUNT, REVERSE, REMOVE, IN_LIST, PICK_KIND, ODD_ONE)
