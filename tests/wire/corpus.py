"""Recorded traffic of other projects, if the machine has it beside the checkout: read in place, served as recorded.

The index of the corpus says, per interaction, what usage a client should end with. `interactions` yields those that
the SDKs of OpenAI and Anthropic can be asked to replay, and why the others can't.
"""

from __future__ import annotations

import gzip
import json
import re
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import anthropic
import openai
import yaml
from tests.wire.cassettes import Exchange
from tests.wire.clients import KEY, PATIENT
from tests.wire.server import Play, canonical

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"

ENDPOINTS = {
    "chat.completions": "/v1/chat/completions",
    "responses": "/v1/responses",
    "embeddings": "/v1/embeddings",
    "messages": "/v1/messages",
}
HOSTS = {"messages": "api.anthropic.com"}
"""Where it was recorded without an address; else `api.openai.com`."""


class Recorded(NamedTuple):
    """One interaction."""

    row: dict[str, Any]
    """Its line in the index."""
    host: str
    path: str
    """As recorded, without query."""
    asked: dict[str, Any]
    """The request's JSON; empty if it was not kept."""
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def stream(self) -> bool:
        """Whether the answer is a stream."""
        return bool(self.row["body_kind"] == "sse")

    @property
    def usage(self) -> dict[str, Any] | None:
        """What a client should end with."""
        usage: dict[str, Any] | None = self.row.get("usage_merged") or self.row["usage"]
        return usage

    @property
    def exchange(self) -> Exchange:
        """It, to be played."""
        path = canonical(self.path)
        return Exchange("POST", path, {"stream": self.stream}, self.status, self.headers, None, None, self.content)


class Skipped(NamedTuple):
    """One that can't be replayed."""

    row: dict[str, Any]
    reason: str


def interactions() -> Iterator[Recorded | Skipped]:
    """All interactions with the four endpoints, in the order of the index; nothing where there is no corpus."""
    index = CORPUS / "index.jsonl"
    if not index.exists():
        return
    with index.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row.get("endpoint") in ENDPOINTS:
                yield _interaction(row)


def _interaction(row: dict[str, Any]) -> Recorded | Skipped:
    if row["method"] == "GET":
        return Skipped(row, "a poll, no call")
    if row["body_kind"] == "empty":
        return Skipped(row, "the answer was not kept")
    request, response = _pairs(row["file"])[row["interaction"]]
    headers = _headers(response.get("headers") or {})
    content = _content(response)
    if headers.get("content-encoding") == "gzip" and not content.startswith(b"\x1f\x8b"):
        del headers["content-encoding"]  # it was recorded after decoding
    headers.setdefault("content-type", "text/event-stream" if row["body_kind"] == "sse" else "application/json")
    asked = json.loads(_content(request) or b"{}")
    host = row["host"] or HOSTS.get(row["endpoint"], "api.openai.com")
    path = re.sub("/+", "/", row["path"] or ENDPOINTS[row["endpoint"]])
    return Recorded(row, host, path, asked, row["status"] or 200, headers, content)


# ---- the recorders' formats ----------------------------------------------------------------------------------


class _Loader(yaml.CSafeLoader):
    """Takes objects of Python libraries (multidicts of headers) for nothing."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_yaml_str)
_Loader.add_constructor("!binary", _Loader.construct_yaml_binary)


@cache
def _pairs(file: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Request and response of each interaction of a file."""
    path = CORPUS / "cassettes" / file
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if path.suffix == ".json":
        found = json.loads(data)
        if "request" in found:  # Datadog's test agent
            return [(found["request"], found["response"])]
        return [({}, found if "body" in found else {"body": json.dumps(found)})]  # an answer alone
    found = yaml.load(data, _Loader)
    if "requests" in found:  # LangChain's two lists
        return list(zip(found["requests"], found["responses"], strict=True))
    each = found.get("interactions") or found["http_interactions"]  # vcrpy and Ruby's VCR
    return [(entry["request"], entry["response"]) for entry in each]


def _content(message: dict[str, Any]) -> bytes:
    """The body of a request or response."""
    if "parsed_body" in message:
        return json.dumps(message["parsed_body"], ensure_ascii=False).encode()
    body = message.get("body", message.get("content"))
    if isinstance(body, dict):
        body = body.get("string")
    if body is None:
        return b""
    return body if isinstance(body, bytes) else body.encode()


_HOP = {"content-length", "transfer-encoding", "connection", "keep-alive", "set-cookie", "location", "retry-after"}


def _headers(recorded: dict[str, Any]) -> dict[str, str]:
    """The headers that can be sent again, names in lower case."""
    kept = {}
    for name, value in recorded.items():
        text = str(value[0] if isinstance(value, list) and value else value)
        if name.lower() not in _HOP and "REDACTED" not in text and text.isascii() and text.isprintable():
            kept[name.lower()] = text
    return kept


# ---- replay --------------------------------------------------------------------------------------------------


def replay(recorded: Recorded, play: Play) -> list[dict[str, Any]]:
    """What the SDK gives its host for the recorded answer: one object, or each event, as dictionaries.

    Raises:
        openai.OpenAIError: What the SDK makes of a recorded error.
        anthropic.AnthropicError: Likewise.
    """
    asked = {"model": recorded.asked.get("model") or recorded.row["request_model"] or "unknown"}
    if recorded.stream:
        asked["stream"] = True
        asked["stream_options"] = recorded.asked.get("stream_options")
    endpoint = recorded.row["endpoint"]
    if endpoint == "messages":
        with _anthropic(recorded, play) as client, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of models that have been retired since
            return _dump(client.messages.create(**_given(asked, "model", "stream"), max_tokens=9, messages=[]))
    with _openai(recorded, play) as client:
        if endpoint == "chat.completions":
            return _dump(client.chat.completions.create(**_given(asked, *asked), messages=[]))
        if endpoint == "responses":
            return _dump(client.responses.create(**_given(asked, "model", "stream"), input=""))
        return _dump(client.embeddings.create(**_given(asked, "model"), input="", encoding_format="float"))


def _given(asked: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: asked[name] for name in names if asked.get(name) is not None}


def _dump(result: Any) -> list[dict[str, Any]]:
    return [part.to_dict(warnings=False) for part in (result if hasattr(result, "__next__") else [result])]


def _anthropic(recorded: Recorded, play: Play) -> anthropic.Anthropic:
    prefix = recorded.path.removesuffix("/v1/messages")
    return anthropic.Anthropic(base_url=play.url(recorded.host, prefix), api_key=KEY, max_retries=0, timeout=PATIENT)


def _openai(recorded: Recorded, play: Play) -> openai.OpenAI:
    if deployment := re.match(r"/openai/deployments/([^/]+)/", recorded.path):
        return openai.AzureOpenAI(
            azure_endpoint=play.url(recorded.host),
            azure_deployment=deployment[1],
            api_version="2024-10-21",
            api_key=KEY,
            max_retries=0,
            timeout=PATIENT,
        )
    prefix = re.sub(r"/(chat/completions|responses|embeddings)$", "", recorded.path)
    return openai.OpenAI(base_url=play.url(recorded.host, prefix), api_key=KEY, max_retries=0, timeout=PATIENT)
