"""Thumbs and corrections that someone gives while they talk to a model: ratings like others, of answers nobody asked to rate.

A thumb is an item of points with the one axis `helpful`, 7 up or 1 down, in round 0, which no rater is given. A person's
thumbs on several answers to one prompt are preferences too: `exchange` pairs what went up with what went down. A second
thumb on the same answer takes the first back, and so does none.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Literal

from trivium.base.words import Message
from trivium.feedback.answers import record_unasked, take_back
from trivium.feedback.database import Database
from trivium.feedback.items import offer
from trivium.feedback.plan import now
from trivium.feedback.raters import Rater
from trivium.feedback.words import HELPFUL, POINTS, Item, Judgement, JudgementError, Response, check_judgement

Thumb = Literal["up", "down", "none"]
ROUND = 0
SOURCE = "chat"


def give(
    database: Database,
    rater: Rater,
    prompt: Sequence[Message],
    response: Response,
    thumb: Thumb,
    correction: str | None = None,
) -> None:
    """Record a thumb, with what the answer should have said where that is given; `none` takes an earlier one back.

    A correction alone counts as a thumb down. Raises JudgementError where it says nothing new.
    """
    item = Item("likert", tuple(prompt), (response,), (HELPFUL,), details={"source": SOURCE, "split": "train"})
    down = thumb == "down" or (thumb == "none" and correction is not None)
    mended = {} if correction is None else {"corrects": 0, "correction": correction}
    judgement = Judgement(verdict="score", scores={HELPFUL: 1 if down else POINTS}, **mended)
    check_judgement(judgement, item.kind, item.responses, item.axes)
    if not prompt or prompt[-1].role != "user":
        raise JudgementError("a rated answer has a conversation before it that ends with what the user says")
    with database.writing() as work:
        offer(work, [item], ROUND)
        before = work.rows(
            "SELECT * FROM answers WHERE item = :item AND rater = :rater AND live = 1", item=item.id, rater=rater.id
        )
        for row in before:
            take_back(work, row, "undone", f"u-{secrets.token_hex(12)}")
        if thumb != "none" or correction is not None:
            record_unasked(work, item.id, rater.id, judgement, f"c-{secrets.token_hex(12)}", now())
