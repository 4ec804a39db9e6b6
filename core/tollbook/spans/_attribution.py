"""Whom calls are booked to: feature, agent, user, organization, session, key, and any other tag."""

from __future__ import annotations

import contextvars
import os
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import ParamSpec, TypeVar

from tollbook._salt import pseudonym
from tollbook.spans._context import ENVIRONMENT, innermost
from tollbook.spans._scope import Copied, Scope, scoped

P = ParamSpec("P")
R = TypeVar("R")

Attribution = dict[str, str]
"""Dimension to value. Never changed once it is in use: calls and their children share it."""

DIMENSIONS = ("feature", "agent", "user", "org", "session", "key")
"""The dimensions that reports and budgets know by name; every other one is a tag."""

LONGEST_NAME, LONGEST_VALUE, MOST = 64, 256, 32
"""Characters of a tag's name and of a value, and how many dimensions one call may have."""

here: ContextVar[Attribution | None] = ContextVar("tollbook_attribution", default=None)
"""What `attribute` set in this thread or task; None: nothing, so that `everywhere` holds."""

everywhere: Attribution | None = None
"""What holds in the whole process where nothing else is set."""

inherited: Attribution | None = None
"""What the process that started this one gave it, which holds over what the program sets everywhere."""

hash_users = True
"""Whether users are kept by pseudonym."""


class _Without(dict[str, str]):
    """An attribution from which dimensions were taken out: what is below it does not give them back."""

    __slots__ = ("gone",)

    def __init__(self, found: Attribution, gone: frozenset[str]) -> None:
        super().__init__(found)
        self.gone = gone


def _gone(found: Attribution | None) -> frozenset[str]:
    return found.gone if isinstance(found, _Without) else frozenset()


def text_of(value: object) -> str:
    """A value of a dimension as text that can be written anywhere; empty if it says nothing."""
    if isinstance(value, str):
        text = str.__str__(value)  # the text itself, also of a member of an Enum
    elif isinstance(value, bytes | bytearray):
        text = value.decode(errors="replace")
    else:
        text = "" if value is None else str(value)
    if not text.isascii():  # half of a character can't be written
        text = text.encode(errors="backslashreplace").decode()
    return "" if text.isspace() else text


def said(given: Mapping[str, object]) -> dict[str, str | None]:
    """What `given` says, as text; None takes a dimension out, and what is empty or blank says nothing.

    Raises:
        ValueError: A name that is no text or longer than 64 characters, or more than 32 dimensions.
    """
    found: dict[str, str | None] = {}
    for name, value in given.items():
        if not name or len(name) > LONGEST_NAME:
            raise ValueError(f"the name of a tag has 1 to {LONGEST_NAME} characters: {name[:LONGEST_NAME]!r}")
        text = None if value is None else text_of(value)
        if text != "":
            found[text_of(name) or name] = text
    _check(len(found) - list(found.values()).count(None))
    return found


def _check(dimensions: int) -> None:
    if dimensions > MOST:
        raise ValueError(f"a call may have {MOST} dimensions at most, and here are {dimensions}")


def laid(texts: Mapping[str, str | None], under: Attribution | None) -> Attribution:
    """What was `said` over what held before: texts are cut at 256 characters, and users become pseudonyms.

    Raises:
        ValueError: More than 32 dimensions.
    """
    found, gone = dict(under or {}), _gone(under)
    for name, text in texts.items():
        if text is None:
            found.pop(name, None)
            gone |= {name}
        else:
            found[name] = pseudonym(text) if name == "user" and hash_users else text[:LONGEST_VALUE]
            gone -= {name}
    _check(len(found))
    return _Without(found, gone) if gone else found


def clean(given: Mapping[str, object], under: Attribution | None = None) -> Attribution:
    """`under` with what `given` says over it.

    Args:
        given: Dimension to value, as for `said`.
        under: What held before.

    Raises:
        ValueError: As for `said`.
    """
    return laid(said(given), under)


def over(under: Attribution | None, above: Attribution | None) -> Attribution | None:
    """`under` with `above` over it, and without what that takes out."""
    if above is None:
        return under
    if not under:
        return above
    merged, gone = {**under, **above}, _gone(above)
    if not gone:
        return merged
    for name in gone:
        merged.pop(name, None)
    return _Without(merged, gone)


class attribute:  # noqa: N801 - used as a function: `with attribute(...)` and `@attribute(...)`
    """Book what is called inside to a feature, an agent, a user, an organization, a session, a key, or to any tags.

    A context manager and a decorator of functions, coroutine functions, generators and async generators. Nested ones
    add to each other, the inner one wins, None takes a dimension out, and an empty text leaves it as it is. What runs
    in other threads: `propagate`.

    >>> with attribute(feature="search", user="ada@example.org", customer_tier="gold"):  # doctest: +SKIP
    ...     client.responses.create(...)

    Raises:
        ValueError: More than 32 dimensions, or a name of more than 64 characters.
    """

    __slots__ = ("_given",)

    def __init__(
        self,
        *,
        feature: str | None = "",
        agent: str | None = "",
        user: str | None = "",
        org: str | None = "",
        session: str | None = "",
        key: str | None = "",
        **tags: str | float | bool | None,
    ) -> None:
        """Say what to book to.

        Args:
            feature: What of the program is at work.
            agent: Which agent.
            user: For whom, by any id of yours: kept as a pseudonym, unless `autolog(hash_users=False)`.
            org: For which customer, tenant or team.
            session: In which conversation.
            key: With which API key, by a name of yours: never the key itself.
            tags: Anything else to sum up by.
        """
        named = {"feature": feature, "agent": agent, "user": user, "org": org, "session": session, "key": key}
        # Users become pseudonyms where it is entered, by the secret that is in use then.
        self._given = said({**named, **tags})

    def _scope(self) -> Scope:
        return Scope(here, laid(self._given, held()))

    def __enter__(self) -> Attribution:
        merged = laid(self._given, held())
        # Kept by context, not by block: one block may be used by many threads and tasks at once.
        _entered.set((*_entered.get(), (self, here.get())))
        here.set(merged)
        return merged

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        entered = _entered.get()
        for place in range(len(entered) - 1, -1, -1):
            if entered[place][0] is self:
                break
        else:  # a generator that is closed in another context than that of its start
            return
        before, after = entered[place][1], entered[place + 1 :]
        if after:  # blocks of generators that take turns: what is left last goes back to what was before
            after = ((after[0][0], before), *after[1:])
        else:
            here.set(before)
        _entered.set((*entered[:place], *after))

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        return scoped(function, self._scope)


_entered: ContextVar[tuple[tuple[attribute, Attribution | None], ...]] = ContextVar("tollbook_entered", default=())
"""The blocks that this thread or task is in, each with what held before it."""


def attribute_process(**dimensions: str | float | bool | None) -> None:
    """Book everything in this process to `dimensions`, unless `attribute` says otherwise; without any: to nothing.

    What the process that started this one passed on (`child_environment`) holds over it.

    Args:
        dimensions: As for `attribute`.

    Raises:
        ValueError: As for `attribute`.
    """
    global everywhere
    # Nothing is around it that could be taken out.
    everywhere = over(
        clean({name: value for name, value in dimensions.items() if value is not None}) or None, inherited
    )


def held() -> Attribution | None:
    """What `attribute` set here, or else what holds everywhere."""
    found = here.get()
    return everywhere if found is None else found


def current_attribution() -> Attribution:
    """What a call that is made here is booked to, by dimension; `user` is a pseudonym."""
    parent = innermost()
    return dict((held() if parent is None else of_call(parent.own, parent.lent)) or {})


def propagate(function: Callable[P, R]) -> Callable[P, R]:
    """`function` as called from here, wherever it runs: with the attribution, the open span and all else of now.

    For threads and executors, which begin with an empty context: `pool.submit(propagate(work), item)`. It may be
    called many times, also at once. A coroutine function, a generator or an async generator stays one, and all its
    steps run so.
    """
    context = contextvars.copy_context()
    # A context can be entered once at a time: each call gets its own copy.
    return scoped(function, lambda: Copied(context.copy()))


def of_call(own: Attribution | None, lent: Attribution | None = None) -> Attribution | None:
    """What a call is booked to whose parent span was given `own` by hand, and `lent` by a framework.

    What was given by hand holds over what holds here, and that over what a framework says.
    """
    found = here.get()
    if found is None:
        found = everywhere
    if lent:
        found = over(lent, found)
    if own is not None:
        found = over(found, own)
    return found or None


def _inherit() -> None:
    """Take what the process that started this one gave it."""
    global everywhere, inherited
    if os.environ.get(ENVIRONMENT):
        from tollbook.spans._baggage import parse_baggage

        # As it comes: whether users are pseudonyms was decided there.
        inherited = everywhere = parse_baggage(os.environ[ENVIRONMENT].partition(";")[2]) or None


_inherit()
