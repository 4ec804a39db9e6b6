"""Hashes of how requests begin: only where they were asked for, and never the text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import tollbook
from tollbook import _runtime
from tollbook.spans import Call, Record, _sink, hash_prefixes
from tollbook.spans._prefix import LONG, beginning

LONG_TEXT = "The quick brown fox. " * 300


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Record]]:
    found: list[Record] = []
    monkeypatch.setattr(_sink, "sink", found.append)
    yield found
    hash_prefixes(on=False)
    tollbook.autolog(disable=True)
    _runtime.stop()


def send(request: dict[str, Any]) -> None:
    Call(Record(trace_id="", span_id="", provider="openai"), "openai.chat", lambda *_: None, request).end()


def messages(last: str) -> dict[str, Any]:
    return {"messages": [{"role": "system", "content": LONG_TEXT}, {"role": "user", "content": last}]}


def hashes(records: list[Record]) -> list[Any]:
    return [(record.attributes or {}).get("prompt.prefix_hash") for record in records]


def test_nothing_is_hashed_unless_it_was_asked_for(written: list[Record]):
    send(messages("a"))
    assert hashes(written) == [None]


def test_requests_that_begin_alike_have_the_same_hash_and_no_text(written: list[Record]):
    hash_prefixes(on=True)
    for request in (messages("a"), messages("b"), {"tools": [{"name": "look"}], **messages("a")}):
        send(request)
    same, again, other = hashes(written)
    assert same == again != other
    assert len(same) == 16
    assert "quick" not in repr(written)


def test_a_request_that_no_provider_would_cache_has_no_hash(written: list[Record]):
    hash_prefixes(on=True)
    send({"messages": [{"role": "user", "content": "short"}]})
    send({})
    assert hashes(written) == [None, None]


def test_what_is_no_json_does_not_stop_it(written: list[Record]):
    hash_prefixes(on=True)
    send({"messages": [object(), {"role": "system", "content": LONG_TEXT}]})
    assert hashes(written) != [None]


@pytest.mark.boundary
def test_a_failure_of_the_hash_loses_no_call(written: list[Record], monkeypatch: pytest.MonkeyPatch):
    hash_prefixes(on=True)
    monkeypatch.setattr("tollbook._salt.digest", lambda _: 1 / 0)
    send(messages("a"))
    assert hashes(written) == [None]


def test_autolog_switches_it_on_and_off(written: list[Record]):
    for on in (True, False):
        tollbook.autolog(hash_prefixes=on)
        send(messages("a"))
    assert [found is not None for found in hashes(written)] == [True, False]


def test_only_the_beginning_is_read():
    found = beginning({"system": LONG_TEXT, "messages": [{"role": "user", "content": "x"}]})
    assert found is not None
    assert len(found) == LONG
    assert beginning({"input": "é" * LONG}) == beginning({"input": "é" * LONG + "more"})
