"""The words of the little world, in pools by role: what fills names, towns, foods and so on in every text.

Each `Pool` has `.all` (documents), `.train` (training instructions) and `.held_out` (held-out instructions; about 15%
of the large pools). A held-out word occurs in documents like any other, so that a model can learn what it means; no
training instruction is about it. What fits no pool (articles, connectives) stands in the texts of the document modules.
"""

from __future__ import annotations

from trivium.world.lexicon_people import (
    EITHER,
    HOBBIES,
    JOBS,
    MEN,
    NAMES,
    PET_NAMES,
    RIVERS,
    TOWNS,
    WOMEN,
    WORK,
    WORKPLACES,
)
from trivium.world.lexicon_pool import Pool, pool
from trivium.world.lexicon_things import (
    ANIMALS,
    CLOTHES,
    COLOURS,
    DRINKS,
    FOODS,
    FURNITURE,
    INSTRUMENTS,
    IRREGULAR_PLURALS,
    KIND_PHRASES,
    KINDS,
    MASS,
    MEALS,
    PETS,
    PLACES,
    PLANTS,
    PREPOSITIONS,
    ROOMS,
    THINGS,
    TOOLS,
    TOYS,
    VEHICLES,
)
from trivium.world.lexicon_words import (
    BLAME,
    DAYS,
    DEEDS_ANIMAL,
    DEEDS_THING,
    DOUBLING,
    FEELINGS,
    FEELINGS_BAD,
    FEELINGS_GOOD,
    IRREGULAR_VERBS,
    MIDDLING,
    MONTHS,
    NUMBERS,
    OPPOSITES,
    ORDINALS,
    PRAISE,
    QUALITIES,
    REGULAR_VERBS,
    SEASONS,
    SIZES,
    TRAITS,
    VIVID,
    WEATHER,
)

__all__ = [
    "ANIMALS", "BLAME", "CLOTHES", "COLOURS", "DAYS", "DEEDS_ANIMAL", "DEEDS_THING", "DOUBLING", "DRINKS", "EITHER",
    "FEELINGS", "FEELINGS_BAD", "FEELINGS_GOOD", "FOODS", "FURNITURE", "HOBBIES", "INSTRUMENTS", "IRREGULAR_PLURALS",
    "IRREGULAR_VERBS", "JOBS", "KINDS", "KIND_PHRASES", "MASS", "MEALS", "MEN", "MIDDLING", "MONTHS", "NAMES",
    "NUMBERS", "OPPOSITES", "ORDINALS", "PETS", "PET_NAMES", "PLACES", "PLANTS", "PRAISE", "PREPOSITIONS", "QUALITIES",
    "REGULAR_VERBS", "RIVERS", "ROOMS", "SEASONS", "SIZES", "THINGS", "TOOLS", "TOWNS", "TOYS", "TRAITS", "VEHICLES",
    "VIVID", "WEATHER", "WOMEN", "WORK", "WORKPLACES", "Pool", "pool",
]  # fmt: skip
