"""`tollbook doctor`: what works on this machine, and what does not."""

from __future__ import annotations

import importlib
import platform
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Literal, NamedTuple

from tollbook import __version__
from tollbook._instrument import Integration, Settings, integrations
from tollbook.cli._text import Screen, paragraph
from tollbook.cli._words import counted

if TYPE_CHECKING:
    from tollbook.ledger import Health

Level = Literal["ok", "note", "bad"]
_STYLES: dict[Level, str] = {"ok": "green", "note": "yellow", "bad": "red"}
_STALE = 45
"""Days without a new price in the list, after which there may well be a newer list."""


class Finding(NamedTuple):
    """One thing that was looked at."""

    area: str
    level: Level
    """`bad` needs attention; `note` is worth knowing."""
    text: str


def examine(url: str | None, *, drain: bool = True) -> list[Finding]:
    """Look at everything, change nothing but the spool, which is drained if it may be, and call nobody."""
    return [*_program(), *_sdks(), *_ledger(url, drain=drain), *_prices(), *_definitions()]


def _program() -> Iterator[Finding]:
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("wrapt", "msgspec", "genai-prices"))
    yield Finding("program", "ok", f"tollbook {__version__}, Python {platform.python_version()}, {versions}")


# ---- SDKs ----------------------------------------------------------------------------------------------------


def _sdks() -> Iterator[Finding]:
    found = integrations()
    if not found:
        yield Finding("sdks", "bad", "no integration is found: reinstall tollbook")
    for name, integration in found.items():
        yield Finding("sdks", *_sdk(name, integration))


def _sdk(name: str, integration: Integration) -> tuple[Level, str]:
    tested = integration.library
    package = re.split(r"[<>=!~ ]", tested, maxsplit=1)[0]
    try:
        version = metadata.version(package)
    except metadata.PackageNotFoundError:
        return "note", f"{package} is not installed"
    try:
        importlib.import_module(getattr(integration, "module", name))
    except ImportError as error:
        return "bad", f"{package} {version} can't be imported ({type(error).__name__}), so it can't be metered"
    state = _patched(integration)
    failed = {place: how for place, how in state.items() if how != "on"}
    if failed:
        places = "; ".join(f"{place}: {how}" for place, how in failed.items())
        return "bad", f"{package} {version} can't be metered ({tested} is tested); {places}"
    outside = "" if _within(version, tested) else f", but it is outside of {tested}, which is tested"
    return "note" if outside else "ok", f"{package} {version} is metered, at {counted(len(state), 'place')}{outside}"


def _patched(integration: Integration) -> dict[str, str]:
    """What can be patched. If nothing is now, it is only tried."""
    if any(how != "off" for how in integration.state().values()):
        return dict(integration.state())
    integration.install(Settings())
    try:
        return dict(integration.state())
    finally:
        integration.uninstall()


def _within(version: str, requirement: str) -> bool:
    """Whether a release lies between the bounds (`>=`, `<`) of a requirement."""

    def release(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in re.findall(r"\d+", text)[:3])

    found = release(version)
    bounds = re.findall(r"(>=|<)\s*([\d.]+)", requirement)
    return all(found >= release(bound) if sign == ">=" else found < release(bound) for sign, bound in bounds)


# ---- ledger, spool, prices -----------------------------------------------------------------------------------


def _ledger(url: str | None, *, drain: bool) -> Iterator[Finding]:
    from tollbook.ledger import StoreError, open_store

    store = open_store(url)
    problem = None
    try:
        if drain:
            store.drain()
    except StoreError as error:
        problem = str(error)
    health = store.health()
    if problem := health.error or problem:
        yield Finding("ledger", "bad", problem)
    if health.schema is not None:
        yield Finding("ledger", "ok", f"{health.path}: {counted(health.spans, 'span')}, {_size(health.size)}")
        yield Finding("ledger", "ok", f"its tables are of version {health.schema}; SQLite {health.sqlite}")
    elif not health.exists:
        yield Finding("ledger", "note", f"{health.path} does not exist yet: no call was recorded")
    yield from _places(health)
    waiting = f"{counted(health.pending, 'record')} in {counted(health.spool_files, 'journal')} to be read"
    yield Finding("spool", "note" if health.pending else "ok", f"{health.spool}: {waiting}")
    if health.rejected:
        yield Finding("spool", "note", f"{health.rejected:,} lines made no sense; they are kept there as *.rejected")
    if health.dropped:
        lost = f"{counted(health.dropped, 'record')} could not be kept: the disk was full, or the spool at its limit"
        yield Finding("spool", "bad", lost)


def _places(health: Health) -> Iterator[Finding]:
    from tollbook.ledger._database import NETWORK

    if health.filesystem in NETWORK:
        yield Finding("ledger", "bad", f"it is on a network file system ({health.filesystem}), where SQLite can't lock")
    if health.wal_reset_bug:
        yield Finding("ledger", "note", "this SQLite has the WAL-reset bug: let no other program write to the ledger")
    for aside in health.set_aside:
        text = f"a damaged ledger was set aside: {aside}; `sqlite3 FILE .recover` may read it. Remove it when done"
        yield Finding("ledger", "bad", text)


def _size(number: int) -> str:
    return f"{number / 1e6:,.1f} MB" if number >= 100_000 else f"{number / 1e3:,.1f} kB"


def _prices() -> Iterator[Finding]:
    from tollbook.pricing import catalog_info

    name, version, newest, models = catalog_info()
    text = f"{name} {version}: {models:,} models"
    if newest is None:
        yield Finding("prices", "note", f"{text}, of unknown age")
        return
    age = (datetime.now(UTC).date() - date.fromisoformat(newest)).days
    text = f"{text}, the newest price of {newest}, {counted(age, 'day')} ago"
    if age > _STALE:
        yield Finding("prices", "note", f"{text}; there may be newer ones: pip install -U {name}")
    else:
        yield Finding("prices", "ok", text)


def _definitions() -> Iterator[Finding]:
    from tollbook.pricing import definition_errors, definitions, update_in_use
    from tollbook.pricing._own import files

    for path in files():
        yield Finding("prices", "ok", f"your own definitions in {path}")
    if own := len(definitions("user")):
        yield Finding("prices", "ok", f"{counted(own, 'definition')} of your own")
    brought = definitions("overlay")
    if checked := max((each.checked for _, each in brought), default=""):
        yield Finding("prices", "ok", f"{counted(len(brought), 'fact')} that Tollbook brings, last checked {checked}")
    if (update := update_in_use()) is not None:
        since = f" on {update.at[:10]}" if update.at else ""
        by = f", fetched from {update.origin}{since}" if update.origin else ", fetched earlier"
        yield Finding("prices", "ok", f"{counted(len(definitions('update')), 'definition')} in an update{by}")
    for problem in definition_errors():
        yield Finding("prices", "bad", str(problem))


def as_text(findings: list[Finding], screen: Screen) -> str:
    """The findings for a terminal, grouped."""
    lines: list[str] = []
    area = ""
    room = screen._replace(width=screen.width and max(screen.width - 8, 20), colour=False)
    for finding in findings:
        if finding.area != area:
            area = finding.area
            lines.append(screen.paint(area, "bold"))
        mark = screen.paint(finding.level.ljust(4), _STYLES[finding.level])
        lines.append(f"  {mark}  " + paragraph(room, finding.text, indent="").replace("\n", "\n" + " " * 8))
    return "\n".join(lines)
