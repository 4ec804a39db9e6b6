"""What all commands share: how they fail, which ledger they read, and how they print JSON."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

import click

from tollbook.cli._start import mute

if TYPE_CHECKING:
    from tollbook.ledger import Store


class Command(click.Command):
    """A command whose expected failures are one clear line, not a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        from tollbook.ledger import StoreError

        out: Any = sys.stdout
        if out is None:
            raise click.ClickException("the output can't be written: standard output is closed")
        if isinstance(out, io.TextIOWrapper):
            out.reconfigure(errors="backslashreplace")  # a name that this terminal can't show is no failure
        try:
            return super().invoke(ctx)
        except StoreError as error:
            raise click.ClickException(str(error)) from error
        except ValueError as error:
            raise click.UsageError(str(error), ctx) from error
        except BrokenPipeError:  # `tollbook report | head` has read enough
            mute()
            raise click.exceptions.Exit(0) from None


def store_option(function: Any) -> Any:
    return click.option(
        "--store",
        metavar="PATH",
        help="The ledger to read: a path or sqlite:/// URL. Default: TOLLBOOK_STORE, else your data directory.",
    )(function)


def open_ledger(store: str | None, *, tells: bool = False) -> Store:
    """The store, with all in it that programs have recorded so far.

    What that makes known to be past a threshold of a budget is told when the command has said its own.

    Args:
        store: As `store_option` takes it.
        tells: Also tell of what was known before and nobody has told of.

    Raises:
        StoreError: It can't be read. One that can be read and not written to is told of, and read as it is.
    """
    from tollbook.cli._text import clean
    from tollbook.ledger import StoreError, open_store

    opened = open_store(store)
    try:
        if not _is_drained(opened):
            tells = opened.drain() > 0 or tells
    except StoreError as error:
        opened.last_trace_id()  # can it be read, at least?
        click.echo(f"Warning: what was recorded last is missing here: {clean(str(error))}", err=True)
    context = click.get_current_context(silent=True)
    if tells and context is not None:
        context.call_on_close(lambda: _tell(opened))
    return opened


def _tell(store: Store) -> None:
    """Tell of the thresholds that were crossed, in place of the program that crossed them and has ended meanwhile."""
    from tollbook.ledger import StoreError

    try:
        if not store.limits.alerts(undelivered=True):
            return
    except StoreError:
        return  # the command has said so
    from tollbook import _guard, budgets

    _guard.guarded(budgets.deliver)(store, {})
    if not budgets.wait():
        click.echo("Warning: not all alerts could be posted in time.", err=True)


def _is_drained(store: Store) -> bool:
    """Whether there is nothing to bring in, and nothing to upgrade: then what writes need not be loaded."""
    from tollbook.ledger import StoreError

    try:
        if next(store.spool.iterdir(), None) is not None:
            return False
    except FileNotFoundError:
        pass
    except OSError:
        return False
    try:
        store.last_trace_id()
    except StoreError:
        return False
    return True


def say_json(data: Any) -> None:
    import json

    from tollbook.cli._text import say

    say(json.dumps(data, indent=2))


class Bar:
    """A progress bar on standard error, if that is a terminal."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._bar: Any = None
        self._shown = 0

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.render_finish()

    def show(self, done: int, total: int) -> None:
        """Say how far it is."""
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            self._bar = click.progressbar(length=total, label=self._label, file=sys.stderr)
            self._bar.render_progress()
        self._bar.update(done - self._shown)
        self._shown = done
