"""The page of `compare` shows every answer with its figures, run beside run, and asks nothing of the network."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest

from tests.journey.page import read_page
from trivium.base.errors import UserError
from trivium.journey.compare import Row
from trivium.journey.compare_page import render, write_comparison

NASTY = "<script>alert(1)</script>\u202e"


def row(prompt: str, said: dict[str, str], **changed: dict[str, float]) -> Row:
    """A prompt through these models; what is not given is two words, ended, at -4 nats."""
    figures = {"words": 2.0, "ended": 1.0, "log_likelihood": -4.0, "log_likelihood_of_newest": -4.0}
    changes = {model: {**figures, **changed.get(model, {})} for model in said}
    return Row(prompt, said, {model: f"What {model} shows." for model in said}, changes)


def test_every_answer_stands_there_with_its_sentence_and_its_figures() -> None:
    said = {"pretrain": "and the sea", "finetune": "red apple", "align": "lovely apple", "align-dpo": "ripe apple"}
    html = render([row("What is red?", said, align={"reward": 1.25, "kl": 3.0}, pretrain={"ended": 0.0})])
    page = read_page(html)
    assert "One prompt through 4 models" in page.text
    for model, text in said.items():
        assert text in page.text and f"What {model} shows." in page.text, model
    assert "2 words; log-likelihood -4.0 nats; reward 1.25; KL 3.0" in page.text
    assert "3 words; log-likelihood -4.0 nats; cut off at the length limit" in page.text
    assert "aligned by align-dpo" in page.text
    assert "What was I asked?" in page.text, "what each phase teaches"
    assert "<mark>lovely</mark>" in html and "<mark>ripe</mark>" in html, "new beside the fine-tuned one"
    assert "<mark>red" not in html


def test_means_over_prompts_have_intervals_and_count_their_prompts() -> None:
    rows = [
        row(f"Prompt {number}", {"finetune": "a b", "align": "c d"}, align={"reward": float(number)})
        for number in range(1, 5)
    ]
    text = read_page(render(rows)).text
    assert "means over 4 prompts, with 95% intervals" in text
    assert re.search(r"Reward 2\.50 \(1\.[\d]+ to 3\.[\d]+\)", text), "1, 2, 3 and 4, of one model"
    assert "Ended by itself 4 of 4 4 of 4" in text


def test_runs_stand_beside_each_other_by_stage_and_a_model_that_one_lacks_is_said_to() -> None:
    said = {"one/pretrain": "a b", "one/finetune": "c d", "two/pretrain": "a b"}
    html = render([row("Hello", said, **{"two/pretrain": {"same": 1.0}})])
    page = read_page(html)
    assert "One prompt through the models of one and two" in page.text
    assert html.count("--models:2") == 2, "as many columns in each run, so that stages stand under each other"
    assert page.text.count("There is no such model.") == 1
    assert "the same words as in the first run" in page.text


def test_texts_are_shown_as_texts_and_personal_data_are_not_shown() -> None:
    html = render([row(f"Write to ann.lee@example.org {NASTY}", {"finetune": f"{NASTY} ann.lee@example.org"})])
    page = read_page(html)
    assert "<script>alert(1)</script><U+202E>" in page.text
    assert html.count("<script>") == 1
    assert "ann.lee" not in html and page.text.count("[EMAIL]") == 2
    assert not re.search(r"https?://", html)
    digest = base64.b64encode(hashlib.sha256("".join(page.scripts).encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html


def test_a_page_is_an_html_file(tmp_path: Path) -> None:
    rows = [row("Hello", {"finetune": "a b"})]
    assert write_comparison(rows, tmp_path / "new" / "page.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    for path in (tmp_path / "prompts.txt", tmp_path):
        with pytest.raises(UserError, match=r"ends in \.html"):
            write_comparison(rows, path)
