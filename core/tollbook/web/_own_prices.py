"""The user's own prices in their files: what of them the dashboard's form can change, and how it does."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from tollbook._paths import replace_file
from tollbook.cli import _definitions
from tollbook.pricing import definitions, read_content, reload_definitions

if TYPE_CHECKING:
    from tollbook.pricing._definition import Definition

AMOUNTS = {"input": "input", "output": "output", "input_cache_read": "cache_read", "input_cache_write": "cache_write"}
"""The amounts of the form, as definitions call them."""
WORDS = ("name", "provider", "start_time", "source")
"""The other fields of the form."""


class Own(NamedTuple):
    """One definition of the user's."""

    definition: Definition
    form: dict[str, str]
    """What the form has to say to make it anew; empty: it says more than the form can, and is changed in its file."""


def own() -> list[Own]:
    """All definitions of the user's, in the order in which they are read."""
    return [Own(each, _form(each)) for _, each in definitions("user")]


def find(digest: str) -> Own | None:
    """The definition with this hash of what it says, if it is one that the form can make."""
    return next((each for each in own() if digest and each.definition.digest == digest and each.form), None)


def write(fields: dict[str, str | None], amounts: dict[str, str], instead: str) -> Path:
    """Write a definition, to the user's own file or in place of the one whose hash is `instead`; the file.

    Raises:
        ValueError: It makes no sense, or the other one is not there any more. Nothing is changed.
        ClickException: The file can't be read or written.
    """
    if not instead:
        path, _ = _definitions.write(dict(fields), amounts, _definitions.place(project=False))
        return path
    path, before = remove(instead)
    try:
        _definitions.write(dict(fields), amounts, path)
    except BaseException:
        replace_file(path, before)
        reload_definitions()
        raise
    return path


def remove(digest: str) -> tuple[Path, bytes]:
    """Take a definition out of its file; the file, and what was in it before.

    Raises:
        ValueError: It is not there any more, or not as the form makes them.
    """
    found = find(digest)
    if found is None:
        raise ValueError("this definition is not there any more: load the page again")
    path = Path(found.definition.file)
    before = path.read_bytes()
    after = _without(before, found.definition.line)
    held, left = (read_content(each, str(path), is_json=False)[0] for each in (before, after))
    if sorted(each.digest for each in left) != sorted(each.digest for each in held if each.digest != digest):
        raise ValueError(f"{path}:{found.definition.line}: change this one in its file")
    replace_file(path, after)
    reload_definitions()
    return path, before


def _place(rows: list[bytes], line: int) -> int | None:
    """Where the table that begins at `line` ends; None if it has tables of its own, which the form does not know.

    Comments before the next one are about that.
    """
    begins = (n for n in range(line, len(rows)) if rows[n].lstrip().startswith(b"["))
    end = next(begins, len(rows))
    if end < len(rows) and rows[end].split() != [b"[[model]]"]:
        return None
    while end > line and (not rows[end - 1].strip() or rows[end - 1].lstrip().startswith(b"#")):
        end -= 1
    return end


def _without(content: bytes, line: int) -> bytes:
    """The file without the table that begins at `line`."""
    rows = content.splitlines(keepends=True)
    return b"".join([*rows[: line - 1], *rows[_place(rows, line) or line :]])


def _form(definition: Definition) -> dict[str, str]:
    table = _table(definition)
    price = table.get("price")
    if not isinstance(price, dict) or set(table) - {*WORDS, "price"}:
        return {}
    prices = cast("dict[str, Any]", price)
    words = {key: value for key, value in table.items() if key != "price"}
    known = {"per", *AMOUNTS.values()}
    if prices.get("per") != 1_000_000 or set(prices) - known or not _are_texts(words):
        return {}
    amounts = {field: str(prices[key]) for field, key in AMOUNTS.items() if key in prices}
    return {**words, **amounts}


def _are_texts(words: Mapping[str, object]) -> bool:
    return all(isinstance(value, str) for value in words.values())


def _table(definition: Definition) -> dict[str, Any]:
    """What the file says of the definition; empty where it is not written as `tollbook prices add` does."""
    path = Path(definition.file)
    if path.suffix != ".toml" or not definition.line:
        return {}
    try:
        rows = path.read_bytes().splitlines(keepends=True)
        end = _place(rows, definition.line)
        text = b"".join(rows[definition.line - 1 : end]) if end else b""
        # Amounts stay as they are written.
        found = tomllib.loads(text.decode(), parse_float=str).get("model", [{}])
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", found[0])
