"""Instruction families about a short text as a whole: the sentiment of a review, the headline of a piece of news."""

from __future__ import annotations

from trivium.world import lexicon
from trivium.world.draws import Draw
from trivium.world.families import Case, Family, case
from trivium.world.grammar import indefinite, past, third
from trivium.world.lexicon_pool import pool
from trivium.world.writing import mend

_SENTIMENTS = {"positive": lexicon.PRAISE, "negative": lexicon.BLAME, "neutral": lexicon.MIDDLING}
_REVIEWS = (
    "I ate the {thing} in {town}. It was {one}.",
    "{name} made the {thing}. I think that it was {one} and {two}.",
    "We had the {thing} on {day}. The {thing} was {one}.",
    "The {thing} in {town} was {one}. I ate it with {name}.",
    "On {day} I had a {one} {thing} in {town}.",
    "{name} and I had the {thing}. It was {one}, and the evening was {two}.",
)
_REVIEWS_OF_TOOLS = (
    "I bought the {thing} in {town}. It is {one}.",
    "{name} uses the {thing} at work. It is {one} and {two}.",
    "On {day} I bought a {one} {thing} in {town}.",
)


def _sentiment(draw: Draw) -> Case:
    sentiment = draw.random.choice(tuple(_SENTIMENTS))
    words = _SENTIMENTS[sentiment]
    one = draw.some(words, 1)[0]
    two = draw.random.choice([word for word in words.train if word != one])
    text = draw.random.choice(_REVIEWS_OF_TOOLS if draw.task else _REVIEWS).format(
        one=one,
        two=two,
        thing=draw.some(lexicon.TOOLS if draw.task else lexicon.MEALS, 1)[0],
        name=draw.people(1)[0],
        town=draw.towns(1)[0],
        day=draw.random.choice(lexicon.DAYS.all),
    )
    return case(sentiment, text=mend(text))


SENTIMENT = Family(
    name="sentiment",
    line="whether a review is positive, negative or neutral",
    make=_sentiment,
    train=(
        "Is this review positive, negative or neutral? {text}",
        "Review: {text} Is it positive, negative or neutral?",
        "{text} Is this review positive, negative or neutral?",
        "Read the review and say if it is positive, negative or neutral. {text}",
        "What is the sentiment of this review? {text}",
        "Review: {text} Sentiment?",
        "{text} Name the sentiment of the review.",
        "Say positive, negative or neutral. Review: {text}",
        "How did the writer like it, positive, negative or neutral? {text}",
        "{text} What is the sentiment here?",
        "Give the sentiment of the text. {text}",
        "{text} Tell me if the review is positive, negative or neutral.",
        "Here is a review. {text} Tell me its sentiment.",
    ),
    held_out=(
        "Please tell me the sentiment of this review. {text}",
        "Here is a review. {text} Is it positive, negative or neutral?",
        "{text} Give the sentiment of this review.",
        "Read the review and name its sentiment. {text}",
    ),
    held_out_task="reviews of tools",
)

_OPENED = pool("opened", "school library museum theatre bakery market inn zoo farm park", "workshop")
_BUILT = pool("built", "bridge tower mill school castle harbour farm inn", "lighthouse windmill")
_EVENTS = {
    "open": _OPENED,
    "build": _BUILT,
    "find": lexicon.THINGS,
    "lose": lexicon.THINGS,
    "win": lexicon.THINGS,
    "sell": lexicon.THINGS,
    "catch": lexicon.ANIMALS,
    "see": lexicon.ANIMALS,
}
_HELD_OUT_EVENTS = {"buy": lexicon.THINGS, "paint": _BUILT}
_BEFORE = ("It was {weather} in {town}.", "There is news from {town}.", "The people of {town} were {feeling}.")
_AFTER = (
    "It was a long day.",
    "Many people came to see it.",
    "{other} was there too.",
    "{other} was {feeling} that day.",
    "The people of {town} were {feeling}.",
    "It was in the morning.",
)


def _headline(draw: Draw) -> Case:
    events = _HELD_OUT_EVENTS if draw.task else _EVENTS
    verb = draw.random.choice(tuple(events))
    (name, other), (town,) = draw.people(2), draw.towns(1)
    what = indefinite(draw.some(events[verb], 1)[0])
    slots = {
        "town": town,
        "other": other,
        "weather": draw.random.choice(lexicon.WEATHER.all),
        "feeling": draw.random.choice(lexicon.FEELINGS.train),
    }
    lead = f"On {draw.random.choice(lexicon.DAYS.all)}, {name} {past(verb)} {what} in {town}."
    before = draw.random.sample(_BEFORE, 1 if draw.chance(0.4) else 0)
    after = draw.random.sample(_AFTER, 2 - len(before))
    text = " ".join([*(line.format_map(slots) for line in before), lead, *(line.format_map(slots) for line in after)])
    return case(f"{name} {third(verb)} {what} in {town}.", text=text)


HEADLINE = Family(
    name="headline",
    line="the headline of a short piece of news",
    make=_headline,
    train=(
        "Write a headline for this news: {text}",
        "{text} Write a headline.",
        "Give this news a headline. {text}",
        "News: {text} Headline?",
        "Read the news and write the headline. {text}",
        "{text} What is the headline?",
        "Say the news in one short sentence. {text}",
        "{text} Say this in one short sentence.",
        "What is the news here? {text}",
        "Sum up this text: {text}",
        "{text} Sum up the news.",
        "Here is some news. {text} Tell me the news in one sentence.",
        "{text} Give me a summary of the text.",
        "Write a short summary of this news: {text}",
    ),
    held_out=(
        "Please write a headline for the text. {text}",
        "News: {text} Write a short summary.",
        "Read this and sum it up. {text}",
        "{text} Give the headline of this news.",
    ),
    held_out_task="events that training never sums up",
)

FAMILIES = (SENTIMENT, HEADLINE)
