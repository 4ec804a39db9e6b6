"""The catalog: which rate card applies to a call, found once per model, context and day, then remembered.

Sources are asked in order, the first that knows a price wins. Everything here but the lookup of what is known
already is the cold path, under one lock.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from tollbook import _guard
from tollbook.pricing._card import Card

Source = Callable[[str, str, int, Mapping[str, str]], Sequence[tuple[int, Card | None]]]
"""Asked for provider, model, begin of a UTC day (Unix ns) and context: the cards of that day, ascending, each with
the instant (Unix ns) from which it applies, the first of them the day's begin. Empty or None: no price known."""

Key = tuple[object, ...]

DAY = 86_400_000_000_000
"""Nanoseconds."""

on_new_card: list[Callable[[Card], None]] = []
"""Called with each card once per process, before the first cost that uses it is returned."""

on_forget: list[Callable[[], object]] = []
"""Called when what was found is dropped: whoever keeps what follows from prices drops that."""

_DATA = "tollbook.pricing._genai"
"""The module whose import loads the price data."""

_PLACES = "tollbook.pricing._places"
"""The module that reads definitions."""

_OWN = "tollbook.pricing._own"
"""The module that knows whether there are definitions."""

_MOST = 4096
"""Cards remembered at once, so that model names made up by a program can't fill the memory."""

_PLAIN = {"", "auto", "default", "standard", "standard_only", "on_demand", "ON_DEMAND", "global", "not_available"}
"""Values, of whatever key, that mean the plain price list."""

_ALIASES = {
    ("service_tier", "batch"): ("processing", "batch"),
    ("traffic_type", "ON_DEMAND_FLEX"): ("service_tier", "flex"),
    ("traffic_type", "ON_DEMAND_PRIORITY"): ("service_tier", "priority"),
    ("inference_geo", "us"): ("region", "us"),
}
"""What single providers say, in the words of price lists."""


class Compiled:
    """A card as the hot path needs it."""

    __slots__ = ("card", "ids", "most", "notes", "table")

    def __init__(self, card: Card | None, table: dict[str, tuple[int, int]] | None, most: int) -> None:
        self.card = card
        self.table = table
        """(0 input, 1 output or 2 other, whole rate) by bucket; None: only the general path can price by this card."""
        self.most = most
        """Up to so many units in all, the card's first tier is not reached; 0: it has no tiers."""
        self.ids = () if card is None else (card.id,)
        self.notes = () if card is None else card.assumptions


class Schedule:
    """Cards that follow one another within a day."""

    __slots__ = ("instants", "rows")

    def __init__(self, instants: list[int], rows: list[Compiled]) -> None:
        self.instants = instants
        self.rows = rows


UNPRICED = Compiled(None, None, 0)

known: dict[Key, Compiled | Schedule] = {}
"""What was found, by (provider, model, day, context items...)."""

_by_id: dict[str, Card] = {}
_announced: set[str] = set()
_lock = threading.RLock()


def _user(provider: str, model: str, day: int, context: Mapping[str, str]) -> Sequence[tuple[int, Card | None]]:
    from tollbook.pricing import _places

    return _places.user().cards(provider, model, day, context, partial(merged, after=_user))


def _overlay(provider: str, model: str, day: int, context: Mapping[str, str]) -> Sequence[tuple[int, Card | None]]:
    from tollbook.pricing import _places

    return _places.overlay().cards(provider, model, day, context, partial(merged, after=_overlay))


def _update(provider: str, model: str, day: int, context: Mapping[str, str]) -> Sequence[tuple[int, Card | None]]:
    from tollbook.pricing import _places

    return _places.updated().cards(provider, model, day, context, partial(merged, after=_update))


def _genai(provider: str, model: str, day: int, context: Mapping[str, str]) -> Sequence[tuple[int, Card | None]]:
    from tollbook.pricing import _genai

    return _genai.cards(provider, model, day, context)


def _user_version() -> str:
    from tollbook.pricing import _places

    return _places.user().version


def _overlay_version() -> str:
    from tollbook.pricing import _places

    return _places.overlay().version


def _update_version() -> str:
    from tollbook.pricing import _places

    return _places.updated().version


def _genai_version() -> str:
    from tollbook.pricing import _genai

    return _genai.SOURCE


sources: list[Source] = [_user, _overlay, _update, _genai]
"""In order of authority. After a change, call `forget`."""

versions: dict[Source, Callable[[], str]] = {
    _user: _user_version,
    _overlay: _overlay_version,
    _update: _update_version,
    _genai: _genai_version,
}
"""What gives a source's version, which changes with any of its prices. One without is taken to change all the time."""


def price_lists() -> str:
    """A word for the state of all price lists together: while it is the same, so are all prices."""
    from importlib.metadata import version

    def state(source: Source) -> str:
        said = versions.get(source)
        return os.urandom(8).hex() if said is None else said()

    return ", ".join([f"tollbook {version('tollbook')}", *map(state, sources)])


def forget() -> None:
    """Drop what was found, so that the next call asks the sources again; ids stay valid."""
    with _lock:
        known.clear()
    for callback in on_forget:
        callback()


def card(provider: str, model: str, start: int, context: Mapping[str, str] | None = None) -> Card | None:
    """The rate card of a call; None if no source knows a price for exactly this provider and model.

    Args:
        provider: `gen_ai.provider.name`, a name that a price list has, or a host.
        model: As served, or as requested if the response names none.
        start: When the call started, Unix time in nanoseconds.
        context: What was served beside the model: `service_tier`, `speed`, `region`, `processing`, ...
    """
    return compiled(provider, model, start, context).card


def card_by_id(id_: str) -> Card | None:
    """The card of this id; None if this process has not used it."""
    return _by_id.get(id_)


def cards() -> list[Card]:
    """All cards that this process has used, for whoever opens a ledger after the first of them was announced."""
    return list(_by_id.values())


def compiled(provider: str | None, model: str | None, start: int, context: Mapping[str, str] | None) -> Compiled:
    """The card of a call with what the hot path needs; `UNPRICED` if there is none."""
    if not model:
        return UNPRICED
    day = start // DAY
    key = (provider, model, day, *context.items()) if context else (provider, model, day)
    found = known.get(key)
    if found is None:
        found = _look_up(key, provider or "", model, day * DAY, context)
    if found is None:  # it failed, and would fail again
        found = known[key] = UNPRICED
    if isinstance(found, Schedule):
        return found.rows[bisect_right(found.instants, start) - 1]
    return found


@_guard.guarded
def _look_up(key: Key, provider: str, model: str, day: int, context: Mapping[str, str] | None) -> Compiled | Schedule:
    with _lock:
        if (found := known.get(key)) is not None:  # by another thread, meanwhile
            return found
        rows = merged(provider, model, day, normal(context))
        instants = [instant for instant, _ in rows]
        ready = [_compile(_announce(found)) for _, found in rows]
        if len(known) >= _MOST:
            known.clear()
        known[key] = found = ready[0] if len(ready) == 1 else Schedule(instants, ready)
    return found


def normal(context: Mapping[str, str] | None) -> dict[str, str]:
    """`context` in the words of price lists, without what means the plain price, in the order in which keys select.

    That order is the alphabet's, in which `processing` comes first: a batch has one price, whatever tier it names.
    """
    said = sorted(_ALIASES.get(item, item) for item in (context or {}).items())
    return {key: value for key, value in said if value not in _PLAIN}


def merged(
    provider: str, model: str, day: int, context: Mapping[str, str], after: Source | None = None
) -> list[tuple[int, Card | None]]:
    """The cards of a day over all sources, or those `after` one of them, each with the instant from which it applies.

    A price list is not loaded for a model whose price another source knows for the whole day.
    """
    asked = sources if after is None else sources[sources.index(after) + 1 :]
    answers: list[Sequence[tuple[int, Card | None]]] = []
    for source in asked:
        if answer := source(provider, model, day, context):
            answers.append(answer)
            if answer[0][0] <= day and all(card for _, card in answer):
                break
    instants = sorted({instant for answer in answers for instant, _ in answer}) or [day]
    rows: list[tuple[int, Card | None]] = []
    for instant in instants:
        found = next((card for answer in answers if (card := in_force(answer, instant))), None)
        if not rows or rows[-1][1] != found:
            rows.append((instant, found))
    return rows


def below(provider: str, model: str, day: int, context: Mapping[str, str]) -> list[tuple[int, Card | None]]:
    """As `merged`, by what lies below price updates."""
    return merged(provider, model, day, context, after=_update)


def in_force(answer: Sequence[tuple[int, Card | None]], instant: int) -> Card | None:
    """The card of `answer` that applies at `instant`."""
    found = None
    for begin, each in answer:
        if begin <= instant:
            found = each
    return found


def _announce(found: Card | None) -> Card | None:
    """The one object of this process for the card `found`, made known to whoever keeps cards."""
    if found is None:
        return None
    found = _by_id.setdefault(found.id, found)
    if found.id not in _announced:
        for callback in on_new_card:
            _guard.guarded(callback)(found)
        _announced.add(found.id)
    return found


def _compile(found: Card | None) -> Compiled:
    if found is None:
        return UNPRICED
    # Whatever needs a note or a rule beyond quantity times rate is left to the general path.
    most = min((tier.threshold - (tier.operator == "gte") for tier in found.tiers), default=0)
    return Compiled(found, None if "requests" in found.rates else _table(found), most)


def _table(found: Card) -> dict[str, tuple[int, int]]:
    from tollbook.usage import BUCKETS

    slots = {"input": 0, "output": 1}
    return {
        name: (slots.get(BUCKETS[name].direction, 2), rate)
        for name, rate in found.rates.items()
        if isinstance(rate, int) and name not in found.assumed and name not in found.minimum and name in BUCKETS
    }


@_guard.guarded
def load() -> None:
    """Load the price data now, so that no call has to wait for it.

    Call it when the program's own imports are done, such as while the first request is under way: two threads that
    import the same libraries at once can trip over each other.
    """
    with _lock:
        importlib.import_module(_DATA)
        places = importlib.import_module(_PLACES)
        places.user()
        places.overlay()
        importlib.import_module(_OWN).present()


def catalog_info() -> tuple[str, str, str | None, int]:
    """(`genai-prices`, its version, ISO day of its newest price in force, number of models): loads the data."""
    from datetime import UTC, datetime

    from tollbook.pricing import _genai

    name, _, version = _genai.SOURCE.partition(" ")
    newest = _genai.newest(datetime.now(UTC).date())
    return name, version, None if newest is None else newest.isoformat(), _genai.count()


def _before_fork() -> None:
    # A child that inherits a half-done import or a held lock would hang on its first price.
    _lock.acquire(timeout=2)


def _after_fork_in_parent() -> None:
    with contextlib.suppress(RuntimeError):  # the two seconds were up
        _lock.release()


def _after_fork_in_child() -> None:
    global _lock  # another thread may hold the old one
    _lock = threading.RLock()
    # The child's ledger has to be told its cards anew.
    known.clear()
    _announced.clear()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
