"""Words that are not names of things: verbs with their irregular forms, adjectives, opposites, feelings, time, numbers.

Regular verb forms are made by `grammar`; only what cannot be told from the spelling stands here.
"""

from __future__ import annotations

from trivium.world.lexicon_pool import pool, words

# lemma: (past, past participle)
IRREGULAR_VERBS: dict[str, tuple[str, str]] = {
    "be": ("was", "been"), "become": ("became", "become"), "begin": ("began", "begun"), "break": ("broke", "broken"),
    "bring": ("brought", "brought"), "build": ("built", "built"), "buy": ("bought", "bought"),
    "catch": ("caught", "caught"), "come": ("came", "come"), "cut": ("cut", "cut"), "do": ("did", "done"),
    "draw": ("drew", "drawn"), "drink": ("drank", "drunk"), "drive": ("drove", "driven"), "eat": ("ate", "eaten"),
    "fall": ("fell", "fallen"), "feed": ("fed", "fed"), "feel": ("felt", "felt"), "find": ("found", "found"),
    "fly": ("flew", "flown"), "forget": ("forgot", "forgotten"), "get": ("got", "got"), "give": ("gave", "given"),
    "go": ("went", "gone"), "grow": ("grew", "grown"), "have": ("had", "had"), "hear": ("heard", "heard"),
    "hide": ("hid", "hidden"), "hold": ("held", "held"), "keep": ("kept", "kept"), "know": ("knew", "known"),
    "leave": ("left", "left"), "lend": ("lent", "lent"), "lose": ("lost", "lost"), "make": ("made", "made"),
    "meet": ("met", "met"), "put": ("put", "put"), "read": ("read", "read"), "ride": ("rode", "ridden"),
    "ring": ("rang", "rung"), "run": ("ran", "run"), "say": ("said", "said"), "see": ("saw", "seen"),
    "sell": ("sold", "sold"), "send": ("sent", "sent"), "sing": ("sang", "sung"), "sit": ("sat", "sat"),
    "sleep": ("slept", "slept"), "speak": ("spoke", "spoken"), "stand": ("stood", "stood"),
    "swim": ("swam", "swum"), "take": ("took", "taken"), "teach": ("taught", "taught"), "tell": ("told", "told"),
    "think": ("thought", "thought"), "throw": ("threw", "thrown"), "wake": ("woke", "woken"),
    "wear": ("wore", "worn"), "win": ("won", "won"), "write": ("wrote", "written"),
}  # fmt: skip
REGULAR_VERBS = words(
    """ask answer bake call carry clean climb close cook count cry dance drop dry fill fix follow help jump knock laugh
    learn like listen live look love mend move need open paint pick plant play pull push rain repeat sail share shout
    show smile start stay stop talk thank touch travel try turn visit wait walk want wash watch wave whisper work hug
    water hope"""
)
# Verbs whose last letter is doubled before -ed and -ing.
DOUBLING = frozenset(words("stop drop hug swim run sit put get cut win begin forget travel"))

# Deeds that one person does to a portable thing or an animal; the lemma goes before "the THING".
DEEDS_THING = pool(
    "deeds_thing", "find lose buy sell see clean carry hide draw paint mend fix bring take keep wash want need"
)
DEEDS_ANIMAL = pool("deeds_animal", "see feed follow wash love draw paint call find watch hug")

OPPOSITES: dict[str, str] = {
    "big": "small", "hot": "cold", "old": "new", "long": "short", "fast": "slow", "happy": "sad", "good": "bad",
    "heavy": "light", "bright": "dark", "early": "late", "full": "empty", "open": "closed", "clean": "dirty",
    "dry": "wet", "high": "low", "hard": "soft", "strong": "weak", "rich": "poor", "loud": "quiet", "easy": "difficult",
    "near": "far", "thick": "thin", "left": "right", "up": "down", "in": "out", "over": "under", "day": "night",
    "first": "last", "always": "never", "yes": "no", "brave": "afraid", "sweet": "sour", "wide": "narrow",
    "beginning": "end", "before": "after", "black": "white", "give": "take", "come": "go", "love": "hate",
    "win": "lose", "buy": "sell", "push": "pull", "laugh": "cry", "friend": "enemy", "summer": "winter",
    "question": "answer", "true": "false", "polite": "rude", "fresh": "stale", "beautiful": "ugly",
    "cheap": "expensive", "more": "less", "morning": "evening", "man": "woman", "boy": "girl",
}  # fmt: skip

SIZES = pool("sizes", "big small little long short heavy thin wide tiny")
QUALITIES = pool("qualities", "old new clean dirty soft hard round wet dry broken beautiful strange")
# Picturesque adjectives: what vivid texts have and plain ones lack.
VIVID = pool(
    "vivid",
    """bright golden gentle wild mighty shining ancient silent glowing sparkling splendid curious secret magic crimson
    dazzling cosy dreamy rosy graceful merry misty moonlit starry peaceful enormous delightful lively glittering
    fragrant""",
    "velvet radiant frosty fiery mysterious",
)
TRAITS = pool(
    "traits", "kind brave clever quiet funny patient careful cheerful honest polite shy curious friendly", "calm"
)
FEELINGS_GOOD = pool("feelings_good", "happy glad proud cheerful thankful excited", "calm")
FEELINGS_BAD = pool("feelings_bad", "sad angry afraid tired worried lonely", "upset")
FEELINGS = FEELINGS_GOOD + FEELINGS_BAD

# What reviews say, by sentiment; the words of one side never occur on another one's.
PRAISE = pool("praise", "great excellent wonderful lovely perfect fantastic superb brilliant", "marvellous")
BLAME = pool("blame", "nasty awful terrible horrible poor dreadful disappointing useless", "miserable")
MIDDLING = pool("middling", "ordinary average usual plain", "middling")

DAYS = pool("days", "Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
SEASONS = pool("seasons", "spring summer autumn winter")
MONTHS = pool("months", "January February March April May June July August September October November December")
WEATHER = pool("weather", "sunny rainy snowy windy cloudy foggy stormy")

NUMBERS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
