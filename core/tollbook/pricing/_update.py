"""Price updates: a file of definitions that was fetched because somebody asked for it, and is kept for all programs.

The copies lie in the user's data directory. Each is named after the SHA-256 of its content, so a damaged one is known
by its name; `current` says which one holds. It is replaced as a whole, and the copy before it is kept: where the
current one turns out to be damaged, that one holds again, with a warning that `tollbook doctor` repeats.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from time import time
from typing import NamedTuple

from tollbook._paths import replace_file
from tollbook.pricing._card import Card, Rate, rates_at
from tollbook.pricing._catalog import DAY, below
from tollbook.pricing._definition import ALWAYS, NEVER, Definition, Problem, Window, parts
from tollbook.pricing._fields import as_table
from tollbook.pricing._layer import Layer
from tollbook.pricing._names import LISTS, MAKERS
from tollbook.pricing._read import read_content

LARGEST = 2_000_000
"""Bytes of an update."""

JUMP = 20
"""A price that is more than so many times the one that is known, or less than that part of it, needs a word."""

_EXAMPLES = 8
"""Names that a definition's pattern matches, which are looked at beside those that price lists have."""

_SECONDS = 30.0
_UNDER_WAY = 600
"""Seconds after which a file that is no copy in use is left over."""
_POINTER = "current"


class Stored(NamedTuple):
    """The update that is in use."""

    path: Path
    origin: str
    """Where it was fetched from; empty: nobody knows any more."""
    at: str
    """When, ISO, UTC; empty: nobody knows any more."""


class Jump(NamedTuple):
    """A price that is far from the one that is known."""

    provider: str
    model: str
    bucket: str
    known: Rate
    new: Rate


def directory() -> Path:
    """Where updates are kept; it need not exist."""
    from platformdirs import user_data_path

    return user_data_path("tollbook", appauthor=False) / "prices"


# ---- fetching ------------------------------------------------------------------------------------------------


def fetch(origin: str, expected: str) -> bytes:
    """The content of the file or https URL `origin`.

    Raises:
        ValueError: It can't be had, is too large, or its SHA-256 is not `expected`.
    """
    digest = expected.strip().lower().removeprefix("sha256:")
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise ValueError(f"a SHA-256 is 64 hex digits, and not {expected!r}")
    try:
        content = _download(origin) if "://" in origin else _content(Path(origin).expanduser())
    except OSError as error:  # urllib's and the sockets' errors are of this kind, too
        reason = getattr(error, "reason", None) or error.strerror or type(error).__name__
        raise ValueError(f"{origin} can't be read: {reason}") from error
    found = sha256(content).hexdigest()
    if found != digest:
        raise ValueError(f"{origin} is not the expected file: its SHA-256 is {found}, and not {digest}")
    return content


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return _limited(file.read(LARGEST + 1), str(path))


def _limited(content: bytes, origin: str) -> bytes:
    if len(content) > LARGEST:
        raise ValueError(f"{origin} is larger than {LARGEST:,} bytes")
    return content


def _download(url: str) -> bytes:
    import time
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class Redirects(HTTPRedirectHandler):
        """To https only, as the first address."""

        def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
            try:
                _secure(newurl)
            except ValueError:
                fp.close()
                raise
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    _secure(url)
    until = time.monotonic() + _SECONDS
    request = Request(url, headers={"User-Agent": "tollbook", "Accept-Encoding": "identity"})  # noqa: S310 - see _secure
    content = b""
    try:
        with build_opener(Redirects).open(request, timeout=_SECONDS) as response:
            while chunk := response.read1(65_536):
                content += chunk
                _limited(content, url)
                if time.monotonic() > until:
                    raise ValueError(f"{url} is too slow: {len(content):,} bytes in {_SECONDS:.0f} s")
            length = response.headers.get("Content-Length", "")
    except HTTPError as error:
        error.close()
        raise ValueError(f"{url} can't be read: {error.code} {error.reason}") from error
    except HTTPException as error:
        raise ValueError(f"{url} can't be read: {type(error).__name__}") from error
    if length.isdigit() and int(length) != len(content):
        raise ValueError(f"{url} broke off after {len(content):,} of {int(length):,} bytes")
    return bytes(content)


def _secure(url: str) -> None:
    """Raises ValueError unless nobody on the way can read along."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}):
        raise ValueError(f"{url} is no https:// address")


# ---- checking ------------------------------------------------------------------------------------------------


def definitions_of(content: bytes, origin: str) -> list[Definition]:
    """The definitions that an update holds.

    Raises:
        ValueError: Anything is wrong in it, or there are none.
    """
    found, problems = read_content(content, origin, is_json=_is_json(content))
    if problems:
        more = f"\n... and {len(problems) - 20:,} more" if len(problems) > 20 else ""
        raise ValueError("\n".join(str(problem) for problem in problems[:20]) + more)
    if not found:
        raise ValueError(f"{origin} holds no definition")
    return found


def _is_json(content: bytes) -> bool:
    start = content.removeprefix(b"\xef\xbb\xbf").lstrip()[:2]
    return start[:1] == b"{" or (start[:1] == b"[" and start != b"[[")


def jumps(found: list[Definition], now: int) -> list[Jump]:
    """The prices that are far from those known for the same model and bucket, when they begin and as of `now`."""
    seen: dict[tuple[str, str, str], Jump] = {}
    for provider, model, known, new in compared(found, now):
        for beyond in sorted({0, *(tier.threshold + 1 for tier in (*known.tiers, *new.tiers))}):
            rates = rates_at(known, beyond)
            for bucket, rate in rates_at(new, beyond).items():
                before = rates.get(bucket)
                if before is not None and _is_far(before, rate):
                    seen.setdefault((provider, model, bucket), Jump(provider, model, bucket, before, rate))
    return list(seen.values())


def compared(found: list[Definition], now: int) -> Iterator[tuple[str, str, Card, Card]]:
    """(provider, model, the card that is known, the one with an update) of all models that both know.

    The cards are those of `now`, of whenever a definition or a part of it begins or ends, and of the times of day of
    its windows, in all contexts that it names.

    Args:
        found: The update's definitions, in place of those in use.
        now: Unix nanoseconds.
    """
    from tollbook.pricing import _browse

    layer = Layer("update", found)
    for provider, model in dict.fromkeys([*_browse.names(found), *_examples(found)]):
        fitting = [each for _, each in layer.fitting(provider, model)]
        if not fitting:
            continue
        instants = {now, *(instant for each in fitting for instant in _instants(each, now))}
        contexts = [dict[str, str](), *(context for each in fitting for context in _browse.contexts_of(each))]
        for instant in sorted(instants):
            for context in contexts:
                known = _browse.quote(provider, model, instant, context)
                new = _browse.quote_by(layer, below, provider, model, instant, context)
                if known is not None and new is not None:
                    yield provider, model, known, new


def _examples(found: list[Definition]) -> Iterator[tuple[str, str]]:
    """(provider, model) of listed models that definitions are about by names which no list has, such as dated ones."""
    from tollbook.pricing import _genai

    for each in found:
        for name in each.pattern.examples(_EXAMPLES if each.providers else 2):
            for provider in each.providers or MAKERS:
                if _genai.find(provider, name):
                    yield LISTS.get(provider, provider), name


def _instants(definition: Definition, now: int) -> Iterator[int]:
    """When to look at the prices of `definition`, so that none of its parts is missed."""
    for part in parts(definition):
        if part.start != ALWAYS:
            yield part.start
        if part.end != NEVER:
            yield part.end - 1
        if isinstance(part, Window):
            last = min(now + 6 * DAY, definition.end - 1, part.end - 1)
            first = max(last - 6 * DAY, definition.start, part.start)
            for day in range(first // DAY, last // DAY + 1):
                yield day * DAY + part.since * 1_000_000_000


def _is_far(known: Rate, new: Rate) -> bool:
    before, after = (rate if isinstance(rate, tuple) else (rate, 1) for rate in (known, new))
    left, right = before[0] * after[1], after[0] * before[1]
    return max(left, right) > JUMP * min(left, right)


# ---- the copies ----------------------------------------------------------------------------------------------


def keep(content: bytes, origin: str) -> Stored:
    """Put `content` in use, in one step; the copy before it stays, older ones go.

    Raises:
        OSError: It can't be written; then nothing changes.
    """
    from datetime import UTC, datetime

    home = directory()
    home.mkdir(parents=True, exist_ok=True)
    path = home / f"{sha256(content).hexdigest()}{'.json' if _is_json(content) else '.toml'}"
    before = _pointer()
    replace_file(path, content)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    earlier = before["previous"] if before.get("file") == path.name else before.get("file", "")
    origin = _public(origin)
    pointer = {"file": path.name, "origin": origin, "at": at, "previous": earlier}
    replace_file(home / _POINTER, json.dumps(pointer, indent=2).encode())
    for other in home.iterdir():
        # One that was just written may be of another update that is under way.
        if other.name not in {path.name, earlier, _POINTER} and _is_left(other):
            other.unlink(missing_ok=True)
    return Stored(path, origin, at)


def _public(origin: str) -> str:
    """`origin` without what may be a password or a key."""
    from urllib.parse import urlsplit

    if "://" not in origin:
        return origin
    parts = urlsplit(origin)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _is_left(path: Path) -> bool:
    try:
        return path.stat().st_mtime < time() - _UNDER_WAY
    except OSError:
        return False


def _pointer() -> dict[str, str]:
    """What `current` says; empty if there is none, or it is damaged."""
    try:
        table = as_table(json.loads((directory() / _POINTER).read_bytes())) or {}
    except (OSError, ValueError, RecursionError):
        return {}
    return {key: str(table.get(key) or "") for key in ("file", "origin", "at", "previous")} if table else {}


def load() -> tuple[list[Definition], Stored | None, list[Problem]]:
    """The definitions of the update in use, where it is, and what is wrong with the copies."""
    home = directory()
    try:
        if not home.is_dir():
            return [], None, []
    except OSError:  # the home of another user, under whose name a service was started
        return [], None, []
    pointer = _pointer()
    problems: list[Problem] = []
    names = [name for name in (pointer.get("file"), pointer.get("previous")) if name]
    if not pointer:
        names = [path.name for path in sorted(home.glob("*[0-9a-f].[tj]*"), key=_age)]
        problems += [Problem(str(home / _POINTER), 0, "", "", "damaged: the newest copy holds")] if names else []
    for name in names:
        path = home / Path(name).name
        current = name == pointer.get("file")
        found = _definitions(path, pointer["origin"] if current else "")
        if isinstance(found, list):
            return found, Stored(path, pointer["origin"] if current else "", pointer["at"] if current else ""), problems
        problems.append(found)
    return [], None, problems


def _age(path: Path) -> float:
    try:
        return -path.stat().st_mtime
    except OSError:
        return 0.0


def _definitions(path: Path, origin: str) -> list[Definition] | Problem:
    try:
        content = _content(path)
        if sha256(content).hexdigest() != path.stem:
            return Problem(str(path), 0, "", "", "damaged: fetch it again, with `tollbook prices update`")
        return definitions_of(content, origin or str(path))
    except OSError as error:
        return Problem(str(path), 0, "", "", f"can't be read: {error.strerror or type(error).__name__}")
    except ValueError as error:
        return Problem(str(path), 0, "", "", str(error).splitlines()[0])
