"""What users test their programs with: captures and fakes, below the real SDKs of both generations."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

import tollbook
from tollbook import _runtime
from tollbook._instrument import integrations
from tollbook.testing import Answer, Captured, Failure, capture, fake_anthropic, fake_openai

ASKED = [{"role": "user", "content": "What is the weather in Oslo?"}]
CHAT: dict[str, Any] = {"model": "gpt-4o-mini", "messages": ASKED}
MESSAGE: dict[str, Any] = {"model": "claude-sonnet-4-6", "max_tokens": 100, "messages": ASKED}
WEATHER = Answer(
    "Let me see …",
    tools={"weather": {"city": "Oslo"}},
    usage={"prompt_tokens": 1000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 400}},
)
CLAUDE = Answer("Let me see …", {"weather": {"city": "Oslo"}}, {"input_tokens": 1000, "output_tokens": 100})


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    gc.collect()
    _runtime.stop()


def record(tokens: int = 1000) -> None:
    tollbook.record(model="gpt-4o-mini", provider="openai", usage={"input_tokens": tokens})


# ---- capture ---------------------------------------------------------------------------------------------------


def test_a_capture_has_what_ended_inside_and_keeps_it() -> None:
    with capture() as calls:
        assert (calls.calls, calls.usd, list(calls)) == (0, 0, [])
        record()
        assert calls.usd == Decimal("0.00015")
        threading.Thread(target=record).start()
        asyncio.run(asyncio.to_thread(record))
        while calls.calls < 3:
            pass
    record()
    assert len(calls) == calls.calls == 3
    assert (calls.usd, calls.tokens, calls.unpriced) == (Decimal("0.00045"), 3000, 0)
    assert calls[0].cost == Decimal("0.00015")
    assert calls[0].usage is not None
    assert calls[0].usage.input_tokens == 1000
    assert [call.model for call in calls[1:]] == ["gpt-4o-mini"] * 2
    assert repr(calls[0]) == "<call gpt-4o-mini: 1,000 tokens, $0.00015, ok>"


def test_the_users_ledger_and_its_budgets_do_not_see_a_capture() -> None:
    tollbook.set_budgets({"name": "one call", "calls": 1, "action": "stop"})
    record()
    before = tollbook.get_last_active_trace_id()
    with fake_openai().client() as client:
        with capture() as calls:
            client.chat.completions.create(**CHAT)
            client.chat.completions.create(**CHAT)
            assert tollbook.get_trace(tollbook.get_last_active_trace_id()) is not None
        assert calls.calls == 2
        assert tollbook.get_last_active_trace_id() == before
        assert len(_runtime.store().spans()) == 1
        tollbook.autolog()
        with pytest.raises(tollbook.BudgetExceeded):
            client.chat.completions.create(**CHAT)
    tollbook.autolog(disable=True)


def test_a_block_with_a_budget_holds_inside_a_capture() -> None:
    with fake_openai().client() as client, tollbook.budget(calls=1), capture() as calls:
        client.chat.completions.create(**CHAT)
        with pytest.raises(tollbook.BudgetExceeded):
            client.chat.completions.create(**CHAT)
    assert calls.calls == 1


def test_captures_may_be_nested() -> None:
    with capture() as outer:
        record()
        with capture() as inner:
            record()
        record()
    assert (outer.calls, inner.calls) == (3, 1)


def test_metering_is_as_before_after_a_capture() -> None:
    with capture():
        assert set(integrations()["openai"].state().values()) == {"on"}
    assert set(integrations()["openai"].state().values()) == {"off"}
    tollbook.autolog(hosts={"gateway.test": "openai"})
    try:
        with capture() as calls, fake_openai().client(base_url="https://gateway.test/v1") as client:
            client.chat.completions.create(**CHAT)
        assert calls[0].provider == "openai"
        assert set(integrations()["openai"].state().values()) == {"on"}
    finally:
        tollbook.autolog(disable=True)


def test_where_a_span_bills_for_those_below_only_it_counts() -> None:
    with capture() as calls, tollbook.span("agent") as span:
        record()
        span.set_cost(Decimal("0.5"))
    assert (calls.calls, calls.usd) == (1, Decimal("0.5"))


def test_a_stream_that_is_left_open_counts_where_it_was_begun() -> None:
    with fake_openai("One two three four").client() as client:
        with capture() as calls:
            stream = client.chat.completions.create(**CHAT, stream=True)
            events = iter(stream)
            next(events)
        stream.close()
    assert calls.calls == 1
    assert calls[0].tokens


def test_an_error_in_the_block_leaves_it_and_what_was_called_is_kept() -> None:
    kept: list[Captured] = []

    def fail() -> None:
        with capture() as calls:
            kept.append(calls)
            record()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert kept[0].calls == 1


# ---- OpenAI ----------------------------------------------------------------------------------------------------


def test_openai_chats() -> None:
    fake = fake_openai(WEATHER)
    with capture() as calls, fake.client() as client:
        message = client.chat.completions.create(**CHAT).choices[0].message
        chunks = list(client.chat.completions.create(**CHAT, stream=True))
        asked = list(client.chat.completions.create(**CHAT, stream=True, stream_options={"include_usage": True}))
    assert (message.content, message.tool_calls[0].function.arguments) == (WEATHER.text, '{"city": "Oslo"}')
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == WEATHER.text
    assert all(c.usage is None for c in chunks)
    assert asked[-1].usage is not None
    assert [(c.tokens, c.cost) for c in calls] == [(1100, Decimal("0.00018"))] * 3
    assert [request["model"] for request in fake.requests] == ["gpt-4o-mini"] * 3


def test_openai_responses() -> None:
    answer = Answer(WEATHER.text, WEATHER.tools, {"input_tokens": 1000, "output_tokens": 100})
    with capture() as calls, fake_openai(answer).client() as client:
        whole = client.responses.create(model="gpt-4o", input="Hello")
        with client.responses.stream(model="gpt-4o", input="Hello") as stream:
            kinds = [event.type for event in stream]
            last = stream.get_final_response()
    assert whole.output_text == last.output_text == WEATHER.text
    assert [item.type for item in last.output] == ["message", "function_call"]
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert [(c.tokens, c.cost) for c in calls] == [(1100, Decimal("0.0035"))] * 2


async def test_openai_asynchronously() -> None:
    fake = fake_openai("One", "Two")
    async with fake.async_client() as client:
        with capture() as calls:
            texts = [(await client.chat.completions.create(**CHAT)).choices[0].message.content for _ in range(3)]
            stream = await client.responses.create(model="gpt-4o", input="Hello", stream=True)
            events = [event async for event in stream]
            embedded = await client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    assert texts == ["One", "Two", "Two"]
    assert events[-1].response.output_text == "Two"
    assert len(embedded.data) == 2
    assert len(calls) == 5
    assert calls.unpriced == 0


def test_openai_errors() -> None:
    fake = fake_openai(Failure(429, retry_after=0.001), Failure(401, "No."), Failure(500), "Back.")
    with capture() as calls, fake.client() as client:
        for kind in (openai.RateLimitError, openai.AuthenticationError, openai.InternalServerError):
            with pytest.raises(kind):
                client.chat.completions.create(**CHAT)
        with pytest.raises(openai.NotFoundError, match="has no answer"):
            client.moderations.create(input="Hello")
        with pytest.raises(openai.NotFoundError, match="has no answer"):
            client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"RIFF\xff", "audio/wav"))
        assert client.chat.completions.create(**CHAT).choices[0].message.content == "Back."
    assert [call.status for call in calls if call.model != "whisper-1"] == ["error", "error", "error", "ok"]


def test_openai_retries() -> None:
    fake = fake_openai(Failure(429, retry_after=0.001), "Back.")
    with capture() as calls, fake.client(max_retries=1) as client:
        assert client.chat.completions.create(**CHAT).choices[0].message.content == "Back."
    assert (calls.calls, len(fake.requests)) == (1, 2)


def test_an_answer_may_be_made_of_the_request_and_an_error_in_it_is_seen() -> None:
    fake = fake_openai(lambda body: body["messages"][0]["content"].upper())
    with openai.OpenAI(api_key="-", http_client=fake.http_client()) as client:
        assert client.chat.completions.create(**CHAT).choices[0].message.content == "WHAT IS THE WEATHER IN OSLO?"


# ---- Anthropic -------------------------------------------------------------------------------------------------


def test_anthropic_messages() -> None:
    with capture() as calls, fake_anthropic(CLAUDE).client() as client:
        whole = client.messages.create(**MESSAGE)
        with client.messages.stream(**MESSAGE) as stream:
            text = "".join(stream.text_stream)
            last = stream.get_final_message()
        counted = client.messages.count_tokens(model=MESSAGE["model"], messages=ASKED)
    assert text == CLAUDE.text
    assert [block.type for block in whole.content] == [block.type for block in last.content] == ["text", "tool_use"]
    assert last.content[1].input == whole.content[1].input == {"city": "Oslo"}
    assert whole.stop_reason == last.stop_reason == "tool_use"
    assert counted.input_tokens > 0
    assert [(c.tokens, c.cost) for c in calls] == [(1100, Decimal("0.0045"))] * 2


async def test_anthropic_asynchronously() -> None:
    async with fake_anthropic("Hello there", Failure(529)).async_client() as client:
        with capture() as calls:
            async with client.messages.stream(**MESSAGE) as stream:
                assert await stream.get_final_text() == "Hello there"
            with pytest.raises(anthropic.APIStatusError):
                await client.messages.create(**MESSAGE)
    assert [call.status for call in calls] == ["ok", "error"]


def test_a_finish_and_another_model_are_said_as_given() -> None:
    answer = Answer("Cut", finish="max_tokens", model="claude-haiku-4-5")
    with capture() as calls, fake_anthropic(answer).client() as client:
        assert client.messages.create(**MESSAGE).stop_reason == "max_tokens"
    assert calls[0].model == "claude-haiku-4-5"
    with fake_openai(Answer("Cut", finish="max_output_tokens")).client() as client:
        response = client.responses.create(model="gpt-4o", input="Hello")
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")


def test_the_transport_is_of_the_library_that_the_sdk_uses() -> None:
    for fake, sdk in ((fake_openai(), openai), (fake_anthropic(), anthropic)):
        http = fake.http_client()
        assert isinstance(http, sdk.DefaultHttpxClient.__mro__[1])
        http.close()


def test_nothing_is_left_of_a_capture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with capture():
        record()
        assert list((tmp_path / "temporary").iterdir())
    assert list((tmp_path / "temporary").iterdir()) == []


def test_what_calls_are_called_does_nothing_to_a_terminal() -> None:
    with capture() as calls:
        tollbook.record(model="<b>\x1b[31m\u202e", provider="openai", usage={"input_tokens": 7})
    assert repr(calls[0]) == r"<call <b>\x1b[31m\u202e: 7 tokens, cost unknown, ok>"
