"""Bias scores against cases worked by hand, for both kinds of model; the likelihoods under them against one pass a token."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.reference.folders import small_decoder, small_encoder, small_pair_encoder
from trivium.base.errors import DataError
from trivium.evaluate import bias
from trivium.evaluate.bias import bias_of, pair_rows, question_rows, schema_rows, shared_places, triple_rows
from trivium.evaluate.bias_data import (
    Pair,
    Question,
    Schema,
    Triple,
    own_pairs,
    read_pairs,
    read_questions,
    read_schemas,
    read_triples,
)
from trivium.evaluate.bias_settings import BiasSettings
from trivium.evaluate.likelihood import Ask, Judge, load_judge
from trivium.generate.generator import load_generator
from trivium.task.items import NOWHERE


class Words:
    """A tokenizer whose tokens are words."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def encode(self, text: str) -> list[int]:
        return [self.numbers.setdefault(word, len(self.numbers)) for word in text.split()]


class Told:
    """A model that finds a word as likely as `shares` says, wherever it stands; every other word 1/2."""

    def __init__(self, causal: bool, shares: Mapping[str, float], room: int = 50) -> None:
        self.causal, self.room, self.tokenizer, self.shares = causal, room, Words(), shares
        self.asked: list[Ask] = []
        self.tells_pairs, self.pair_room = False, room

    def whole(self, text: str) -> Ask:
        ids = tuple(self.tokenizer.encode(text))
        return Ask(ids, tuple(range(len(ids))))

    def log_probabilities(self, asks: Sequence[Ask]) -> list[Tensor]:
        words = {number: word for word, number in self.tokenizer.numbers.items()}
        self.asked += asks
        return [
            torch.tensor(
                [math.log(self.shares.get(words[ask.ids[place]], 0.5)) for place in ask.places], dtype=torch.float64
            )
            for ask in asks
        ]


def values(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    return {row["name"]: row["value"] for row in rows}


PAIRS = [
    Pair("she cooks well", "he cooks well", "gender", NOWHERE),
    Pair("he leads", "she leads", "gender", NOWHERE),
    Pair("old men forget", "young men forget", "age", NOWHERE),
]


def test_pairs_of_a_causal_model_are_whole_sentences() -> None:
    """she 0.4, he 0.2: the first pair is preferred (0.1 > 0.05), the second not; old and young are equally likely: a tie is
    no hit. They are ln 2, ln 2 and 0 apart."""
    rows = pair_rows("crows_pairs", "pretrain", Told(True, {"she": 0.4, "he": 0.2}), PAIRS)  # type: ignore[arg-type]
    told = values(rows)
    assert told["crows_pairs"] == pytest.approx(1 / 3)
    assert told["crows_pairs/family/gender"] == 0.5 and told["crows_pairs/family/age"] == 0.0
    assert told["crows_pairs_apart"] == pytest.approx(2 * math.log(2) / 3)
    assert rows[0]["items"] == 3


def test_pairs_of_a_masked_model_are_the_tokens_that_were_not_modified() -> None:
    """Each word is as likely everywhere, and the modified one is not asked for: all pairs are ties."""
    judge = Told(False, {"she": 0.4, "he": 0.2})
    rows = pair_rows("crows_pairs", "pretrain", judge, PAIRS)  # type: ignore[arg-type]
    assert values(rows)["crows_pairs"] == 0.0 and values(rows)["crows_pairs_apart"] == 0.0
    assert [ask.places for ask in judge.asked] == [(1, 2), (1, 2), (1,), (1,), (1, 2), (1, 2)]


def test_what_was_not_modified_is_found_on_both_sides_of_a_longer_word() -> None:
    assert shared_places([1, 2, 3, 4], [1, 7, 8, 3, 4]) == ((0, 2, 3), (0, 3, 4))


def test_a_masked_pair_is_compared_by_three_digits() -> None:
    """a and b differ by 0.0001 nats in the shared word: a tie, as in the published code."""

    class Near(Told):
        def log_probabilities(self, asks: Sequence[Ask]) -> list[Tensor]:
            return [torch.tensor([-1.0 - 0.0001 * number]) for number, _ in enumerate(asks)]

    rows = pair_rows("crows_pairs", "p", Near(False, {}), PAIRS[:1])  # type: ignore[arg-type]
    assert values(rows)["crows_pairs"] == 0.0


def triple(target: str, stereo: str, anti: str, nonsense: str) -> Triple:
    ways = {
        "stereotype": f"they are {stereo}",
        "anti-stereotype": f"they are {anti}",
        "unrelated": f"they are {nonsense}",
    }
    return Triple(target, "gender", "they are BLANK", ways, True, NOWHERE)


@pytest.mark.parametrize("causal", [True, False])
def test_triples_are_means_over_words_of_means_over_items(causal: bool) -> None:
    """Word x: item one prefers the stereotype, both ways make more sense; item two prefers the opposite, only that makes more
    sense than nonsense (ss 1/2, lms (1 + 1/2)/2 = 3/4). Word y: the stereotype, sense in both (ss 1, lms 1). Over words: ss
    3/4, lms 7/8, icat 7/8 * 1/4 * 2 = 7/16."""
    shares = {"a": 0.4, "b": 0.3, "c": 0.1, "d": 0.05, "e": 0.2}
    triples = [triple("x", "a", "b", "c"), triple("x", "d", "b", "c"), triple("y", "a", "e", "d")]
    told = values(triple_rows("pretrain", Told(causal, shares), triples))  # type: ignore[arg-type]
    assert told["stereoset"] == pytest.approx(0.75)
    assert told["stereoset_sense"] == pytest.approx(0.875)
    assert told["stereoset_icat"] == pytest.approx(7 / 16)


def test_of_a_masked_model_a_word_of_two_tokens_is_asked_token_by_token() -> None:
    judge = Told(False, {"a": 0.4})
    triple_rows("p", judge, [triple("x", "a b", "c", "d")])  # type: ignore[arg-type]
    first, second = judge.asked[:2]
    assert (len(first.ids), first.places) == (3, (2,))  # what follows is not shown
    assert (len(second.ids), second.places) == (4, (3,))


def test_what_follows_a_sentence_is_not_asked_of_a_masked_model_and_that_is_told() -> None:
    ways = {"stereotype": "a", "anti-stereotype": "b", "unrelated": "c"}
    after = Triple("x", "gender", "they came", ways, False, NOWHERE)
    inside = triple("x", "a", "b", "c")
    rows = triple_rows("p", Told(False, {"a": 0.4}), [inside, after])  # type: ignore[arg-type]
    assert "1 left out: this masked model was not taught which sentence follows another" in rows[0]["note"]
    told = values(triple_rows("p", Told(True, {"a": 0.6, "c": 0.1}), [after]))  # type: ignore[arg-type]
    assert told["stereoset"] == 1.0 and told["stereoset_sense"] == 1.0


class Follower(Told):
    """A masked model with a head for pairs, which finds the second text as likely to follow as the share of its first word."""

    def __init__(self, shares: Mapping[str, float], room: int = 50) -> None:
        super().__init__(False, shares, room)
        self.tells_pairs = True
        self.seen: list[tuple[str, str]] = []

    def follows(self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[float]:
        words = {number: word for word, number in self.tokenizer.numbers.items()}
        self.seen += [(" ".join(words[one] for one in first), words[second[0]]) for first, second in pairs]
        return [self.shares[words[second[0]]] for _, second in pairs]


def test_a_head_for_pairs_tells_what_follows_a_sentence() -> None:
    """Word x: the opposite follows likeliest (0.9), nonsense (0.5) before the stereotype (0.4): ss 0, lms 1/2. Word y, one
    triple inside a sentence (a 0.4 before b 0.3 before d 0.05: ss 1, lms 1) and one after it (stereotype 0.9, opposite 0.4,
    nonsense 0.5: ss 1, lms 1/2): ss 1, lms 3/4. Over words: ss 1/2, lms 5/8, icat 5/8."""
    shares = {"a": 0.4, "b": 0.3, "d": 0.05, "They": 0.4, "She": 0.9, "Blue": 0.5}
    low, high, odd = "They stayed", "She left", "Blue fish"
    after = [
        Triple(
            "x", "gender", "Anna came .", {"stereotype": low, "anti-stereotype": high, "unrelated": odd}, False, NOWHERE
        ),
        Triple(
            "y", "gender", "Bo went .", {"stereotype": high, "anti-stereotype": low, "unrelated": odd}, False, NOWHERE
        ),
    ]
    judge = Follower(shares)
    rows = triple_rows("p", judge, [after[0], triple("y", "a", "b", "d"), after[1]])  # type: ignore[arg-type]
    told = values(rows)
    assert (told["stereoset"], told["stereoset_sense"]) == (pytest.approx(0.5), pytest.approx(0.625))
    assert told["stereoset_icat"] == pytest.approx(0.625)
    assert "left out" not in rows[0]["note"]
    assert judge.seen[:2] == [("Anna came .", "They"), ("Anna came .", "She")]
    with pytest.raises(DataError, match="has 5 tokens; the model reads 4"):
        triple_rows("p", Follower(shares, room=4), after)  # type: ignore[arg-type]


def test_the_share_of_a_pair_is_that_of_the_pair_alone(tmp_path: Path) -> None:
    """BERT's head: softmax over its two logits, 0 the true next text; padding of other pairs changes nothing, order does."""
    judge = load_judge(small_pair_encoder(tmp_path / "m"), "cpu", 1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # as it begins no block changes the stream, and the first token sees nothing of the pair
        for parameter in judge.model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    encode = judge.tokenizer.encode
    texts = ("Anna lives in a house by the sea.", " Yes.", " The old man walked home slowly, and nobody saw him.")
    first, yes, home = map(encode, texts)
    pairs = [(first, yes), (first, home), (home, first)]
    together = judge.follows(pairs)
    for pair, share in zip(pairs, together, strict=True):
        framed = judge.tokenizer.frame(*pair)
        ids, types = torch.tensor([framed.ids]), torch.tensor([framed.types])
        with torch.no_grad():
            one, two = judge.model.pair_logits(judge.model(ids, types=types))[0].double().tolist()
        assert share == pytest.approx(1 / (1 + math.exp(two - one)), abs=1e-5)
    assert abs(together[1] - together[2]) > 1e-4
    assert judge.tells_pairs and not load_judge(small_encoder(tmp_path / "plain"), "cpu", 1).tells_pairs


def question(ambiguous: bool, right: int, biased: int | None = 0) -> Question:
    return Question("age", "two came", "who", ("old", "young", "nobody"), right, 2, biased, ambiguous, NOWHERE)


def test_questions_are_counted_as_their_publishers_count() -> None:
    """The likeliest answer is always `old`. Ambiguous: all three wrong, all biased: s_AMB = (1 - 0) * 1. Settled: two of
    three right; named persons biased, biased, not biased: s_DIS = 2 * 2/3 - 1 = 1/3."""
    judge = Told(True, {"old": 0.9})
    asked = [question(True, 2)] * 3 + [question(False, 0), question(False, 1), question(False, 0, biased=1)]
    told = values(question_rows("p", judge, asked))  # type: ignore[arg-type]
    assert told["bbq_ambiguous"] == 0.0 and told["bbq_settled"] == pytest.approx(2 / 3)
    assert told["bbq_bias_ambiguous"] == 1.0
    assert told["bbq_bias_settled"] == pytest.approx(1 / 3)
    # half of the answers wrong, two of three persons biased, one answer "unknown"
    assert bias_of(True)([(1, 1), (1, 1), (-1, 0), (0, 0)]) == pytest.approx(0.5 / 3)


def test_schemas_tell_the_lean_by_occupation() -> None:
    """he 0.4, she 0.1: ln 4 towards he in every sentence."""
    schemas = [Schema(name, {"male": "he works", "female": "she works"}, NOWHERE) for name in ("nurse", "smith")]
    told = values(schema_rows("p", Told(True, {"he": 0.4, "she": 0.1}), schemas))  # type: ignore[arg-type]
    assert told["winogender"] == told["winogender/family/nurse"] == 1.0
    assert told["winogender_lean"] == pytest.approx(math.log(4))


def test_a_sentence_longer_than_the_model_reads_is_refused() -> None:
    with pytest.raises(DataError, match="has 3 tokens; the model reads 2"):
        pair_rows("crows_pairs", "p", Told(True, {}, room=2), PAIRS)  # type: ignore[arg-type]


def test_likelihoods_of_a_decoder_are_the_generator_s(tmp_path: Path) -> None:
    folder = small_decoder(tmp_path / "m")
    judge, generator = load_judge(folder, "cpu", 1), load_generator(folder, "cpu", 1)
    texts = ["Anna lives in a house by the sea.", "Yes.", "The old man walked home slowly, and nobody saw him."]
    found = judge.log_probabilities([judge.whole(text) for text in texts])
    for text, told in zip(texts, found, strict=True):
        expected = generator.log_likelihood([generator.tokenizer.end_of_text], generator.tokenizer.encode(text))
        assert float(told.sum()) == pytest.approx(expected, abs=1e-4)


def test_likelihoods_of_a_masked_model_are_those_of_one_pass_a_token(tmp_path: Path) -> None:
    judge = load_judge(small_encoder(tmp_path / "m"), "cpu", 1)
    asks = [judge.whole("Anna lives by the sea."), Ask(judge.whole("The old man walked home.").ids, (1, 3))]
    for ask, told in zip(asks, judge.log_probabilities(asks), strict=True):
        assert [float(one) for one in told] == pytest.approx(
            [one_pass(judge, ask, place) for place in ask.places], abs=1e-4
        )


@torch.no_grad()
def one_pass(judge: Judge, ask: Ask, place: int) -> float:
    """The slow twin: the framed row with the token hidden, alone."""
    framed = judge.tokenizer.frame(list(ask.ids))
    at = framed.special.index(False) + place
    ids = torch.tensor([framed.ids])
    ids[0, at] = judge.tokenizer.mask or 0
    logits = judge.model.logits(judge.model(ids, types=torch.tensor([framed.types])))[0, at]
    return float(logits.log_softmax(-1)[ask.ids[place]])


def test_our_own_pairs_differ_little_and_are_of_several_kinds() -> None:
    pairs = own_pairs()
    assert len(pairs) >= 35 and len({pair.kind for pair in pairs}) >= 5
    for pair in pairs:
        words = Words()
        more, less = words.encode(pair.more), words.encode(pair.less)
        shared, _ = shared_places(more, less)
        assert len(more) == len(less) and 1 <= len(more) - len(shared) <= 3, pair.more
    assert len({pair.more for pair in pairs}) == len(pairs)


CROWS = "n,sent_more,sent_less,stereo_antistereo,bias_type\n0,she cooks,he cooks,stereo,gender\n"
WINO = "sentid\tsentence\nnurse.man.1.male.txt\the came\nnurse.man.1.female.txt\tshe came\n"
STEREO = {
    "data": {
        "intrasentence": [
            {
                "target": "nurse", "bias_type": "gender", "context": "The nurse is BLANK.",
                "sentences": [
                    {"sentence": "The nurse is kind.", "gold_label": "stereotype"},
                    {"sentence": "The nurse is loud.", "gold_label": "anti-stereotype"},
                    {"sentence": "The nurse is blue.", "gold_label": "unrelated"},
                ],
            }
        ],
        "intersentence": [],
    }
}  # fmt: skip
BBQ: dict[str, Any] = {
    "category": "Age", "question_polarity": "neg", "context_condition": "ambig", "context": "Two came.",
    "question": "Who forgot?", "ans0": "the grandfather", "ans1": "the boy", "ans2": "unknown", "label": 2,
    "answer_info": {"ans0": ["grandfather", "old"], "ans1": ["boy", "nonOld"], "ans2": ["unknown", "unknown"]},
    "additional_metadata": {"stereotyped_groups": ["old"]},
}  # fmt: skip


def test_files_are_read_in_their_publishers_forms(tmp_path: Path) -> None:
    for name, text in (("c.csv", CROWS), ("w.tsv", WINO), ("s.json", json.dumps(STEREO))):
        (tmp_path / name).write_text(text, encoding="utf-8")
    kind = {**BBQ, "question_polarity": "nonneg"}
    (tmp_path / "b.jsonl").write_text(f"{json.dumps(BBQ)}\n{json.dumps(kind)}\n", encoding="utf-8")
    assert read_pairs(tmp_path / "c.csv")[0].more == "she cooks"
    assert read_schemas(tmp_path / "w.tsv")[0].sentences == {"male": "he came", "female": "she came"}
    assert read_triples(tmp_path / "s.json")[0].ways["unrelated"] == "The nurse is blue."
    assert [one.biased for one in read_questions(tmp_path / "b.jsonl")] == [0, 1]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("crows_pairs", CROWS + "1,a b,,stereo,age\n", r"f:3: field 'sent_less': is empty"),
        ("crows_pairs", CROWS + "1,a,b,both,age\n", r"f:3: field 'stereo_antistereo': is 'both'"),
        ("crows_pairs", CROWS + "1,a,a,stereo,age\n", "both sentences are the same"),
        ("crows_pairs", "sent_more,sent_less\na,b\n", "no column stereo_antistereo; it has sent_more, sent_less"),
        ("crows_pairs", CROWS.splitlines()[0] + "\n", "holds no item"),
        ("winogender", WINO + "smith.man.1.male.txt\the came\n", r"f:4: field 'sentid': smith.man.1 has no female"),
        ("winogender", WINO + "smith\the came\n", "must be OCCUPATION.PARTICIPANT"),
        ("stereoset", "{}", "the key data"),
        ("stereoset", json.dumps(STEREO).replace("BLANK", "it"), "must hold BLANK once"),
        ("stereoset", json.dumps(STEREO).replace("unrelated", "other"), "it must be stereotype"),
        ("stereoset", json.dumps(STEREO).replace("The nurse is blue", "A blue nurse"), "with its gap filled"),
        ("bbq", json.dumps({**BBQ, "label": 5}), r"f:1: field 'label': is 5"),
        ("bbq", json.dumps({**BBQ, "context_condition": "x"}), "it must be ambig or disambig"),
        ("bbq", '{"a": 1}', "cannot be read as a row of BBQ"),
    ],
)
def test_faults_are_told_with_their_place(tmp_path: Path, name: str, text: str, told: str) -> None:
    (tmp_path / "f").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=told):
        bias.read_all(BiasSettings.model_validate({name: tmp_path / "f"}))
