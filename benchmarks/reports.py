"""A ledger as a company might have after a year, made quickly, and the reports that people ask of it."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tollbook.ledger import Store, _batch, _database, _rollups, _sums
from tollbook.pricing import Cost
from tollbook.reports import report, unusual
from tollbook.spans import Record
from tollbook.usage import Usage

HOUR = _sums.HOUR
NOW = 1_780_272_000_000_000_000
"""2026-06-01, UTC."""
DAYS = 365
ZONE = "UTC"
BATCH, FOLD, WAITING = 20_000, 200_000, 2000
"""Spans in a transaction, and rows that wait until they are put into the sums by value: more than a program lets wait,
since writing is not what is measured. In the end so many spans wait as on the average in use."""

MODELS = [("openai", f"gpt-{n}") for n in range(6)] + [("anthropic", f"claude-{n}") for n in range(4)]
FEATURES = [f"feature-{n}" for n in range(12)]
PLANS = ["free", "pro", "team"]

QUESTIONS: dict[str, dict[str, Any]] = {
    "by model": {"by": ["model"]},
    "by day": {"by": ["day"]},
    "by feature": {"by": ["feature"]},
    "by user": {"by": ["user"]},
    "by day,model": {"by": ["day", "model"]},
    "by feature,model": {"by": ["feature", "model"]},
    "by tag": {"by": ["tag.plan"]},
    "by day, of one feature": {"by": ["day"], "where": {"feature": "feature-1"}},
    "by feature,tag": {"by": ["feature", "tag.plan"]},
    "by day, of one user": {"by": ["day"], "where": {"user": "u_7"}},
    "by user, last 30 days": {"by": ["user"], "since": NOW - 30 * 24 * HOUR},
    "by model, last 30 days": {"by": ["model"], "since": NOW - 30 * 24 * HOUR},
    "by day in Berlin": {"by": ["day"], "zone": "Europe/Berlin"},
}


def records(number: int, seed: int = 1) -> Callable[[int], list[Record]]:
    """What gives the next records, so many of them, in the order of their time."""
    rng = random.Random(seed)
    users = max(number // 1000, 10)
    step = DAYS * 24 * HOUR // number
    usages = [
        (
            Usage({"input": 100 * n, "input_cache_read": 10 * n, "output": 7 * n}),
            Cost(total=n * 977, input=n * 900, output=n * 77),
        )
        for n in range(1, 200)
    ]
    made = 0

    def batch(size: int) -> list[Record]:
        nonlocal made
        found: list[Record] = []
        while len(found) < size and made < number:
            start = NOW - DAYS * 24 * HOUR + made * step
            made += 1
            provider, model = MODELS[min(int(rng.expovariate(0.5)), len(MODELS) - 1)]
            usage, cost = usages[rng.randrange(len(usages))]
            failed = rng.random() < 0.02
            user = min(int(rng.paretovariate(0.6)), users) if rng.random() < 0.5 else rng.randrange(users)
            attribution = None
            if rng.random() < 0.9:
                attribution = {
                    "feature": FEATURES[min(int(rng.expovariate(0.4)), len(FEATURES) - 1)],
                    "user": f"u_{user}",
                    "org": f"org-{user % 40}",
                    "session": f"s_{user}_{made // 20_000}",
                    "plan": PLANS[user % 3],
                }
            found.append(
                Record(
                    trace_id=f"{made:032x}", span_id=f"{made:016x}", name="chat", start=start, duration=900_000_000,
                    integration=provider, provider=provider, operation="chat", request_model=model,
                    response_model=None if failed else model, stream=rng.random() < 0.5,
                    status="error" if failed else "ok", error="RateLimitError" if failed else None,
                    usage=None if failed else usage, cost=None if failed else cost, bills=True, attribution=attribution,
                )
            )  # fmt: skip
        return found

    return batch


def build(path: Path, number: int) -> dict[str, Any]:
    """Write a ledger of `number` spans through the ledger's own code, without journals and in large batches."""
    database = _database.open_writing(path)
    database.execute("PRAGMA synchronous = OFF")
    database.execute("PRAGMA cache_size = -400000")
    ids = _batch.SeriesIds(database)
    batch = records(number)
    spent, fold, left, _rollups.FOLD = 0.0, _rollups.FOLD, number, FOLD
    while found := batch(min(BATCH, left - WAITING) if left > WAITING else WAITING):
        t = time.process_time()
        left -= len(found)
        database.execute("BEGIN")
        _batch.store(database, ids, found)
        if left == WAITING:
            _rollups.fold(database)
        database.execute("COMMIT")
        spent += time.process_time() - t
    _rollups.FOLD = fold
    database.execute("PRAGMA optimize")
    database.close()
    return {
        "what": f"{number:,} spans written",
        "us_per_span": round(spent / number * 1e6, 1),
        "megabytes": round(path.stat().st_size / 1e6),
    }


REFERENCE = """SELECT start / 86400000000000, series, count(*), sum(json_extract(rest, '$.cost.total'))
    FROM span WHERE bill = 1 GROUP BY 1, 2"""
"""Cost by day and model, as SQLite gets it without sums: from the calls themselves."""

MONTH = NOW - 30 * 24 * HOUR
OTHERS: dict[str, Callable[[Store], object]] = {
    "traces, the latest 30": lambda store: store.traces(limit=30),
    "traces of one user": lambda store: store.traces(where={"user": "u_7"}, limit=30),
    "sessions, the latest 50": lambda store: store.sessions(limit=50),
    "traces by cost, last 30 days": lambda store: store.traces(MONTH, order="cost", limit=30),
    "what a call costs, last 30 days": lambda store: report(store, by=["model"], since=MONTH, stats="call"),
    "unusual days": lambda store: unusual(store, timezone=ZONE, now=datetime.fromtimestamp(NOW / 1e9, UTC)),
}
"""What else is asked, most of which reads calls."""


def ask(path: Path) -> list[dict[str, Any]]:
    """Each question in turn, by its query and as a report; then the others, and the reference."""
    rows: list[dict[str, Any]] = []
    for what, question in QUESTIONS.items():
        store = Store(path)
        named = {**question, "zone": question.get("zone", ZONE)}
        times, count = [], 0
        for _ in range(5):
            t = time.process_time()
            count = len(store.summary(**named))
            times.append(time.process_time() - t)
        t = time.process_time()
        if "where" not in question:
            report(store, by=question["by"], since=question.get("since"), timezone=named["zone"], top=20)
        whole = time.process_time() - t
        rows.append(
            {
                "what": what,
                "query_ms": round(statistics.median(times) * 1e3, 1),
                "first_ms": round(times[0] * 1e3, 1),
                "report_ms": round(whole * 1e3, 1),
                "rows": count,
            }
        )
        store.close()
    with Store(path) as store:
        for what, work in OTHERS.items():
            t = time.process_time()
            work(store)
            rows.append({"what": what, "ms": round((time.process_time() - t) * 1e3, 1)})
        with store.reading() as database:
            assert database is not None
            t = time.process_time()
            database.execute(REFERENCE).fetchall()
            rows.append({"what": "reference: from the calls", "ms": round((time.process_time() - t) * 1e3, 1)})
    return rows
