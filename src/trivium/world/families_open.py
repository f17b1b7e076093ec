"""Open families: requests with no single right answer, about a person, a topic and a town.

The preference phase asks the same requests. Person, topic and town together decide on which side a request is, so no
held-out request has its three in training, whatever its words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from zlib import crc32

from trivium.world import lexicon
from trivium.world.answers import VIVID_SHARE, write_answer
from trivium.world.draws import Draw
from trivium.world.families import Case, Family, case
from trivium.world.grammar import indefinite
from trivium.world.lexicon_pool import Pool, pool
from trivium.world.styles import STYLES

_SIDES = 8  # one combination in eight is held out
_DISHES = pool("dishes", "pie cake pancake sandwich sausage dumpling", "tart waffle")
TOPICS: Mapping[str, Pool] = {
    "story": lexicon.PETS + lexicon.TOYS,
    "description": lexicon.PLACES,
    "thanks": lexicon.THINGS,
    "invitation": lexicon.PLACES,
    "review": _DISHES,
}


def is_held_out(name: str, topic: str, town: str) -> bool:
    """Whether a request about these three belongs to the held-out side; the same on every machine."""
    return crc32(f"{name} {topic} {town}".encode()) % _SIDES == 0


def draw_slots(draw: Draw, kind: str) -> dict[str, str]:
    """The slots of an open request: person, topic and town of the side that the draw's level asks for."""
    wanted = draw.level != "train"
    while True:
        (name,), (topic,), (town,) = draw.people(1), draw.some(TOPICS[kind], 1), draw.towns(1)
        if is_held_out(name, topic, town) == wanted:
            break
    pronouns = draw.pronouns(name)
    return {
        "name": name,
        "thing": topic,
        "a_thing": indefinite(topic),
        "place": topic,
        "town": town,
        "he": pronouns.he,
        "He": pronouns.He,
        "his": pronouns.his,
        "him": pronouns.him,
    }


def _maker(kind: str) -> Callable[[Draw], Case]:
    def make(draw: Draw) -> Case:
        slots = draw_slots(draw, kind)
        return case(write_answer(kind, slots, draw.random, draw.chance(VIVID_SHARE)), **slots)

    return make


def _open(kind: str, line: str, train: tuple[str, ...], held_out: tuple[str, ...]) -> Family:
    assert kind in STYLES
    return Family(kind, line, _maker(kind), train, held_out, verifiable=False)


STORY = _open(
    "story",
    "a short story about a person and an animal or a toy",
    (
        "Tell a short story about {name} and {a_thing} in {town}.",
        "Write a short story about {name} and {a_thing} in {town}.",
        "Tell me a story about {name}, {a_thing} and the town of {town}.",
        "Please tell a story. It is about {name} and {a_thing} in {town}.",
        "I want a short story about {name} and {a_thing}. The town is {town}.",
        "Write a little story with {name} and {a_thing} in {town}.",
        "Can you tell a story about {a_thing} and {name} in {town}?",
        "In {town}, {name} finds {a_thing}. Tell the story.",
        "Make up a story about {name} and {a_thing} in {town}.",
        "Story: {name}, {a_thing}, {town}.",
        "What happens to {name} and {a_thing} in {town}? Tell a story.",
        "Tell a little story about {name} from {town} and {a_thing}.",
        "A short story, please, about {a_thing} in {town} and about {name}.",
    ),
    (
        "Please write a little story about {name} and {a_thing} in {town}.",
        "Make up a short story. It is about {a_thing} in {town} and {name}.",
        "Can you write a story about {name} from {town} and {a_thing}?",
        "I want a story: in {town}, {name} finds {a_thing}.",
    ),
)
DESCRIPTION = _open(
    "description",
    "what a person sees at a place",
    (
        "Describe the {place} in {town}. What does {name} see there?",
        "What does {name} see at the {place} in {town}? Describe it.",
        "{name} is at the {place} in {town}. Describe what {he} sees.",
        "Describe the {place} in {town} as {name} sees it.",
        "Write a short description of the {place} in {town}. {name} is there.",
        "Tell me what {name} sees at the {place} in {town}.",
        "Please describe the {place} in {town}, where {name} is today.",
        "What is the {place} in {town} like for {name}?",
        "Say in a few words what {name} sees at the {place} in {town}.",
        "I want to know what {name} sees at the {place} in {town}.",
        "How does {name} see the {place} in {town}? Write a description.",
        "Give a short description of the {place} that {name} sees in {town}.",
    ),
    (
        "Please describe what {name} sees at the {place} in {town}.",
        "Write a description: {name} is at the {place} in {town}.",
        "Describe the {place} in {town}, where {name} is today.",
        "What is the {place} in {town} like? Tell me what {name} sees there.",
    ),
)
THANKS = _open(
    "thanks",
    "a thank-you note to a person for a thing",
    (
        "Write a thank-you note to {name} in {town} for {a_thing}.",
        "Thank {name} in {town} for {a_thing}. Write a short note.",
        "{name} from {town} gave me {a_thing}. Write a thank-you note.",
        "Write a note to {name} in {town} and say thank you for {a_thing}.",
        "I want to thank {name} in {town} for {a_thing}. Write it for me.",
        "Please write a short thank-you note for {a_thing} to {name} in {town}.",
        "I got {a_thing} from {name} in {town}. Thank {him} for me.",
        "Thank-you note: {name}, {town}, {a_thing}.",
        "Can you write a note to thank {name} from {town} for {a_thing}?",
        "{name} in {town} sent me {a_thing}. What can I write to thank {him}?",
        "Help me to thank {name} in {town} for {a_thing}.",
        "Say thank you to {name} from {town}, who gave me {a_thing}.",
    ),
    (
        "Please write a note and thank {name} in {town} for {a_thing}.",
        "I got {a_thing} from {name} in {town}. Write a thank-you note.",
        "Help me to write a short thank-you note to {name} in {town} for {a_thing}.",
        "{name} from {town} sent me {a_thing}. Thank {him} for me.",
    ),
)
INVITATION = _open(
    "invitation",
    "a note that invites a person to a place",
    (
        "Invite {name} to the {place} in {town}.",
        "Write a note and invite {name} to the {place} in {town}.",
        "Write an invitation to {name}. We meet at the {place} in {town}.",
        "Please invite {name} to a party at the {place} in {town}.",
        "I want {name} to come to the {place} in {town}. Write a note.",
        "Ask {name} in a short note to come to the {place} in {town}.",
        "Can you write an invitation to the {place} in {town} for {name}?",
        "We meet at the {place} in {town}. Invite {name}.",
        "Invitation: {name}, {place}, {town}.",
        "Help me to invite {name} to the {place} in {town}.",
        "There is a party at the {place} in {town}. Write to {name} and invite {him}.",
        "Write to {name}: we want {him} at the {place} in {town}.",
    ),
    (
        "Please write a short invitation to {name}. We meet at the {place} in {town}.",
        "Help me to ask {name} to a party at the {place} in {town}.",
        "Write a note: {name} can come to the {place} in {town}.",
        "There is a party at the {place} in {town}. Can you invite {name}?",
    ),
)
REVIEW = _open(
    "review",
    "a review of a dish that a person makes",
    (
        "Write a short review of the {thing} that {name} makes in {town}.",
        "Write a review: {name} makes {a_thing} in {town}.",
        "Review the {thing} that {name} makes in {town}.",
        "How is the {thing} that {name} makes in {town}? Write a review.",
        "Please review the {thing} of {name} in {town}.",
        "I want a review of the {thing} of {name} in {town}.",
        "Tell me about the {thing} that {name} makes in {town}.",
        "What is the {thing} of {name} in {town} like? Write a short review.",
        "You ate {a_thing} in {town}. {name} made it. Review it.",
        "Review: {a_thing}, {name}, {town}.",
        "Can you write a review of the {thing} that {name} makes in {town}?",
        "Say in a review how you like the {thing} of {name} in {town}.",
    ),
    (
        "Please write a short review of the {thing} of {name} in {town}.",
        "You ate {a_thing} in {town}. {name} made it. Tell me how you like it.",
        "Can you review the {thing} that {name} makes in {town}?",
        "What is the {thing} like that {name} makes in {town}? Review it.",
    ),
)

FAMILIES = (STORY, DESCRIPTION, THANKS, INVITATION, REVIEW)
