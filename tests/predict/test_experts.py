"""What a fine-tuned model tells, from Python and from the command line, on texts, files and standard input."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import torch

import trivium
from trivium.apps.predict import predict
from trivium.base.device import choose_machine
from trivium.base.errors import DataError, RunError, UserError
from trivium.base.seeds import torch_random
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

TASKS = {
    "mood": ({"kind": "classify", "data": {"train": "x"}}, ("bad", "good")),
    "pairs": ({"kind": "regress", "data": {"train": "x"}, "columns": {"second": "other"}}, ("score",)),
    "names": ({"kind": "tag", "data": {"train": "x"}}, ("O", "B-PER", "I-PER", "E-PER", "S-PER")),
    "facts": ({"kind": "answer", "data": {"train": "x"}}, ()),
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
        settings = FinetuneTaskSettings(task=task)
        machine = choose_machine("cpu", 1, "float32")
        setup = Setup(settings, task, names, folder / "base", Tokenizer.load(folder / "base"), machine, 0)
        tuned = make_model(setup)
        torch.nn.init.normal_(tuned.head_out.weight, generator=torch_random(1, name))
        save(setup, tuned, folder / name)
    return folder


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


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
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(texts)))
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
        predict(
            folders / "mood",
            None,
            [],
            tmp_path / "empty.txt" if (tmp_path / "empty.txt").write_text("\n") else None,
            how,
        )


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
