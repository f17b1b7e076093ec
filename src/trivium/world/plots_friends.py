"""Plots about what people are to each other: gifts, illness, quarrels, being new, being late, the truth about a wolf."""

from __future__ import annotations

from trivium.world.plots import Plot, step

GIFT = Plot(
    "gift",
    (
        step(
            "{friend} had a birthday on {day}.",
            "It was almost the birthday of {friend}.",
            '"On {day} it is my birthday," {friend} said. "Will you come?"',
        ),
        step(
            "{name} wanted to give {fhim} a {thing}, but {he} had no coins.",
            "{name} wanted to buy {fhim} a {v1}{thing}. It cost {number} coins, and that was too much.",
            "{name} wanted to give {fhim} a {thing}, but {he} had no money.",
        ),
        step(
            "So {he} worked {at_place} for a whole week.",
            "So {he} helped {third} in the garden.",
            "{He} asked {third} for work, and {third} let {him} clean the {room}.",
        ),
        step(
            "{third} was pleased and gave {him} {number} coins.",
            "For that {he} got {number} coins from {third}.",
            '"You worked well," said {third}. "Here are {number} coins."',
        ),
        step(
            "{He} ran to the shop, but the {thing} was gone.",
            "But at the shop somebody else had bought the {thing}.",
            '"I have sold the {thing}," said the shopkeeper.',
        ),
        step(
            "So {he} made a {thing2} with {his} own hands.",
            "So {he} baked a {v2}cake and wrote a letter.",
            "So {he} painted a {v2}picture of {friend}.",
            vivid=(
                "But then {he} had a {w1} idea. {He} made {friend} a {w2} lantern with {his} own hands.",
                "Suddenly {he} knew: {he} would sing a {w1} song under the {w2} stars.",
            ),
        ),
        step(
            '"It is the best present of all," said {friend}.',
            "{friend} liked it more than anything that comes from a shop.",
            '"You made this for me?" asked {friend} and was {glad}.',
        ),
        step(
            "", "They ate cake and danced until the evening.", "{name} went home {glad}.", "That was a good birthday."
        ),
    ),
)

ILL = Plot(
    "ill",
    (
        step(
            "On {day} {friend} did not come to the {place}.",
            "For two days nobody had seen {friend}.",
            '"Where is {friend}?" {name} asked {third}. "{FHe} is ill," said {third}.',
        ),
        step(
            "{friend} was ill and had to stay in bed.",
            "{friend} lay in bed and could not eat.",
            "{name} knocked at the {colour} door. {friend} was in bed and had a cold.",
        ),
        step(
            "So {name} cooked {a_meal} for {fhim}.",
            '"I will make {a_meal}," said {name}.',
            "{name} went to the market and bought all that one needs for {a_meal}.",
        ),
        step(
            "But on the way it began to rain, and {he} got wet.",
            "But the pot was heavy, and the way was long.",
            "But a {animal} stood in {his} way and did not move.",
        ),
        step(
            "{He} walked on and held the pot with both hands.",
            "{third} helped {him} to carry it.",
            "{He} waited until the way was free, and then {he} ran.",
        ),
        step(
            "{friend} ate it all and smiled again.",
            "{friend} ate, and soon {fhe} felt better.",
            '"It is warm and good," said {friend} and ate every bite.',
            vivid=(
                "{friend} ate one {w1} bite, and suddenly {fhis} face was {w2} again.",
                "But then the {w1} smell filled the room, and {friend} sat up with {w2} eyes.",
            ),
        ),
        step(
            "On {day2} {fhe} was well again.",
            "Two days later {friend} could get up and play.",
            'The doctor came and said, "The {meal} has helped more than I can."',
        ),
        step(
            "",
            '"Next time I will cook for you," said {friend}.',
            "{name} was {glad}.",
            "So a good friend is a good doctor.",
        ),
    ),
)

QUARREL = Plot(
    "quarrel",
    (
        step(
            "{name} and {friend} both wanted the same {colour} {thing}.",
            "There was one {thing}, but there were two who wanted it: {name} and {friend}.",
            "{name} had a {colour} {thing}, and {friend} wanted it too.",
        ),
        step(
            '"It is mine!" said {name}. "No, mine!" said {friend}.',
            "They pulled at it from both sides.",
            '"Give it to me!" cried {friend}.',
        ),
        step(
            "They were so angry that they did not speak for {number} days.",
            "{friend} ran home and closed the door.",
            "{name} took the {thing} and went away without a word.",
        ),
        step(
            "But it was no fun to be alone with the {thing}.",
            "{name} sat alone in the {room} and was {sad}.",
            "Alone {name} did not know what to do with a {thing}.",
        ),
        step(
            '"You can share it," said {third}.',
            '{third} saw it and asked, "What is more to you, a {thing} or a friend?"',
            "So {name} went to {friend} and knocked at the door.",
            vivid=(
                "But that night a {w1} dream came to {name}, and in it the {thing} began to cry.",
                "Then, to {his} surprise, {friend} stood at the door with a {w1} flower.",
            ),
        ),
        step(
            '"I am sorry," said {name}. "I am sorry too," said {friend}.',
            '"You can have it today," said {name}. "And you tomorrow," said {friend}.',
            "{name} gave {friend} the {thing}, and {friend} gave {name} a {thing2}.",
        ),
        step(
            "From then on the {thing} was for both of them.",
            "They put the {thing} on the table between them and laughed.",
            "After that they always shared the {thing}.",
        ),
    ),
)

NEW_IN_TOWN = Plot(
    "new_in_town",
    (
        step(
            "{name} was new in {town2}. {He} came from {town} and knew nobody.",
            "In {season} {name} moved from {town} to {town2}.",
            "{name} left {town} and went to live in {town2}, in a {colour} house.",
        ),
        step(
            "The first days were long, and {he} was lonely.",
            "{He} was {sad}, because all {his} friends were in {town}.",
            "Nobody said hello, and the streets were {v1}strange.",
        ),
        step(
            "On {day} {he} went to the {place} with {his} {thing}.",
            "On {day} {he} sat on a bench {at_place}.",
            "{He} took {his} {pet} {pname} and walked to the {place}.",
        ),
        step(
            "There was {friend}, who was alone too.",
            "{friend} was there and was looking for a {thing2}.",
            "There {he} saw {friend}, who could not open the heavy gate.",
            vivid=(
                "But then a {w1} ball flew through the air and fell at {his} feet. It was {friend}'s.",
                "Suddenly {he} heard a {w1} song. It was {friend}, who was singing to the {w2} {animal}.",
            ),
        ),
        step(
            '"Can I help you?" asked {name}.',
            '"Hello, I am {name}," {he} said.',
            '"Who are you?" asked {friend}. "I am {name}."',
        ),
        step(
            "They talked about {town} and about {town2}, and soon they laughed.",
            "They found out that both of them liked {hobby}.",
            '"Do you like {hobby}?" asked {friend}. "I love it," said {name}.',
        ),
        step(
            "{friend} showed {him} the mill, the market and the best shop in {town2}.",
            "They shared {foods} and told each other stories.",
            '"Come to my house tomorrow," said {friend}.',
        ),
        step(
            "Now {name} had a friend in {town2}.",
            "From that day on {town2} was home.",
            'That evening {name} wrote home: "I have found a friend."',
        ),
    ),
)

LATE = Plot(
    "late",
    (
        step(
            "{name} had to be in {town2} at {number} o'clock, because {friend} was waiting there.",
            "On {day} {he} wanted to visit {friend} in {town2}.",
            "{friend} had asked {him} to come to {town2} on {day}.",
        ),
        step(
            "But {he} slept too long, and the {vehicle} went without {him}.",
            "But {he} forgot {his} {thing} and had to go back, and so {he} missed the {vehicle}.",
            "When {he} came to the station, the {vehicle} was gone.",
        ),
        step(
            '"Then I will walk," {he} said.',
            "There was no other {vehicle}, so {he} walked.",
            "{He} was {sad} for a moment, and then {he} began to walk.",
        ),
        step(
            'On the way {he} met {third} with a {cart}. "Get in," {third} said.',
            "On the way {he} helped {third} to carry a box, and {third} took {him} along in a {cart}.",
            "It began to snow, and soon {he} was cold and wet.",
            vivid=(
                "The fields were {w1}, and a {w2} {animal} walked with {him} for a while.",
                "But then {third} came out of the {w1} fog with a {w2} {cart}.",
            ),
        ),
        step(
            "It was almost dark when {he} came to {town2}.",
            "{He} came to {town2} two hours late.",
            "At last {he} saw the lights of {v1}{town2}.",
        ),
        step(
            "But {friend} was late too! {FHe} came one minute after {him}.",
            '{friend} was still there. "I knew that you would come," {fhe} said.',
            '"You are late," said {friend}, "but the {meal} is still warm."',
        ),
        step(
            "They laughed and ate {foods}.",
            "They sat by the fire, and {name} told {fhim} everything.",
            "They were {glad} and talked until late at night.",
        ),
    ),
)

TRUTH = Plot(
    "truth",
    (
        step(
            "{name} liked to make jokes.",
            "{name} often said things that were not true.",
            "{name} was bored, and so {he} made a plan.",
        ),
        step(
            '"Help, a {wild} is in the {room}!" {he} cried on {day}.',
            'On {day} {he} ran to the {place} and cried, "A {wild}! A {wild}!"',
            '"There is a {wild} behind your house!" {he} told everybody.',
        ),
        step(
            "{friend} and {third} came running, but there was no {wild}.",
            "Everybody ran out of the houses. There was nothing to see.",
            "{friend} came with a broom, and {third} came with a spade. There was no {wild}.",
        ),
        step("{name} laughed.", '"It was only a joke," said {name}.', "{name} laughed, but {friend} did not."),
        step(
            "Two days later a real {wild} came.",
            "But on {day2} there really was a {wild}.",
            vivid=(
                "But on {day2} two {w1} eyes looked through the window. It was a real {wild}!",
                "Suddenly, on a {w1} night, a real {wild} stood there, {w2} and big.",
            ),
        ),
        step(
            '"Help, a {wild}!" cried {name}, but nobody came.',
            '{name} called for help. "It is a joke again," said {third} and stayed at home.',
            "This time {name} cried and cried, but all doors stayed closed.",
        ),
        step(
            "Only {friend} came in the end, and they made a loud noise with pots until the {wild} ran away.",
            "{name} climbed a tree and sat there until the {wild} was gone.",
            "{name} had to hide in the {room2} for {number} hours.",
        ),
        step(
            "After that {name} always told the truth.",
            '"I will never say what is not true," {name} told {friend}.',
            "Who says what is not true is not heard when it is true.",
        ),
    ),
)

STORM = Plot(
    "storm",
    (
        step(
            "One night there was a big storm in {town}.",
            "On {day} a storm came over {town}.",
            "It was {season}, and the wind was strong that night.",
            vivid=(
                "One {w1} night a {w2} storm came over {town}.",
                "The wind was {w1}, and the sky over {town} was {w2}.",
            ),
        ),
        step(
            "It took the roof of {his} {colour} house.",
            "A tree fell on {his} {colour} house.",
            "It broke the windows of {his} house, and it rained into the {room}.",
        ),
        step(
            "{name} and {his} {pet} {pname} were wet and cold.",
            "The {thing} was wet, the bed was wet, and {name} was {sad}.",
            "{He} took the {pet} {pname} and ran out into the street.",
        ),
        step(
            '"Come to us," said {friend} and opened the door.',
            "{friend} saw the light and came to help.",
            "{He} knocked at the door of {friend}, and {friend} let {him} in.",
        ),
        step(
            "In the morning {friend} brought a hammer, and {third} brought a ladder.",
            "The next day everybody came: {friend} with wood, {third} with a ladder.",
            "{third} called all the neighbours together.",
        ),
        step(
            "They worked for {number} days, and {name} cooked {a_meal} for everybody.",
            "They worked and sang until the roof was new.",
            "It was hard work, but nobody went home.",
        ),
        step(
            "Then the house was better than before.",
            "In the end they painted the house {colour2}.",
            "But then, under the old floor, they found a {v1}{thing2}.",
            vivid=("But then came the surprise: under the old floor lay a {w1} box with a {w2} {thing2}.",),
        ),
        step(
            "{name} thanked them all.",
            '"What would I do without you?" said {name}.',
            "{name} slept well that night, warm and dry.",
        ),
    ),
)

PLOTS = (GIFT, ILL, QUARREL, NEW_IN_TOWN, LATE, TRUTH, STORM)
