"""Plots in which something is lost, found, carried, swapped, broken or brought to the wrong door."""

from __future__ import annotations

from trivium.world.plots import Plot, step

LOST_THING = Plot(
    "lost_thing",
    (
        step(
            "One morning {his} {colour} {thing} was gone.",
            "On {day} {he} could not find {his} {colour} {thing}.",
            "{He} had a {colour} {thing}, but one day it was not in its place.",
        ),
        step(
            "{He} looked in the {room}, but the {thing} was not there.",
            "First {he} looked in the {room}. There was no {thing}.",
            "{He} looked under the bed, behind the door and in the {room}.",
        ),
        step(
            "In the {room2} {he} found only a {thing2}.",
            "Then {he} looked in the {room2}, but there was only a {thing2}.",
            "The {room2} was empty too.",
        ),
        step(
            '"Have you seen my {thing}?" {he} asked {friend}.',
            "{He} went to {friend} and asked for help.",
            '"My {thing} is gone!" {he} told {friend}.',
        ),
        step(
            '"I saw it {at_place}," said {friend}. "Come, we will look there."',
            '"Where were you yesterday?" asked {friend}. "I was {at_place}," said {name}. "Then we must look there."',
            '{friend} thought for a while and then said, "You had it {at_place}."',
        ),
        step(
            "So they went to the {place} together.",
            "They ran to the {place}.",
            "Together they walked to the {v1}{place}.",
        ),
        step(
            "There was the {thing}, under a {v2}tree.",
            "{friend} saw it first: the {thing} was behind a big stone.",
            "A {animal} was sitting on it. The {thing} was not broken.",
            vivid=(
                "But then something {w1} was shining behind a {w2} tree. It was the {thing}!",
                "Suddenly a {w1} {animal} came out of the grass, and it was carrying the {thing}.",
                "To {his} surprise, a {w1} bird was sitting on the {thing} like on a nest.",
            ),
        ),
        step(
            "{name} took the {thing} home and was {glad}.",
            '"Thank you," said {name}. Now the {thing} was back in the {room}.',
            "From that day on {name} kept the {thing} in the {room}.",
            "{name} was so {glad} that {he} gave {friend} a {thing2}.",
        ),
    ),
)

LOST_PET = Plot(
    "lost_pet",
    (
        step(
            "{His} {pet} was called {pname}.",
            "{He} had a {v1}{pet} called {pname}.",
            "The {pet} {pname} lived with {him} and slept in the {room}.",
        ),
        step(
            "One day somebody left the door open, and {pname} ran away.",
            "On {day} the wind opened the door, and {pname} was gone.",
            "There was a loud noise in the street, and {pname} was so afraid that it ran away.",
        ),
        step(
            '"{pname}! {pname}!" {name} called, but nothing moved.',
            "{name} called and called, but {pname} did not come.",
            "{name} looked in the {room} and in the {room2}. No {pet} was there.",
        ),
        step(
            "{friend} came to help. They asked {third}, who had seen a {pet} {at_place}.",
            '"I saw a {pet} {at_place}," said {third}.',
            '{name} met {third} and asked about {pname}. "Go to the {place}," {third} said.',
        ),
        step(
            "So {he} ran to the {place} as fast as {he} could.",
            "It was already dark when {he} came to the {v2}{place}.",
            "{He} took {foods} with {him}, because {pname} liked {foods}.",
        ),
        step(
            "There sat {pname}, wet and tired, under a bench.",
            "{pname} was there and was eating {foods}.",
            "First {he} heard a small sound, and then {he} saw {pname} behind a tree.",
            vivid=(
                "But then two {w1} eyes were shining in the dark. It was {pname}!",
                "Suddenly {pname} jumped out of the {w1} grass, with a {w2} feather on its head.",
                "There, under a {w1} moon, {pname} was playing with a {w2} {animal}.",
            ),
        ),
        step(
            "{name} took {pname} home and closed the door well.",
            "{name} carried {pname} home, and the {pet} slept the whole day.",
            'When they were home again, {name} said, "Never run away again, {pname}."',
        ),
    ),
)

BROKEN_THING = Plot(
    "broken_thing",
    (
        step(
            "{friend} had a {colour} {fragile}, and {name} liked it very much.",
            "In the house of {friend} there was a {v1}{fragile}. It was {colour}.",
            "{friend} had lent {name} a {colour} {fragile}.",
        ),
        step(
            "One day {name} wanted to look at it and dropped it.",
            "On {day} {name} ran through the {room}, and the {fragile} fell from the table.",
            "{name} was careful, but the {fragile} fell, and it broke.",
        ),
        step(
            "Now it was broken, and {name} was {sad}.",
            "It broke into {number} pieces.",
            "The {fragile} was broken. {name} did not know what to do.",
        ),
        step(
            "First {he} hid the pieces in the {room2}.",
            '{He} thought, "Nobody will know." But {he} could not sleep.',
            "For a whole day {he} said nothing.",
        ),
        step(
            'Then {he} went to {friend} and said, "I broke your {fragile}. I am sorry."',
            '"It was me," {name} said to {friend}. "I broke the {fragile}."',
            "In the evening {he} told {friend} the truth.",
        ),
        step(
            '"Thank you for telling me," said {friend}. "It was only a {fragile}."',
            '{friend} was not angry. "Things break," said {friend}, "but friends do not."',
            "{friend} was quiet for a while. Then {fhe} smiled.",
            vivid=(
                'But then, to {his} surprise, {friend} began to laugh. "That {w1} old {fragile} was never mine!"',
                "Suddenly {friend} showed {him} a {w1} secret: under the bed was a second {w2} {fragile}.",
            ),
        ),
        step(
            "They mended the {fragile} together.",
            "Together they put the pieces in their places, and it was almost like new.",
            "{name} bought a new {fragile} at the market and gave it to {friend}.",
        ),
        step("", "After that {name} was always careful.", "{name} felt {glad} and light again."),
    ),
)

WRONG_LETTER = Plot(
    "wrong_letter",
    (
        step(
            "On {day} a letter came to {his} house.",
            "One {season} day there was a {colour} letter at {his} door.",
            "A letter lay on the {v1}table.",
        ),
        step(
            'On it stood: "For {third}, in the {colour2} house."',
            "But it was not for {him}. It was for {third}.",
            "{name} read the name on it. It was the name of {third}, not {his} name.",
        ),
        step(
            '"Somebody is waiting for this letter," {he} thought.',
            "{He} did not open it.",
            '{friend} said, "You must bring it to {third}."',
        ),
        step(
            "{third} lived far away, behind the {place}.",
            "It was raining, and {he} got wet on the way to {third}.",
            "So {he} took {his} coat and went out into the {v2}{season} wind.",
        ),
        step(
            'On the way {he} asked {friend}, "Where is the {colour2} house?" "Behind the {place}," said {friend}.',
            "First {he} went to a wrong house. Then {he} saw the {colour2} door.",
            "{He} knocked at many doors until {he} found the {colour2} house.",
        ),
        step(
            "{third} opened the door and read the letter at once.",
            '"For me?" asked {third} and took the letter with both hands.',
            vivid=(
                "{third} read the letter, and suddenly the {w1} room was full of {w2} laughter.",
                "But then {third} began to cry, and they were {w1}, happy tears.",
            ),
        ),
        step(
            'It said: "I come home on {day2}."',
            'The letter was from an old friend. "We will meet again," it said.',
            'It said: "You have won a {thing}!"',
        ),
        step(
            '"Thank you," said {third}. "Come in and eat some {foods}."',
            "{third} gave {name} a {thing2} for the long way.",
            "{name} went home and was {glad} to have a new friend.",
        ),
    ),
)

SWAPS = Plot(
    "swaps",
    (
        step(
            "{He} wanted a {thing3}, but {he} had no money.",
            "{His} wish was a {v1}{thing3}. All that {he} had was a {thing}.",
            "{name} had only a {thing}, and {he} dreamed of a {v1}{thing3}.",
        ),
        step(
            "So {he} took {his} {thing} to the market.",
            "On {day} {he} went to the market with the {thing}.",
            "With the {thing} in {his} bag {he} walked to {town2}.",
        ),
        step(
            '"I need a {thing}," said {friend}. "I will give you my {thing2} for it."',
            "There {he} met {friend}, who liked the {thing} and gave {him} a {thing2} for it.",
            "{friend} had a {thing2} and wanted a {thing}. So they changed.",
        ),
        step(
            "Now {name} had a {thing2}, and {friend} had the {thing}.",
            "{name} looked at the {thing2} and went on.",
            "The {thing} now belonged to {friend}.",
        ),
        step(
            "Then {he} saw {third} with a {thing3}.",
            "Near the bridge sat {third}. Next to {third} was a {v2}{thing3}.",
            vivid=("But then came {third}, and in {thirds} hands was a {w1}, {w2} {thing3}!",),
        ),
        step(
            '"Will you give me the {thing3} for my {thing2}?" asked {name}. {third} said yes.',
            "{third} needed a {thing2}, so {name} gave it to {third} and got the {thing3}.",
            '"What a good {thing2}!" said {third} and gave {name} the {thing3} for it.',
        ),
        step(
            "So {name} came home with the {thing3}.",
            "In the end {friend} had the {thing}, {third} had the {thing2}, and {name} had the {thing3}.",
            "{name} held the {thing3} tight and ran home.",
        ),
        step("", "All three were {glad}.", "And nobody had paid one coin."),
    ),
)

MAP = Plot(
    "map",
    (
        step(
            "In an old book {he} found a map.",
            "One day {he} found a {v1}map in the {room}.",
            "{friend} gave {him} a map for {his} birthday.",
        ),
        step(
            "On the map there was a cross near the {place}.",
            "It showed the way to the {place}, and there was a {colour} star on it.",
            "Somebody had drawn a {colour} cross on it.",
        ),
        step(
            '"We must go there," said {name} to {friend}.',
            "{He} showed the map to {friend}, and they took a spade and a lantern.",
            "On {day} {name} and {friend} followed the map.",
        ),
        step(
            "They walked over the hill and through the forest.",
            "They went past the mill and over the bridge.",
            "It was a long way, and their bags were heavy.",
            vivid=(
                "They walked through {w1} fields and under {w2} trees.",
                "The {w1} wind was singing, and the path was {w2} and long.",
            ),
        ),
        step(
            "At the cross they began to dig. First they found nothing.",
            "They dug a deep hole, but there were only stones.",
            '"There is nothing here," said {friend}, but {name} dug on.',
        ),
        step(
            "Then the spade hit a box.",
            "Then {name} heard a sound. There was a box in the ground.",
            vivid=(
                "But suddenly the spade rang like a bell. There was a {w1} box in the ground!",
                "Then, to their surprise, a {w1} light came out of the hole.",
            ),
        ),
        step(
            "In the box was a {v2}{thing}.",
            'In it lay a {thing} and a letter: "For the one who does not give up."',
            "In it there were {number} old coins and a {thing}.",
        ),
        step(
            "{name} kept the {thing}, and {friend} kept the map.",
            "They gave the box to the museum, and everybody came to see it.",
            "They shared it all and went home {glad}.",
        ),
    ),
)

PLOTS = (LOST_THING, LOST_PET, BROKEN_THING, WRONG_LETTER, SWAPS, MAP)
