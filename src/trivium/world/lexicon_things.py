"""Nouns by kind: animals, foods, tools, plants, clothes, instruments, vehicles, furniture, toys, things, places.

`KINDS` maps the name of a kind to its pool; no noun is of two kinds. Nouns stand in the singular; `IRREGULAR_PLURALS`
and `MASS` say what cannot be told from the spelling.
"""

from __future__ import annotations

from trivium.world.lexicon_pool import Pool, pool, words

ANIMALS = pool(
    "animals",
    """dog cat rabbit horse cow pig goat sheep hen duck goose fox wolf bear deer mouse squirrel owl crow eagle swan
    parrot turtle frog snake bee ant butterfly spider whale dolphin lion tiger elephant monkey donkey pony hamster""",
    "camel hedgehog otter snail crab penguin seal",
)
PETS = pool("pets", "dog cat rabbit goat hen duck parrot turtle pony mouse hamster goose frog", "hedgehog snail")

FOODS = pool(
    "foods",
    """apple pear plum cherry lemon banana peach melon grape carrot potato tomato onion bean pea mushroom egg pie cake
    pancake sandwich sausage dumpling biscuit bread butter cheese soup rice honey jam salad porridge stew pasta""",
    "mango tart olive waffle curry chocolate fig",
)
MEALS = pool("meals", "pie cake pancake sandwich sausage dumpling soup salad porridge stew pasta", "tart waffle curry")
DRINKS = pool("drinks", "tea coffee milk water juice lemonade", "cocoa")

TOOLS = pool(
    "tools",
    "hammer spade rake axe brush ladder knife drill needle shovel broom chisel ruler screwdriver mallet wrench",
    "trowel sickle hoe",
)
PLANTS = pool(
    "plants",
    "rose tulip daisy lily oak pine birch willow fern cactus thistle maple poppy palm cedar nettle",
    "orchid sunflower elm",
)
CLOTHES = pool(
    "clothes",
    "hat coat scarf shirt sock shoe boot glove cap dress sweater belt jacket skirt apron",
    "vest slipper cloak",
)
INSTRUMENTS = pool("instruments", "drum flute violin guitar piano trumpet harp horn", "banjo cello")
VEHICLES = pool("vehicles", "car bus train boat ship bike cart truck plane", "sledge tram")
FURNITURE = pool("furniture", "table chair bed desk shelf sofa stool bench cupboard", "cradle wardrobe")
TOYS = pool("toys", "ball kite doll puzzle puppet balloon", "rattle marble")

KINDS: dict[str, Pool] = {
    "animal": ANIMALS,
    "food": FOODS,
    "tool": TOOLS,
    "plant": PLANTS,
    "clothes": CLOTHES,
    "instrument": INSTRUMENTS,
    "vehicle": VEHICLES,
    "furniture": FURNITURE,
    "toy": TOYS,
}
# "a hat is a piece of clothing" while "a dog is an animal".
KIND_PHRASES = {
    "animal": "an animal",
    "food": "a food",
    "tool": "a tool",
    "plant": "a plant",
    "clothes": "a piece of clothing",
    "instrument": "an instrument",
    "vehicle": "a vehicle",
    "furniture": "a piece of furniture",
    "toy": "a toy",
}

# What a hand can carry, find, lose, hide, give and get.
THINGS = pool(
    "things",
    """book letter map key coin ring umbrella candle ticket blanket pillow towel pen pencil lantern parcel flag stone
    shell feather picture box bag basket jar bottle cup bowl plate pot clock lamp mirror kettle ball kite doll puzzle
    drum flute hammer brush broom hat scarf cap""",
    "purse notebook vase whistle compass spoon marble telescope",
)

# Where in and around a house a thing can be: "in the ...".
ROOMS = pool("rooms", "kitchen garden attic cellar hall bathroom bedroom garage shed barn", "pantry stable")
# Where in a town a person can go: "to the ...".
PLACES = pool(
    "places",
    """park market school library museum station harbour bridge hospital theatre bakery mill castle tower square lake
    beach forest river hill cave farm inn zoo""",
    "workshop orchard lighthouse windmill",
)

# The preposition of being there, where it is not "at the ...".
PREPOSITIONS = {
    "park": "in", "castle": "in", "tower": "in", "square": "on", "lake": "by", "beach": "on", "forest": "in",
    "river": "by", "hill": "on", "cave": "in", "farm": "on", "orchard": "in", "bridge": "on",
}  # fmt: skip

COLOURS = pool("colours", "red blue green yellow white black brown grey pink orange", "purple silver")

IRREGULAR_PLURALS = {
    "sheep": "sheep", "goose": "geese", "wolf": "wolves", "deer": "deer", "mouse": "mice", "fish": "fish",
    "mango": "mangoes", "potato": "potatoes", "tomato": "tomatoes", "knife": "knives", "shelf": "shelves", "scarf": "scarves",
    "child": "children", "man": "men", "woman": "women", "person": "people", "foot": "feet", "tooth": "teeth",
    "leaf": "leaves", "loaf": "loaves", "cactus": "cactuses", "piece of clothing": "clothes",
    "piece of furniture": "pieces of furniture",
}  # fmt: skip
MASS = frozenset(
    words(
        """bread butter cheese soup rice honey jam salad porridge stew pasta curry chocolate tea coffee milk water juice
        lemonade cocoa clothes furniture rain snow wind sand wood wool music"""
    )
)
