"""What a fine-tuned model tells, from Python and from the command line, on texts, files and standard input."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch

import trivium
from trivium.apps.predict import predict
from trivium.base.device import choose_machine
from trivium.base.errors import DataError, RunError, UserError
from trivium.base.seeds import torch_random
from trivium.evaluate.prompted import Prompted
from trivium.model.architecture import Architecture
from trivium.model.initialise import initialise
from trivium.model.transformer import Transformer
from trivium.predict.encoder import load_encoder
from trivium.predict.names import load_finder
from trivium.stages.finetune_task import FinetuneTaskSettings, save
from trivium.task.declaration import Task
from trivium.tokenizer import Tokenizer
from trivium.tokenizer import train as train_tokenizer
from trivium.train.record import save_model_folder
from trivium.tune.setup import Setup, make_model
from trivium.world.documents import documents


def asked(template: str) -> dict[str, Any]:
    return {"views": {"prompt": {"template": template, "max_new_tokens": 4}}}


TASKS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "mood": ({"kind": "classify", "data": {"train": "x"}}, ("bad", "good")),
    "pairs": ({"kind": "regress", "data": {"train": "x"}, "columns": {"second": "other"}}, ("score",)),
    "names": ({"kind": "tag", "data": {"train": "x"}}, ("O", "B-PER", "I-PER", "E-PER", "S-PER")),
    "facts": ({"kind": "answer", "data": {"train": "x"}}, ()),
    "mood_in_words": ({"kind": "classify", "data": {"train": "x"}, **asked("{text}:")}, ("bad", "good")),
    "facts_in_words": ({"kind": "answer", "data": {"train": "x"}, **asked("{context} {question}")}, ()),
    "titles": ({"kind": "generate", "data": {"train": "x"}, **asked("{source} =>")}, ()),
    "things": ({"kind": "choose", "data": {"train": "x"}, "columns": {"question": "said"}, **asked("{question}")}, ()),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder for each task, its head drawn at random."""
    folder = tmp_path_factory.mktemp("models")
    stream = documents(0, "train")
    tokenizer = train_tokenizer((next(stream).text for _ in range(200)), 600)
    sizes = {"num_layers": 1, "num_heads": 2, "num_kv_heads": 2, "head_dim": 16, "intermediate_size": 48}
    shape = Architecture(vocab_size=600, hidden_size=32, max_positions=64, **sizes)
    model = Transformer(shape)
    initialise(model, torch_random(0, "test"))
    save_model_folder(model, tokenizer, folder / "base")
    for name, (given, names) in TASKS.items():
        task = Task.model_validate(given)
        settings = FinetuneTaskSettings(task=task, view="prompt" if task.views.prompt else "head")
        machine = choose_machine("cpu", 1, "float32")
        setup = Setup(settings, task, names, folder / "base", Tokenizer.load(folder / "base"), machine, 0)
        tuned = make_model(setup)
        if setup.by_head:
            torch.nn.init.normal_(tuned.head_out.weight, generator=torch_random(1, name))
        save(setup, tuned, folder / name)
    return folder


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def stand_in(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Puts the bytes where standard input is."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_three_lines_of_python(folders: Path) -> None:
    found = trivium.load(folders / "mood").classify("The soup was good.")
    assert found.label in ("bad", "good") and sum(found.probabilities.values()) == pytest.approx(1.0)
    text = "Anna lives in Velby, and Tom does not. " * 8  # longer than the model reads
    for entity in trivium.load(folders / "names").tag(text):
        assert text[entity.start : entity.end] == entity.text and entity.kind == "PER"
    answer = trivium.load(folders / "facts").answer("Where does Anna live?", text)
    assert answer.text == text[answer.start : answer.end]
    with pytest.raises(UserError, match="this needs one task of kind tag; it has none"):
        trivium.load(folders / "mood").tag("x")
    with pytest.raises(UserError, match="reads and does not write"):
        trivium.load(folders / "mood").chat("x")


def test_texts_files_and_standard_input_say_the_same(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts, how = ["The soup was good.", "It broke."], (tmp_path, "cpu", True)
    predict(folders / "mood", None, texts, None, how)
    first = told(capsys)
    assert [row["input"] for row in first] == texts
    (tmp_path / "t.txt").write_text("\n".join(texts) + "\n\n", encoding="utf-8")
    predict(folders / "mood", "mood", [], tmp_path / "t.txt", how)
    assert told(capsys) == first
    (tmp_path / "t.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    predict(folders / "mood", None, [], tmp_path / "t.jsonl", how)
    assert told(capsys) == first
    stand_in(monkeypatch, "\n".join(texts).encode())
    predict(folders / "mood", None, [], None, how)
    assert told(capsys) == first
    predict(folders / "mood", None, texts, None, (tmp_path, "cpu", False))
    assert [line.split("\t")[1] for line in capsys.readouterr().out.splitlines()] == texts


def test_a_text_whose_end_is_not_read_is_told_of(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = "The soup was good. " * 40
    predict(folders / "mood", None, ["It broke.", long], None, (tmp_path, "cpu", True))
    assert (
        "1 of 2 texts are longer than 64 tokens and lost their end; views.head.windows: true" in capsys.readouterr().err
    )
    predict(folders / "names", None, [long], None, (tmp_path, "cpu", True))  # read in windows: nothing is lost
    assert capsys.readouterr().err == ""


def test_pairs_are_parted_by_a_tab_and_a_missing_half_is_told(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    how = (tmp_path, "cpu", True)
    predict(folders / "pairs", None, ["one text\tand another"], None, how)
    assert isinstance(told(capsys)[0]["value"], float)
    (tmp_path / "t.txt").write_text("a\tb\nonly one\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"t\.txt:2: the task 'pairs' reads two texts with a tab between"):
        predict(folders / "pairs", None, [], tmp_path / "t.txt", how)
    with pytest.raises(RunError, match="there is no task 'moods'; there are mood"):
        predict(folders / "mood", "moods", ["x"], None, how)
    (tmp_path / "empty.txt").write_text("\n", encoding="utf-8")
    with pytest.raises(UserError, match="nothing to predict"):
        predict(folders / "mood", None, [], tmp_path / "empty.txt", how)


def test_vectors_do_not_depend_on_what_stands_beside(folders: Path) -> None:
    encoder = load_encoder(folders / "base", "cpu", 1)
    texts = ["Anna lives in Velby.", "No.", "The red kite is in the kitchen, and nobody knows why it is there."]
    together = encoder.embed(texts, "mean")
    for text, row in zip(texts, together, strict=True):
        torch.testing.assert_close(
            torch.tensor(encoder.embed([text], "mean")[0]), torch.tensor(row), rtol=1e-5, atol=1e-5
        )
    with pytest.raises(UserError, match="was not trained to fill gaps"):
        encoder.fill("Anna lives in [MASK].")
    with pytest.raises(UserError, match="a text is empty"):
        encoder.embed([" "])


def test_a_tagger_finds_names_for_data_preparation(folders: Path) -> None:
    find = load_finder(folders / "names", ["per"], "cpu", 1)
    text = "Mira met Tom by the sea."
    (found,) = find([text])
    assert [(one.start, one.end, one.kind) for one in trivium.load(folders / "names").tag(text)] == found
    with pytest.raises(UserError, match="has no kind org; it tags PER"):
        load_finder(folders / "names", ["ORG"], "cpu", 1)
    with pytest.raises(UserError, match="does not tag names"):
        load_finder(folders / "mood", [], "cpu", 1)


def test_what_is_written_for_an_answer_has_its_place_in_the_context_or_none(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Prompted, "texts", lambda self, items: ["red", "blue", ""])
    predict(folders / "facts_in_words", None, ["Which?\tthe red hen"] * 3, None, (tmp_path, "cpu", True))
    places = [(4, 7), (-1, -1), (0, 0)]
    expected = [{"answer": t, "start": a, "end": b} for t, (a, b) in zip(("red", "blue", ""), places, strict=True)]
    assert told(capsys) == [{"input": ["Which?", "the red hen"], **one} for one in expected]
    predict(folders / "facts_in_words", None, ["Which?\tthe red hen"] * 3, None, (tmp_path, "cpu", False))
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()] == [
        "red",
        "blue",
        "(not in the text)",
    ]
    monkeypatch.undo()
    found = trivium.load(folders / "facts_in_words").answer("Which?", "the red hen")
    assert found.score is None and (found.start == -1 or found.text == "the red hen"[found.start : found.end])


def test_an_option_is_chosen_wherever_it_stands(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"said": "Anna eats", "options": options} for options in (["a plum", "stones"], "stones|a plum")]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    predict(folders / "things", None, [], tmp_path / "t.jsonl", (tmp_path, "cpu", True))
    first, second = told(capsys)
    assert first["input"] == ["Anna eats", ["a plum", "stones"]]
    assert first["option"] == second["option"] == max(first["scores"], key=first["scores"].__getitem__)
    assert first["scores"] == pytest.approx(second["scores"], abs=1e-4)
    with pytest.raises(DataError, match=r"among options.*give a --file \.jsonl with the columns 'said' and 'options'"):
        predict(folders / "things", None, ["Anna eats"], None, (tmp_path, "cpu", True))
    (tmp_path / "t.jsonl").write_text('{"said": "Anna eats", "options": ["a plum"]}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"t\.jsonl:1: field 'options': needs at least two different options"):
        predict(folders / "things", None, [], tmp_path / "t.jsonl", (tmp_path, "cpu", True))


@pytest.mark.parametrize("task", ["mood", "mood_in_words", "names", "titles"])
def test_no_empty_text_is_left_out_or_answered(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    how = (tmp_path, "cpu", True)
    column = {"names": "words", "titles": "source"}.get(task, "text")
    with pytest.raises(DataError, match=f"the command line:2: field '{column}': is empty"):
        predict(folders / task, None, ["a", " "], None, how)
    (tmp_path / "t.txt").write_text("a\n\nb\n", encoding="utf-8")
    with pytest.raises(DataError, match=rf"t\.txt:2: field '{column}': is empty"):
        predict(folders / task, None, [], tmp_path / "t.txt", how)
    stand_in(monkeypatch, b"a\n\nb\n")
    with pytest.raises(DataError, match=f"standard input:2: field '{column}': is empty"):
        predict(folders / task, None, [], None, how)
    (tmp_path / "t.jsonl").write_text(f'{{"{column}": "a"}}\n{{"{column}": ""}}\n', encoding="utf-8")
    with pytest.raises(DataError, match=rf"t\.jsonl:2: field '{column}': is empty"):
        predict(folders / task, None, [], tmp_path / "t.jsonl", how)


def test_an_empty_text_from_python_is_refused_by_a_prompt_as_by_a_head(folders: Path) -> None:
    for name in ("mood", "mood_in_words"):
        with pytest.raises(UserError, match="a text is empty"):
            trivium.load(folders / name).classify("")
        with pytest.raises(UserError, match="taught on single texts"):
            trivium.load(folders / name).classify(("a", "b"))
    with pytest.raises(UserError, match="a text is empty"):
        trivium.load(folders / "titles").write(" ")
    with pytest.raises(UserError, match="question and context must not be empty"):
        trivium.load(folders / "facts_in_words").answer("", "the red hen")


def test_a_tagger_reads_words_as_they_are_given_beside_texts(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["Anna", "lives", "in", "New York", ",", "Velby", "."]
    rows = [words, "Tom met Mira in Velby .", ["Tom", "met", "Mira"] * 9]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps({"words": row}) + "\n" for row in rows), encoding="utf-8")
    predict(folders / "names", None, [], tmp_path / "t.jsonl", (tmp_path, "cpu", True))
    found = told(capsys)
    assert [row["input"] for row in found] == [row if isinstance(row, str) else " ".join(row) for row in rows]
    assert sum(len(row["entities"]) for row in found) > 0
    for row in found:
        for entity in row["entities"]:
            assert row["input"][entity["start"] : entity["end"]] == entity["text"]
    plain = [[vars(one) for one in trivium.load(folders / "names").tag(row["input"])] for row in found[1:]]
    assert [row["entities"] for row in found[1:]] == plain  # where words end at spaces, the two forms say the same
    (tmp_path / "t.jsonl").write_text('{"words": ["Tom", ""]}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"t\.jsonl:1: field 'words': is empty, or a word in it is"):
        predict(folders / "names", None, [], tmp_path / "t.jsonl", (tmp_path, "cpu", True))


def test_tables_are_read_by_their_columns(folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    how = (tmp_path, "cpu", True)
    predict(folders / "pairs", None, ["one, text\tand another"], None, how)
    expected = told(capsys)
    (tmp_path / "t.csv").write_text('id,other,text\n7,and another,"one, text"\n', encoding="utf-8")
    (tmp_path / "t.tsv").write_text("text\tother\none, text\tand another\n", encoding="utf-8")
    for name in ("t.csv", "t.tsv"):
        predict(folders / "pairs", None, [], tmp_path / name, how)
        assert told(capsys) == expected
    with pytest.raises(DataError, match=r"t\.csv:2: field 'source': missing; there are: id, other, text; give it"):
        predict(folders / "titles", None, [], tmp_path / "t.csv", how)
    (tmp_path / "two.csv").write_text('text\n"The soup\nwas good."\nIt broke.\n', encoding="utf-8")
    predict(folders / "mood", None, [], tmp_path / "two.csv", (tmp_path, "cpu", False))
    assert [line.split("\t")[1] for line in capsys.readouterr().out.splitlines()] == ["The soup was good.", "It broke."]


def test_a_file_that_is_not_there_and_bytes_that_are_no_text_are_told(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = (tmp_path, "cpu", True)
    for name in ("no.txt", "no.jsonl", "no.csv"):
        with pytest.raises(DataError, match=f"{name}: there is no such file; give --file a file that is there"):
            predict(folders / "mood", None, [], tmp_path / name, how)
    with pytest.raises(UserError, match=r"texts and --file .* are both given; give the texts or the file alone"):
        predict(folders / "mood", None, ["good"], tmp_path / "no.txt", how)
    with pytest.raises(DataError, match="is a folder; give --file a file in it"):
        predict(folders / "mood", None, [], tmp_path, how)
    (tmp_path / "t.txt").write_bytes(b"good\nbad\xff\n")
    with pytest.raises(DataError, match=r"t\.txt:2: byte 0xff at byte 3 of the line is not UTF-8"):
        predict(folders / "mood", None, [], tmp_path / "t.txt", how)
    stand_in(monkeypatch, b"good\nbad\xff\n")
    with pytest.raises(DataError, match="standard input:2: byte 0xff at byte 3 of the line is not UTF-8"):
        predict(folders / "mood", None, [], None, how)
