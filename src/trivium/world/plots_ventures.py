"""Plots about trying something: baking, racing, learning to play or to swim, going into the dark."""

from __future__ import annotations

from trivium.world.plots import Plot, step

BAKING = Plot(
    "baking",
    (
        step(
            "{name} wanted to bake a cake for {friend}.",
            "On {day} {friend} was coming to visit, so {name} wanted to bake something.",
            '"I will bake a {v1}cake," said {name}.',
        ),
        step(
            "{He} took butter, eggs and milk.",
            "{He} needed {number} eggs, butter and honey.",
            "{He} put everything on the table: eggs, milk, butter and honey.",
        ),
        step(
            "Then {he} put the cake into the oven and sat down with a book.",
            "Then {he} waited, and while {he} waited, {he} played with {his} {pet}.",
            "The cake was in the oven, and {name} went to the {room}.",
        ),
        step(
            "But {he} forgot the time, and the cake was black.",
            "But {he} fell asleep, and the cake burned.",
            "But the {pet} {pname} jumped on the table and ate the cake.",
            vivid=(
                "But suddenly a {w1} smell came from the kitchen. The cake was as black as the night!",
                "But then {he} heard a {w1} noise: {pname} the {pet} was sitting in the cake.",
            ),
        ),
        step(
            "{name} was {sad}. There were no more eggs.",
            '"What shall I do now?" {he} said.',
            "{name} wanted to cry.",
        ),
        step(
            "Then {friend} came in with {foods} and {drink}.",
            "{third} heard it and brought {foods}.",
            'At the door stood {friend}. "I have brought {foods}," {fhe} said.',
        ),
        step(
            "So they ate {foods} and drank {drink}.",
            "They laughed about the cake and ate the {foods}.",
            "They made a new dinner out of {foods}, and it was good.",
        ),
        step(
            '"Next time I will watch the oven," said {name}.',
            "And the black cake? The hens got it.",
            "It was better than any cake.",
        ),
    ),
)


MUSIC = Plot(
    "music",
    (
        step(
            "{name} heard somebody play the {instrument} and wanted to play too.",
            "{name} wanted to learn to play the {instrument}.",
            "For {his} birthday {name} got a {v1}{instrument}.",
        ),
        step(
            "At first it was terrible. The {pet} {pname} ran away.",
            "But it was not easy. Everybody held their ears.",
            '"Stop it, please!" cried {third} from the next house.',
        ),
        step(
            "{friend} showed {him} where to put the fingers.",
            '"Play slowly," said {friend}. "Then it will be good."',
            "So {he} went to the {place} and played where nobody could hear it.",
        ),
        step(
            "Every evening {he} played the same song, again and again.",
            "{He} played in the morning, {he} played at noon, and {he} played at night.",
            "{Number} weeks went by, and it was still hard.",
        ),
        step(
            "On {day} there was a party in {town}, but the musician was ill.",
            "Then the musician of the theatre lost the way, and everybody was waiting.",
            vivid=(
                "Then came a {w1} evening. The theatre was full, but suddenly the musician was gone.",
                "But on a {w1} night all the lights went out, and {w2} children began to cry.",
            ),
        ),
        step(
            '"{name} can play!" said {friend}.',
            "Then {name} stood up with the {instrument}.",
            "{name} was afraid, but {he} took the {instrument}.",
        ),
        step(
            "{He} played, and it was {v2}beautiful.",
            "{He} played the one song that {he} knew, and everybody sang.",
            "{He} closed {his} eyes and played.",
        ),
        step(
            "Even {third} clapped.",
            "After that nobody held their ears again.",
            '"Play it once more!" cried {third}.',
            "{name} was {glad} that {he} had not given up.",
        ),
    ),
)


DARK = Plot(
    "dark",
    (
        step(
            "At night {name} heard a sound from the {room}.",
            "It was night, and something was moving in the {room}.",
            "{name} woke up. There was a noise in the {room}.",
            vivid=("In a {w1} night {name} heard a {w2} sound from the {room}.",),
        ),
        step(
            "{He} was afraid and hid under the blanket.",
            "{He} lay in bed and did not move.",
            '"Who is there?" {he} asked. Nobody answered.',
        ),
        step(
            "Again there was the sound.",
            "Then the sound came a second time.",
            "It went knock, knock, knock.",
        ),
        step(
            "{He} called {friend}, and {friend} came with a lantern.",
            "{He} woke {friend}, who slept in the next room.",
            '"I am not afraid," said {friend}. "We will go together."',
        ),
        step(
            "Slowly they opened the door of the {room}.",
            "With a lantern in one hand and a {thing} in the other {name} went to the {room}.",
            "Hand in hand they went to the {room}. It was dark.",
        ),
        step(
            "There sat a {animal} and looked at them.",
            "It was only {pname}, the {pet}, who was playing with a {thing2}.",
            "It was only the wind, which moved the open window.",
            vivid=(
                "But then two {w1} eyes looked at them. It was a {w2} owl with three small children!",
                "Suddenly something {w1} flew over their heads. It was only a {w2} butterfly.",
            ),
        ),
        step(
            "They laughed until the morning.",
            '"And for that I was afraid," said {name} and laughed.',
            "{friend} laughed, and then {name} laughed too.",
        ),
        step(
            "After that {name} was not afraid of the dark any more.",
            "They closed the window, went back to bed and slept well.",
            "The next night {name} slept like a stone.",
        ),
    ),
)


RACE = Plot(
    "race",
    (
        step(
            "There was a race in {town} on {day}.",
            "Every {season} the people of {town} run a race from the bridge to the {place}.",
            "{name} wanted to win the race of {town}.",
        ),
        step(
            "{name} was slow, so {he} ran every morning.",
            "{He} had never won, but this time {he} wanted to be first.",
            "For {number} weeks {he} ran to the {place} and back.",
        ),
        step(
            "On the day of the race {name}, {friend} and {third} stood at the start.",
            "Then the day came. {third} was the fastest of all, everybody said.",
            "The bell rang, and everybody ran.",
        ),
        step(
            "At first {third} was first, {name} was second and {friend} was last.",
            "{name} ran fast, and soon {he} was before all the others.",
            "After the bridge only {third} was in front of {him}.",
        ),
        step(
            "Then {friend} fell and could not get up.",
            "But near the {place} {friend} fell and cried out.",
            vivid=(
                "But suddenly there was a {w1} cry. {friend} had fallen into the {w2} river!",
                "Then, in the {w1} dust, {he} saw {friend} on the ground.",
            ),
        ),
        step(
            "{name} stopped and went back.",
            "{name} did not think about the race any more and ran back.",
            '"Give me your hand," said {name}.',
        ),
        step(
            "Together they walked to the end, and they came last.",
            "{third} won the race, and {name} and {friend} came last, hand in hand.",
            "{He} carried {friend} the rest of the way.",
        ),
        step(
            "But everybody clapped for {name} more than for {third}.",
            '{third} came and gave {name} the prize. "It is yours," {third} said.',
            "{friend} never forgot it.",
            "{name} had lost the race, but {he} was {glad}.",
        ),
    ),
)


TEACHING = Plot(
    "teaching",
    (
        step(
            "{name} could not swim.",
            "{friend} could swim like a fish, but {name} could not.",
            "All {his} friends went to the lake, but {name} stayed on the grass.",
        ),
        step(
            "{He} was afraid of the water.",
            '"The water is too deep," {he} always said.',
            "{He} said that {he} was tired, but that was not true.",
        ),
        step(
            '"I will teach you," said {friend} on {day}.',
            '{friend} saw it and said, "I was afraid too, once."',
            "One {season} day {friend} took {him} by the hand.",
        ),
        step(
            "First they only stood in the water.",
            "First {name} put in one foot, and then the other.",
            "They began where the water was low and warm.",
            vivid=("The lake was {w1}, and {w2} light danced on the water.",),
        ),
        step(
            "{name} fell in and drank a lot of water.",
            "{name} went under and came up again, wet and angry.",
            '"I cannot do it!" cried {name}.',
        ),
        step(
            '"Once more," said {friend}.',
            "{He} tried it again the next day, and the day after that.",
            "{friend} held {him}, and {name} moved {his} arms.",
        ),
        step(
            "Then {friend} let go, and {name} did not go under.",
            "On {day2} {he} swam from one stone to the next.",
            vivid=("But suddenly {friend}'s hands were gone, and {name} swam through the {w1} water alone!",),
        ),
        step(
            '"I can swim!" cried {name}.',
            "Now it was {name} who did not want to go home.",
            "In the evening they sat in the sun, {glad} and wet.",
        ),
    ),
)

PLOTS = (BAKING, MUSIC, DARK, RACE, TEACHING)
