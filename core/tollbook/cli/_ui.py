"""`tollbook ui`: the dashboard, for a browser on this machine."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tollbook.cli._command import Command, store_option

if TYPE_CHECKING:
    from tollbook.ledger import Store

_NEEDED = ("starlette", "uvicorn", "jinja2")


@click.command(cls=Command)
@click.option("--port", type=click.IntRange(1, 65535), metavar="N", help="Default: 8642, or any if that is in use.")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen.")
@click.option(
    "--token",
    envvar="TOLLBOOK_UI_TOKEN",
    metavar="SECRET",
    help="What a browser must bring once. Default: a random one. Better in TOLLBOOK_UI_TOKEN, which others can't list.",
)
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@click.option("--read-only", is_flag=True, help="Nothing can be changed from there.")
@click.option("--demo", is_flag=True, help="Made-up calls in a ledger that is thrown away, to look around.")
@store_option
def ui(
    port: int | None,
    host: str,
    token: str | None,
    no_browser: bool,
    read_only: bool,
    demo: bool,
    store: str | None,
) -> None:
    """Open a dashboard in the browser.

    It listens on this machine only and asks for a token, which is in the address that is printed. Nothing is loaded
    from elsewhere. It runs until Ctrl+C.

    \b
    Examples:
      tollbook ui --demo          what it looks like
      tollbook ui                 your own ledger
      tollbook ui --read-only     where nothing may be changed
    """  # noqa: D301 - click wants the character
    from tollbook.cli._text import clean, say

    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise click.ClickException(f"the dashboard needs {', '.join(missing)}: pip install 'tollbook[ui]'")
    if demo and store is not None:
        raise click.UsageError("--demo has a ledger of its own: leave --store away")

    def ready(address: str) -> None:
        say(f"Dashboard: {address}")
        say(f"Ledger:    {clean(str(opened.path))}{' (sample data)' if demo else ''}\nCtrl+C ends it.")
        if not no_browser:
            import webbrowser

            with contextlib.suppress(webbrowser.Error):
                webbrowser.open(address)

    from tollbook.web import serve

    with _ledger(store, demo=demo) as opened, contextlib.suppress(KeyboardInterrupt):
        serve(opened, host=host, port=port, token=token, read_only=read_only, sample=demo, ready=ready)


@contextlib.contextmanager
def _ledger(store: str | None, *, demo: bool) -> Generator[Store]:
    """The ledger that is shown."""
    from tollbook.ledger import open_store

    if not demo:
        with open_store(store) as opened:
            yield opened
        return
    from tollbook.web._sample import fill

    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "sample.db") as opened:
        fill(opened)
        yield opened
