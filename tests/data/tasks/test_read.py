"""Readers of labelled data: every form gives the same items, and every fault names file, line and field."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from trivium.base.errors import DataError, RecipeError
from trivium.data.tasks import few, hold_out, read, read_file
from trivium.task.declaration import Task, read_task
from trivium.task.items import Asked, Labelled, Tagged, Written

ROWS = [("good, really", "pos"), ('he said "no"', "neg"), ("fine", "pos")]


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def labelled(path: Path, **more: Any) -> list[Any]:
    return read_file(Task.model_validate({"kind": "classify", "data": {"train": path}, **more}), path)


def forms(folder: Path) -> dict[str, Path]:
    archive = folder / "t.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for number, (text, label) in enumerate(ROWS):
            file.writestr(f"all/{label}/{number}.txt", text)
    return {
        "jsonl": written(folder / "t.jsonl", "".join(json.dumps({"text": t, "label": y}) + "\n" for t, y in ROWS)),
        "json": written(folder / "t.json", json.dumps([{"text": t, "label": y} for t, y in ROWS])),
        "csv": written(folder / "t.csv", '\ufefftext,label\n"good, really",pos\n"he said ""no""",neg\nfine,pos\n'),
        "tsv": written(folder / "t.tsv", 'text\tlabel\ngood, really\tpos\nhe said "no"\tneg\nfine\tpos\n'),
        "zip": archive,
    }


def test_every_form_gives_the_same_items(tmp_path: Path) -> None:
    for kind, path in forms(tmp_path).items():
        found = labelled(path)
        assert sorted((one.text, one.labels[0]) for one in found) == sorted(ROWS), kind
    numbered = labelled(written(tmp_path / "n.csv", "pos,fine\n"), columns={"text": 1, "label": 0})
    assert (numbered[0].text, numbered[0].labels) == ("fine", ("pos",))


def test_parquet_gives_the_same_items(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"text": [text for text, _ in ROWS], "label": [label for _, label in ROWS]})
    parquet.write_table(table, tmp_path / "t.parquet")
    assert [(one.text, one.labels[0]) for one in labelled(tmp_path / "t.parquet")] == ROWS


@pytest.mark.parametrize(
    ("name", "content", "more", "told"),
    [
        ("t.csv", "text,label\nx,a\n", {"columns": {"label": "klass"}}, "t.csv:2: field 'klass': missing; there are:"),
        ("t.csv", 'text,label\n"two\nlines",a\n  ,b\n', {}, "t.csv:4: field 'text': is empty"),
        ("t.csv", "text,label\nx,a,b\n", {}, "t.csv:2: 3 fields, the header has 2 (text, label)"),
        ("t.csv", "text,label\nx,a\n", {"columns": {"second": "other"}}, "field 'other': missing, and a pair has two texts"),
        ("t.jsonl", '{"text": "x", "label": "a"}\n\n{"text": 3, "label": "a"}\n', {}, "t.jsonl:3: field 'text': should be text"),
        ("t.jsonl", '{"text": "x", "label": null}\n', {}, "t.jsonl:1: field 'label': should be a label, is null"),
        ("t.jsonl", '{"text": "x", "label": "c"}\n', {"labels": ["a", "b"]}, "'c' is none of the task's labels: a, b"),
        ("t.jsonl", '{"text": "x", "label": "much"}\n', {"kind": "regress"}, "field 'label': should be a number, is \"much\""),
        ("t.conll", "a\tO\nb\tI-X\n", {"kind": "tag"}, "t.conll:2: field 'tags': word 2 ('b'): 'I-X' cannot stand"),
        ("t.conll", "a\tO\nb\n", {"kind": "tag"}, "t.conll:2: field 'words': 1 columns"),
        ("t.conll", "\n\n", {"kind": "tag"}, "nothing to read"),
        ("t.xyz", "x", {}, "'.xyz' says nothing about its form"),
    ],
)  # fmt: skip
def test_a_fault_names_its_place(tmp_path: Path, name: str, content: str, more: dict[str, Any], told: str) -> None:
    with pytest.raises(DataError) as error:
        labelled(written(tmp_path / name, content), **more)
    assert told in str(error.value)


def test_a_label_unseen_in_training_is_told_with_its_line(tmp_path: Path) -> None:
    train = written(tmp_path / "a.csv", "text,label\n" + "x,a\ny,b\n" * 10)
    valid = written(tmp_path / "b.csv", "text,label\nx,a\ny,c\n")
    task = Task.model_validate({"kind": "classify", "data": {"train": train, "valid": valid, "test_share": 0}})
    with pytest.raises(DataError, match=r"b\.csv:3: field 'label': 'c' is in no training item; those have a, b"):
        read(task, 0)
    tagged = written(tmp_path / "a.conll", "x\tB-A\ny\tO\n\n" * 10)
    other = written(tmp_path / "b.conll", "x\tB-B\n")
    task = Task.model_validate({"kind": "tag", "data": {"train": tagged, "valid": other, "test_share": 0}})
    with pytest.raises(DataError, match=r"b\.conll:1: field 'tags': 'B' is in no training item"):
        read(task, 0)


def test_a_declared_label_or_word_that_the_data_do_not_have_is_refused(tmp_path: Path) -> None:
    """A head would have an output that nothing teaches; a misspelt word would silently be the label's own name."""
    rows = "".join(f"x{number},good\ny{number},bad\n" for number in range(20))
    train = written(tmp_path / "a.csv", f"text,label\n{rows}")

    def of(**more: Any) -> Task:
        return Task.model_validate({"kind": "classify", "data": {"train": train}, **more})

    with pytest.raises(DataError, match=r"a\.csv: field 'labels': 'fair' is in no training item; those have bad, good"):
        read(of(labels=["good", "fair", "bad"]), 0)
    for name, template in (("prompt", "{text}"), ("cloze", "{text} [MASK]")):
        view = {"template": template, "words": {"goood": "fine"}}
        with pytest.raises(DataError, match=rf"field 'views\.{name}\.words': 'goood' is none of the labels: bad, good"):
            read(of(views={name: view}), 0)
    assert read(
        of(labels=["good", "bad"], views={"prompt": {"template": "{text}", "words": {"bad": "poor"}}}), 0
    ).names == (
        "good",
        "bad",
    )


SQUAD = {"data": [{"title": "T", "paragraphs": [{"context": "Anna lives in Velby.", "qas": [
    {"id": "1", "question": "Where?", "answers": [{"text": "Velby", "answer_start": 14}]},
    {"id": "2", "question": "Who?", "is_impossible": True, "answers": []},
]}]}]}  # fmt: skip


def test_questions_and_a_wrong_place(tmp_path: Path) -> None:
    path = written(tmp_path / "q.json", json.dumps(SQUAD))
    task = Task.model_validate({"kind": "answer", "data": {"train": path}})
    assert read_file(task, path) == [
        Asked("Anna lives in Velby.", "Where?", ((14, "Velby"),), "1", "T"),
        Asked("Anna lives in Velby.", "Who?", (), "2", "T"),
    ]
    path.write_text(json.dumps(SQUAD).replace("14", "13"), encoding="utf-8")
    with pytest.raises(
        DataError, match=r"paragraphs\[0\]\.qas\[0\]: field 'answers': the answer \"Velby\" is not in its context"
    ):
        read_file(task, path)


def test_parallel_text(tmp_path: Path) -> None:
    written(tmp_path / "t.en", "one\ntwo\n")
    written(tmp_path / "t.de.gz", gzip.compress(b"eins\nzwei\n"))
    prompt = {"prompt": {"template": "{source} =>"}}
    given = {
        "kind": "generate",
        "data": {"train": tmp_path / "t.*", "format": "parallel"},
        "columns": {"source": "en", "target": "de"},
    }
    task = Task.model_validate({**given, "views": prompt})
    assert read_file(task, tmp_path / "t.*") == [Written("one", "eins"), Written("two", "zwei")]
    written(tmp_path / "t.de.gz", gzip.compress(b"eins\n"))
    with pytest.raises(DataError, match=r"t\.de\.gz:2: ends here, the other file goes on"):
        read_file(task, tmp_path / "t.*")


def test_holding_out_keeps_groups_together_and_shares_labels() -> None:
    items = [Labelled(f"{number % 70}", labels=("a" if number % 70 < 50 else "b",)) for number in range(140)]
    rest, kept = hold_out(items, 0.2, 0, "valid")
    assert not {one.text for one in rest} & {one.text for one in kept}
    assert (sum(one.labels == ("a",) for one in kept), sum(one.labels == ("b",) for one in kept)) == (20, 8)
    assert hold_out(items, 0.2, 0, "valid")[1] == kept != hold_out(items, 0.2, 1, "valid")[1]
    assert [one.labels[0] for one in few(items, 4, 0)].count("a") == 2


@pytest.mark.parametrize("task", ["sentiment", "entities", "questions"])
def test_the_world_s_labels_are_true_and_held_out_words_are_not_trained_on(task: str) -> None:
    from trivium.world import lexicon

    splits = read(
        Task.model_validate({"data": {"kind": "world", "task": task, "train": 400, "valid": 50, "test": 200}}), 0
    )
    held = set(lexicon.NAMES.held_out) | set(lexicon.TOWNS.held_out)
    words = {True: set[str](), False: set[str]()}
    for items, test in ((splits.train, False), (splits.test, True)):
        for one in items:
            match one:
                case Labelled():
                    words[test] |= set(one.text.replace(".", " ").replace(",", " ").split())
                case Tagged():
                    words[test] |= set(one.words)
                    for word, tag in zip(one.words, one.tags, strict=True):
                        assert tag != "O" or word not in set(lexicon.NAMES) | set(lexicon.TOWNS)
                case Asked():
                    words[test] |= set(one.context.replace(".", " ").replace("'", " ").split())
                    assert all(one.context[start : start + len(text)] == text for start, text in one.answers)
    assert not words[False] & held
    assert len(words[True] & held) > 5
    if task == "questions":
        silent = sum(not one.answers for one in splits.train if isinstance(one, Asked))
        assert 0.05 < silent / 400 < 0.16


def test_a_task_in_a_file_of_its_own(tmp_path: Path) -> None:
    path = written(tmp_path / "task.yaml", "kind: classify\ndata: {train: t.csv}\nlabels: {'0': bad, '1': good}\n")
    assert read_task(path).data.train == tmp_path / "t.csv"  # type: ignore[union-attr]
    path.write_text("kind: classify\ndata: {train: t.csv}\nviews: {head: {spelling: true}}\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"views\.head\.spelling: not read by a task of kind classify"):
        read_task(path)
    path.write_text("kind: tag\ndata: {train: t.csv}\ncolumns: {word: 0}\n", encoding="utf-8")
    with pytest.raises(
        RecipeError, match=r"columns\.word: a task of kind tag has no such part; did you mean 'words'\?"
    ):
        read_task(path)


def test_a_saved_dataset_gives_its_label_names(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    rows = {"text": [text for text, _ in ROWS], "label": [label for _, label in ROWS]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "saved")
    assert [(one.text, one.labels[0]) for one in labelled(tmp_path / "saved")] == ROWS
    datasets.DatasetDict({"train": datasets.Dataset.from_dict(rows)}).save_to_disk(tmp_path / "two")
    with pytest.raises(DataError, match=r"holds several splits \(train\)"):
        labelled(tmp_path / "two", data={"train": tmp_path / "two", "format": "huggingface"})
