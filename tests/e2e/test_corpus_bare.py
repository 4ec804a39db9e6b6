"""Recorded traffic of other projects, served to the bare SDKs: hosts see the usage that the corpus' index states.

It proves the reader of the corpus and the server, so that a test of metering over the same traffic proves metering.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import anthropic
import openai
import pytest
from tests.wire import corpus
from tests.wire.corpus import Recorded, Skipped
from tests.wire.server import Wire

pytestmark = pytest.mark.skipif(not corpus.CORPUS.exists(), reason="no corpus beside the checkout")

KNOWN = {
    "the usage of the index": 1141,
    "no usage, as the index says": 46,
    "the recorded error": 53,
    "the recorded error, inside a stream": 1,
    "skipped: the answer was not kept": 2,
    "skipped: a poll, no call": 1,
}


def test_hosts_see_the_usage_that_the_index_states(wire: Wire) -> None:
    outcomes: Counter[str] = Counter()
    wrong = []
    for recorded in corpus.interactions():
        outcome = f"skipped: {recorded.reason}" if isinstance(recorded, Skipped) else compare(recorded, wire)
        outcomes[outcome] += 1
        if outcome not in KNOWN:
            wrong.append((recorded.row["file"], recorded.row["interaction"], outcome))
    assert wrong == []
    assert outcomes == KNOWN


def compare(recorded: Recorded, wire: Wire) -> str:
    """What came of replaying an interaction."""
    with wire.play([recorded.exchange]) as play:
        try:
            parts = corpus.replay(recorded, play)
        except (openai.APIStatusError, anthropic.APIStatusError) as error:
            return "the recorded error" if error.status_code == recorded.status >= 400 else repr(error)
        except openai.APIError as error:
            inside = recorded.stream and "error-in-200" in recorded.row["oddities"]
            return "the recorded error, inside a stream" if inside else repr(error)
    assert play.strays == []
    found = final_usage(parts, "usage_merged" in recorded.row)
    if found != recorded.usage:
        return f"{found} instead of {recorded.usage}"
    return "the usage of the index" if found else "no usage, as the index says"


def final_usage(parts: list[dict[str, Any]], merge: bool) -> dict[str, Any] | None:
    """The last usage that was shown; for Anthropic's streams (`merge`), laid over the earlier ones."""
    found: dict[str, Any] | None = None
    for part in parts:
        for holder in (part, part.get("response"), part.get("message"), part.get("x_groq")):
            if isinstance(holder, dict) and (usage := holder.get("usage")):
                given = {name: value for name, value in usage.items() if value is not None}
                found = {**(found or {}), **given} if merge else usage
    return found
