"""Sample data: six weeks of a made-up company, so that a newcomer sees the dashboard alive.

The names of the models and their prices are real, the calls are not; the same ones are made at every start, up to now.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any, NamedTuple

from tollbook.budgets import budget_from, stored
from tollbook.ledger import Spool, Store
from tollbook.pricing import cost_of
from tollbook.spans import Record
from tollbook.usage import Usage

_DAY = 86_400_000_000_000
_DAYS = 66
_SECOND = 1_000_000_000


class Feature(NamedTuple):
    """What a made-up program does."""

    name: str
    agent: str
    models: tuple[tuple[str, str], ...]
    """(Provider, model) of each step."""
    daily: int
    sent: int
    made: int
    cached: float
    """Part of what is sent that comes from a cache."""


_FEATURES = (
    Feature(
        "support chat",
        "helper",
        (("anthropic", "claude-haiku-4-5"), ("anthropic", "claude-sonnet-4-5")),
        22,
        5200,
        420,
        0.6,
    ),
    Feature("search", "", (("openai", "gpt-4o-mini"),), 30, 900, 110, 0.0),
    Feature("code review", "reviewer", (("anthropic", "claude-sonnet-4-5"), ("openai", "gpt-5")), 5, 21000, 1800, 0.35),
    Feature("contracts", "reader", (("openai", "gpt-4.1"), ("openai", "gpt-4.1-mini")), 4, 14000, 900, 0.1),
    Feature("newsletter", "", (("google", "gemini-2.5-flash"),), 3, 3000, 1500, 0.0),
    Feature("forecasts", "analyst", (("our-server", "house-llama-70b"),), 2, 4000, 600, 0.0),
)
_USERS = tuple(f"u_{number:04x}" for number in (0x41C2, 0x9B0E, 0x77A1, 0x1F3D, 0xC504, 0x2E88, 0x60F9, 0xA7B6))
_ORGS = ("northwind", "acme", "globex")
_BUDGETS: tuple[dict[str, Any], ...] = (
    {"name": "all, per month", "usd": 60, "window": "month"},
    {"name": "code review", "usd": 12, "scope": {"feature": "code review"}, "window": "month", "action": "stop"},
    {"name": "each user, per week", "usd": 2, "scope": "user", "window": "week"},
    {"name": "each session", "usd": "0.40", "scope": "session"},
)


def fill(store: Store) -> None:
    """Put the sample into the ledger.

    Raises:
        StoreError: It can't be written to.
    """
    found = [budget_from(table, "sample data")[0] for table in _BUDGETS]
    store.limits.declare([stored(budget) for budget in found if budget is not None])
    spool = Spool(store.spool)
    for record in records(time.time_ns()):
        spool.append(record)
    spool.close()
    store.drain(timeout=60)
    # All was counted a moment ago; what was crossed is shown as if it had been over days.
    with closing(sqlite3.connect(store.path)) as database, database:
        last = database.execute("SELECT max(rowid) FROM limit_alert").fetchone()[0] or 0
        database.execute("UPDATE limit_alert SET at = at - (? - rowid) * ?", (last, 53 * 60 * _SECOND))


def records(now: int) -> Iterator[Record]:
    """The sample's spans until `now`, Unix nanoseconds."""
    dice = random.Random(4711)
    midnight = now - now % _DAY
    for day in range(_DAYS - 1, -1, -1):
        start = midnight - day * _DAY
        quiet = 0.35 if (start // _DAY + 4) % 7 in (0, 6) else 1.0  # 1970 began on a Thursday
        growth = 0.55 + 0.45 * (_DAYS - day) / _DAYS
        busy = 2.6 if day == 12 else 1.0  # a bug in the reviewer
        for feature in _FEATURES:
            often = feature.daily * quiet * growth * (busy if feature.name == "code review" else 1.0)
            for _ in range(round(often * dice.uniform(0.8, 1.2))):
                at = start + int(dice.betavariate(3.2, 2.8) * _DAY)
                if at < now - 120 * _SECOND:
                    yield from _one(dice, feature, at)


def _one(dice: random.Random, feature: Feature, at: int) -> Iterator[Record]:
    """One trace: a plain call, or an agent with calls and tools."""
    trace = f"{at // 1_000_000:012x}{dice.getrandbits(80):020x}"
    user = dice.choice(_USERS)
    booked = {"feature": feature.name, "user": user, "org": _ORGS[_USERS.index(user) % 3], "team": "core"}
    if feature.agent:
        booked |= {"agent": feature.agent, "session": f"{feature.agent}-{at // (3 * 3_600 * _SECOND):x}-{user[2:]}"}
    base: dict[str, Any] = {"trace_id": trace, "attribution": booked}
    if not feature.agent:
        yield _call(dice, feature, feature.models[0], at, f"{dice.getrandbits(64):016x}", None, base)
        return
    root = f"{dice.getrandbits(64):016x}"
    clock = at + 4_000_000
    steps: list[Record] = []
    for number in range(dice.randint(2, 4)):
        step = f"{dice.getrandbits(64):016x}"
        model = feature.models[min(number, len(feature.models) - 1) if number else 0]
        found = _call(dice, feature, model, clock, step, root, base)
        steps.append(found)
        clock += found.duration + 2_000_000
        if number < 2 and found.status == "ok":
            took = int(dice.lognormvariate(4.6, 0.7) * 1_000_000)
            name = dice.choice(("look_up_customer", "read_file", "search_docs"))
            tool = f"{dice.getrandbits(64):016x}"
            steps.append(
                Record(**base, span_id=tool, parent_id=root, kind="tool", name=name, start=clock, duration=took)
            )
            clock += took + 1_000_000
    yield Record(**base, span_id=root, kind="agent", name=feature.agent, start=at, duration=clock - at)
    yield from steps


def _call(
    dice: random.Random,
    feature: Feature,
    model: tuple[str, str],
    at: int,
    span: str,
    parent: str | None,
    base: dict[str, Any],
) -> Record:
    provider, name = model
    sent, made = (max(1, int(dice.lognormvariate(0, 0.5) * each)) for each in (feature.sent, feature.made))
    cached = int(sent * feature.cached * dice.uniform(0.6, 1.2)) if dice.random() < 0.85 else 0
    cached = min(cached, sent)
    failed = dice.random() < 0.012
    cut = not failed and dice.random() < 0.02
    usage = cost = None
    if not failed:
        # Claude's caches are paid for when they are written, and every fourth call comes when the last is gone.
        held = "input_cache_write_5m" if provider == "anthropic" and dice.random() < 0.25 else "input_cache_read"
        usage = Usage({"input": sent - cached, held: cached, "output": made})
        if cut:
            usage = Usage(usage.quantities, estimated=("output",), method="bytes/4", band=0.25)
        cost = cost_of(usage, provider, name, at, None)
    return Record(
        **base,
        span_id=span,
        parent_id=parent,
        name=f"chat {name}",
        start=at,
        duration=int((400 + made * dice.uniform(7, 14)) * 1_000_000),
        first_chunk=int(dice.uniform(180, 700) * 1_000_000),
        status="error" if failed else "abandoned" if cut else "ok",
        error="RateLimitError" if failed else None,
        integration=provider if provider in ("openai", "anthropic") else "manual",
        provider={"google": "gcp.gemini"}.get(provider, provider),
        operation="chat",
        request_model=name,
        response_model=None if failed else name,
        stream=True,
        finish=None if failed or cut else "stop",
        usage=usage,
        cost=cost,
        bills=True,
    )
