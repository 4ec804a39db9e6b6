"""Whom calls are booked to: feature, agent, user, organization, session, key, and any other tag."""

from __future__ import annotations

import contextvars
import functools
import os
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import ParamSpec, TypeVar

from tollbook._salt import pseudonym
from tollbook.spans._context import ENVIRONMENT, innermost
from tollbook.spans._scope import Scope, scoped

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


def clean(given: Mapping[str, object], under: Attribution | None = None) -> Attribution | None:
    """`under` with what `given` says over it; None in place of nothing.

    Args:
        given: Dimension to value. A text is cut at 256 characters, other values become text; None takes a dimension
            out.
        under: What held before.

    Raises:
        ValueError: A name that is no text or longer than 64 characters, or more than 32 dimensions.
    """
    found = dict(under or {})
    for name, value in given.items():
        if not name or len(name) > LONGEST_NAME:
            raise ValueError(f"the name of a tag has 1 to {LONGEST_NAME} characters: {name[:LONGEST_NAME]!r}")
        if value is None:
            found.pop(name, None)
            continue
        text = str(value)
        found[name] = pseudonym(text) if name == "user" and hash_users else text[:LONGEST_VALUE]
    if len(found) > MOST:
        raise ValueError(f"a call may have {MOST} dimensions at most, and here are {len(found)}")
    return found or None


class attribute:  # noqa: N801 - used as a function: `with attribute(...)` and `@attribute(...)`
    """Book what is called inside to a feature, an agent, a user, an organization, a session, a key, or to any tags.

    A context manager and a decorator of functions, coroutine functions, generators and async generators. Nested ones
    add to each other, the inner one wins, and None takes a dimension out. What runs in other threads: `propagate`.

    >>> with attribute(feature="search", user="ada@example.org", customer_tier="gold"):  # doctest: +SKIP
    ...     client.responses.create(...)

    Raises:
        ValueError: More than 32 dimensions, or a name of more than 64 characters.
    """

    __slots__ = ("_given",)

    def __init__(
        self,
        *,
        feature: str | None = None,
        agent: str | None = None,
        user: str | None = None,
        org: str | None = None,
        session: str | None = None,
        key: str | None = None,
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
        given: dict[str, object] = {name: value for name, value in named.items() if value is not None}
        given.update(tags)
        clean(given)
        self._given = given

    def _scope(self) -> Scope:
        return Scope(here, clean(self._given, held()) or {})

    def __enter__(self) -> Attribution:
        merged = clean(self._given, held()) or {}
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
    given = clean(dimensions)
    everywhere = {**(given or {}), **inherited} if inherited else given


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
    called many times, also at once.
    """
    context = contextvars.copy_context()

    @functools.wraps(function)
    def carried(*args: P.args, **kwargs: P.kwargs) -> R:
        # A context can be entered once at a time: each call gets its own copy.
        return context.copy().run(function, *args, **kwargs)

    return carried


def of_call(own: Attribution | None, lent: Attribution | None = None) -> Attribution | None:
    """What a call is booked to whose parent span was given `own` by hand, and `lent` by a framework.

    What was given by hand holds over what holds here, and that over what a framework says.
    """
    found = here.get()
    if found is None:
        found = everywhere
    if lent:
        found = {**lent, **found} if found else lent
    if not own:
        return found or None
    return {**found, **own} if found else own


def _inherit() -> None:
    """Take what the process that started this one gave it."""
    global everywhere, inherited
    if os.environ.get(ENVIRONMENT):
        from tollbook.spans._baggage import parse_baggage

        # As it comes: whether users are pseudonyms was decided there.
        inherited = everywhere = parse_baggage(os.environ[ENVIRONMENT].partition(";")[2]) or None


_inherit()
