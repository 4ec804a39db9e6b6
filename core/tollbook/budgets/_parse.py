"""Budgets as they are written, in a file, a table or keyword arguments, and what is wrong with them."""

from __future__ import annotations

import contextlib
import inspect
import os
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from tollbook._money import from_usd
from tollbook._salt import pseudonym
from tollbook.budgets._budget import ACTIONS, Action, Budget
from tollbook.ledger import EACH, Limit
from tollbook.pricing._fields import Fields
from tollbook.spans import _attribution

DIMENSIONS = frozenset({"feature", "agent", "user", "org", "session", "key", "model", "provider", "run"})
"""What a scope can name without `tag.` before it."""

Unit = Literal["usd", "tokens", "calls"]
UNITS: tuple[Unit, ...] = ("usd", "tokens", "calls")

_KNOWN = frozenset(
    {
        *("name", "scope", "window", "zone", "usd", "tokens", "calls", "thresholds", "action", "ceiling"),
        *("downgrade", "downgrade_at", "on_unpriced", "on_unreachable", "on_stream", "webhook", "secret", "callback"),
    }
)
_FIXED = ("call", "hour", "day", "week", "month", "lifetime")
_ROLLING = re.compile(r"(?:rolling )?0*([1-9]\d{0,3})([hd])")
_TAG = re.compile(r"tag\..+")
_SHORT = re.compile(
    r"(?:per_)?(global|call|run|session|user|org|feature|agent|key|model)_(max|hourly|daily|weekly|monthly|total)"
)
_WINDOWS = {
    "max": "lifetime",
    "total": "lifetime",
    "hourly": "hour",
    "daily": "day",
    "weekly": "week",
    "monthly": "month",
}
_MOST = 4_000_000
_LARGEST_COUNT = 10**15

Problems = list[tuple[str, str]]
"""(field, what was expected)."""


def budget_from(
    raw: Mapping[str, Any], source: str, callback: Callable[[Any], object] | None = None
) -> tuple[Budget | None, Problems]:
    """The budget that a table describes, or what is wrong with it.

    Args:
        raw: `name`; `usd`, `tokens` or `calls`; `scope`, `window`, `zone`, `thresholds`, `action` and its settings.
        source: The file, or `code`.
        callback: For the actions `callback` and `ask`.
    """
    fields = Fields(raw)
    fields.only(_KNOWN)
    unit, most = _most(fields)
    where = _scope(fields)
    window = _window(fields, where)
    action = _one_of(fields, "action", ACTIONS, "warn")
    name = fields.text("name", longest=128) or _named(where, window)
    budget = Budget(
        limit=Limit(
            name=name,
            unit=unit,
            most=most,
            where=dict(sorted(where.items())),  # in one order: that in which a holder of several is named
            window=window,
            zone=_zone(fields),
            thresholds=_thresholds(fields),
        ),
        action=cast("Action", action),
        ceiling=_amount(fields, "ceiling", unit),
        downgrade=_map(fields, "downgrade"),
        downgrade_at=fields.whole("downgrade_at", 100, 1, 100),
        on_unpriced=cast("Literal['stop', 'allow']", _one_of(fields, "on_unpriced", ("stop", "allow"), "stop")),
        on_unreachable=cast("Literal['stop', 'allow']", _one_of(fields, "on_unreachable", ("stop", "allow"), "stop")),
        on_stream=cast("Literal['count', 'stop']", _one_of(fields, "on_stream", ("count", "stop"), "count")),
        webhook=_webhook(fields, action),
        secret=_secret(fields),
        callback=callback,
        source=source,
    )
    if action == "downgrade" and not budget.downgrade:
        fields.wrong("downgrade", 'a table of models, such as { "gpt-4o" = "gpt-4o-mini" }')
    _callback(fields, action, callback)
    return (None if fields.problems else budget), fields.problems


def short(name: str, value: object) -> Mapping[str, Any] | None:
    """The budget that a line such as `per_user_daily = 50.00` stands for; None if it is none."""
    found = _SHORT.fullmatch(name)
    if found is None:
        return None
    who, when = found[1], found[2]
    if who == "call" and when != "max":
        return None  # a call has no day
    table: dict[str, Any] = {"name": name, "usd": value, "thresholds": [100]}
    if who == "call":
        return {**table, "window": "call"}
    return {**table, "window": _WINDOWS[when], **({} if who == "global" else {"scope": {who: EACH}})}


def _most(fields: Fields) -> tuple[Unit, int]:
    given: list[Unit] = [unit for unit in UNITS if unit in fields.raw]
    if len(given) != 1:
        fields.wrong("usd", "one of usd, tokens and calls, with the most that may be spent")
        return "usd", 0
    return given[0], _amount(fields, given[0], given[0]) or 0


def _amount(fields: Fields, key: str, unit: str) -> int | None:
    value = fields.raw.get(key)
    if value is None:
        return None
    if unit != "usd":
        return fields.whole(key, 0, 1, _LARGEST_COUNT)
    found = 0
    if isinstance(value, int | float | str | Decimal) and not isinstance(value, bool):
        with contextlib.suppress(ValueError):
            found = from_usd(repr(value) if isinstance(value, float) else value)
    if not 0 < found <= from_usd(_MOST):
        fields.wrong(key, f"an amount in USD, above 0 and up to {_MOST:,}")
    return found


def _scope(fields: Fields) -> dict[str, str]:
    value = fields.raw.get("scope")
    if value is None or value == "global":
        return {}
    if isinstance(value, str):
        name = re.sub(r"^(?:each |per[_ ])", "", value)
        if name in DIMENSIONS or _TAG.fullmatch(name):
            return {name.removeprefix("tag."): EACH}
        fields.wrong("scope", f"global, one of {', '.join(sorted(DIMENSIONS))}, tag.NAME, or a table of them")
        return {}
    if not isinstance(value, Mapping) or not value:
        fields.wrong("scope", 'a table that is not empty, such as { feature = "search", user = "*" }')
        return {}
    where: dict[str, str] = {}
    for dimension, wanted in cast("Mapping[object, object]", value).items():
        word = str(dimension)
        if not (word in DIMENSIONS or _TAG.fullmatch(word)):
            fields.wrong("scope", f"dimensions among {', '.join(sorted(DIMENSIONS))} and tag.NAME")
        elif word.removeprefix("tag.") in where:
            fields.wrong("scope", f"{word.removeprefix('tag.')} once, not as a dimension and as a tag")
        elif not isinstance(wanted, str) or not wanted:
            fields.wrong("scope", f'for {word} a value, or "*" for each of its own')
        else:
            hashed = word == "user" and wanted != EACH and _attribution.hash_users
            where[word.removeprefix("tag.")] = pseudonym(wanted) if hashed else wanted
    return where


def _window(fields: Fields, where: dict[str, str]) -> str:
    value = fields.text("window", "lifetime")
    if value in ("run", "session"):
        where.setdefault(value, EACH)
        return "lifetime"
    if value in _FIXED:
        return value
    rolling = _ROLLING.fullmatch(value)
    if rolling is None:
        fields.wrong("window", f"one of {', '.join((*_FIXED, 'run', 'session'))}, or hours or days such as 24h or 30d")
        return "lifetime"
    return f"{int(rolling[1]) * (24 if rolling[2] == 'd' else 1)}h"


def _zone(fields: Fields) -> str | None:
    name = fields.text("zone") if fields.raw.get("zone") is not None else None
    if name is not None:
        from zoneinfo import ZoneInfo

        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            fields.wrong("zone", "an IANA name, such as Europe/Berlin or UTC")
            return None
    return name


def _thresholds(fields: Fields) -> tuple[int, ...]:
    value = fields.raw.get("thresholds")
    if value is None:
        return 50, 80, 100
    listed = cast("Iterable[object]", value) if isinstance(value, list | tuple) else [value]
    found = [each for each in listed if isinstance(each, int) and not isinstance(each, bool) and 0 < each <= 1000]
    if len(found) != len(list(listed)) or not found:
        fields.wrong("thresholds", "percents, such as [50, 80, 100]")
    return tuple(sorted(set(found)))


def _one_of(fields: Fields, key: str, known: tuple[str, ...], default: str) -> str:
    value = fields.text(key, default)
    if value not in known:
        fields.wrong(key, f"one of {', '.join(known)}")
        return default
    return value


def _map(fields: Fields, key: str) -> dict[str, str]:
    value = fields.raw.get(key)
    if value is None:
        return {}
    found = cast("Mapping[object, object]", value if isinstance(value, Mapping) else {})
    kept = {k: v for k, v in found.items() if isinstance(k, str) and isinstance(v, str) and k and v}
    if not found or len(kept) != len(found):
        fields.wrong(key, 'a table of models, such as { "gpt-4o" = "gpt-4o-mini" }')
    return kept


def _webhook(fields: Fields, action: str) -> str | None:
    value = fields.text("webhook", longest=2048) or None
    if value is not None and not _is_address(value):
        fields.wrong("webhook", "an address that begins with https://, in ASCII, without a password in it")
    if action == "webhook" and value is None:
        fields.wrong("webhook", "the address to post to, for the action webhook")
    return value


def _is_address(value: str) -> bool:
    if not re.fullmatch(r"https?://[!-.0-?A-~]+(?:/[!-~]*)?", value):
        return False
    try:
        parts = urlsplit(value)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # of the port, or of an address in brackets
        return False


def _secret(fields: Fields) -> str | None:
    name = fields.text("secret", longest=128) or None
    if name is not None and not os.environ.get(name):
        fields.wrong("secret", "an environment variable that is set here, with the key that signs what is posted")
    return name


def _callback(fields: Fields, action: str, callback: Callable[[Any], object] | None) -> None:
    if action in ("callback", "ask") and callback is None:  # nobody would be told, or asked
        fields.wrong("callback", f"a function, for the action {action}: set_budgets(..., callback=function)")
    if "callback" in fields.raw:
        fields.wrong("callback", "it to be given beside the budgets: set_budgets(..., callback=function)")
    called = callback if inspect.isroutine(callback) else getattr(callback, "__call__", None)  # noqa: B004 - its code
    if inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(called):
        fields.wrong("callback", "a plain function: nobody would wait for an async one, and what it gives is never no")


def _named(where: Mapping[str, str], window: str) -> str:
    who = " and ".join(f"each {name}" if value == EACH else f"{name} {value}" for name, value in where.items())
    return f"{who or 'all'} per {window}"
