"""The server beside the official `openai` client: what it answers, streamed or not, and what it refuses and how."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import json
import shutil
import socket
import time
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.apps.web.models import LIMIT, Served, serving, slowed
from tests.apps.web.site import Client
from trivium.apps.web.api.asking import chat_ids, completion_ids
from trivium.apps.web.api.bodies import ChatBody, CompletionBody
from trivium.base.words import Message
from trivium.data.conversations import load_conversations
from trivium.generate import load_generator
from trivium.generate.engine import Engine, Request
from trivium.generate.sampling import Sampling

ASK = [{"role": "user", "content": "Tell me a story."}]
TOKEN = "a-secret-of-twenty-letters"


def ids_of(run: Path, stage: str, content: str) -> tuple[int, ...]:
    generator = load_generator(run / stage, "cpu", 1)
    return tuple(generator.tokenizer.render([Message("user", content)], add_generation_prompt=True).ids)


def test_the_stages_are_the_models(client: Any) -> None:
    names = [model.id for model in client.models.list().data]
    assert names[:2] == ["pretrain", "align"] and "finetune-mood" in names
    assert client.models.retrieve("align").can == ["chat", "completions", "embeddings"]
    with pytest.raises(openai.NotFoundError, match="there is no model 'gpt-4'"):
        client.models.retrieve("gpt-4")


def test_models_of_later_rounds_are_served_and_the_last_is_the_newest(run: Path, tmp_path: Path) -> None:
    longer = Path(shutil.copytree(run, tmp_path / "longer"))
    for number in (10, 2):
        shutil.copytree(run / "align", longer / "rounds" / str(number) / "align")
    (longer / "rounds" / "11" / "align").mkdir(parents=True)  # not finished
    (longer / "gather" / "instructions").mkdir(parents=True)
    turns = [*ASK, {"role": "assistant", "content": "No."}]
    (longer / "gather" / "instructions" / "train.jsonl").write_text(json.dumps({"messages": turns}) + "\n")
    with serving(longer) as server:
        client = server.client()
        names = [model.id for model in client.models.list().data if not model.id.startswith("finetune-")]
        assert names == ["pretrain", "align", "rounds/2/align", "rounds/10/align"]
        assert client.models.retrieve(names[-1]).id == names[-1] == Client(server.port).get("/about")["newest"]
        assert [client.models.retrieve(name).single for name in names] == [False, True, True, True]
        same = [client.chat.completions.create(model=name, messages=ASK, temperature=0) for name in names[1:]]
        assert len({found.choices[0].message.content for found in same}) == 1


def test_an_answer_is_what_the_engine_draws_for_the_trainer_s_prompt(run: Path, client: Any) -> None:
    generator = load_generator(run / "align", "cpu", 1)
    asked = Request(ids_of(run, "align", "Tell me a story."), samples=3)
    (rows,) = Engine(generator.model, generator.stops).run([asked], Sampling(20, 0.9), seed=5)
    found = client.chat.completions.create(
        model="align", messages=ASK, n=3, temperature=0.9, seed=5, max_tokens=20, logprobs=True, top_logprobs=2
    )
    assert len({choice.message.content for choice in found.choices}) == 3
    for row, choice in zip(rows, found.choices, strict=True):
        said = row.tokens[:-1] if row.ended else row.tokens
        assert choice.message.content == generator.tokenizer.decode(said).lstrip()
        assert choice.finish_reason == ("stop" if row.ended else "length")
        assert choice.logprobs is not None
        assert [one.logprob for one in choice.logprobs.content] == pytest.approx(row.logprobs[: len(said)], abs=1e-4)
        assert all(len(one.top_logprobs) == 2 for one in choice.logprobs.content)
    assert found.usage.prompt_tokens == len(asked.prompt)
    assert found.usage.completion_tokens == sum(len(row.tokens) for row in rows)
    assert found.usage.total_tokens == found.usage.prompt_tokens + found.usage.completion_tokens


@pytest.mark.parametrize("stop", [None, "e", [" t", "zzz"]])
def test_a_stream_says_the_same_in_pieces(client: Any, stop: Any) -> None:
    how = {"model": "align", "messages": ASK, "n": 2, "temperature": 1.0, "seed": 3, "max_tokens": 30, "stop": stop}
    whole = client.chat.completions.create(**how, logprobs=True)
    texts, ends, logprobs, usage = ["", ""], ["", ""], [[], []], None
    for piece in client.chat.completions.create(
        **how, stream=True, logprobs=True, stream_options={"include_usage": True}
    ):
        usage = piece.usage or usage
        for choice in piece.choices:
            texts[choice.index] += choice.delta.content or ""
            ends[choice.index] += choice.finish_reason or ""
            logprobs[choice.index] += choice.logprobs.content if choice.logprobs else []
    assert texts == [choice.message.content for choice in whole.choices]
    assert ends == [choice.finish_reason for choice in whole.choices]
    assert logprobs == [choice.logprobs.content for choice in whole.choices]
    assert usage == whole.usage


def test_a_stop_text_may_span_tokens_and_is_not_said(client: Any) -> None:
    how: dict[str, Any] = {"model": "pretrain", "prompt": "Anna", "temperature": 0, "max_tokens": 40}
    text = client.completions.create(**how).choices[0].text
    stop = text[11:16]
    cut = client.completions.create(**how, stop=stop, logprobs=1).choices[0]
    assert cut.text == text[: text.index(stop)] and cut.finish_reason == "stop"
    assert all(at < len(cut.text) for at in cut.logprobs.text_offset)
    streamed = client.completions.create(**how, stop=stop, stream=True)
    assert "".join(piece.choices[0].text for piece in streamed) == cut.text


def test_completions_take_several_prompts_and_ids(run: Path, client: Any) -> None:
    tokenizer = load_generator(run / "pretrain", "cpu", 1).tokenizer
    prompts = ["Anna lives", "The red kite"]
    how: dict[str, Any] = {"model": "pretrain", "temperature": 0, "max_tokens": 9}
    together = client.completions.create(**how, prompt=prompts, n=2)
    apart = [client.completions.create(**how, prompt=prompt).choices[0].text for prompt in prompts]
    assert [choice.text for choice in together.choices] == [apart[0], apart[0], apart[1], apart[1]]
    ids = [tokenizer.end_of_text, *tokenizer.encode(prompts[1])]
    assert client.completions.create(**how, prompt=ids).choices[0].text == apart[1]


def test_what_a_model_is_given_is_what_it_was_trained_on(run: Path, tmp_path: Path) -> None:
    said = ["Hallo <|end|> <|assistant|> ö\u200b 🦊", "Yes.", " And  then?\n", "No."]
    roles = ["user", "assistant", "user", "assistant"]
    turns = [{"role": role, "content": text} for role, text in zip(roles, said, strict=True)]
    system = [{"role": "system", "content": "Be brief."}]
    (tmp_path / "rows.jsonl").write_text(json.dumps({"messages": system + turns}) + "\n", encoding="utf-8")
    with serving(run) as server:
        writer = server.site.stages.writer("align")
        offer, base = server.site.stages.offers["align"], server.site.stages.offers["pretrain"]
        trained = load_conversations(tmp_path / "rows.jsonl", writer.tokenizer, 1000)
        for count in (1, 3):  # messages before an answer, the system's left out
            body = ChatBody.model_validate({"model": "align", "messages": system + turns[:count]})
            ids = chat_ids(body, offer, writer)
            assert ids == tuple(trained.tokens[: len(ids)].tolist())
            assert trained.learned[len(ids)] and not trained.learned[len(ids) - 1]
        body = ChatBody.model_validate({"model": "pretrain", "messages": turns[:3]})
        document = [writer.tokenizer.end_of_text, *writer.tokenizer.encode(said[2])]
        assert chat_ids(body, base, writer) == tuple(document)
        (ids,) = completion_ids(CompletionBody(model="pretrain", prompt=said[2]), writer)
        assert ids == tuple(document)


def test_vectors(run: Path, client: Any) -> None:
    one = client.embeddings.create(model="pretrain", input=["a fox", "a cat and a dog"])
    assert [row.index for row in one.data] == [0, 1] and one.usage.prompt_tokens > 4
    as_numbers = client.embeddings.create(model="pretrain", input="a cat and a dog", encoding_format="float")
    assert as_numbers.data[0].embedding == pytest.approx(one.data[1].embedding, abs=1e-5)
    import trivium

    expected = trivium.load(run, "pretrain", device="cpu").embed(["a fox"], "mean")[0]
    mean = client.embeddings.create(model="pretrain", input="a fox", extra_body={"pool": "mean"})
    assert mean.data[0].embedding == pytest.approx(expected, abs=1e-5)


def test_heads_say_what_they_say_from_python(run: Path, api: Served) -> None:
    import trivium

    client, loaded = Client(api.port), trivium.load(run, device="cpu")
    text = "Anna lives in Velby."
    label = client.post("/classify", {"input": [text, "No."]})["data"][0]
    told = loaded.classify(text, task="mood")
    assert label["label"] == told.label and label["probabilities"] == pytest.approx(told.probabilities, abs=1e-5)
    tagged = client.post("/tag", {"input": text, "model": "names"})["data"][0]["entities"]
    assert tagged == [vars(entity) for entity in loaded.tag(text)]
    found = client.post("/answer", {"input": {"question": "Where?", "context": text}})["data"][0]
    assert (found["text"], found["start"]) == (loaded.answer("Where?", text).text, loaded.answer("Where?", text).start)
    status, content, _ = client.ask("POST", "/tag", {"input": "x", "model": "finetune-mood"})
    assert status == 400 and "does no tag" in content["error"]["message"]


WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({"messages": []}, 400, "'messages' has 0 items; it must have at least 1"),
    ({"messages": [{"role": "owner", "content": "x"}]}, 400, "'messages.0.role' is 'owner'"),
    ({"messages": [{"role": "user", "content": "  "}]}, 400, "message 1 is empty"),
    ({"messages": [{"role": "assistant", "content": "x"}]}, 400, "ends with what the user says"),
    ({"messages": [{"role": "user", "content": "word " * LIMIT}]}, 400, "shorten it"),
    ({"messages": [{"role": "user", "content": "w" * 200_000}]}, 400, "200,000 characters"),
    ({"model": "gpt-4"}, 404, "there is no model 'gpt-4'; these can do that: pretrain, align"),
    ({"model": "finetune-mood"}, 400, "does no chat"),
    ({"temperature": float("nan")}, 400, "'temperature' is nan"),
    ({"temperature": -1}, 400, "'temperature' is -1"),
    ({"temperature": "warm"}, 400, "'temperature' is 'warm'"),
    ({"n": 10**6}, 400, "'n' is 1000000; it must be less than or equal to 16"),
    ({"n": 10**400}, 400, "'n'"),
    ({"max_tokens": 0}, 400, "'max_tokens' is 0"),
    ({"temprature": 1}, 400, "unknown field 'temprature'; did you mean 'temperature'?"),
    ({"tools": []}, 400, "unknown field 'tools'; this server does not know it"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        400,
        "content.0.type' is 'image_url'; it must be",
    ),
    ({"messages": [{"role": "user", "content": 5}]}, 400, "'messages.0.content' is 5; it must be"),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"$ref": "#"}}}},
        400,
        "satisfies",
    ),
    ({"top_logprobs": 3}, 400, "needs 'logprobs' true"),
    ({"frequency_penalty": 0.5}, 400, "'frequency_penalty' is 0.5"),
    ({"stop": ["a"] * 5}, 400, "'stop"),
    ({"messages": "hello"}, 400, "'messages' is 'hello'"),
]


@pytest.mark.parametrize(("change", "status", "sentence"), WRONG)
def test_wrong_requests_are_refused_in_openai_s_form(
    api: Served, change: dict[str, Any], status: int, sentence: str
) -> None:
    body = {"model": "align", "messages": ASK, **change}
    found, content, _ = Client(api.port).ask("POST", "/v1/chat/completions", body)
    assert found == status and set(content["error"]) == {"message", "type", "param", "code"}
    assert sentence in content["error"]["message"]
    assert str(api.site.stages.folder) not in json.dumps(content)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/chat/completions", b'{"model": "align", ', 400),
        ("POST", "/v1/chat/completions", b"\xff\xfe", 400),
        ("POST", "/v1/chat/completions", b"[" * 100_000, 400),
        ("POST", "/v1/chat/completions", b"", 400),
        ("POST", "/v1/chat/completions", b"[]", 400),
        ("POST", "/v1/chat/completions", b"x" * 1_000_001, 413),
        ("GET", "/v1/chat/completions", None, 405),
        ("GET", "/nowhere", None, 404),
        ("GET", "/static/../../../../etc/passwd", None, 404),
        ("POST", "/v1/embeddings", {"model": "pretrain", "input": [1, 2]}, 400),
        ("POST", "/v1/embeddings", {"model": "pretrain", "input": " "}, 400),
        ("POST", "/v1/embeddings", {"model": "pretrain", "input": "word " * LIMIT}, 400),
        ("POST", "/v1/completions", {"model": "align", "prompt": [10**6]}, 400),
        ("POST", "/v1/completions", {"model": "align", "prompt": []}, 400),
        ("POST", "/classify", {"input": [["a", "b"]]}, 400),
        ("POST", "/classify", {"input": [["a", "b", "c"]]}, 400),
    ],
)
def test_whatever_comes_the_answer_is_json_in_openai_s_form(
    api: Served, method: str, path: str, body: Any, status: int
) -> None:
    found, content, _ = Client(api.port).ask(method, path, body)
    assert found == status and set(content["error"]) == {"message", "type", "param", "code"}
    assert "/" not in content["error"]["message"].replace("and/or", "")


def test_json_that_is_not_said_to_be_json_is_told_so(api: Served) -> None:
    body = json.dumps({"model": "align", "messages": ASK}).encode()
    form = {"Content-Type": "application/x-www-form-urlencoded"}  # what curl sends where nothing is said
    status, content, _ = Client(api.port).ask("POST", "/v1/chat/completions", body, form)
    assert status == 400 and "send the header 'Content-Type: application/json'" in content["error"]["message"]
    assert "Tell me" not in content["error"]["message"]


def test_other_pages_and_other_names_are_refused(api: Served) -> None:
    ask = Client(api.port).ask
    assert ask("GET", "/v1/models", headers={"Host": "evil.example"})[0] == 421
    assert ask("POST", "/classify", {"input": "x"}, {"Origin": "https://evil.example"})[0] == 403


def test_with_a_token_nothing_is_told_without_it(run: Path) -> None:
    with serving(run, token=TOKEN) as server:
        ask = Client(server.port).ask
        for path in ("/v1/models", "/metrics", "/openapi.json", "/about"):
            status, content, headers = ask("GET", path)
            assert status == 401 and "token" in content["error"]["message"] and headers["www-authenticate"] == "Bearer"
        assert ask("POST", "/v1/chat/completions", b"x" * 2_000_000, {"Authorization": "Bearer wrong"})[0] == 401
        assert ask("GET", "/healthz")[0] == 200 and ask("GET", "/")[0] == 200
        assert server.client(TOKEN).models.list().data
        with pytest.raises(openai.AuthenticationError):
            server.client("other").models.list()


def read_until(connection: http.client.HTTPConnection, body: dict[str, Any]) -> http.client.HTTPResponse:
    connection.request("POST", "/v1/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
    return connection.getresponse()


def wait_for(what: Any) -> None:
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.005)


LONG = {"model": "pretrain", "prompt": "Anna", "max_tokens": 120, "n": 4, "temperature": 1.0, "seed": 0}


@pytest.mark.parametrize("stream", [True, False])
def test_a_caller_who_goes_is_not_written_for_any_longer(run: Path, stream: bool) -> None:
    with serving(run) as server:
        slowed(server)
        connection = socket.create_connection(("127.0.0.1", server.port))
        body = json.dumps({**LONG, "stream": stream}).encode()
        head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        connection.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
        wait_for(lambda: server.site.scheduler.rows == 4)
        other = server.client().completions.create(model="pretrain", prompt="x", max_tokens=2)
        connection.close()
        wait_for(lambda: server.site.scheduler.rows == 0)
        assert b'how="cancelled",model="pretrain"} 1.0' in server.site.counts.text()
        assert other.usage.completion_tokens == 2


def test_too_many_and_too_long_are_told_so(run: Path) -> None:
    with serving(run, slots=2, queue=4, each=5, seconds=0.4) as server:
        slowed(server)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            first = pool.submit(Client(server.port).ask, "POST", "/v1/completions", LONG)
            wait_for(lambda: server.site.scheduler.rows == 4)
            status, content, headers = Client(server.port).ask("POST", "/v1/completions", {**LONG, "n": 2})
            assert status == 429 and "wait for some" in content["error"]["message"] and headers["retry-after"] == "1"
            server.site.bounds = type(server.site.bounds)(2, 4, 100, seconds=0.4)
            status, content, headers = Client(server.port).ask("POST", "/v1/completions", {**LONG, "n": 3})
            assert status == 503 and content["error"]["code"] == "overloaded" and "retry-after" in headers
            status, content, _ = first.result()
        assert status == 503 and content["error"]["code"] == "timeout"
        assert server.site.scheduler.rows == 0


def test_a_stream_that_takes_too_long_ends_with_an_error(run: Path) -> None:
    with serving(run, seconds=0.4) as server:
        slowed(server)
        said = ""
        with pytest.raises(openai.APIError, match="took longer"):
            for piece in server.client().completions.create(**LONG, stream=True):
                said += piece.choices[0].text
        assert said


def test_what_runs_is_finished_when_the_server_ends(run: Path) -> None:
    with serving(run) as server:
        slowed(server, 0.01)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            running = pool.submit(server.client().completions.create, **{**LONG, "max_tokens": 40})
            wait_for(lambda: server.site.scheduler.rows == 4)
            server.server.should_exit = True
            assert running.result().usage.completion_tokens > 40


def test_a_session_that_fails_takes_only_its_own_requests_with_it(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(run) as server:
        client = server.client()
        expected = client.completions.create(model="pretrain", prompt="Anna", max_tokens=8, temperature=0)

        class Broken:
            busy = True

            def add(self, request: Request) -> Any:
                from trivium.generate.rows import Row

                return [Row(0, 0, request.prompt, Sampling(4), frozenset(), 4, [0.5] * 4)]

            def cancel(self, row: Any) -> None:
                pass

            def step(self) -> Any:
                raise RuntimeError("secret /home/path")

        before = server.site._open
        server.site.scheduler._open_session = lambda name: Broken() if name == "align" else before(name)
        with pytest.raises(openai.InternalServerError) as raised:
            client.chat.completions.create(model="align", messages=ASK)
        assert "secret" not in str(raised.value) and "secret" in capsys.readouterr().err
        again = client.completions.create(model="pretrain", prompt="Anna", max_tokens=8, temperature=0)
        assert again.choices[0].text == expected.choices[0].text
        server.site.scheduler._open_session = before
        assert client.chat.completions.create(model="align", messages=ASK, max_tokens=3).choices


def test_many_at_once_say_what_they_say_alone(api: Served) -> None:
    client = api.client()

    def ask(number: int) -> str:
        found = client.completions.create(
            model="pretrain", prompt=f"Number {number % 7}", max_tokens=12, seed=number, temperature=0.8
        )
        return str(found.choices[0].text)

    alone = [ask(number) for number in range(20)]
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        assert list(pool.map(ask, range(20))) == alone


def test_counters_tell_what_was_done(run: Path) -> None:
    with serving(run) as server:
        found = server.client().completions.create(model="pretrain", prompt="Anna", max_tokens=7, temperature=0)
        with contextlib.suppress(openai.NotFoundError):
            server.client().completions.create(model="none", prompt="Anna")
        text = Client(server.port).get("/metrics")
    assert f'trivium_generated_tokens_total{{model="pretrain"}} {found.usage.completion_tokens}.0' in text
    assert 'trivium_http_answers_total{path="/v1/completions",status="404"} 1.0' in text
    assert "trivium_answers_in_work 0.0" in text
