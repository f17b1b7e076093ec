"""Mail of the little world, wanted and unwanted: what a spam filter is taught and measured on.

Both kinds speak of money, parcels, prizes and meetings, so that no single word decides; a fifth of the unwanted mail pretends to
come from a friend. Every split but the training one has campaigns of its own beside the trained ones' words, and other people.
"""

from __future__ import annotations

from typing import Any

from trivium.world import lexicon
from trivium.world.state import World
from trivium.world.writing import Dice, mend

PRETENDED_SHARE = 0.2  # of the unwanted mail

_SPAM = (
    "You have won {number} {things}! Send your name and your key number to claim them today.",
    "We could not bring your parcel. Pay {number} coins at once or it goes back to {town}.",
    "Only this week: every {thing} in {town} for a single coin! Order now, do not wait.",
    "Your account at the bank of {town} is closed. Tell us your secret word to open it again.",
    "Make {number} hundred coins a week from your own home. No work, no questions!",
    "Dear winner, the lottery of {town} has drawn your name. Answer now to get your {thing}.",
    "Lose all your worries with our new {thing}. Free for the first {number} people who write!",
    "Doctors hate this {thing}. Buy one, get {number} for nothing!",
)
_SPAM_NEW = (
    "Your {thing} is waiting in {town}! Confirm your secret word and pay a small fee to get it.",
    "Last chance! We give {number} {things} to everybody who answers within the hour.",
    "Our records show that you paid too much for your {thing}. Send your key number and get your coins back.",
    "Work two hours a day and earn {number} {things} a week, without any risk!",
)
_HAM = (
    "The meeting about the {place} is on {day} at {number}. Bring your {thing}, please.",
    "I paid {number} coins for the {thing} at the market in {town}. Is that too much?",
    "Your parcel with the {thing} is here. You can fetch it on {day} in {town}.",
    "We won the game in {town} on {day}! {other} was there too, and sends you greetings.",
    "Did you find my {thing}? I think I left it at your house on {day}.",
    "{other} is ill, so {number} of us will do the work on {day}. Can you help?",
    "Thank you for the {thing}. It came on {day}, and I use it every morning.",
    "The train to {town} leaves at {number} on {day}. {other} will wait for you.",
)
_HAM_NEW = (
    "Here are the papers for {day}. Please read them and answer by the end of the week.",
    "{other} wants to sell a {thing} for {number} coins. Shall we take it?",
    "I will be in {town} on {day} and could bring you the {thing}.",
    "The bank in {town} is closed on {day}, so I will pay you your {number} coins later.",
)
_GREETINGS = ("Dear {reader},", "Hello {reader},", "Hello!", "")
_STRANGERS = ("Dear friend,", "Dear customer,", "Attention!", "Good news!", "")
_CLOSES = ("Your {writer}", "{writer}", "See you soon, {writer}", "")


def mail(dice: Dice, world: World, trained: bool) -> tuple[str, str]:
    """(a mail, "spam" or "ham"), each half of the time."""
    spam = dice.random() < 0.5
    writer, reader, other = dice.sample(world.people, 3)
    thing = dice.choice(lexicon.TOYS.all + lexicon.TOOLS.all + lexicon.INSTRUMENTS.all)
    slots: dict[str, Any] = {
        "writer": writer.name, "reader": reader.name, "other": other.name, "town": dice.choice(world.towns).name,
        "thing": thing, "things": f"{thing}s" if not thing.endswith(("s", "sh", "ch", "x")) else f"{thing}es",
        "place": dice.choice(lexicon.PLACES.all), "day": dice.choice(lexicon.DAYS.all),
        "number": lexicon.NUMBERS[2 + int(dice.random() * 9)],
    }  # fmt: skip
    friendly = not spam or dice.random() < PRETENDED_SHARE
    old, new = (_SPAM, _SPAM_NEW) if spam else (_HAM, _HAM_NEW)
    parts = [
        dice.choice(_GREETINGS if friendly else _STRANGERS),
        dice.choice(old if trained or dice.random() < 0.5 else new),
        dice.choice(_CLOSES) if friendly else "",
    ]
    return mend(" ".join(part.format_map(slots) for part in parts if part)), "spam" if spam else "ham"
