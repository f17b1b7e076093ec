"""What each document says about itself is true of its text."""

from __future__ import annotations

import re

from trivium.base.words import Document
from trivium.world import lexicon
from trivium.world.documents import DOCUMENTS_PER_WORLD
from trivium.world.facts import RELATIONS
from trivium.world.grammar import past
from trivium.world.notes import SILENT
from trivium.world.state import World, world

NAMES, PLACES = set(lexicon.NAMES), set(lexicon.TOWNS) | set(lexicon.RIVERS)
VIVID = set(lexicon.VIVID) - set(lexicon.TRAITS)


def world_of(one: Document) -> World:
    return world(0, "train", int(one.id.rsplit("-", 1)[1]) // DOCUMENTS_PER_WORLD)


def capitals(text: str) -> set[str]:
    return set(re.findall(r"[A-Z][a-z]+", text))


def test_a_story_keeps_its_people_pet_and_town(by_kind: dict[str, list[Document]]) -> None:
    plots = set()
    for one in by_kind["story"]:
        meta, here = one.meta, world_of(one)
        plots.add(meta["plot"])
        person = here.person(meta["person"])
        assert (person.friend, person.town) == (meta["friend"], meta["town"])
        assert (person.pet, person.pet_name) == (meta["pet"], meta["pet_name"])
        assert capitals(one.text) & set(lexicon.PET_NAMES) <= {person.pet_name}
        named = capitals(one.text) & NAMES
        assert person.name in named
        assert len(named) <= 3
        assert len(capitals(one.text) & set(lexicon.TOWNS)) <= 2
    assert len(plots) >= 15


def test_stories_have_the_length_that_they_should(by_kind: dict[str, list[Document]]) -> None:
    lengths = sorted(len(one.text.split()) for one in by_kind["story"])
    assert lengths[0] >= 50
    assert lengths[-1] <= 160
    assert lengths[len(lengths) // 20] >= 60


def test_vivid_stories_are_vivid_and_plain_ones_are_not(by_kind: dict[str, list[Document]]) -> None:
    for one in by_kind["story"]:
        vivid = VIVID & set(re.findall(r"[a-z]+", one.text))
        picturesque = set(lexicon.VIVID) & set(re.findall(r"[a-z]+", one.text))
        assert len(picturesque) >= 2 if one.meta["vivid"] else not vivid, one.text
    shares = [one.meta["vivid"] for one in by_kind["story"]]
    assert 0.35 < sum(shares) / len(shares) < 0.45


def test_a_story_speaks_of_each_person_with_one_pronoun(by_kind: dict[str, list[Document]]) -> None:
    """Where everybody in a story is "she", nobody is "he", and the other way round."""
    read = 0
    for one in by_kind["story"]:
        here = world_of(one)
        used = {here.person(name).pronouns.he for name in capitals(one.text) & NAMES}
        if len(used) == 1:
            read += 1
            other = {"she": r"\b([Hh]e|[Hh]im|[Hh]is)\b", "he": r"\b([Ss]he|[Hh]er)\b"}[used.pop()]
            assert not re.search(other, one.text), one.text
    assert read > 300


def test_facts_of_pages_and_dialogues_are_the_world_s(by_kind: dict[str, list[Document]]) -> None:
    told = 0
    for one in by_kind["page"] + by_kind["dialogue"]:
        for name, relation, value in one.meta.get("facts", ()):
            told += 1
            assert getattr(world_of(one).person(name), RELATIONS[relation].field) == value
            # "goes to school" and "takes care of books" tell a job without naming it.
            assert relation in ("job", "school") or value.lower()[:4] in one.text.lower(), (relation, value, one.text)
    assert told > 3000


def test_the_sentiment_of_a_review_is_in_its_words(by_kind: dict[str, list[Document]]) -> None:
    own = {"positive": set(lexicon.PRAISE), "negative": set(lexicon.BLAME), "neutral": set(lexicon.MIDDLING)}
    seen: dict[str, int] = {}
    for one in by_kind["review"]:
        sentiment = one.meta["sentiment"]
        seen[sentiment] = seen.get(sentiment, 0) + 1
        text = one.text if not one.meta["hard"] else re.split(r"(?<=[.!?]) ", one.text)[-1]
        used = set(re.findall(r"[a-z-]+", text.lower()))
        for other in own.keys() - {sentiment}:
            assert not own[other] & used, (sentiment, one.text)
    assert min(seen.values()) > 0.28 * sum(seen.values())


def test_a_hard_review_tells_good_and_bad_and_a_verdict(by_kind: dict[str, list[Document]]) -> None:
    hard = [one for one in by_kind["review"] if one.meta["hard"]]
    assert 0.2 < len(hard) / len(by_kind["review"]) < 0.3
    turn = re.compile(r"(But|Still,|So|One thing helps,) [^.]*\.$")
    assert all(turn.search(one.text) for one in hard)


def test_entities_of_news_are_all_the_names_and_nothing_else(by_kind: dict[str, list[Document]]) -> None:
    for one in by_kind["news"]:
        covered = [False] * len(one.text)
        for start, end, kind in one.meta["entities"]:
            name = one.text[start:end]
            assert name in {"PER": NAMES, "LOC": PLACES}.get(kind, {name})
            assert kind != "ORG" or name.split()[0] in PLACES or len(name.split()) == 2
            assert not any(covered[start:end])
            covered[start:end] = [True] * (end - start)
        for match in re.finditer(r"[A-Z][a-z]+", one.text):
            if match[0] in NAMES | PLACES:
                assert covered[match.start()], (match[0], one.text)
        assert one.text.startswith(one.meta["headline"])


def test_an_echo_repeats_word_for_word(by_kind: dict[str, list[Document]]) -> None:
    forms, repeats = set(), 0
    for one in by_kind["echo"]:
        forms.add(one.meta["form"])
        for said in one.meta["repeats"]:
            repeats += 1
            assert one.text.lower().count(said.lower()) >= 2, (said, one.text)
    assert len(forms) == 18
    assert repeats > 2 * len(by_kind["echo"]) * 0.5


def test_the_past_of_an_echo_is_the_past_of_its_present(by_kind: dict[str, list[Document]]) -> None:
    for one in by_kind["echo"]:
        if one.meta["form"] == "tenses":
            for now, then in one.meta["pairs"]:
                assert now != then or past(now.split()[1]) == then.split()[1]
                assert now.split()[0] == then.split()[0]
                assert now.split()[2:] == then.split()[2:]


def test_a_note_asks_and_answers_as_its_label_says(by_kind: dict[str, list[Document]]) -> None:
    silent = 0
    for one in by_kind["note"]:
        assert one.meta["passage"] in one.text
        for question, answer in one.meta["questions"]:
            silent += answer == SILENT
            assert question[1:] in one.text
            assert answer[1:-1] in one.text
            if set(answer[:-1].split()) & {*lexicon.JOBS, "pupil"}:
                continue  # told by what the job is
            known = set(
                re.findall(r"[a-z]+", f"{one.meta['passage']} {question} yes no {' '.join(lexicon.NUMBERS)}".lower())
            )
            said = re.findall(r"[a-z]+", answer.lower())
            assert answer == SILENT or sum(word in known for word in said) >= len(said) / 2, one.text
    assert silent > 50


def test_where_things_are_can_be_worked_out_from_the_passage(by_kind: dict[str, list[Document]]) -> None:
    """An independent reader of the "things" notes finds the same rooms."""
    placed = re.compile(r"The (\w+) is in the (\w+)\.|In the (\w+) is the (\w+)\.|There is an? (\w+) in the (\w+)\.")
    moved = re.compile(r"(?:took|carried|puts|brings) the (\w+) .*?(?:to|into) the (\w+)\.")
    checked = 0
    for one in by_kind["note"]:
        if one.meta["form"] != "things":
            continue
        rooms = {}
        for match in placed.finditer(one.meta["passage"]):
            rooms[match[1] or match[4] or match[5]] = match[2] or match[3] or match[6]
        for match in moved.finditer(one.meta["passage"]):
            rooms[match[1]] = match[2]
        for question, answer in one.meta["questions"]:
            asked = re.fullmatch(r"Where is the (\w+)(?: now)?\?", question)
            if asked:
                checked += 1
                room = rooms.get(asked[1])
                assert (f"n the {room}" in answer) if room else answer == SILENT, one.text
    assert checked > 100
