"""Replayed with vcrpy, which many projects use, the SDKs show what the cassettes expect."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
import vcr as vcrpy
from tests.wire import vcr
from tests.wire.cassettes import load
from vcr.errors import CannotOverwriteExistingCassetteException

OPENAI = "https://api.openai.com"
ANTHROPIC = "https://api.anthropic.com"


def replay(name: str, origin: str, directory: Path) -> Any:
    """A context in which the cassette answers, and nothing else does."""
    player = vcrpy.VCR(record_mode="none", match_on=("method", "scheme", "host", "port", "path"))
    return player.use_cassette(str(vcr.write(load(name), origin, directory)))


@pytest.fixture
def client() -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="not-a-key", max_retries=0) as opened:
        yield opened


@pytest.fixture
def claude() -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key="not-a-key", max_retries=0) as opened:
        yield opened


@pytest.mark.parametrize("name", ["openai-chat-plain", "openai-chat-reasoning", "openai-chat-tools"])
def test_a_chat(name: str, client: openai.OpenAI, tmp_path: Path) -> None:
    cassette = load(name)
    with replay(name, OPENAI, tmp_path) as played:
        usage = client.chat.completions.create(**cassette.body).usage
    assert played.all_played
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == totals(name)


def test_a_streamed_response(client: openai.OpenAI, tmp_path: Path) -> None:
    name = "openai-responses-stream"
    with replay(name, OPENAI, tmp_path):
        last = list(client.responses.create(**load(name).body))[-1]
    assert last.type == "response.completed"
    assert (last.response.usage.input_tokens, last.response.usage.output_tokens) == totals(name)


async def test_embeddings_asynchronously(tmp_path: Path) -> None:
    name = "openai-embeddings"
    async with openai.AsyncOpenAI(api_key="not-a-key", max_retries=0) as client:
        with replay(name, OPENAI, tmp_path):
            usage = (await client.embeddings.create(**load(name).body)).usage
    assert (usage.prompt_tokens, 0) == totals(name)


def test_a_message(claude: anthropic.Anthropic, tmp_path: Path) -> None:
    name = "anthropic-messages-plain"
    with replay(name, ANTHROPIC, tmp_path):
        usage = claude.messages.create(**load(name).body).usage
    cached = (usage.cache_creation_input_tokens or 0) + (usage.cache_read_input_tokens or 0)
    assert (usage.input_tokens + cached, usage.output_tokens) == totals(name)


def test_a_streamed_message(claude: anthropic.Anthropic, tmp_path: Path) -> None:
    name = "anthropic-messages-stream"
    body = load(name).body
    del body["stream"]
    with replay(name, ANTHROPIC, tmp_path), claude.messages.stream(**body) as stream:
        usage = stream.get_final_message().usage
    cached = (usage.cache_creation_input_tokens or 0) + (usage.cache_read_input_tokens or 0)
    assert (usage.input_tokens + cached, usage.output_tokens) == totals(name)


def test_what_is_not_in_the_cassette_is_refused(client: openai.OpenAI, tmp_path: Path) -> None:
    """vcrpy says so itself, or (openai 2.x) inside the SDK's own error."""
    with replay("openai-chat-plain", OPENAI, tmp_path), pytest.raises(Exception) as caught:
        client.moderations.create(model="omni-moderation-latest", input="Hello.")
    refused = CannotOverwriteExistingCassetteException
    assert any(isinstance(error, refused) for error in (caught.value, caught.value.__cause__))


def totals(name: str) -> tuple[int, int]:
    """The input and output tokens that the cassette expects."""
    record = load(name).records[0]
    return record["input_tokens"], record["output_tokens"]
