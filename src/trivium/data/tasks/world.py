"""The built-in world's labelled items as items of a task."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from trivium.task.declaration import WorldData, WorldTask
from trivium.task.items import Asked, Chosen, Item, Labelled, Place, Tagged, Written
from trivium.task.tags import tags_of
from trivium.task.words import words_in


def items(data: WorldData, seed: int, split: str) -> Iterator[Item]:
    """The items of a split."""
    return islice(_items(data.task, seed, split, data.invented), getattr(data, split))


def _items(task: WorldTask, seed: int, split: str, invented: float) -> Iterator[Item]:
    from trivium.world import asked, labelled, service, shop

    match task:
        case "sentiment":
            for number, (text, label) in enumerate(labelled.sentiments(seed, split)):
                yield Labelled(text, labels=(label,), place=_place(task, split, number))
        case "entities":
            for number, (text, entities) in enumerate(labelled.entities(seed, split)):
                yield tagged(text, entities, _place(task, split, number))
        case "questions":
            for number, (context, question, answer) in enumerate(labelled.questions(seed, split, invented)):
                place = _place(task, split, number)
                yield Asked(context, question, (answer,) if answer else (), id=str(number), place=place)
        case "headlines":
            for number, (source, target) in enumerate(labelled.headlines(seed, split, invented)):
                yield Written(source, target, _place(task, split, number))
        case "translations":
            for number, (source, target) in enumerate(labelled.translations(seed, split)):
                yield Written(source, target, _place(task, split, number))
        case "mail" | "intents":
            labels = labelled.mails(seed, split) if task == "mail" else service.intents(seed, split)
            for number, (text, label) in enumerate(labels):
                yield Labelled(text, labels=(label,), place=_place(task, split, number))
        case "next_things":
            for number, (request, things, right) in enumerate(shop.next_things(seed, split)):
                yield Chosen(request, things, right, _place(task, split, number))
        case "codes":
            for number, (word, sign) in enumerate(asked.codes(seed, split)):
                yield Labelled(word, labels=(sign,), place=_place(task, split, number))
        case "unseen":
            for number, (request, options, right) in enumerate(asked.unseen(seed, split)):
                yield Chosen(request, options, right, _place(task, split, number))


def tagged(text: str, entities: list[tuple[int, int, str]], place: Place) -> Tagged:
    """The words of a text, tagged in BIO with its entities (by characters), which never cut a word."""
    words = words_in(text)
    starts = {start: number for number, (start, _) in enumerate(words)}
    ends = {end: number + 1 for number, (_, end) in enumerate(words)}
    spans = [(starts[start], ends[end], kind) for start, end, kind in entities]
    return Tagged(tuple(text[start:end] for start, end in words), tuple(tags_of(spans, len(words), "bio")), place)


def _place(task: str, split: str, number: int) -> Place:
    return Place(f"world {task} {split} {number}")
