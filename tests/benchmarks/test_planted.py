"""Planted personal data are found, and look-alikes left alone, as often as the benchmark asks."""

from __future__ import annotations

import pytest

from planted import planted
from trivium.data.private import KINDS, find

pytest.importorskip("phonenumbers")


def test_planted_data_are_found_and_look_alikes_are_not() -> None:
    found, right, wrong = 0, 0, []
    texts = planted(11, 700)
    for one in texts:
        hits = list(find(one.text, KINDS))
        ends = one.start + len(one.value)
        if one.kind:
            right += any(hit.kind == one.kind and hit.start <= one.start and hit.end >= ends for hit in hits)
            found += 1
        wrong += [
            one.text[hit.start : hit.end] for hit in hits if not one.kind or hit.end <= one.start or hit.start >= ends
        ]
    assert right / found >= 0.99
    assert right / (right + len(wrong)) >= 0.9, wrong[:20]
