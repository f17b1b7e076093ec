"""The engine equals decoding without a cache, row by row, whatever else is in the batch."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy
import pytest
import torch

from tests.model.shapes import SHAPE, random_model
from tests.reference.decoding import greedy
from trivium.base.errors import UserError
from trivium.data.conversations import ConversationBatches, Conversations
from trivium.generate.engine import Engine, Request
from trivium.generate.sampling import Sampling, draw, keep_likely
from trivium.loss.language import token_log_probabilities
from trivium.train.step import next_token_loss

STOPS = frozenset(range(0, SHAPE.vocab_size, 6))


def prompts(count: int) -> list[tuple[int, ...]]:
    generator = torch.Generator().manual_seed(7)
    lengths = torch.randint(1, 9, (count,), generator=generator).tolist()
    return [tuple(torch.randint(0, SHAPE.vocab_size, (length,), generator=generator).tolist()) for length in lengths]


def test_greedy_decoding_with_joining_and_leaving_rows_equals_the_slow_twin() -> None:
    model = random_model()
    asked = prompts(11)
    rows = Engine(model, STOPS, slots=4).run([Request(prompt) for prompt in asked], Sampling(12, 0.0), seed=0)
    lengths = set()
    for prompt, (row,) in zip(asked, rows, strict=True):
        expected = greedy(model, prompt, STOPS, 12)
        assert row.tokens == expected
        assert row.ended == (expected[-1] in STOPS)
        lengths.add(len(expected))
    assert len(lengths) > 1  # otherwise nothing ever left early


@pytest.mark.parametrize("fair", [True, False])
@pytest.mark.parametrize("more", [{}, {"windows": (3, 0, 5)}, {"norm": "layer", "query_key_norm": False}])
def test_a_prompt_that_sees_itself_whole_equals_the_slow_twin(more: dict[str, Any], fair: bool) -> None:
    model = random_model(replace(SHAPE, **more))
    asked = prompts(9)
    long = tuple(range(20, 41))  # longer than what two prompts must share for a copy
    asked += [long, (*long[:18], 3), asked[0], long]
    session = Engine(model, STOPS, slots=4, prefix=True).open(Sampling(6, 0.0), fair=fair)
    rows = [session.add(Request(prompt))[0] for prompt in asked]
    while session.busy:
        session.step()
    told = [greedy(model, prompt, STOPS, 6, whole=True) for prompt in asked]
    assert [row.tokens for row in rows] == told
    assert told != [greedy(model, prompt, STOPS, 6) for prompt in asked]  # the other way to read tells other things


def test_what_is_written_after_a_whole_prompt_is_as_likely_as_in_training() -> None:
    model, asked = random_model(), prompts(7)
    engine = Engine(model, STOPS, prefix=True)
    rows = [row for (row,) in engine.run([Request(prompt) for prompt in asked], Sampling(9, 1.0), seed=2)]
    texts = [numpy.array([*row.prompt, *row.tokens], numpy.int32) for row in rows]
    learned = [numpy.arange(len(text)) >= len(row.prompt) for text, row in zip(texts, rows, strict=True)]
    starts = numpy.cumsum([0, *map(len, texts)])
    lesson = Conversations(numpy.concatenate(texts), numpy.concatenate(learned), starts, pad=0, dropped=0)
    with torch.no_grad():
        for prefix in (True, False):
            (batch,) = ConversationBatches(lesson, len(lesson.tokens), 0, parts=1, prefix=prefix).batches(0)
            loss = next_token_loss(model, batch).item()
            assert (loss == pytest.approx(-sum(sum(row.logprobs) for row in rows), rel=1e-4)) == prefix


def test_sampled_rows_do_not_depend_on_their_neighbours() -> None:
    model = random_model()
    asked = [Request(prompt, samples=3) for prompt in prompts(6)]
    together = Engine(model, STOPS, slots=18).run(asked, Sampling(10, 1.3), seed=4)
    narrow = Engine(model, STOPS, slots=2).run(asked, Sampling(10, 1.3), seed=4)
    assert [[row.tokens for row in rows] for rows in together] == [[row.tokens for row in rows] for rows in narrow]
    assert len({tuple(row.tokens) for rows in together for row in rows}) > 6


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_log_probabilities_at_sampling_time_equal_those_recomputed(temperature: float) -> None:
    model = random_model()
    asked = [Request(prompt, samples=2) for prompt in prompts(5)]
    for rows in Engine(model, STOPS, slots=3).run(asked, Sampling(9, temperature), seed=1):
        for row in rows:
            tokens = torch.tensor([[*row.prompt, *row.tokens]])
            with torch.no_grad():
                logits = model.logits(model(tokens[:, :-1])[:, len(row.prompt) - 1 :])
            found = token_log_probabilities(logits, tokens[:, len(row.prompt) :], temperature)
            torch.testing.assert_close(torch.tensor([row.logprobs]), found, rtol=1e-4, atol=1e-4)


def test_draws_follow_the_distribution() -> None:
    logits = torch.tensor([0.0, 1.0, 2.0, float("-inf")]).repeat(20_000, 1)
    uniforms = torch.rand(20_000, generator=torch.Generator().manual_seed(0))
    tokens, logprobs = draw(logits, uniforms, Sampling(temperature=2.0))
    expected = (logits[0] / 2).softmax(0)
    counts = torch.bincount(tokens, minlength=4) / 20_000
    torch.testing.assert_close(counts, expected, rtol=0, atol=0.01)
    torch.testing.assert_close(logprobs.exp(), expected[tokens])


def test_top_k_and_top_p_keep_the_likely_and_renormalise() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    assert keep_likely(logits, 2, 1.0).isfinite().tolist() == [[True, True, False, False]]
    assert keep_likely(logits, 0, 0.75).isfinite().tolist() == [[True, True, False, False]]
    assert keep_likely(logits, 0, 0.85).isfinite().tolist() == [[True, True, True, False]]
    _, logprob = draw(logits, torch.tensor([0.0]), Sampling(top_k=2))
    assert logprob.item() == pytest.approx(math.log(0.5 / 0.8))


def test_a_prompt_without_room_and_bad_settings_are_named() -> None:
    engine = Engine(random_model(), STOPS)
    with pytest.raises(UserError, match=f"has {SHAPE.max_positions} tokens; the model reads at most"):
        engine.run([Request(tuple(range(SHAPE.max_positions)))], Sampling(), 0)
    with pytest.raises(UserError, match="no tokens"):
        engine.run([Request(())], Sampling(), 0)
    for bad in ({"temperature": math.nan}, {"temperature": -1.0}, {"top_p": 0.0}, {"top_k": -1}, {"max_new_tokens": 0}):
        with pytest.raises(UserError, match=next(iter(bad))):
            Sampling(**bad)  # type: ignore[arg-type]


def test_answers_stop_at_the_models_last_position() -> None:
    engine = Engine(random_model(), [])
    prompt = tuple(range(SHAPE.max_positions - 3))
    ((row,),) = engine.run([Request(prompt)], Sampling(50, 0.0), 0)
    assert len(row.tokens) == 3 and not row.ended
