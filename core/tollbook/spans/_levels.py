"""Attributes that a span has by what is around it: what its session came to, and what caches were worth to it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from tollbook._money import to_usd
from tollbook.pricing import CacheImpact, Card, cache_impact, card_by_id, card_from
from tollbook.spans._record import Record
from tollbook.spans._session import Session


class Ledger(Protocol):
    """Where a trace was read from, as far as its spans ask it."""

    def session(self, session_id: str) -> Session | None:
        """What was booked to the session."""
        ...

    def card(self, card_id: str) -> Mapping[str, object] | None:
        """The rate card, as it was recorded."""
        ...


class Cards:
    """Gives rate cards by their id, each asked for once; None for one that is not to be had."""

    __slots__ = ("_known", "_ledger")

    def __init__(self, ledger: Ledger | None) -> None:
        self._ledger = ledger
        self._known: dict[str, Card | None] = {}

    def __call__(self, card_id: str) -> Card | None:
        """The card with this id.

        Raises:
            StoreError: The ledger can't be read.
        """
        if card_id not in self._known:
            raw = None if self._ledger is None else self._ledger.card(card_id)
            self._known[card_id] = card_by_id(card_id) or (None if raw is None else card_from(raw))
        return self._known[card_id]


class Around:
    """What the spans of one trace ask the ledger, each thing once and only if it is wanted."""

    __slots__ = ("_card", "_ledger", "_sessions", "_spans")

    def __init__(self, ledger: Ledger | None, spans: Collection[str] = ()) -> None:
        """Say where they are: in `ledger`, in a trace of `spans`."""
        self._ledger = ledger
        self._spans = spans
        self._card = Cards(ledger)
        self._sessions: dict[str, Session | None] = {}

    def session(self, record: Record) -> Session | None:
        """The session that the root span `record` is booked to; None for other spans, and where there is no ledger.

        What continues a trace of somebody else's is a root here: its parent is in no ledger.
        """
        booked = None if record.parent_id in self._spans else (record.attribution or {}).get("session")
        if booked is None or self._ledger is None:
            return None
        if booked not in self._sessions:
            self._sessions[booked] = self._ledger.session(booked)
        return self._sessions[booked]

    def caching(self, record: Record) -> CacheImpact | None:
        """What caches were worth to the call; None if it is no call, or its usage is not known."""
        return None if record.usage is None else cache_impact(record.usage, record.cost, self._card)


def _usd(pico: int | None) -> float | None:
    return None if pico is None else float(to_usd(pico))


def _session_cost(session: Session) -> float | None:
    return None if session.total_cost is None else float(session.total_cost)


_OF_SESSION: dict[str, Callable[[Session], Any]] = {
    "session.total_tokens": lambda s: s.total_tokens,
    "session.total_cost_usd": _session_cost,
    "session.agent_runs": lambda s: s.agent_runs,
    "session.llm_calls": lambda s: s.llm_calls,
}

_OF_CACHES: dict[str, Callable[[CacheImpact], Any]] = {
    "llm.cache.hit": lambda c: c.read_tokens > 0,
    "llm.cache.tokens_saved": lambda c: c.read_tokens,
    "llm.cache.cost_saved_usd": lambda c: _usd(c.saved),
    "llm.cache.tokens_written": lambda c: c.write_tokens,
    "llm.cache.write_extra_usd": lambda c: _usd(c.extra),
}

NAMES = (*_OF_SESSION, *_OF_CACHES)
"""All attributes that are told here."""


def get(record: Record, around: Around, name: str) -> Any:
    """The value of attribute `name`; None if the span has none.

    Raises:
        StoreError: The ledger can't be read.
    """
    if name in _OF_SESSION:
        session = around.session(record)
        return None if session is None else _OF_SESSION[name](session)
    if name in _OF_CACHES:
        caching = around.caching(record)
        return None if caching is None else _OF_CACHES[name](caching)
    return None
