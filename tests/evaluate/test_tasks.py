"""Scores of tasks against the libraries and figures worked out by hand; baselines learn what there is to learn."""

from __future__ import annotations

import numpy
import pytest

from trivium.evaluate import answers, classification, tagging, writing
from trivium.evaluate.tasks import baselines, compare
from trivium.task.declaration import Task
from trivium.task.items import Asked, Labelled, Tagged, Written
from trivium.task.tags import convert, names_in

sklearn = pytest.importorskip("sklearn.metrics")
NAMES = ("a", "b", "c")


def test_label_scores_are_scikit_learn_s_and_their_intervals_hold_them() -> None:
    random = numpy.random.default_rng(0)
    gold = [NAMES[n] for n in random.integers(0, 3, 200)]
    told = [one if random.random() < 0.7 else NAMES[random.integers(0, 3)] for one in gold]
    found = classification.label_scores(gold, told, NAMES)
    table = sklearn.confusion_matrix(gold, told, labels=NAMES)
    assert found["macro_f1"].value == pytest.approx(sklearn.f1_score(gold, told, average="macro"))
    assert classification.macro_f1(table) == pytest.approx(found["macro_f1"].value)
    assert classification.correlation(table) == pytest.approx(sklearn.matthews_corrcoef(gold, told))
    for one in found.values():
        assert one.low < one.value < one.high
    assert sum(row["items"] for row in classification.per_label(gold, told, NAMES)) == 200


def test_calibration_error_by_hand() -> None:
    assert classification.calibration_error([True, False], [0.95, 0.95]) == pytest.approx(0.45)


@pytest.mark.parametrize("scheme", ["bio", "bioes", "iob1"])
def test_span_scores_are_seqeval_s_in_every_scheme(scheme: str) -> None:
    metrics = pytest.importorskip("seqeval.metrics")
    random = numpy.random.default_rng(1)
    plain = [[["O", "B-X", "B-Y"][n] for n in random.integers(0, 3, 9)] for _ in range(60)]
    noisy = [[tag if random.random() < 0.8 else "O" for tag in tags] for tags in plain]
    gold, told = ([convert(tags, "bio", scheme) for tags in side] for side in (plain, noisy))  # type: ignore[arg-type]
    found = tagging.span_scores(gold, told, scheme)["span_f1"]  # type: ignore[arg-type]
    assert found.value == pytest.approx(metrics.f1_score(plain, noisy))
    assert found.low < found.value < found.high
    rows = tagging.per_type(gold, told, scheme)  # type: ignore[arg-type]
    report = metrics.classification_report(plain, noisy, output_dict=True)
    for row in rows:
        assert row["f1"] == pytest.approx(report[row["label"]]["f1-score"])


def test_answers_are_compared_as_squad_does() -> None:
    assert answers.exact("the Velby!", ["Velby"]) and answers.exact("", []) and not answers.exact("x", [])
    assert answers.word_f1("in old Velby", ["Velby", "old Velby"]) == pytest.approx(2 * 2 / 5)
    assert answers.word_f1("", ["Velby"]) == 0.0
    items = [Asked("Anna is kind. Tom lives in Velby.", "Where does Tom live?", ((27, "Velby"),))]
    assert answers.nearest_sentence(items) == ["Velby"]


def test_written_texts_are_scored_with_signatures() -> None:
    pytest.importorskip("rouge_score")
    gold = ["the cat sat on the mat today", "a dog ran over the long hill"]
    found, notes = writing.text_scores(gold, [gold[0], "a dog ran over a hill"])
    assert found["exact"].value == 0.5 and 0.3 < found["bleu"].value < 1 and found["bleu"].low < found["bleu"].high
    sacrebleu = pytest.importorskip("sacrebleu")
    told = [gold[0], "a dog ran over a hill"]
    assert found["chrf"].value == pytest.approx(sacrebleu.corpus_chrf(told, [gold]).score / 100)
    assert found["bleu"].value == pytest.approx(sacrebleu.corpus_bleu(told, [gold]).score / 100)
    assert "tok:13a" in notes["bleu"] and found["rougeLsum"].value > 0.8
    assert writing.lead([Written("One. Two.", "")]) == ["One."]


def test_baselines_learn_what_words_tell() -> None:
    pytest.importorskip("sklearn_crfsuite")
    texts = [
        Labelled(f"{word} thing {n}", labels=(label,))
        for n in range(30)
        for word, label in (("good", "a"), ("bad", "b"))
    ]
    task = Task.model_validate({"kind": "classify", "data": {"train": "x"}})
    found = baselines(task, ("a", "b"), texts[:40], texts[40:])
    assert found["majority"].scores["accuracy"].value == 0.5
    assert found["tfidf_logistic_regression"].scores["accuracy"].value == 1.0
    for scheme in ("bio", "iob1", "none"):
        tagger = Task.model_validate({"kind": "tag", "data": {"train": "x"}, "scheme": scheme})
        tags = {"bio": ("O", "B-PER", "I-PER"), "iob1": ("O", "I-PER", "I-PER"), "none": ("DT", "NN", "NN")}[scheme]
        items = [Tagged(("so", f"Anna{n}", "Lee"), tags) for n in range(20)]
        names = names_in((tag for one in items for tag in one.tags), tagger.scheme, tagger.trained_scheme)
        main = "word_accuracy" if scheme == "none" else "span_f1"
        assert baselines(tagger, names, items[:15], items[15:])["crf"].scores[main].value == 1.0


def test_several_labels_and_numbers() -> None:
    many = Task.model_validate({"kind": "multilabel", "data": {"train": "x"}})
    items = [Labelled("x", labels=("a", "b")), Labelled("y", labels=())]
    found = compare(many, ("a", "b"), items, [("a",), ()])
    assert found.scores["micro_f1"].value == pytest.approx(2 / 3) and found.scores["exact"].value == 0.5
    number = Task.model_validate({"kind": "regress", "data": {"train": "x"}})
    graded = [Labelled("x", value=float(n)) for n in range(10)]
    scores = compare(number, (), graded, [2.0 * n + 1 for n in range(10)]).scores
    assert scores["pearson"].value == pytest.approx(1.0) and scores["mean_absolute_error"].value == pytest.approx(5.5)
