"""`tollbook doctor`: what works on this machine, and what does not."""

from __future__ import annotations

import importlib
import platform
from collections.abc import Iterator
from datetime import UTC, date, datetime
from importlib import metadata
from typing import Literal, NamedTuple, cast

from tollbook import __version__
from tollbook._instrument import Settings, integrations

Level = Literal["ok", "note", "bad"]
_MARKS = {"ok": "[green]ok[/green]  ", "note": "[yellow]note[/yellow]", "bad": "[red]bad[/red] "}


class Finding(NamedTuple):
    """One thing that was looked at."""

    area: str
    level: Level
    """`bad` needs attention; `note` is worth knowing."""
    text: str


def examine(url: str | None) -> list[Finding]:
    """Look at everything, change nothing, call nobody."""
    return [*_program(), *_sdks(), *_ledger(url), *_prices()]


def _program() -> Iterator[Finding]:
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("wrapt", "msgspec", "genai-prices"))
    yield Finding("program", "ok", f"tollbook {__version__}, Python {platform.python_version()}, {versions}")


def _sdks() -> Iterator[Finding]:
    found = integrations()
    if not found:
        yield Finding("sdks", "bad", "no integration is found: reinstall tollbook")
    for name, integration in found.items():
        package = integration.library.partition(">")[0].partition("<")[0].partition("=")[0]
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            yield Finding("sdks", "note", f"{package} is not installed")
            continue
        try:
            importlib.import_module(name)
        except ImportError as error:
            yield Finding("sdks", "bad", f"{package} {version} can't be imported: {type(error).__name__}")
            continue
        integration.install(Settings())
        state = integration.state()
        integration.uninstall()
        failed = [place for place, how in state.items() if how != "on"]
        if failed:
            yield Finding(
                "sdks", "bad", f"{package} {version}: not patched: {', '.join(failed)}; {integration.library} is tested"
            )
        else:
            yield Finding(
                "sdks", "ok", f"{package} {version} is metered at {len(state)} points ({integration.library} is tested)"
            )


def _ledger(url: str | None) -> Iterator[Finding]:
    from tollbook.ledger import StoreError, open_store

    try:
        store = open_store(url)
    except ValueError as error:
        yield Finding("ledger", "bad", str(error))
        return
    problem = None
    try:
        store.drain()
    except StoreError as error:
        problem = str(error)
    health = store.health()
    if problem := health.error or problem:
        yield Finding("ledger", "bad", problem)
    if health.schema is not None:
        size = f"{health.spans:,} spans, {health.size / 1e6:,.1f} MB, schema {health.schema}"
        yield Finding("ledger", "ok", f"{health.path}: {size}, SQLite {health.sqlite}")
    elif not health.exists:
        yield Finding("ledger", "note", f"{health.path} does not exist yet: no call was recorded")
    if health.filesystem:
        yield Finding(
            "ledger", "bad", f"it lies on a network file system ({health.filesystem}), where SQLite can't lock"
        )
    if health.wal_reset_bug:
        yield Finding("ledger", "note", "this SQLite has the WAL-reset bug; let no other program write to the ledger")
    waiting = f"{health.pending:,} records in {health.spool_files} journals wait in {health.spool}"
    yield Finding("spool", "note" if health.pending else "ok", waiting)
    for number, level, what in (
        (health.rejected, "note", "lines of journals made no sense, and are kept beside them as *.rejected"),
        (health.dropped, "bad", "records could not be kept: the disk was full, or the spool at its limit"),
        (len(health.set_aside), "bad", f"damaged ledgers were set aside: {', '.join(health.set_aside)}"),
    ):
        if number:
            yield Finding("spool", cast("Level", level), f"{number:,} {what}")


def _prices() -> Iterator[Finding]:
    from tollbook.pricing import catalog_info

    name, version, newest, models = catalog_info()
    age = None if newest is None else (datetime.now(UTC).date() - date.fromisoformat(newest)).days
    stale = age is None or age > 45
    text = f"{name} {version}: {models:,} models, newest price of {newest or 'unknown date'}"
    if stale:
        text += f"; that is {age} days ago: pip install -U {name}"
    yield Finding("prices", "note" if stale else "ok", text)


def show(findings: list[Finding]) -> None:
    """Print the findings, grouped."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    area = ""
    for finding in findings:
        if finding.area != area:
            area = finding.area
            console.print(f"[bold]{area}[/bold]")
        console.print(f"  {_MARKS[finding.level]}  {escape(finding.text)}")
