"""`tollbook whois`: under which pseudonyms users are booked."""

from __future__ import annotations

import os
from pathlib import Path

import click

from tollbook.cli._command import Command, store_option


@click.command(cls=Command)
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option(
    "--secret",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="An earlier secret, for calls booked under it. Default: TOLLBOOK_SALT, else the one beside the ledger.",
)
@store_option
def whois(ids: tuple[str, ...], secret: str | None, store: str | None) -> None:
    """The pseudonyms under which users are booked, a line for each.

    ID is a user's id, just as the program gives it. Nothing leads from a pseudonym to its user: go through the ids
    that you have.

    \b
    Examples:
      tollbook whois ada@example.org
      tollbook report --by day --where user=$(tollbook whois ada@example.org)
    """  # noqa: D301 - click wants the character
    from tollbook import _salt

    _salt.place = store
    _salt.forget()
    file = None if secret is None else Path(secret)
    if file is None and not os.environ.get(_salt.VARIABLE):
        file = _salt.salt_path()
        if not file.exists():
            raise click.ClickException(f"no user is booked by pseudonym there: {file} does not exist")
    try:
        # By the file itself: where it can't be read, a program would make do with a secret of its own.
        found = [_salt.user_pseudonym(each, secret=file) for each in ids]
    except OSError as error:
        raise click.ClickException(f"the secret can't be read: {error}") from error
    for pseudonym in found:
        click.echo(pseudonym)
