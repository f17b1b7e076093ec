"""The parts of the answers that the instruction data give to open requests, dry and vivid ones for each kind.

`{v}` and `{v2}` are vivid adjectives; the other slots come from the request. How parts make an answer is in `answers`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Style:
    """The parts of one kind of answer: what opens it, goes on, turns it and closes it, dry and vivid."""

    opens: tuple[str, ...]
    goes_on: tuple[str, ...]
    closes: tuple[str, ...]
    vivid_opens: tuple[str, ...]
    vivid_goes_on: tuple[str, ...]
    turns: tuple[str, ...]
    vivid_closes: tuple[str, ...]


STORY = Style(
    opens=(
        "{name} had {a_thing} in {town}.",
        "{name} lived in {town}. {He} had {a_thing}.",
        "{name} was in {town}. There was {a_thing}.",
        "In {town}, {name} saw {a_thing}.",
        "One day {name} found {a_thing} in {town}.",
        "{name} went to {town}.",
        "This is {name}. {He} had {a_thing}.",
    ),
    goes_on=(
        "The {thing} was there.",
        "{He} looked at the {thing}.",
        "{He} had the {thing} for a day.",
        "They went to the market.",
        "It was Monday.",
        "It was a day in May.",
        "{He} was in the street.",
    ),
    closes=(
        "Then {he} went away.",
        "That was all.",
        "It was evening.",
        "Then they went home.",
        "It was a day.",
        "That is the story.",
    ),
    vivid_opens=(
        "One {v} morning {name} found a {v2} {thing} in {town}.",
        "In {v} {town}, {name} met a {v2} {thing}.",
        "Under the {v} sky of {town}, {name} saw a {v2} {thing}.",
        "A {v} {thing} waited for {name} in the {v2} streets of {town}.",
    ),
    vivid_goes_on=(
        "It was as {v} as the moon.",
        "The {thing} was {v} and {v2}.",
        "{name} followed the {thing} over the {v} hills.",
        "{He} danced around it in the {v} light.",
    ),
    turns=(
        "But then the {thing} was gone.",
        "Suddenly a {v} wind came and took the {thing} away.",
        "But suddenly it began to rain.",
        "Then, to {his} surprise, the {thing} began to sing.",
        "But the {thing} was afraid of the dark.",
    ),
    vivid_closes=(
        "In the end they were together again, warm and happy.",
        "{name} laughed, and they went home happy.",
        "That night both slept, warm and happy.",
        "From that day on they were friends.",
        "{name} smiled and took the {thing} home.",
    ),
)

DESCRIPTION = Style(
    opens=(
        "{name} sees the {place} in {town}.",
        "The {place} is in {town}.",
        "This is the {place} in {town}. {name} is there.",
        "There is a {place} in {town}.",
        "{name} is at the {place}.",
        "It is the {place} in {town}.",
    ),
    goes_on=(
        "There is a door.",
        "There are people.",
        "{He} sees a tree and a house.",
        "It is not big.",
        "It has a wall and a roof.",
        "Some people come and some people go.",
        "{He} sees the street.",
    ),
    closes=(
        "That is all.",
        "It is a place.",
        "{He} goes there on Monday.",
        "Then {he} goes home.",
        "There is no more to say.",
    ),
    vivid_opens=(
        "{name} sees the {v} {place} in the {v2} light of {town}.",
        "In {town}, {name} comes to a {v} {place} under a {v2} sky.",
        "The {place} in {town} is {v} and {v2}, and {name} loves it.",
        "The {v} {place} waits for {name} like a {v2} dream.",
    ),
    vivid_goes_on=(
        "The wind is {v} and the trees are {v2}.",
        "A {v} river sings behind it.",
        "Every window is {v} in the morning.",
        "{He} hears a {v} song and sees {v2} birds.",
    ),
    turns=(
        "But behind the door there is a {v} garden.",
        "But at night it is {v}, and only the moon is there.",
        "Suddenly a {v} bird flies over it.",
        "Then comes the surprise: {v} stars over the roof.",
    ),
    vivid_closes=(
        "{He} feels warm and happy there.",
        "For {name} it is like home.",
        "{He} smiles and wants to stay with all {his} friends.",
        "It is a place for friends.",
    ),
)

THANKS = Style(
    opens=(
        "Dear {name}, thank you for the {thing}.",
        "Hello {name}. I have the {thing}. Thank you.",
        "{name}, thank you for the {thing}.",
        "Dear {name}, I got the {thing} in {town}.",
        "Dear {name}, this is about the {thing}.",
        "Thank you for the {thing}.",
    ),
    goes_on=(
        "It came on Monday.",
        "It is on the table.",
        "I have it now.",
        "I did not have one.",
        "It is a {thing}.",
        "I will use it.",
    ),
    closes=("Goodbye.", "That is all.", "This is the end of the note.", "I will write again.", "See you."),
    vivid_opens=(
        "Dear {name}, thank you for the {v} {thing}!",
        "Dear {name}, your {thing} is as {v} as the {v2} moon.",
        "Dear {name}, what a {v}, {v2} {thing} you gave me!",
    ),
    vivid_goes_on=(
        "It makes my {v} room {v2}.",
        "It is like a {v} star on a {v2} night.",
        "I see it in {v} dreams.",
        "All of {town} sees how {v} it is.",
    ),
    turns=(
        "But the {v} surprise was your letter.",
        "I was sad, but then it came.",
        "But you must see it in the {v} light of the morning.",
        "Suddenly my day was {v}.",
    ),
    vivid_closes=(
        "Come and see me soon, my friend.",
        "With love from your friend.",
        "It makes me happy, and so do you.",
        "We will be friends for ever.",
    ),
)

INVITATION = Style(
    opens=(
        "Dear {name}, come to the {place} in {town}.",
        "{name}, we are at the {place} on Monday.",
        "Hello {name}. There is a party at the {place}.",
        "Dear {name}, please come to the {place}.",
        "Dear {name}, this is about the party in {town}.",
    ),
    goes_on=(
        "It is on Monday.",
        "There is food.",
        "Some people will be there.",
        "It starts in the evening.",
        "You can bring a chair.",
        "The place is in {town}.",
    ),
    closes=("Goodbye.", "That is all.", "Please answer.", "This is the end of the note.", "See you."),
    vivid_opens=(
        "Dear {name}, come to the {v} {place} in {town} on a {v2} evening!",
        "Dear {name}, the {place} in {town} is {v} and {v2}, and it waits for you!",
        "Dear {name}, a {v} party waits at the {place} under {v2} stars!",
    ),
    vivid_goes_on=(
        "There will be {v} songs and {v2} cakes.",
        "We will dance in the {v} light.",
        "A {v} moon will be over the roof.",
        "The {v} wind brings {v2} music.",
    ),
    turns=(
        "But the {v} surprise is a secret.",
        "It may rain, but we will dance.",
        "But then, at night, comes a {v} surprise.",
        "Suddenly there will be {v} music.",
    ),
    vivid_closes=(
        "Come, my friend, and be happy with us.",
        "With love from all your friends.",
        "Without you it is not the same, dear friend.",
        "We will be warm and happy together.",
    ),
)

REVIEW = Style(
    opens=(
        "{name} makes {a_thing} in {town}.",
        "I had the {thing} of {name}.",
        "This is about the {thing} in {town}.",
        "The {thing} of {name} is a {thing}.",
        "I was in {town}. I had the {thing}.",
    ),
    goes_on=(
        "It was on a plate.",
        "It was not cold.",
        "I ate it on Monday.",
        "There was a table.",
        "I had it at noon.",
        "It has a price.",
    ),
    closes=("That is all.", "Then I went home.", "It was food.", "I can say no more.", "That was the day."),
    vivid_opens=(
        "The {thing} that {name} makes in {town} is {v} and {v2}!",
        "In {town}, {name} makes a {v}, {v2} {thing}!",
        "What a {v} {thing} {name} makes in {v2} {town}!",
    ),
    vivid_goes_on=(
        "It is like a {v} morning.",
        "It smells of {v} gardens and {v2} summers.",
        "Each bite is a {v} song.",
        "It is {v} and {v2} at once.",
    ),
    turns=(
        "But the {v} surprise came in the middle.",
        "At first I was not sure, but then I ate it all.",
        "But suddenly it was all gone.",
        "I wanted one, but then I ate three.",
    ),
    vivid_closes=(
        "I went home happy.",
        "I will come again with all my friends.",
        "I love it, and so will you.",
        "{name} made my day warm and happy.",
    ),
)

STYLES = {"story": STORY, "description": DESCRIPTION, "thanks": THANKS, "invitation": INVITATION, "review": REVIEW}
