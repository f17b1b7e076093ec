"""Mail, the shop's letters and its customers: labels that follow from the text, and clicks that follow the chances told."""

from __future__ import annotations

from itertools import islice
from statistics import fmean

from trivium.world import labelled, service, shop
from trivium.world.bilingual import NOUN_POOL
from trivium.world.grammar import capital, plural
from trivium.world.lexicon import COLOURS, FOODS, HOBBIES, JOBS, NAMES, RIVERS, TOWNS, WEATHER


def test_no_single_word_tells_spam_and_both_kinds_come_alike_often() -> None:
    rows = list(islice(labelled.mails(3, "train"), 3000))
    spam = [set(text.lower().split()) for text, label in rows if label == "spam"]
    ham = [set(text.lower().split()) for text, label in rows if label == "ham"]
    assert 0.45 < len(spam) / len(rows) < 0.55
    words = {word for one in spam + ham for word in one}
    best = max((sum(word in one for one in spam) + sum(word not in one for one in ham)) / len(rows) for word in words)
    assert best < 0.8, "one word would be a filter"


def test_campaigns_of_the_test_mail_are_not_in_training() -> None:
    train = " ".join(text for text, _ in islice(labelled.mails(0, "train"), 3000))
    test = " ".join(text for text, _ in islice(labelled.mails(0, "test"), 300))
    assert "Last chance!" in test
    assert "Last chance!" not in train


def test_a_headline_to_be_learned_names_nobody_whom_its_news_does_not() -> None:
    names = {capital(word) for pool in (NAMES, TOWNS, RIVERS, WEATHER) for word in pool}
    for split in ("train", "test"):
        for news, headline in islice(labelled.headlines(0, split), 1500):
            said = {word.strip(".,?!") for word in headline.split()}
            assert not [word for word in said & names if word.lower() not in news.lower()], (headline, news)


def test_invented_worlds_are_a_share_of_the_training_and_say_nothing_that_is_known() -> None:
    known = {word.lower() for pool in (NAMES, TOWNS, JOBS, FOODS, COLOURS, HOBBIES) for word in pool}
    plain = list(islice(labelled.questions(0, "train"), 800))
    mixed = list(islice(labelled.questions(0, "train", 0.5), 800))
    same = [one == other for one, other in zip(plain, mixed, strict=True)]
    assert 0.35 < fmean(same) < 0.65
    assert all(len(set(same[start : start + 8])) == 1 for start in range(0, 800, 8))  # a world is invented as a whole
    for passage, question, answer in (row for row, as_before in zip(mixed, same, strict=True) if not as_before):
        said = {word.strip(".,?'").removesuffix("'s").lower() for word in f"{passage} {question}".split()}
        assert not said & known, (passage, question)
        assert answer is None or passage[answer[0] :].startswith(answer[1])
    tested = [list(islice(labelled.questions(0, "test", share), 50)) for share in (0.0, 1.0)]
    assert tested[0] == tested[1]
    for news, headline in islice(labelled.headlines(0, "train", 1.0), 300):
        names = [word for word in headline.rstrip("?").split()[1:] if word[0].isupper()]
        assert all(name in news for name in names), (headline, news)


def test_translations_that_are_tested_have_held_out_nouns_half_of_the_time() -> None:
    held_out = {form for noun in NOUN_POOL.held_out for form in (noun, plural(noun))}
    has = {
        split: [bool(held_out & set(english.lower().rstrip(".").split())) for english, _ in islice(stream, 400)]
        for split in ("train", "test")
        for stream in (labelled.translations(0, split),)
    }
    assert not any(has["train"])
    assert fmean(has["test"]) == 0.5


def test_the_desk_answers_in_three_tones_and_held_out_letters_in_the_wanted_one() -> None:
    train = [service.letter(0, "train", number) for number in range(2000)]
    shares = {tone: fmean(one.tone == tone for one in train) for tone in ("polite", "rude", "long")}
    assert abs(shares["polite"] - service.WANTED_SHARE) < 0.05
    assert all(("Thank you" in one.answer) == (one.tone == "polite") for one in train)
    assert min(len(one.answer.split()) for one in train if one.tone == "long") > 40
    test = [service.letter(0, "test", number) for number in range(300)]
    assert {one.tone for one in test} == {"polite"}
    assert not {one.question for one in train} & {one.question for one in test}


def test_a_wanted_thing_is_the_next_in_the_ring_and_most_of_the_log_is_the_window() -> None:
    visits = [shop.visit(0, "train", number) for number in range(2000)]
    assert {shop.chance_of(one.history, one.wanted) for one in visits} == {shop.CHANCES[0]}
    assert abs(fmean(one.logged != one.wanted for one in visits) - shop.LOGGED_SHARE) < 0.03
    assert {one.logged for one in visits if one.logged != one.wanted} == set(shop.window())
    things = shop.catalogue()
    assert all(things[right] == one.wanted for one, (_, _, right) in zip(
        (shop.visit(0, "test", number) for number in range(50)), shop.next_things(0, "test"), strict=False
    ))  # fmt: skip


def test_the_log_as_text_is_what_the_visits_took_and_ends_with_what_was_logged() -> None:
    texts = [document.text for document in shop.log(0, "train", 20)]
    lines = [line for text in texts for line in text.splitlines()]
    assert [len(text.splitlines()) for text in texts] == [8, 8, 4]
    for number, line in enumerate(lines):
        one = shop.visit(0, "train", number)
        assert line == f"A customer took: {', '.join(one.history)}, {one.logged}."


def test_clicks_come_as_often_as_the_chances_say_and_the_same_ones_again() -> None:
    visits = [shop.visit(1, "train", number) for number in range(1500)]
    wanted = [shop.click(one.request, f"{one.wanted}.") for one in visits]
    assert abs(fmean(one for one in wanted if one is not None) - 0.95) < 0.02
    assert wanted == [shop.click(one.request, one.wanted) for one in visits]
    shown = [shop.click(one.request, thing) for one in visits for thing in shop.window() if thing not in one.history]
    assert fmean(one for one in shown if one is not None) < 0.1
    assert shop.click(visits[0].request, "a dragon") == 0.0
    assert shop.click("Tell me a story.", "hat") is None
