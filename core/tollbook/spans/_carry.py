"""The trace and the attribution of here, on their way to another process: in headers, or in its environment."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import Token
from typing import Any, TypeVar

from tollbook.spans import _attribution, _context
from tollbook.spans._attribution import MOST, Attribution, current_attribution
from tollbook.spans._baggage import LONGEST, PREFIX, members_of, parse_baggage
from tollbook.spans._context import ENVIRONMENT, Parent, Remote, innermost, parse_traceparent

Headers = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]
"""Headers as a mapping, or as pairs, such as those of an ASGI scope; names in any case."""
H = TypeVar("H", bound=MutableMapping[str, str])


def inject(headers: H, *, trace: bool = True) -> H:
    """Put the trace and the attribution of here into `headers`, for the other side to `extract`.

    `traceparent` names the open span, `baggage` has each dimension as `tollbook.NAME`, in 8,192 characters at most:
    what does not fit is left out whole, tags first. Others' baggage stays. A user goes as the pseudonym. Send them only
    to services of your own.

    Args:
        headers: Of a request or a message; changed, and returned. What this function put there before is replaced.
        trace: False leaves `traceparent` to another tracer, whose spans go by it.
    """
    # The names as they are spelled there; a header that is there twice would be none.
    spelled = {name.lower(): name for name in headers}
    name = spelled.get("baggage", "baggage")
    kept = [member.strip() for member in headers.get(name, "").split(",")]
    others = [member for member in kept if member and not member.startswith(PREFIX)]
    if members := members_of(current_attribution(), LONGEST - sum(len(other) + 1 for other in others)):
        headers[name] = ",".join([*others, *members])
    elif others:
        headers[name] = ",".join(others)
    else:
        headers.pop(name, None)
    if trace:
        name = spelled.get("traceparent", "traceparent")
        if said := _traceparent():
            headers[name] = said
        else:
            headers.pop(name, None)
    return headers


def _traceparent() -> str | None:
    parent = innermost()
    # A request is a trace without a span of its own; the standard wants an id, which then nobody has.
    return None if parent is None else f"00-{parent.trace_id}-{parent.span_id or _context.new_span_id()}-01"


class Carried:
    """What came from another process: the span that it was sent in, and the attribution."""

    __slots__ = ("_tokens", "attribution", "remote")

    def __init__(self, remote: Remote | None, attribution: Attribution) -> None:
        self.remote = remote
        self.attribution = attribution

    @classmethod
    def of_headers(cls, headers: Headers, trust: bool | Iterable[str] = True) -> Carried:
        """What `headers` say; nothing where they say nothing, or nothing that can be read."""
        traceparent = ""
        baggage: list[str] = []
        for name, value in _pairs(headers):
            if name == "traceparent":
                traceparent = value
            elif name == "baggage":
                baggage.append(value)
        taken: Attribution = {}
        if trust and baggage:
            taken = parse_baggage(",".join(baggage), None if isinstance(trust, bool) else trust)
        # A user who comes by name, from where users are not hashed, becomes a pseudonym here.
        return cls(parse_traceparent(traceparent), _attribution.clean(taken))

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Carried:
        """What the environment of a process says that its parent gave it."""
        traceparent, _, baggage = environment.get(ENVIRONMENT, "").partition(";")
        return cls(parse_traceparent(traceparent), parse_baggage(baggage))

    def over(self, under: Attribution | None) -> Attribution | None:
        """The attribution over that of here; where there is too much, tags of here give way."""
        found = dict(self.attribution)
        for name, value in (under or {}).items():
            if len(found) < MOST:
                found.setdefault(name, value)
        return found or None


def _pairs(headers: Any) -> Iterable[tuple[str, str]]:
    for name, value in headers.items() if hasattr(headers, "items") else headers:
        yield _text(name).lower(), _text(value)


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value if isinstance(value, str) else ""


@contextmanager
def extract(headers: Headers, *, trust: bool | Iterable[str] = True) -> Generator[Attribution]:
    """Continue the trace and the attribution that `headers` carry: what is called inside becomes part of them.

    What another process put there with `inject` holds over what holds here. A user who comes as a pseudonym stays it.
    What is not well-formed is ignored, as are all other headers. Gives what holds inside.

    Args:
        headers: Of a request or a message, as a mapping or as pairs.
        trust: Whose baggage it is: True takes every dimension, so it is for services of your own; names take only
            these; False takes none, and continues the trace alone.
    """
    carried = Carried.of_headers(headers, trust)
    tokens: list[Token[Any]] = []
    if carried.attribution:
        tokens.append(_attribution.here.set(carried.over(_attribution.held()) or {}))
    if carried.remote is not None:
        tokens.append(_context.current.set(carried.remote))
    try:
        yield current_attribution()
    finally:
        for token in reversed(tokens):
            restore(token)


def restore(token: Token[Any]) -> None:
    """Undo what was set; in another context than that in which it was set there is nothing to undo."""
    try:
        token.var.reset(token)
    except ValueError:
        return


def child_environment() -> dict[str, str]:
    """What to add to the environment of a child process, so that it continues the trace and the attribution of here.

    One variable, `TOLLBOOK_CONTEXT`, which Tollbook reads in the child when it is first used; empty if there is nothing
    to continue, so that a child does not inherit another's.

    >>> subprocess.run(command, env={**os.environ, **child_environment()})  # doctest: +SKIP
    """
    said, members = _traceparent(), members_of(current_attribution(), LONGEST)
    return {ENVIRONMENT: f"{said or ''};{','.join(members)}" if said or members else ""}


def continue_process(environment: Mapping[str, str]) -> None:
    """Make this whole process continue what `child_environment` said in the one that started it.

    For pools of processes: `ProcessPoolExecutor(initializer=continue_process, initargs=(child_environment(),))`. What
    a forked process brought along of the thread that started it no longer holds. The trace is continued by this thread.

    Args:
        environment: With `TOLLBOOK_CONTEXT`; without it, nothing is continued.
    """
    carried = Carried.of_environment(environment)
    _attribution.inherited = carried.attribution or None
    _attribution.everywhere = carried.over(_attribution.everywhere)
    _attribution.here.set(None)
    parent: Parent | None = carried.remote
    _context.current.set(parent)
