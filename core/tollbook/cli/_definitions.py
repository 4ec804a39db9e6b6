"""`tollbook prices add|check|update`: definitions of the user's own, and those that are fetched."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tollbook._paths import replace_file
from tollbook.cli._text import clean, say

if TYPE_CHECKING:
    from tollbook.pricing import Problem


# ---- add -----------------------------------------------------------------------------------------------------


def place(*, project: bool) -> Path:
    """The user's own file of definitions, or that of the project in this directory."""
    from tollbook.pricing import _own

    return Path(_own.PROJECT[0]) if project else _own.home() / "prices.toml"


def add(fields: dict[str, Any], amounts: dict[str, str], file: Path) -> None:
    """As `write`, and say so."""
    path, block = write(fields, amounts, file)
    say(f"Added to {clean(str(path))}:\n\n{block.rstrip()}\n")
    say("Programs that run have to be started again. Recorded calls keep their cost, unless you reprice them.")


def write(fields: dict[str, Any], amounts: dict[str, str], file: Path) -> tuple[Path, str]:
    """Write one more definition to the end of `file`, which is made if there is none; the file, and what was added.

    Raises:
        ValueError: The definition makes no sense, or the file is no TOML.
        ClickException: The file can't be read or written.
    """
    from tollbook.pricing import read_content, reload_definitions

    block = _block(fields, amounts)
    path = file.expanduser()
    path = path.resolve() if path.is_symlink() else path.absolute()
    if path.suffix.lower() == ".json":
        raise ValueError(f"{path} is JSON: name a TOML file, which keeps comments")
    try:
        before = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise click.ClickException(f"{path} can't be read: {error.strerror}") from error
    head = before or b"schema = 1\n"
    content = head + (b"" if head.endswith(b"\n") else b"\n") + b"\n" + block.encode()
    held, known = read_content(before, str(path), is_json=False) if before else ([], [])
    found, problems = read_content(content, str(path), is_json=False)
    old = {_said(problem) for problem in known}
    new = [each for each in problems if len(found) <= len(held) or _said(each) not in old]
    if new:
        raise ValueError("\n".join(_plainly(each, path) for each in new))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content)
    except OSError as error:
        raise click.ClickException(f"{path} can't be written: {error.strerror}") from error
    reload_definitions()
    return path, block


def _plainly(problem: Problem, path: Path) -> str:
    """A problem of what is only about to be written, without its line."""
    return str(problem).removeprefix(f"{path}:{problem.line}: ").removeprefix(f"{path}: ")


def _said(problem: Problem) -> str:
    return f"{problem.definition} {problem.field} {problem.expected}"


def _block(fields: dict[str, Any], amounts: dict[str, str]) -> str:
    """One `[[model]]` in TOML."""
    lines = ["[[model]]", *(f"{key} = {_text(value)}" for key, value in fields.items() if value is not None)]
    per = 1_000_000 if (fields.get("unit") or "TOKENS").upper() in {"TOKENS", "CHARACTERS", "PIXELS"} else 1
    if not amounts:
        raise ValueError("no price: give --input and --output, or --price KEY=USD")
    prices = {"per": f"{per:_}"} if per > 1 else {}
    prices |= {key: _number(key, value) for key, value in amounts.items()}
    lines.append(f"price = {{ {', '.join(f'{key} = {value}' for key, value in prices.items())} }}")
    return "\n".join(lines) + "\n"


def _number(key: str, text: str) -> str:
    try:
        amount = Decimal(text.strip().removeprefix("$"))
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite() or abs(amount.adjusted()) > 99:  # written out, it would be as long as that
        raise ValueError(f"{key}: expected an amount of US dollars, and not {text!r}")
    if not key.replace("_", "").isalnum() or not key.isascii():
        raise ValueError(f"{key!r} is no kind of price")
    return f"{amount:f}"


def _text(value: str) -> str:
    """A string of TOML; a pattern stays readable."""
    if value.isprintable() and "\\" in value and "'" not in value:
        return f"'{value}'"
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"not a text: {value!r}") from None
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


# ---- check ---------------------------------------------------------------------------------------------------


def check(file: Path, form: str | None) -> bool:
    """Say what is wrong in a file of definitions; whether nothing is."""
    from tollbook.cli._command import say_json
    from tollbook.cli._words import counted
    from tollbook.pricing import read_file

    found, problems = read_file(file)
    if form == "json":
        wrong = [{name: getattr(each, name) for name in each.__struct_fields__} for each in problems]
        say_json({"definitions": len(found), "problems": wrong})
    else:
        for problem in problems:
            say(clean(str(problem)))
        good = f"{counted(len(found), 'definition')} can be used"
        say(f"{good}, {counted(len(problems), 'problem')}" if problems else f"{good}; nothing is wrong")
    return not problems


# ---- update --------------------------------------------------------------------------------------------------


def update(origin: str, expected: str, *, allow_jumps: bool) -> None:
    """Fetch definitions, look at them, and put them in use.

    Raises:
        ClickException: They can't be had, are not the expected ones, or make no sense. Then nothing changes.
    """
    from tollbook._prices import instant, unit_price
    from tollbook.cli._words import counted
    from tollbook.pricing import _update as updates
    from tollbook.pricing import reload_definitions

    try:
        content = updates.fetch(origin, expected)
        found = updates.definitions_of(content, origin)
    except ValueError as error:
        raise click.ClickException("\n".join(map(clean, str(error).splitlines()))) from error
    far = updates.jumps(found, instant(None))
    if far and not allow_jumps:
        distinct = {(each.provider, each.model, each.known, each.new): each for each in reversed(far)}
        shown = [
            f"  {each.model} at {each.provider or 'any provider'}, {each.bucket}: "
            f"{unit_price(each.bucket, each.known)} is known, {unit_price(each.bucket, each.new)} is new"
            for each in [*reversed(distinct.values())][:20]
        ]
        more = [f"  ... and {len(distinct) - 20:,} more"] if len(distinct) > 20 else []
        head = f"{counted(len(distinct), 'price')} differ more than {updates.JUMP} times from what is known:"
        tail = "If that is right, say --allow-jumps. Nothing has changed."
        raise click.ClickException("\n".join([head, *map(clean, shown), *more, tail]))
    try:
        stored = updates.keep(content, origin)
    except OSError as error:
        raise click.ClickException(f"it can't be kept in {updates.directory()}: {error.strerror}") from error
    reload_definitions()
    say(f"In use: {counted(len(found), 'definition')} from {clean(stored.origin)}, kept as {clean(str(stored.path))}")
    say("Programs that run have to be started again. Recorded calls keep their cost, unless you reprice them.")
