"""Requests join and leave a running batch, and none of them notices the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from tests.generate.test_engine import STOPS, prompts
from tests.model.shapes import SHAPE, random_model
from tests.reference.decoding import greedy
from trivium.base.errors import UserError
from trivium.generate.engine import Engine, Request, Row, Session
from trivium.generate.sampling import Sampling
from trivium.generate.session import PIECE, SHARED

LONG = replace(SHAPE, max_positions=400)


def finish(session: Session, each: Callable[[list[Row]], None] = lambda moved: None) -> None:
    for _ in range(10_000):
        if not session.busy:
            return
        each(session.step())
    raise AssertionError("the session never ends")


def wishes() -> list[Request]:
    """Every request with settings of its own."""
    ways = [Sampling(9, 0.0), Sampling(14, 1.3), Sampling(5, 0.8, top_k=4), Sampling(12, 1.1, top_p=0.7)]
    ways += [Sampling(11, 0.9, 7, 0.9), Sampling(1, 1.0), Sampling(8, 2.0, top_k=1)]
    return [
        Request(prompt, samples=1 + number % 2, sampling=ways[number % len(ways)], seed=number % 3, top=number % 4)
        for number, prompt in enumerate(prompts(17))
    ]


@pytest.mark.parametrize("fair", [True, False])
def test_rows_that_join_at_any_time_draw_what_they_draw_alone(fair: bool) -> None:
    engine = Engine(random_model(), STOPS, slots=5)
    alone = []
    for request in wishes():
        session = engine.open(fair=fair)
        alone.append(session.add(request))
        finish(session)
    session, together, left = engine.open(fair=fair), [], wishes()
    widest = 0
    while left or session.busy:
        if left and len(together) < 3 * (1 + widest):
            together.append(session.add(left.pop(0)))
        moved = session.step()
        assert len({id(row) for row in moved}) == len(moved)
        widest = max(widest, session.running)
    assert widest == 5
    for rows, others in zip(alone, together, strict=True):
        for row, other in zip(rows, others, strict=True):
            assert (row.tokens, row.ended) == (other.tokens, other.ended)
            torch.testing.assert_close(row.logprobs, other.logprobs, rtol=1e-4, atol=1e-4)
            for some, same in zip(row.likely, other.likely, strict=True):
                pairs = torch.tensor(some), torch.tensor(same)
                torch.testing.assert_close(*pairs, rtol=1e-4, atol=1e-4)
    assert len({tuple(row.tokens) for rows in alone for row in rows}) > 10


def test_long_prompts_in_pieces_and_taken_over_beginnings_equal_the_slow_twin() -> None:
    model = random_model(LONG)
    generator = torch.Generator().manual_seed(3)
    base = torch.randint(0, SHAPE.vocab_size, (3 * PIECE,), generator=generator).tolist()
    ends = [[1, 2, 3], [1, 2, 4, 5], [7], [], [9, 9], list(range(12))]
    asked = [tuple(base[: len(base) - 5 * number] + end) for number, end in enumerate(ends)]
    asked += [tuple(base[:20]), (5,), tuple(base[: SHARED + 1]), asked[0]]
    session = Engine(model, STOPS, slots=3).open(Sampling(6, 0.0))
    rows = [session.add(Request(prompt))[0] for prompt in asked]
    computed: list[int] = []
    inner = session._pass
    session._pass = lambda tokens, *more: (computed.append(tokens.numel()), inner(tokens, *more))[1]  # type: ignore
    finish(session)
    for row in rows:
        assert row.tokens == greedy(model, row.prompt, STOPS, 6)
    assert sum(computed) < 0.5 * sum(map(len, asked))  # most of them begin alike
    assert max(computed) <= PIECE


def test_a_conversation_that_goes_on_computes_only_what_is_new() -> None:
    model = random_model(LONG)
    session = Engine(model, [], slots=4).open(Sampling(8, 0.0))
    first = tuple(range(40))
    (row,) = session.add(Request(first))
    finish(session)
    second = (*first, *row.tokens, 3, 4, 5)
    (row,) = session.add(Request(second))
    computed: list[int] = []
    inner = session._pass
    session._pass = lambda tokens, *more: (computed.append(tokens.numel()), inner(tokens, *more))[1]  # type: ignore
    finish(session)
    assert row.tokens == greedy(model, second, frozenset(), 8)
    assert computed[0] == 4  # the last answer's last token was never fed, and three are new


def test_cancelled_rows_disturb_nobody_and_make_room() -> None:
    model = random_model()
    asked = prompts(9)
    session = Engine(model, [], slots=3).open(Sampling(10, 0.0))
    rows = [session.add(Request(prompt))[0] for prompt in asked]
    gone = [rows[0], rows[4], rows[8]]
    session.cancel(rows[8])  # still waits
    after: list[Row] = []

    def leave(moved: list[Row]) -> None:
        if len(rows[0].tokens) == 3:
            session.cancel(rows[0])
        if rows[4].slot >= 0:
            session.cancel(rows[4])
        after.extend(moved)

    finish(session, leave)
    assert not session.waiting and not session.running
    assert [row.cancelled for row in rows] == [row in gone for row in rows]
    assert len(rows[0].tokens) == 3 and not rows[8].tokens and rows[8] not in after
    for prompt, row in zip(asked, rows, strict=True):
        if row not in gone:
            assert row.tokens == greedy(model, prompt, frozenset(), 10)


def test_a_fair_session_starts_a_new_row_while_others_run() -> None:
    session = Engine(random_model(), [], slots=8).open(Sampling(20, 0.0))
    (first,) = session.add(Request((1, 2, 3)))
    for _ in range(5):
        session.step()
    (second,) = session.add(Request((4, 5)))
    assert session.step() == [second, first] and len(second.tokens) == 1


def test_stops_and_likeliest_tokens_are_those_of_the_request() -> None:
    model = random_model()
    engine = Engine(model, [])
    (plain,) = engine.run([Request((1, 2, 3))], Sampling(8, 0.0), 0)[0]
    stop = plain.tokens[4]
    (row,) = engine.run([Request((1, 2, 3), stops=frozenset([stop]), top=3)], Sampling(8, 0.0), 0)[0]
    assert row.ended and row.tokens == plain.tokens[: plain.tokens.index(stop) + 1]
    for token, logprob, likely in zip(row.tokens, row.logprobs, row.likely, strict=True):
        assert [len(likely), likely[0]] == [3, (token, logprob)]
        assert likely == sorted(likely, key=lambda pair: -pair[1])


def test_what_is_no_token_is_refused_before_it_waits() -> None:
    session = Engine(random_model(), []).open()
    for bad in ((1, SHAPE.vocab_size), (-1,)):
        with pytest.raises(UserError, match=f"the token {bad[-1]}; this model's are 0 to {SHAPE.vocab_size - 1}"):
            session.add(Request(bad))
    assert not session.busy


def test_an_engine_follows_the_weights_and_copies_of_them_when_told() -> None:
    model = random_model()
    exact, quick = Engine(model, []), Engine(model, [], dtype=torch.bfloat16)
    asked = [Request(prompt) for prompt in prompts(4)]
    before = [row.tokens for (row,) in quick.run(asked, Sampling(10, 0.0), 0)]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) * 0.3)
    expected = [greedy(model, request.prompt, frozenset(), 10) for request in asked]
    assert [row.tokens for (row,) in exact.run(asked, Sampling(10, 0.0), 0)] == expected
    assert [row.tokens for (row,) in quick.run(asked, Sampling(10, 0.0), 0)] == before != expected
    quick.renew()
    assert [row.tokens for (row,) in quick.run(asked, Sampling(10, 0.0), 0)] != before
