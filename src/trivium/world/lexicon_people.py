"""Names of people, pets, towns and rivers, and what people are and do: jobs and hobbies.

First names come from many cultures. A name of `EITHER` belongs to a woman in one world and to a man in another.
Towns, rivers and pets are invented. What a word means is left to the other lexicon files.
"""

from __future__ import annotations

from trivium.world.lexicon_pool import pool

WOMEN = pool(
    "women",
    """Ann Emma Clara Nora Hanna Ingrid Freya Sofia Elena Irina Zofia Marta Carmen Ines Giulia Amina Fatima Leila
    Yasmin Salma Nadia Aisha Priya Anjali Meera Mei Ling Yuki Aiko Minji Linh Amara Zuri Nia Thandi Abena Moana Ximena
    Rosa Esther Miriam Lucy""",
    "Olga Zahra Sakura Wanjiru Bianca Lakshmi Tala Beatriz",
)
MEN = pool(
    "men",
    """Tom Ben Jack Oscar Hugo Lars Erik Sven Ivan Boris Pavel Piotr Marco Luca Paolo Diego Carlos Mateo Omar Karim
    Hassan Yusuf Tariq Samir Arjun Ravi Vikram Wei Kenji Hiroshi Minho Duc Kofi Kwame Chidi Jabari Sipho Tane Pablo
    David Jonas Felix""",
    "Anton Farid Sanjay Takeshi Emeka Pedro Tunde Milan",
)
EITHER = pool(
    "either", "Sam Robin Alex Kim Noor Jun Kai Sasha Dana Charlie Nico Akira Kiran Morgan", "Ariel Remy Quinn"
)
NAMES = WOMEN + MEN + EITHER

PET_NAMES = pool(
    "pet_names",
    """Milo Luna Rex Bella Fido Coco Ziggy Toto Bobo Mimi Pip Kiki Momo Nemo Lola Gigi Tiko Zaza Bruno Taffy Pepper
    Ginger Button Shadow Snowy Rusty Patch Dusty""",
    "Fluffy Lucky Tiggy Nono Koko",
)

TOWNS = pool(
    "towns",
    """Velby Oakmere Dunholt Larkfen Brimsey Pellow Arvik Norwick Tamsel Corvo Lindal Mirano Sorba Kestro Havenor Galdor
    Roskan Bellune Zelmo Ombra Pirek Ustal Falmer Grenby Hartow Ivoria Jolben Kirrow Lomas Merrin Nestra Orlan Pinsel
    Rindle Torrin Vardo Wexley Xanto Yelden Zarin Bexum Dovrin Esker Fennick Gorsey Hollin Ilmar Jostel Kolva Lubren
    Morvan""",
    "Nollen Ostra Pruden Rastow Silven Tulma Umbrel Salvor Elmby",
)
RIVERS = pool("rivers", "Linn Ruva Osel Tarna Mirrow Vellin Dray Ebra Kora Sulm")

JOBS = pool(
    "jobs",
    """baker teacher doctor farmer nurse driver cook painter singer writer builder tailor gardener pilot sailor fisher
    barber judge lawyer engineer dentist librarian carpenter plumber potter dancer actor musician photographer mechanic
    scientist guard clown shepherd""",
    "weaver miner firefighter florist miller vet",
)
# The thing that each job makes, gives or works with, as the end of "A JOB ...".
WORK = {
    "baker": "bakes bread and cakes",
    "teacher": "helps pupils to learn",
    "doctor": "helps sick people",
    "farmer": "grows food in the fields",
    "nurse": "takes care of sick people",
    "driver": "drives a bus",
    "cook": "makes meals in a kitchen",
    "painter": "paints walls and pictures",
    "singer": "sings songs for people",
    "writer": "writes books",
    "builder": "builds houses",
    "tailor": "makes coats and shirts",
    "gardener": "grows flowers",
    "pilot": "flies a plane",
    "sailor": "works on a ship",
    "fisher": "catches fish",
    "barber": "cuts hair",
    "judge": "says what is right and what is wrong",
    "lawyer": "knows the law",
    "engineer": "builds bridges and machines",
    "dentist": "takes care of teeth",
    "librarian": "takes care of books",
    "carpenter": "makes tables and chairs",
    "plumber": "mends pipes",
    "potter": "makes cups and bowls",
    "dancer": "dances for people",
    "actor": "plays in the theatre",
    "musician": "plays music",
    "photographer": "takes photos",
    "mechanic": "mends cars",
    "scientist": "looks for new knowledge",
    "guard": "keeps a place safe",
    "clown": "makes people laugh",
    "shepherd": "looks after sheep",
    "weaver": "makes cloth",
    "miner": "works under the ground",
    "firefighter": "puts out fires",
    "florist": "sells flowers",
    "miller": "makes flour",
    "vet": "helps sick animals",
}
WORKPLACES = {
    "baker": "bakery", "teacher": "school", "doctor": "hospital", "farmer": "farm", "nurse": "hospital",
    "driver": "station", "cook": "kitchen", "painter": "workshop", "singer": "theatre", "writer": "library",
    "builder": "workshop", "tailor": "shop", "gardener": "park", "pilot": "airport", "sailor": "harbour",
    "fisher": "harbour", "barber": "shop", "judge": "town hall", "lawyer": "town hall", "engineer": "workshop",
    "dentist": "hospital", "librarian": "library", "carpenter": "workshop", "plumber": "workshop", "potter": "workshop",
    "dancer": "theatre", "actor": "theatre", "musician": "theatre", "photographer": "shop", "mechanic": "garage",
    "scientist": "museum", "guard": "museum", "clown": "circus", "shepherd": "farm", "weaver": "workshop",
    "miner": "mine", "firefighter": "fire station", "florist": "shop", "miller": "mill", "vet": "farm",
}  # fmt: skip
HOBBIES = pool(
    "hobbies",
    "painting singing dancing swimming fishing cooking reading chess football gardening running climbing sailing "
    "drawing skating",
    "sewing cycling knitting",
)
