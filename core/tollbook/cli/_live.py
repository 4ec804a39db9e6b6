"""Watching: `tollbook tail`, `tollbook top`, and `tollbook statusline` for prompts and editors."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from tollbook.cli._command import Command, open_ledger, store_option

if TYPE_CHECKING:
    from tollbook.cli._text import Screen
    from tollbook.ledger import Store
    from tollbook.spans import Record


@click.command(cls=Command)
@click.option("--lines", "-n", type=click.IntRange(0), default=10, show_default=True, help="Past calls to begin with.")
@click.option("--no-follow", is_flag=True, help="Show them and end, instead of waiting for new ones.")
@click.option("--json", "form", flag_value="json", help="One JSON object for each call and line.")
@store_option
def tail(*, lines: int, no_follow: bool, form: str | None, store: str | None) -> None:
    """New calls as they arrive, one line each, until Ctrl-C.

    \b
    Examples:
      tollbook tail
      tollbook tail -n 100 --no-follow
      tollbook tail --json | jq .cost_usd
    """  # noqa: D301 - click wants the character
    import json

    from tollbook.cli._text import say, screen
    from tollbook.ledger._newest import newest

    opened = open_ledger(store)
    shown = screen()
    last, found = newest(opened, None, max(lines, 1))
    found = found if lines else []
    try:
        while True:
            for record in found:
                say(json.dumps(_plain(record)) if form == "json" else line(record, shown))
            if no_follow:
                return
            time.sleep(0.5)
            _drain(opened)
            last, found = newest(opened, last)
    except KeyboardInterrupt:
        return


def _drain(store: Store) -> None:
    """Bring in what was recorded; where that can't be done, what others bring in is shown."""
    import contextlib

    from tollbook.ledger import StoreError

    with contextlib.suppress(StoreError):
        store.drain(timeout=0.2)


def line(record: Record, screen: Screen) -> str:
    """One call on one line."""
    from datetime import datetime

    from tollbook._money import show
    from tollbook.cli._text import clean, cut

    usage, cost = record.usage, record.cost
    clock = datetime.fromtimestamp(record.start // 10**9).astimezone().strftime("%H:%M:%S")
    tokens = "?" if usage is None else f"{usage.input_tokens:,} > {usage.output_tokens:,}"
    amount = "unknown" if cost is None else show(cost.total_usd)
    if cost is not None and cost.status == "estimated":
        amount = f"~{amount}"
    if cost is not None and cost.status == "partial":
        amount = f"{amount}+"
    ended = "" if record.status == "ok" else f"  {record.status} {record.error or ''}".rstrip()
    model = clean(record.response_model or record.request_model or "unknown")
    booked = " ".join(clean(f"{name}={value}") for name, value in (record.attribution or {}).items())
    text = f"{clock}  {amount:>12}  {tokens:>17}  {record.duration / 1e9:6.1f} s  {model}{clean(ended)}  {booked}"
    style = "red" if record.status in ("error", "timeout") else ""
    return screen.paint(cut(text.rstrip(), screen.width) if screen.width else text.rstrip(), style)


def _plain(record: Record) -> dict[str, Any]:
    from tollbook._money import plain

    usage, cost = record.usage, record.cost
    return {
        "start_ns": record.start,
        "trace_id": record.trace_id,
        "span_id": record.span_id,
        "provider": record.provider,
        "model": record.response_model or record.request_model,
        "status": record.status,
        "error": record.error,
        "duration_ns": record.duration,
        "input_tokens": None if usage is None else usage.input_tokens,
        "output_tokens": None if usage is None else usage.output_tokens,
        "cost_usd": None if cost is None else plain(cost.total_usd),
        "cost_status": None if cost is None else cost.status,
        "attribution": record.attribution or {},
    }


@click.command(cls=Command)
@click.option("--by", "-b", default="model", show_default=True, metavar="NAMES", help="What rows are of; see report.")
@click.option("--since", default="today", show_default=True, metavar="WHEN", help="From when on; see report.")
@click.option("--interval", type=click.FloatRange(0.2), default=1.0, show_default=True, help="Seconds between looks.")
@click.option("--once", is_flag=True, help="Show it once and end.")
@store_option
def top(*, by: str, since: str, interval: float, once: bool, store: str | None) -> None:
    """What is being spent, live.

    The dearest rows of today and the newest calls, until Ctrl-C.

    \b
    Examples:
      tollbook top
      tollbook top --by feature --since 1h
    """  # noqa: D301 - click wants the character
    from tollbook.cli._text import say, screen

    opened = open_ledger(store)
    names = [name.strip() for name in by.split(",") if name.strip()]
    live = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not once
    if not live:
        say(frame(opened, names, since, screen(), 24))
        return
    import shutil

    # The other screen of the terminal, so that what was there before comes back; the cursor is hidden.
    sys.stdout.write("\x1b[?1049h\x1b[?25l")
    try:
        while True:
            height = shutil.get_terminal_size().lines
            text = frame(opened, names, since, screen(), height)
            rows = text.split("\n")[: height - 1]
            # Written over what is there, line by line, which does not flicker.
            sys.stdout.write("\x1b[H" + "\n".join(f"{row}\x1b[K" for row in rows) + "\x1b[J")
            sys.stdout.flush()
            time.sleep(interval)
            _drain(opened)
    except KeyboardInterrupt:
        return
    finally:
        sys.stdout.write("\x1b[?25h\x1b[?1049l")
        sys.stdout.flush()


def frame(store: Store, names: list[str], since: str, screen: Screen, height: int) -> str:
    """What `tollbook top` shows at one moment, in so many lines."""
    from datetime import datetime

    from tollbook._money import show, to_usd
    from tollbook.cli._tables import rows_as_table
    from tollbook.cli._text import cut
    from tollbook.cli._words import cost, counted
    from tollbook.ledger._newest import newest
    from tollbook.reports import report

    def fitting(text: str) -> str:
        return cut(text, screen.width) if screen.width else text

    calls = max(min(height // 4, 10), 2)
    found = report(store, by=names, since=since, top=max(height - calls - 8, 1))
    recent = report(store, by=(), since="5m").total
    hourly = None if recent.cost is None else show(to_usd(recent.sums.total_cost * 12))
    rate = "" if hourly is None else f", {cost(recent, hourly)} an hour at the rate of the last 5 minutes"
    clock = datetime.now().astimezone().strftime("%H:%M:%S")
    head = f"tollbook  {clock}  since {since}: {counted(found.total.calls)}, {cost(found.total)}{rate}"
    if not found.total.calls:
        head = f"tollbook  {clock}  no calls since {since}"
    body = [rows_as_table(found, screen)] if found.rows else []
    _, last = newest(store, None, calls)
    lines = [line(record, screen) for record in reversed(last)]
    return "\n".join([screen.paint(fitting(head), "bold"), "", *body, "", *lines])


@click.command(cls=Command)
@store_option
def statusline(*, store: str | None) -> None:
    """One line of what was spent, for a prompt or an editor.

    What today, this month and the last session cost. It reads what is in the ledger and changes nothing; without a
    ledger it says so, and it never fails.

    \b
    Example:
      tollbook statusline
    """  # noqa: D301 - click wants the character
    from tollbook.cli._status import status
    from tollbook.cli._text import say

    say(status(store))
