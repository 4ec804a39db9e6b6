"""`tollbook doctor`: what works on this machine, and what does not."""

from __future__ import annotations

import importlib
import platform
from collections.abc import Iterator
from importlib import metadata
from typing import Literal, NamedTuple

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
            yield Finding("sdks", "bad", f"{package} {version}: not patched: {', '.join(failed)}; {integration.library} is tested")
        else:
            yield Finding("sdks", "ok", f"{package} {version} is metered at {len(state)} points ({integration.library} is tested)")


def _ledger(url: str | None) -> Iterator[Finding]:
    from tollbook.ledger import StoreError, open_store

    try:
        store = open_store(url)
        store.drain()
        health = store.health()
    except (StoreError, ValueError) as error:
        yield Finding("ledger", "bad", str(error))
        return
    for level, text in health.findings():
        yield Finding("ledger", level, text)


def _prices() -> Iterator[Finding]:
    from tollbook.pricing import catalog_info

    info = catalog_info()
    yield Finding("prices", "ok", str(info))


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
