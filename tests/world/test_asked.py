"""Tasks that are asked without training: words by their sign."""

from __future__ import annotations

from trivium.world.asked import codes


def test_whatever_the_draw_there_are_eight_examples_and_none_is_asked() -> None:
    for seed in range(300):
        shown, kept, asked = (list(codes(seed, split)) for split in ("train", "valid", "test"))
        assert len(shown) >= 8 and {sign for _, sign in shown} == {sign for _, sign in asked}
        words = [word for rows in (shown, kept, asked) for word, _ in rows]
        assert len(words) == len(set(words)) and kept
