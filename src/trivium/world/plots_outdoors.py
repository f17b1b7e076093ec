"""Plots outdoors: a seed, an animal in need, rain, fog on the water."""

from __future__ import annotations

from trivium.world.plots import Plot, step

GARDEN = Plot(
    "garden",
    (
        step(
            "In spring {name} wanted to have a {v1}{plant}.",
            '{friend} gave {him} a seed. "It will be a {plant}," {friend} said.',
            "{name} had a small garden and a seed of a {plant}.",
        ),
        step(
            "{He} put the seed into the ground and gave it water.",
            "{He} took a spade, made a hole and put the seed into it.",
            "{He} put the seed into a pot on the window.",
        ),
        step(
            "Every day {he} looked, but nothing was to be seen.",
            "One week went by, and then two. Nothing grew.",
            "{He} waited and waited, but there was only brown ground.",
        ),
        step(
            '"It is dead," said {third}.',
            '"Nothing will come," said {third}. "Forget it."',
            "{name} was {sad} and wanted to stop.",
        ),
        step(
            '"Wait a little," said {friend}. "It needs time."',
            "But {he} brought water every morning all the same.",
            '{friend} said, "It needs more sun." So {name} cut the high grass.',
        ),
        step(
            "Then, on {day}, there was something small and green.",
            "One morning after the rain {he} saw a green leaf.",
            vivid=(
                "But then, on a {w1} morning, a {w2} green leaf looked out of the ground.",
                "Suddenly, after a {w1} night, something {w2} and green was there.",
            ),
        ),
        step(
            "It grew and grew, and in summer it was higher than {name}.",
            "In summer it was the most beautiful {plant} in {town}.",
            "Soon bees and butterflies came to it.",
        ),
        step(
            "{name} gave {friend} a seed of it.",
            "{third} came and looked and said nothing.",
            "{name} was proud and sat next to it every evening.",
        ),
    ),
)


RESCUE = Plot(
    "rescue",
    (
        step(
            "On the way to the {place} {name} heard a sound.",
            "On {day} {name} was walking by the river.",
            "It was a {season} morning, and {name} was on the way to the {place}.",
        ),
        step(
            "A small {animal} was in the water and could not get out.",
            "There was a {animal} high up in a tree, and it was afraid.",
            "A {v1}{animal} had fallen into a deep hole.",
        ),
        step(
            "{He} tried to reach it, but {his} arm was too short.",
            "{He} held out {his} {thing}, but it was too short.",
            "{He} called it, but the {animal} did not move.",
        ),
        step(
            '{friend} came by. "Wait," {fhe} said, "I will bring a ladder."',
            "So {he} ran to {friend}, who had a long ladder.",
            '"Quick, we need a ladder!" {name} cried, and {friend} ran home.',
        ),
        step(
            "{name} climbed on the ladder while {friend} held it.",
            "{friend} held the ladder, and {name} reached for the {animal}.",
            "Slowly, slowly {name} came near.",
        ),
        step(
            "Then {he} had the {animal} in {his} arms.",
            "The {animal} was wet and cold, but it was not hurt.",
            vivid=(
                "But then the {w1} {animal} jumped right onto {his} head, and both of them laughed.",
                "Suddenly the {w1} {animal} looked at {him} with {w2} eyes and came by itself.",
            ),
        ),
        step(
            "They gave it {drink} and let it sleep in the {room}.",
            'They took it to a vet, and the vet said, "It will be well."',
            "It ran away, but before that it looked back one more time.",
        ),
        step(
            "The next day it came back to say thank you.",
            "Later, when {name} walked there again, the {animal} was waiting.",
            "{name} and {friend} told everybody about the {animal}.",
        ),
    ),
)


RAIN = Plot(
    "rain",
    (
        step(
            "The sun was out, and {name} wanted to walk to the {place}.",
            "On {day} {name} went to the {place} without an umbrella.",
            '"Take an umbrella," said {friend}. But {name} said, "It will not rain."',
        ),
        step("The sky was blue.", "At first the weather was good.", "It was warm, and {he} sang on the way."),
        step(
            "But then clouds came, and it began to rain.",
            "But when {he} was {at_place}, it rained so hard that {he} saw nothing.",
            vivid=(
                "But suddenly the {w1} sky was black, and a {w2} rain fell.",
                "Then the {w1} wind brought {w2} clouds, and it rained and rained.",
            ),
        ),
        step(
            "Soon {he} was wet from head to foot.",
            "{His} coat was wet, {his} shoes were wet, and {he} was cold.",
            "{He} stood under a tree, but {he} got wet all the same.",
        ),
        step(
            "Then {friend} came with a big {colour} umbrella.",
            '{third} saw {him} and called, "Come in, it is dry here!"',
            "A {colour} door opened. It was the house of {friend}.",
        ),
        step(
            "They went home together under the {v1}umbrella.",
            "{He} sat by the fire until {his} clothes were dry.",
            "There was hot {drink} and a warm blanket.",
        ),
        step(
            '"Next time I will take an umbrella," said {name}.',
            "The next day {name} had a cold and stayed in bed.",
            "From then on {name} never went out without an umbrella.",
            "Then the sun came out again, and they saw a rainbow.",
        ),
    ),
)


BOAT = Plot(
    "boat",
    (
        step(
            "{name} and {friend} went out on the {river} in a small {colour} boat.",
            "On {day} {name} took a boat, because {he} wanted to catch fish.",
            "{name} had an old boat. On {day} {he} sailed out to the island with {friend}.",
        ),
        step(
            "They had bread, {drink} and a {thing} with them.",
            "The water was quiet, and {friend} sang a song.",
            "They caught {number} fish.",
        ),
        step(
            "Then fog came, and they could not see the land.",
            "Then the wind grew strong, and they lost their way.",
            vivid=(
                "But then a {w1} fog came over the {w2} water, and there was no land any more.",
                "Suddenly the {w1} wind pushed the boat far out under a {w2} sky.",
            ),
        ),
        step(
            '"Where is {town}?" asked {friend}. {name} did not know.',
            "They called for help, but nobody heard them.",
            '"Are you afraid?" asked {friend}. "A little," said {name}.',
        ),
        step(
            "On the land {third} saw that the boat had not come back.",
            "It was dark now, and they were cold.",
            "They ate their last bread and waited.",
        ),
        step(
            "{third} took a lantern, climbed the tower and moved the light up and down.",
            "Then they heard a bell. It was {third}, who was ringing it for them.",
            "Then {name} saw a light far away. {third} stood there with a {v1}lantern.",
        ),
        step(
            "They followed it and came home.",
            '"There!" cried {name}, and they sailed that way until they felt the ground.',
            "So they found the way back to {town}.",
        ),
        step(
            '"Thank you for the light," they said to {third}.',
            '{third} gave them hot {drink} and said, "Look at the sky before you sail."',
            "They gave {third} the biggest fish.",
        ),
    ),
)

PLOTS = (GARDEN, RESCUE, RAIN, BOAT)
