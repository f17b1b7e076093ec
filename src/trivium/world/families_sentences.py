"""Instruction families about one sentence or two: copy, find, replace, join, put into the past, name the feeling."""

from __future__ import annotations

from trivium.world.draws import Draw
from trivium.world.families import Case, Family, case
from trivium.world.sentences import deed, scene


def _find_person(draw: Draw) -> Case:
    sentence = scene(draw)
    return case(sentence.name, sentence=sentence.text)


FIND_PERSON = Family(
    name="find_person",
    line="the person that a sentence names",
    make=_find_person,
    train=(
        "Find the person in this sentence: {sentence}",
        "{sentence} Find the person.",
        "Who is named in this sentence? {sentence}",
        "{sentence} Who is the person here?",
        "Sentence: {sentence} Person?",
        "Which person does this sentence name? {sentence}",
        "Give the name of the person: {sentence}",
        "Read the sentence and give the name of the person. {sentence}",
        "{sentence} Tell me the name of the person in this sentence.",
        "Look for a person in this sentence: {sentence}",
        "{sentence} Write only the name of the person.",
        "What is the name of the person in this sentence? {sentence}",
        "Here is a sentence: {sentence} Which person is in it?",
    ),
    held_out=(
        "Please give the person that is named in this sentence. {sentence}",
        "Sentence: {sentence} Tell me which person is named here.",
        "Write only the person: {sentence}",
        "{sentence} Give the name of the person in it.",
    ),
)


def _find_town(draw: Draw) -> Case:
    sentence = scene(draw)
    return case(sentence.thing if draw.task else sentence.town, sentence=sentence.text)


FIND_TOWN = Family(
    name="find_town",
    line="the town that a sentence names",
    make=_find_town,
    train=(
        "Find the town in this sentence: {sentence}",
        "{sentence} Find the town.",
        "Which town is named in this sentence? {sentence}",
        "{sentence} What is the town here?",
        "Sentence: {sentence} Town?",
        "Which town does this sentence name? {sentence}",
        "Give the name of the town: {sentence}",
        "Read the sentence and give the name of the town. {sentence}",
        "{sentence} Tell me the name of the town in this sentence.",
        "Look for a town in this sentence: {sentence}",
        "{sentence} Write only the name of the town.",
        "What is the name of the town in this sentence? {sentence}",
        "Here is a sentence: {sentence} Which town is in it?",
    ),
    held_out=(
        "Please give the town that is named in this sentence. {sentence}",
        "Sentence: {sentence} Tell me which town is named here.",
        "Write only the town: {sentence}",
        "{sentence} Give the name of the town in it.",
    ),
    held_out_task="the thing that a sentence names",
    task_phrasings=(
        "Find the thing in this sentence: {sentence}",
        "{sentence} Which thing is in this sentence?",
        "{sentence} Tell me the thing in this sentence.",
        "Read the sentence and name the thing. {sentence}",
    ),
)


def _repeat(draw: Draw) -> Case:
    sentence = scene(draw).text
    return case(sentence, sentence=sentence)


REPEAT = Family(
    name="repeat",
    line="the same sentence again",
    make=_repeat,
    train=(
        "Repeat this sentence: {sentence}",
        "Repeat after me: {sentence}",
        "{sentence} Repeat that sentence.",
        "Say this again: {sentence}",
        "{sentence} Please say that again.",
        "Copy the sentence: {sentence}",
        "Copy this word for word: {sentence}",
        "Write the same sentence again. {sentence}",
        "Read the sentence and repeat it. {sentence}",
        "{sentence} Now write the same words.",
        "Sentence: {sentence} Copy it.",
        "Say exactly the same: {sentence}",
        "Here is a sentence: {sentence} Say it again.",
    ),
    held_out=(
        "Please repeat this for me: {sentence}",
        "Sentence: {sentence} Say the same again.",
        "Read this and copy it: {sentence}",
        "{sentence} Now repeat it word for word.",
    ),
)


def _replace(draw: Draw) -> Case:
    sentence = scene(draw)
    if draw.task:
        old, new = sentence.town, next(town for town in draw.towns(2) if town != sentence.town)
    elif draw.chance(0.5):
        old, new = sentence.name, next(name for name in draw.people(2) if name != sentence.name)
    else:
        old, new = sentence.thing, next(thing for thing in draw.portable(2) if thing != sentence.thing)
    changed = " ".join(new + word[len(old) :] if word.rstrip(".,") == old else word for word in sentence.text.split())
    return case(changed, sentence=sentence.text, old=old, new=new)


REPLACE = Family(
    name="replace",
    line="a sentence with one of its words replaced",
    make=_replace,
    train=(
        "Replace {old} by {new}: {sentence}",
        "{sentence} Replace {old} by {new}.",
        "Put {new} in the place of {old}. {sentence}",
        "Write {new} instead of {old}: {sentence}",
        "{sentence} Write it again with {new} instead of {old}.",
        "Change {old} to {new}: {sentence}",
        "{sentence} Change the word {old} to {new}.",
        "In this sentence, change {old} to {new}. {sentence}",
        "Read the sentence and put {new} in the place of {old}. {sentence}",
        "Sentence: {sentence} Say {new} instead of {old}.",
        "Use {new} instead of {old} here: {sentence}",
        "Here is a sentence: {sentence} Now replace the word {old} by {new}.",
        "Change only one word, {old} to {new}: {sentence}",
    ),
    held_out=(
        "Please change {old} to {new} in this sentence: {sentence}",
        "Sentence: {sentence} Replace the word {old} by {new}.",
        "{sentence} Use {new} instead of {old}.",
        "Read this and write {new} instead of {old}. {sentence}",
    ),
    held_out_task="replacing the town",
)


def _join(draw: Draw) -> Case:
    first, second = draw.people(2)
    one, two = deed(draw, first)[0], deed(draw, second)[0]
    return case(f"{one} and {two}.", one=f"{one}.", two=f"{two}.")


JOIN = Family(
    name="join",
    line='two sentences as one, with "and" between them',
    make=_join,
    train=(
        "Join these two sentences: {one} {two}",
        "{one} {two} Join the two sentences.",
        "Make one sentence out of these two: {one} {two}",
        "{one} {two} Make one sentence of both.",
        "First: {one} Second: {two} Join them.",
        "Put the word and between these sentences: {one} {two}",
        "{one} {two} Write both as one sentence.",
        "Join the two sentences with the word and. {one} {two}",
        "Read both sentences and write them as one. {one} {two}",
        "Turn these two sentences into one: {one} {two}",
        "Here are two sentences: {one} {two} Make them one.",
        "Say this in one sentence: {one} {two}",
        "{one} {two} Say both in one sentence.",
    ),
    held_out=(
        "Please write these two sentences as one: {one} {two}",
        "{one} {two} Turn them into one sentence.",
        "Here are two sentences: {one} {two} Join them with the word and.",
        "Make one sentence of both. First: {one} Second: {two}",
    ),
)


def _past(draw: Draw) -> Case:
    present, past = deed(draw, draw.people(1)[0])
    return case(f"{past}.", sentence=f"{present}.")


PAST = Family(
    name="past",
    line="a sentence about today put into the past",
    make=_past,
    train=(
        "Put this into the past: {sentence}",
        "{sentence} Put the sentence into the past.",
        "Write this sentence in the past: {sentence}",
        "{sentence} Say that it was yesterday.",
        "Say this about yesterday: {sentence}",
        "Change this sentence to the past. {sentence}",
        "Sentence: {sentence} Past?",
        "Tell it as if it was yesterday: {sentence}",
        "{sentence} Now write it in the past.",
        "Read the sentence and turn it into the past. {sentence}",
        "Turn this into the past: {sentence}",
        "{sentence} Now the same in the past.",
        "Here is a sentence about today: {sentence} Write it about yesterday.",
    ),
    held_out=(
        "Please turn this sentence into the past: {sentence}",
        "{sentence} Say this about yesterday.",
        "Read this and put it into the past. {sentence}",
        "Sentence: {sentence} Now change it to the past.",
    ),
    held_out_task="verbs that training never asks for",
)

FAMILIES = (FIND_PERSON, FIND_TOWN, REPEAT, REPLACE, JOIN, PAST)
