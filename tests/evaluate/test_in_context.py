"""Zero-shot and few-shot: the scores are what their definitions say, the draws are balanced, and bad tasks are refused."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch

from tests.evaluate.small import causal_reader, masked_reader, tokenizer
from trivium.base.errors import UserError
from trivium.base.words import Message
from trivium.evaluate.in_context import ask
from trivium.evaluate.readers import CausalReader, MaskedReader, Question
from trivium.evaluate.shots import Form, draws
from trivium.generate.openings import document_start
from trivium.task.asking import Asking
from trivium.task.declaration import Task
from trivium.task.items import Asked, Chosen, Item, Labelled, Written

WORDS = (
    "horse",
    "lamp",
    "red apple",
    "river",
    "window",
    "letter",
    "garden",
    "bread",
    "stone",
    "bird",
    "market",
    "door",
)
NAMES = ("good", "bad news")


def task_of(kind: str = "classify", **views: object) -> Task:
    told = views or {"prompt": {"template": "The {text} is", "phrasings": ["About the {text}:"]}}
    return Task.model_validate({"kind": kind, "data": {"train": "x"}, "views": told})


def labelled(number: int) -> list[Labelled]:
    return [Labelled(f"{WORDS[n % 12]} {n // 12}", labels=(NAMES[n % 2],)) for n in range(number)]


@pytest.fixture(scope="module")
def causal() -> CausalReader:
    return causal_reader(tokenizer())


@pytest.fixture(scope="module")
def masked() -> MaskedReader:
    return masked_reader(tokenizer(masked=True))


def test_the_scorings_are_what_they_say(causal: CausalReader) -> None:
    """Each worked out from one log-likelihood at a time."""
    items, task = labelled(8), task_of(prompt={"template": "The {text} is"})
    found = ask(task, NAMES, causal, [], items, Asking()).points[0].scores
    generator = causal.generator

    def total(text: str, option: str) -> tuple[float, int]:
        ids = generator.tokenizer.encode(f" {option}")
        return generator.log_likelihood(document_start(generator.tokenizer, f"The {text} is"), ids), len(ids)

    blank = [[math.exp(total(text, name)[0]) for name in NAMES] for text in ("N/A", "", "[MASK]")]
    prior = [sum(row[n] for row in blank) for n in (0, 1)]
    right: Counter[str] = Counter()
    for item in items:
        sums, sizes = zip(*(total(item.text, name) for name in NAMES), strict=True)
        told = {
            "sum": sums,
            "per_token": [one / size for one, size in zip(sums, sizes, strict=True)],
            "per_character": [one / len(name) for one, name in zip(sums, NAMES, strict=True)],
            "calibrated": [one - math.log(share / sum(prior)) for one, share in zip(sums, prior, strict=True)],
        }
        for name, scores in told.items():
            right[name] += NAMES[max((0, 1), key=lambda n: scores[n])] == item.labels[0]
    for name in ("sum", "per_token", "per_character", "calibrated"):
        assert found[name].value == right[name] / len(items), name
        assert found[name].items == len(items)


def test_in_a_conversation_an_option_is_what_the_assistant_was_taught_to_say(causal: CausalReader) -> None:
    reader, tokenizer = CausalReader(causal.generator, chat=True), causal.generator.tokenizer
    taught = tokenizer.render([Message("user", "Who was it?"), Message("assistant", "Anna")]).ids
    for option in ("Anna", " Anna"):
        assert [*reader.prompt(Question("Who was it?", ())), *reader.ids(option)] == taught[:-1]


def test_calibration_makes_an_empty_text_undecided(causal: CausalReader) -> None:
    """Of a content-free text all options are told alike, so the first one stands: nothing but the text decides."""
    task = task_of(prompt={"template": "The {text} is"})
    only = [Labelled("N/A", labels=(NAMES[0],))]
    told = causal.judge([Question("The N/A is", tuple(f" {name}" for name in NAMES))])[0]
    raw = math.exp(told[0].total) > math.exp(told[1].total)
    assert ask(task, NAMES, causal, [], only, Asking()).points[0].scores["sum"].value == float(raw)


def test_constrained_takes_the_likeliest_token_that_an_option_allows(causal: CausalReader) -> None:
    tokens = causal.generator.tokenizer
    options = ("red apple", "red bird", "lamp")
    item = Chosen("I see a", options, 1)
    task = task_of("choose", prompt={"template": "{question}"})
    told = ask(task, (), causal, [], [item], Asking()).points[0].scores["constrained"].value
    ids = [tokens.encode(f" {one}") for one in options]
    left, prompt = [0, 1, 2], document_start(tokens, "I see a")
    while len(left) > 1:
        with torch.inference_mode():
            logits = causal.generator.model.logits(causal.generator.model(torch.tensor([prompt])))[0, -1]
        place = len(prompt) - len(document_start(tokens, "I see a"))
        token = max({ids[n][place] for n in left}, key=lambda one: float(logits[one]))
        left = [n for n in left if ids[n][place] == token]
        prompt = [*prompt, token]
    assert told == float(left == [1])


def test_examples_are_balanced_seeded_and_apart_from_what_is_asked(causal: CausalReader) -> None:
    form = Form(task_of(), NAMES, "prompt")
    pool = labelled(24)
    found = list(draws(form, pool, 4, 3))
    assert len(found) == 6 and {one.phrasing for one in found} == {0, 1}
    for one in found:
        assert Counter(shot.labels[0] for shot in one.shots if isinstance(shot, Labelled)) == {NAMES[0]: 2, NAMES[1]: 2}
    assert found[:3] == list(draws(form, pool, 4, 3))[:3] and len({one.shots for one in found[:3]}) == 3
    curve = ask(task_of(), NAMES, causal, pool, pool[:6], Asking(shots=(0, 2), seeds=2))
    assert "6 training items are test items too" in " ".join(curve.notes)
    assert [len(point.draws) for point in curve.points] == [2, 4]
    assert curve.points[1].spread >= 0 and curve.chance == 0.5
    main = [row["scores"]["sum"] for row in curve.points[1].draws]
    assert curve.points[1].scores["sum"].value == pytest.approx(sum(main) / len(main))


def test_examples_go_before_the_item_loses_anything(causal: CausalReader) -> None:
    """With 160 tokens not all examples fit; the item stays whole."""
    form = Form(task_of(), NAMES, "prompt")
    (draw,) = draws(Form(task_of(prompt={"template": "The {text} is"}), NAMES, "prompt"), labelled(60), 40, 1)
    question, left = form.question(causal, labelled(1)[0], draw)
    assert left > 0 and question.before.endswith("The horse 0 is") and causal.fits(question)
    long = Labelled("horse " * 400, labels=(NAMES[0],))
    question, left = form.question(causal, long, draw)
    assert left == 40 and question.before.startswith("The horse") and question.before.endswith("is")
    assert causal.fits(question)


def test_a_masked_model_fills_the_gap_from_left_to_right(masked: MaskedReader) -> None:
    """Token j of an option is read with the tokens after it hidden, and those before it seen."""
    tokens, model = masked.encoder.tokenizer, masked.encoder.model
    before, option, after = (tokens.encode(text) for text in ("The horse is", " red apple", " and stays"))
    size = len(option)
    assert size > 1
    told = masked.judge([Question("The horse is", (" red apple",), " and stays")])[0][0]
    for place in range(size):
        row = tokens.frame([*before, *option[:place], *[tokens.mask] * (size - place), *after])  # type: ignore[list-item]
        at = row.special.index(False) + len(before) + place
        with torch.inference_mode():
            logits = model.logits(model(torch.tensor([row.ids])))[0, at].log_softmax(dim=-1)
        assert told.logprobs[place] == pytest.approx(float(logits[option[place]]), abs=1e-5)
    total = 0.0
    for place in range(len(before)):
        row = tokens.frame([*before[:place], tokens.mask, *before[place + 1 :]])  # type: ignore[list-item]
        with torch.inference_mode():
            logits = model.logits(model(torch.tensor([row.ids])))[0, row.special.index(False) + place].log_softmax(
                dim=-1
            )
        total += float(logits[before[place]])
    assert masked.whole(["The horse is"])[0] == pytest.approx(total, abs=1e-4)


def test_a_cloze_and_its_phrasings_are_asked_of_a_masked_model(masked: MaskedReader) -> None:
    cloze = {
        "template": "{text} is [MASK] .",
        "words": {"good": "red", "bad news": "old"},
        "phrasings": ["A [MASK] {text}."],
    }
    curve = ask(task_of(cloze=cloze), NAMES, masked, labelled(12), labelled(30)[12:], Asking(shots=(0, 2), whole=True))
    assert curve.view == "cloze" and {"sum", "whole", "calibrated", "ece"} <= set(curve.points[0].scores)
    with pytest.raises(UserError, match="writes no text"):
        ask(task_of("generate", prompt={"template": "{source}"}), (), masked, [], [Written("a", "b")], Asking())


def test_texts_and_answers_are_written_and_compared(causal: CausalReader) -> None:
    item: Item = Asked("Anna lives in Velby.", "Where does Anna live?", ((14, "Velby"),))
    task = task_of("answer", prompt={"template": "{context} {question}", "max_new_tokens": 3})
    assert set(ask(task, (), causal, [], [item], Asking()).points[0].scores) == {"exact_match", "word_f1"}
    pytest.importorskip("rouge_score")
    written = task_of("generate", prompt={"template": "{source} =>", "max_new_tokens": 3})
    curve = ask(written, (), causal, [Written("a", "b"), Written("c", "d")], [Written("e", "f")], Asking(shots=(0, 1)))
    assert [point.shots for point in curve.points] == [0, 1] and curve.chance is None


@pytest.mark.parametrize(
    ("view", "told"),
    [
        ({"template": "{text} {label}"}, "would tell the answer"),
        ({"template": "nothing"}, "must hold {text}"),
        ({"template": "{text}", "words": {"good": "x", "bad news": "x"}}, "two labels have one word"),
        ({"template": "{text}", "phrasings": ["{texts}"]}, "phrasings: {texts} is unknown"),
    ],
)
def test_prompts_that_cannot_be_right_are_refused(view: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        task_of(prompt=view)


def test_what_makes_scores_meaningless_is_refused_or_told(causal: CausalReader) -> None:
    task = task_of(prompt={"template": "The {text} is"})
    with pytest.raises(UserError, match="'good' begins the label 'good bird'"):
        ask(task, ("good", "good bird"), causal, [], [Labelled("x", labels=("good",))], Asking())
    with pytest.raises(UserError, match="no test item"):
        ask(task, NAMES, causal, labelled(4), [], Asking())
    with pytest.raises(UserError, match="5 examples are asked for; 4 training items"):
        ask(task, NAMES, causal, labelled(4), labelled(12)[4:], Asking(shots=(5,)))
    leak = [Labelled("a good horse", labels=("good",)), Labelled("a lamp", labels=("bad news",))]
    assert "in 1 of 2 prompts stands the right label" in " ".join(ask(task, NAMES, causal, [], leak, Asking()).notes)
    with pytest.raises(UserError, match="more than the model reads"):
        choose = task_of("choose", prompt={"template": "{question}"})
        ask(choose, (), causal, [], [Chosen("a", ("b", "horse " * 300), 0)], Asking())
    with pytest.raises(UserError, match=r"no views\.prompt"):
        ask(Task.model_validate({"kind": "tag", "data": {"train": "x"}}), (), causal, [], labelled(2), Asking())
