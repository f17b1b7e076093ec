"""Small talk: greetings, thanks, and who is speaking. The answers are few and fixed, so they are not scored."""

from __future__ import annotations

from trivium.world.draws import Draw
from trivium.world.families import Case, Family, case

_IDENTITY = (
    "I am Trivium, a small language model.",
    "I am Trivium, a small language model. I live in a little world of words.",
    "My name is Trivium. I am a small language model.",
)
_GREETINGS = (
    "Hello! How can I help you?",
    "Hello! What can I do for you?",
    "Hello, {name}! How can I help you?",
)
_FAREWELLS = (
    "You are welcome!",
    "You are welcome! I was glad to help.",
    "I was glad to help, {name}.",
)


def _identity(draw: Draw) -> Case:
    return case(draw.random.choice(_IDENTITY))


def _greeting(draw: Draw) -> Case:
    (name,) = draw.people(1)
    return case(draw.random.choice(_GREETINGS).format(name=name), name=name)


def _thanks(draw: Draw) -> Case:
    (name,) = draw.people(1)
    return case(draw.random.choice(_FAREWELLS).format(name=name), name=name)


IDENTITY = Family(
    name="identity",
    line="who is speaking",
    make=_identity,
    train=(
        "Who are you?",
        "What are you?",
        "What is your name?",
        "Tell me your name.",
        "Tell me who you are.",
        "Are you a person?",
        "Please say who you are.",
        "Hello, who are you?",
        "I want to know your name.",
        "Do you have a name?",
        "Say in one sentence who you are.",
        "Can you tell me what you are?",
    ),
    held_out=(
        "Please tell me your name.",
        "Hello, what is your name?",
        "I want to know who you are.",
        "Say what you are.",
    ),
    verifiable=False,
    entities=False,
)
GREETING = Family(
    name="greeting",
    line="an answer to a greeting",
    make=_greeting,
    train=(
        "Hello, I am {name}.",
        "Hello! My name is {name}.",
        "I am {name}. Hello!",
        "Good morning, I am {name}.",
        "Good evening! My name is {name}.",
        "Good day! I am {name}.",
        "Hello there, it is {name}.",
        "This is {name}. Good morning!",
        "This is {name}. Can you help me?",
        "My name is {name}. Can you help me?",
        "Hello, this is {name} from the town.",
        "I am {name} and I want to say hello.",
    ),
    held_out=(
        "Good morning! My name is {name}.",
        "Hello, this is {name}. Can you help me?",
        "I am {name}. Good evening!",
        "Hello there! I am {name}.",
    ),
    verifiable=False,
)
THANKING = Family(
    name="thanking",
    line="an answer to thanks",
    make=_thanks,
    train=(
        "Thank you, says {name}.",
        "Thank you! This is {name}.",
        "{name} says thank you.",
        "I am {name}. Thank you for your help.",
        "Thank you for the answer. I am {name}.",
        "That was good. Thank you, says {name}.",
        "Good work! {name} says thank you.",
        "You helped me. My name is {name}.",
        "I thank you. This is {name}.",
        "That is all, thank you. I am {name}.",
        "Thank you and goodbye, says {name}.",
        "Goodbye! {name} thanks you.",
    ),
    held_out=(
        "Thank you for your help, says {name}.",
        "That was good. {name} says thank you.",
        "That is all. {name} thanks you.",
        "I am {name}. Thank you and goodbye!",
    ),
    verifiable=False,
)

FAMILIES = (IDENTITY, GREETING, THANKING)
