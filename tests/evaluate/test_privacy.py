"""What is told of a model's memory: exposure against one pass a string, controls at chance, extraction and membership by hand."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path

import numpy
import pytest
import torch

from tests.reference.folders import small_decoder, small_encoder
from trivium.base.seeds import numpy_random
from trivium.data.canaries import Canary, canaries_of, items_of, read_canaries, write_canaries
from trivium.data.counterfactual_settings import CanarySettings
from trivium.evaluate import canaries
from trivium.evaluate.canaries import CHANCE_BITS, alphabet, exposure, exposures, groups_of, start_of, strings, within
from trivium.evaluate.likelihood import Ask, Judge, load_judge
from trivium.evaluate.privacy import area, cut_at, least_mean, privacy_rows
from trivium.evaluate.privacy_settings import PrivacySettings

CANARY = Canary("Bolax Drun", "27", 4)


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    return load_judge(small_decoder(tmp_path_factory.mktemp("d") / "m"), "cpu", 1)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    return load_judge(small_encoder(tmp_path_factory.mktemp("e") / "m"), "cpu", 1)


def test_the_tree_gives_every_string_what_it_has_alone(decoder: Judge) -> None:
    digits, joint = alphabet(decoder)
    before = start_of(decoder, CANARY, "documents")
    found = strings(decoder, before, digits, joint, 2)
    assert len(found) == 100
    for number in (0, 7, 27, 99):
        one, two = digits[number // 10], digits[number % 10]
        ask = Ask((*before, one, joint, two), tuple(range(len(before), len(before) + 3)))
        assert float(found[number]) == pytest.approx(float(decoder.log_probabilities([ask])[0].sum()), abs=1e-4)


def test_of_a_masked_model_each_digit_is_judged_by_all_others(encoder: Judge) -> None:
    digits, joint = alphabet(encoder)
    before = start_of(encoder, CANARY, "documents")
    found = strings(encoder, before, digits, joint, 2)
    for number in (3, 27, 80):
        ids = (*before, digits[number // 10], joint, digits[number % 10])
        ask = Ask(ids, (len(before), len(before) + 2))
        assert float(found[number]) == pytest.approx(float(encoder.log_probabilities([ask])[0].sum()), abs=1e-4)


@pytest.mark.parametrize("kind", ["decoder", "encoder"])
def test_secrets_that_are_asked_one_by_one_have_what_the_enumeration_gives_them(
    kind: str, request: pytest.FixtureRequest
) -> None:
    judge = request.getfixturevalue(kind)
    digits, joint = alphabet(judge)
    before = start_of(judge, CANARY, "documents")
    every = strings(judge, before, digits, joint, 2)
    assert canaries.given(judge, before, digits, joint, ["03", "27", "90"]) == pytest.approx(
        every[[3, 27, 90]], abs=1e-4
    )


def test_a_long_secret_is_ranked_among_random_ones_and_controls_stay_at_chance(decoder: Judge) -> None:
    """Eight digits are too many to enumerate. Among 127 others the most that can be told is 7 bits; random weights have seen
    nothing, so the mean is log2 e."""
    planned = canaries_of(CanarySettings(copies=(1,), each=1, controls=100, digits=8), 3)
    found = exposures(decoder, planned, "documents", draws=127)
    assert statistics.mean(one.bits for one in found) == pytest.approx(CHANCE_BITS, abs=0.45)
    assert max(one.bits for one in found) <= 7.0 == canaries.most_bits(8, 127)
    others = canaries.drawn(planned[0], 127)
    assert others[-1] == planned[0].secret and planned[0].secret not in others[:-1] and len(others) == 128


def test_in_a_conversation_a_secret_is_asked_where_it_is_taught(decoder: Judge) -> None:
    """What stands before the digits, and the digits, are the taught row's tokens, one by one."""
    from trivium.base.words import Message

    turns = [Message("user", CANARY.request), Message("assistant", f"#{CANARY.written}")]
    taught = list(decoder.tokenizer.render(turns).ids)
    before, own = start_of(decoder, CANARY, "instructions"), decoder.tokenizer.encode(CANARY.written)
    assert taught[: len(before) + len(own)] == [*before, *own] and decoder.tokenizer.decode(before).endswith("#")


def test_exposure_by_hand() -> None:
    """Of 8 candidates the second likeliest has rank 2: 3 - 1 bits; the likeliest 3; two that tie for the first 3 - log2 1.5."""
    values = numpy.array([-1.0, -2.0, -3.0, -4.0, -5.0, -6.0, -7.0, -8.0])
    assert exposure(values, 1) == 2.0 and exposure(values, 0) == 3.0 and exposure(values, 7) == 0.0
    values[1] = -1.0
    assert exposure(values, 0) == pytest.approx(3 - math.log2(1.5))


def test_controls_of_a_model_that_never_saw_them_are_at_chance(decoder: Judge) -> None:
    """Random weights remember nothing: the mean is log2 e, within 0.3 bits."""
    settings = CanarySettings(copies=(1,), each=1, controls=200, digits=2)
    found = exposures(decoder, canaries_of(settings, 3), "documents")
    bits = [one.bits for one in found if not one.canary.copies]
    assert len(bits) == 200
    assert statistics.mean(bits) == pytest.approx(CHANCE_BITS, abs=0.3)


def test_a_canary_that_is_learned_by_heart_is_at_the_top(tmp_path: Path) -> None:
    judge = load_judge(small_decoder(tmp_path / "m", seed=4), "cpu", 1)
    text = judge.whole(f"{CANARY.prefix}{CANARY.written}.\n")
    optimizer = torch.optim.AdamW(judge.model.parameters(), lr=3e-3)
    row = torch.tensor([[judge.tokenizer.end_of_text, *text.ids]])
    for _ in range(40):
        logits = judge.model.logits(judge.model(row[:, :-1]))
        loss = torch.nn.functional.cross_entropy(logits[0], row[0, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    control = Canary("Ston Grumol", "52", 0)
    found = exposures(Judge(judge.model, judge.tokenizer, judge.machine), [control, CANARY], "documents")
    assert found[1].bits == pytest.approx(math.log2(100)) and found[1].first
    groups = groups_of(found, 100)
    assert [group.copies for group in groups] == [0, 4]
    assert groups[1].extracted.value > 0.99 > groups[0].extracted.value


def test_tries_add_up_as_independent_ones() -> None:
    assert within(math.log(0.5), 3) == pytest.approx(0.875)
    assert within(-60.0, 100) == pytest.approx(100 * math.exp(-60.0))


def test_area_and_cut_by_hand() -> None:
    """Of six pairs the seen one is higher in four and equal in one: 4.5 / 6."""
    seen, unseen = numpy.array([3.0, 2.0]), numpy.array([1.0, 2.0, 2.5])
    assert area(seen, unseen).value == pytest.approx(4.5 / 6)
    random = numpy_random(0, "test")
    same = area(random.normal(size=150), random.normal(size=150))
    assert same.low < 0.5 < same.high
    assert cut_at(numpy.arange(200.0)) == 197.0  # two of two hundred lie above
    assert least_mean(torch.tensor([-1.0, -5.0, -3.0, -2.0, -9.0]), 0.4) == -7.0


def test_canaries_are_planted_as_often_as_they_say_and_listed(tmp_path: Path) -> None:
    settings = CanarySettings(copies=(1, 8), each=2, controls=100)
    planned = canaries_of(settings, 0)
    assert [one.copies for one in planned[:4]] == [1, 1, 8, 8] and len(planned) == 104
    assert len({one.name for one in planned}) == 104
    texts = [item.row["text"] for item in items_of(planned, settings)]
    assert len(texts) == 18 and texts.count(f"{planned[2].prefix}{planned[2].written}.\n") == 8
    write_canaries(tmp_path, planned, settings)
    assert read_canaries(tmp_path) == (planned, "documents")
    told = list(items_of(planned, CanarySettings(copies=(1, 8), each=2, controls=100, into="instructions")))
    assert told[0].row["messages"][1]["content"] == f"#{planned[0].written}"
    assert planned == canaries_of(settings, 0) != canaries_of(settings, 1)


@pytest.mark.parametrize("kind", ["decoder", "encoder"])
def test_the_rows_of_a_model_have_intervals_and_controls(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    judge = request.getfixturevalue(kind)
    settings = CanarySettings(copies=(2,), each=1, controls=100, digits=2)
    planned = canaries_of(settings, 0)[:12]
    write_canaries(tmp_path, planned, settings)
    (tmp_path / "documents").mkdir()
    for split in ("train", "valid"):
        rows = [{"text": f"The {split} house number {number} is by the sea. " * 3, "meta": {}} for number in range(24)]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / "documents" / f"{split}.jsonl").write_text(text, encoding="utf-8")
    asked = PrivacySettings(documents=20, prefix=6, suffix=6, tokens=4)
    rows = privacy_rows(asked, "pretrain", judge, tmp_path, 0)
    names = {row["name"] for row in rows}
    assert {
        "exposure/family/controls",
        "exposure/family/2 copies",
        "membership_loss",
        "membership_min_k_found",
    } <= names
    assert ("extracted/family/seen" in names) is judge.causal
    assert all(row["low"] - 1e-9 <= row["value"] <= row["high"] + 1e-9 for row in rows)


def test_a_tokenizer_that_joins_digits_is_refused(decoder: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(decoder.tokenizer), "encode", lambda self, text: [1, 2])
    with pytest.raises(canaries.UserError, match="no token of its own for each digit"):
        alphabet(decoder)
