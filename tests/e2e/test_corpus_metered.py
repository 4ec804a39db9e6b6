"""Recorded traffic of other projects, metered: the ledger has the usage that the index states, and its price."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

import anthropic
import openai
import pytest
from tests.wire import corpus
from tests.wire.corpus import Recorded, Skipped
from tests.wire.server import Wire

import tollbook
from tollbook import _runtime
from tollbook._money import from_usd
from tollbook.pricing import cost_of, lines
from tollbook.spans import Record, _sink, complete
from tollbook.usage import CONVENTIONS, read

pytestmark = pytest.mark.skipif(not corpus.CORPUS.exists(), reason="no corpus beside the checkout")

KNOWN = {
    "metered and priced: exact": 1034,
    "metered and priced: estimated": 38,  # the price is assumed: what `-latest` means, a write of any lifetime
    "metered and priced: partial": 2,
    "metered by the models that it was routed to": 2,
    "metered, and unpriced": 65,
    "an error, without usage": 53,
    "no usage stated, an estimate": 41,
    "no usage stated, none known": 6,
}


@pytest.fixture
def written(tmp_path) -> Iterator[list[Record]]:
    """Records as they are written, on their way into a real ledger."""
    tollbook.autolog(store=tmp_path / "corpus.db")
    append = _runtime.start().append
    seen: list[Record] = []

    def both(record: Record) -> None:
        append(record)
        complete(record)
        seen.append(record)

    _sink.sink = both
    yield seen
    tollbook.autolog(disable=True)
    _runtime.stop()


def test_what_was_recorded_is_metered_to_the_last_token_and_priced_to_the_last_digit(wire: Wire, written) -> None:
    outcomes: Counter[str] = Counter()
    wrong = []
    for recorded in corpus.interactions():
        if isinstance(recorded, Skipped):
            continue
        before = len(written)
        with wire.play([recorded.exchange]) as play, contextlib.suppress(openai.APIError, anthropic.APIError):
            corpus.replay(recorded, play)
        outcome = check(recorded, written[before:])
        outcomes[outcome] += 1
        if outcome not in KNOWN:
            wrong.append((recorded.row["file"], recorded.row["interaction"], outcome))
    assert wrong == []
    assert outcomes == KNOWN
    stored = _runtime.store().spans(limit=None)
    assert sorted(stored, key=lambda r: r.span_id) == sorted(written, key=lambda r: r.span_id)


def check(recorded: Recorded, records: list[Record]) -> str:
    """What the ledger has of an interaction, compared with its line in the index."""
    if len(records) != 1:
        return f"{len(records)} records"
    [record] = records
    if recorded.status >= 400:
        return "an error, without usage" if (record.status, record.usage) == ("error", None) else str(record)
    if not recorded.usage:
        if record.usage is None:
            return "no usage stated, none known"
        return "no usage stated, an estimate" if record.usage.source == "estimated" else str(record)
    convention = convention_of(record)
    expected = read(convention, recorded.usage)
    assert expected is not None
    found = record.usage
    if found is None or found.source != "reported":
        return f"{found} instead of {expected}"
    if [part.kind for part in found.parts] == ["routed"] * len(found.parts) != []:
        sums = (found.input_tokens, found.output_tokens) == (expected.input_tokens, expected.output_tokens)
        return "metered by the models that it was routed to" if sums else f"{found} instead of {expected}"
    tools = {name: n for name, n in found.quantities.items() if name not in expected.quantities}
    beside = CONVENTIONS[convention].beside and found.parts != expected.parts
    if {**expected.quantities, **tools} != found.quantities or set(tools) - {
        "web_search",
        "file_search",
        "code_execution",
    }:
        return f"{found} instead of {expected}"
    if (stated := recorded.headers.get("x-litellm-response-cost")) is not None:
        expected.charge = from_usd(stated)
    if expected.charge != found.charge or (not beside and expected.parts != found.parts):
        return f"{found} instead of {expected}"
    return priced(record)


def convention_of(record: Record) -> str:
    """Of the usage object in the index."""
    if record.name == "Messages":
        return "anthropic.messages"
    if record.provider == "gcp.gemini":
        return "gemini.chat"
    if record.provider == "perplexity":
        return "perplexity"
    return "openai.responses" if record.name == "Responses" else "openai.chat"


def priced(record: Record) -> str:
    """Whether the cost is what usage and price list say, line by line."""
    cost = record.cost
    assert cost is not None
    model = record.response_model or record.request_model
    assert cost == cost_of(record.usage, record.provider, model, record.start, record.context)
    if cost.total is None:
        return "metered, and unpriced"
    assert sum(line.amount or 0 for line in lines(record.usage, cost)) == cost.total
    return f"metered and priced: {cost.status}"
