"""Documents that show a rule: every row follows it, and what is kept for asking is in none."""

from __future__ import annotations

import re
from itertools import combinations, islice

from trivium.world.asked import codes
from trivium.world.documents import documents, rules
from trivium.world.echoes_lists import KIND_OF
from trivium.world.lexicon import KINDS
from trivium.world.rules import SIGNS, kept

BETWEEN = f"(?:: | is | -> | = | )({'|'.join(SIGNS)})(?:$|[.,;\\n] ?)"
ROW = re.compile(r"([^.,;\n]+?)" + BETWEEN)


def test_every_row_of_a_rule_has_the_sign_that_the_rule_says() -> None:
    forms = set()
    for document in islice(rules(0, "train"), 400):
        form, signs = document.meta["form"], document.meta["signs"]
        forms.add(form)
        rows = ROW.findall(document.text)
        told = "".join(word + sign for word, sign in rows)
        assert len(rows) >= 8 and told == re.sub(BETWEEN, r"\1", document.text)  # nothing else stands there
        for word, sign in rows:
            word = word.lower()
            if form == "colour":
                assert [signs[colour] for colour in signs if colour in re.findall(r"\w+", word)] == [sign]
            else:
                assert signs[KIND_OF[word] if form == "kind" else word] == sign
    assert forms == {"kind", "colour", "book"}


def test_no_document_has_a_rule_about_kinds_that_are_kept_for_asking() -> None:
    about = [set(one.meta["signs"]) for one in islice(rules(1, "train"), 2000) if one.meta["form"] == "kind"]
    echoes = (one.text for one in islice(documents(1, "train"), 6000) if one.meta.get("form") == "code")
    about += [{KIND_OF[word] for word in re.findall(r"\w+", text.lower()) if word in KIND_OF} for text in echoes]
    assert len(about) > 1000
    assert not [kinds for kinds in about if any(kept(*pair) for pair in combinations(kinds, 2))]
    pairs = set(map(frozenset, combinations(KINDS, 2)))
    assert len({pair for kinds in about for pair in combinations(sorted(kinds), 2)}) == sum(
        not kept(*pair) for pair in pairs
    )


def test_what_is_asked_is_kept() -> None:
    for seed in range(50):
        kinds = {KIND_OF[word.lower()] for word, _ in codes(seed, "test")}
        assert len(kinds) == 2 and kept(*kinds)
