"""What a model remembers: canaries, extraction of training text, and membership, each beside what it says of data that it
never saw.

- exposure of planted canaries and of controls (`canaries.py`);
- discoverable extraction (Carlini et al. 2023): shown the first tokens of a training document, does it write the next ones
  exactly, greedily; and n-p-extraction (Hayes et al. 2024): the chance that one of n tries writes them, which is not zero
  where greedy fails by one token;
- membership inference: the area under the curve (AUC) by which loss, and Min-K% (Shi et al. 2024: the mean of the unlikeliest
  tokens), tell training from held-out documents, and the true positives at 1% false ones. 0.5 is guessing.

Held-out documents are the controls: what is found of them, too, is no memory. Membership is meant only where they are drawn as
the training ones are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
from torch import Tensor

from trivium.base.files import read_jsonl
from trivium.base.seeds import numpy_random, python_random
from trivium.data.canaries import FILE, read_canaries
from trivium.evaluate.canaries import CHANCE_BITS, MOST_DIGITS, exposures, groups_of, most_bits, within
from trivium.evaluate.intervals import Estimate, mean, proportion
from trivium.evaluate.likelihood import Ask, Judge
from trivium.evaluate.privacy_settings import PrivacySettings
from trivium.evaluate.scores import score_row

Row = dict[str, Any]
RESAMPLES = 500
FALSE_POSITIVES = 0.01
SEEN, UNSEEN = "seen", "unseen"


def privacy_rows(settings: PrivacySettings, stage: str, judge: Judge, gather: Path, seed: int) -> list[Row]:
    """The scores of one model. Raises UserError where the tokenizer cannot tell digits apart."""
    rows: list[Row] = []
    if (gather / FILE).exists():
        rows += canary_rows(settings, stage, judge, gather)
    texts = {
        name: sample_of(gather / "documents" / f"{split}.jsonl", settings.documents, seed)
        for name, split in ((SEEN, "train"), (UNSEEN, "valid"))
    }
    return [
        *rows,
        *extraction_rows(settings, stage, judge, texts),
        *membership_rows(settings, stage, judge, texts, seed),
    ]


def canary_rows(settings: PrivacySettings, stage: str, judge: Judge, gather: Path) -> list[Row]:
    """Exposure of the controls and of each number of copies."""
    canaries, into = read_canaries(gather)
    found = exposures(judge, canaries, into, settings.candidates)
    digits = len(canaries[0].secret)
    among = "" if digits <= MOST_DIGITS else f" among {settings.candidates:,} drawn at random"
    bits = most_bits(digits, settings.candidates)
    note = f"planted in {into}; most possible{among} {bits:.2f} bits, never seen {CHANCE_BITS:.2f}"
    rows = []
    for group in groups_of(found, settings.queries):
        name = f"{group.copies} {'copy' if group.copies == 1 else 'copies'}" if group.copies else "controls"
        rows.append(score_row(f"exposure/family/{name}", stage, group.bits, "bits", note))
        rows.append(
            score_row(f"canary_first/family/{name}", stage, group.first, "share", "the secret is the likeliest of all")
        )
        told = f"within {settings.queries:,} tries"
        rows.append(score_row(f"canary_extracted/family/{name}", stage, group.extracted, "share", told))
    return rows


def sample_of(path: Path, most: int, seed: int) -> list[str]:
    """Texts of documents, drawn from all of a file; canaries left out."""
    texts = [row["text"] for row in read_jsonl(path) if row["meta"].get("kind") != "canary"]
    return python_random(seed, "privacy", path.name).sample(texts, min(most, len(texts)))


def extraction_rows(settings: PrivacySettings, stage: str, judge: Judge, texts: dict[str, list[str]]) -> list[Row]:
    """Extraction of the documents that are long enough; a masked model writes nothing."""
    if not judge.causal:
        return []
    size = settings.prefix + settings.suffix
    rows: list[Row] = []
    for name, chosen in texts.items():
        cut = [tuple(ids[:size]) for text in chosen if len(ids := judge.tokenizer.encode(text)) >= size]
        if size > judge.room or not cut:
            continue
        asks = [Ask(ids, tuple(range(settings.prefix, size))) for ids in cut]
        told, greedy = judge.log_probabilities(asks), judge.likeliest(asks)
        exact = sum(bool(one.all()) for one in greedy)
        chances = [within(float(one.double().sum()), settings.queries) for one in told]
        note = f"{settings.suffix} tokens after {settings.prefix}"
        rows.append(
            score_row(f"extracted/family/{name}", stage, proportion(exact, len(cut)), "share", f"{note}, greedy")
        )
        told_n = f"{note}, within {settings.queries:,} tries"
        rows.append(score_row(f"extracted_by_chance/family/{name}", stage, mean(chances), "share", told_n))
    return rows


def membership_rows(
    settings: PrivacySettings, stage: str, judge: Judge, texts: dict[str, list[str]], seed: int
) -> list[Row]:
    """How well loss and Min-K% tell documents that were trained on from others."""
    scores: dict[str, dict[str, list[float]]] = {"loss": {}, "min_k": {}}
    for name, chosen in texts.items():
        told = judge.log_probabilities([_ask_of(settings, judge, text, seed) for text in chosen])
        scores["loss"][name] = [float(one.mean()) for one in told]
        scores["min_k"][name] = [least_mean(one, settings.least_share) for one in told]
    rows = []
    for how, found in scores.items():
        seen, unseen = numpy.array(found[SEEN]), numpy.array(found[UNSEEN])
        rows.append(score_row(f"membership_{how}", stage, area(seen, unseen), "share", "AUC; 0.5 is guessing"))
        hits = int((seen > cut_at(unseen)).sum())
        told_at = f"true positives at {FALSE_POSITIVES:.0%} false ones"
        rows.append(score_row(f"membership_{how}_found", stage, proportion(hits, len(seen)), "share", told_at))
    return rows


def _ask_of(settings: PrivacySettings, judge: Judge, text: str, seed: int) -> Ask:
    """As much of a document as the model reads; of it a masked model is asked for some tokens."""
    ids = tuple(judge.tokenizer.encode(text)[: judge.room])
    if judge.causal or len(ids) <= settings.tokens:
        return Ask(ids, tuple(range(len(ids))))
    places = python_random(seed, "membership", text).sample(range(len(ids)), settings.tokens)
    return Ask(ids, tuple(sorted(places)))


def least_mean(log_probabilities: Tensor, share: float) -> float:
    """The mean of the unlikeliest `share` of the tokens, at least one."""
    count = max(1, round(share * len(log_probabilities)))
    return float(log_probabilities.sort().values[:count].mean())


def area(seen: numpy.ndarray[Any, Any], unseen: numpy.ndarray[Any, Any]) -> Estimate:
    """The chance that a seen text scores above an unseen one, ties half (Mann and Whitney 1947), with a bootstrap interval
    over both."""
    wins = (seen[:, None] > unseen) + 0.5 * (seen[:, None] == unseen)  # (seen, unseen)
    random = numpy_random(0, "area")
    found = []
    for _ in range(RESAMPLES):
        rows, columns = random.integers(0, len(seen), len(seen)), random.integers(0, len(unseen), len(unseen))
        found.append(float(wins[rows][:, columns].mean()))
    low, high = numpy.quantile(found, [0.025, 0.975])
    return Estimate(float(wins.mean()), float(low), float(high), len(seen) + len(unseen))


def cut_at(unseen: numpy.ndarray[Any, Any]) -> float:
    """The score above which at most 1% of the unseen texts lie."""
    ordered = numpy.sort(unseen)[::-1]
    return float(ordered[int(FALSE_POSITIVES * len(ordered))])
