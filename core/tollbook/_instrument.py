"""`autolog()`: finds the integrations and switches them on and off."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from tollbook import _guard

log = logging.getLogger("tollbook")
GROUP = "tollbook.integrations"


@runtime_checkable
class Integration(Protocol):
    """What an entry point of the group `tollbook.integrations` names: one library that can be metered."""

    name: str
    library: str
    """The requirement that the integration is tested with, such as `openai>=2,<4`.

    If the library's module is not called as the integration is, an attribute `module` says how.
    """

    def install(self, settings: Settings) -> None:
        """Meter the library from now on, or from its import on; again and again without harm. Imports nothing."""

    def uninstall(self) -> None:
        """Leave the library alone again."""

    def state(self) -> dict[str, str]:
        """What is patched and what is not: place to `on`, `off`, `waiting for import` or `failed: why`."""
        ...


class Settings:
    """What `autolog` was asked for, as integrations need it."""

    __slots__ = ("deployments", "hosts", "include_usage", "include_usage_hosts")

    def __init__(
        self,
        *,
        hosts: Mapping[str, str] | None = None,
        include_usage: bool = True,
        include_usage_hosts: Iterable[str] = (),
        deployments: Mapping[str, str] | None = None,
    ) -> None:
        self.deployments = dict(deployments or {})
        self.hosts = {host.lower(): provider for host, provider in (hosts or {}).items()}
        self.include_usage = include_usage
        self.include_usage_hosts = frozenset(map(str.lower, include_usage_hosts))


_lock = threading.Lock()
_found: dict[str, Integration] = {}
_sweeping = False


def integrations() -> dict[str, Integration]:
    """All integrations that are installed beside this library, by name; those that can't be loaded are logged."""
    global _found
    if not _found:
        from importlib.metadata import entry_points

        found: dict[str, Integration] = {}
        for point in sorted(entry_points(group=GROUP), key=lambda p: p.name):
            integration = _guard.guarded(point.load)()
            if isinstance(integration, Integration):
                found[point.name] = integration
        _found = found  # all at once: another thread must not take some for all
    return _found


def autolog(
    *,
    disable: bool = False,
    store: str | Path | None = None,
    only: Iterable[str] | None = None,
    hosts: Mapping[str, str] | None = None,
    include_usage: bool = True,
    include_usage_hosts: Iterable[str] = (),
    deployments: Mapping[str, str] | None = None,
    hash_users: bool = True,
    hash_prefixes: bool = False,
) -> None:
    """Meter every call of every supported SDK and framework from here on.

    Works before or after the SDK is imported and before or after its clients are made; calling it again changes
    settings and patches what has come since. What is not installed is left alone.

    Args:
        disable: Stop metering and take the patches off.
        store: Where the ledger is: a path, or a URL such as `sqlite:///costs.db`. Default: `TOLLBOOK_STORE`, else a
            file in the user's data directory.
        only: Names of the integrations to switch on; all if absent.
        hosts: Host name to provider (`{"llm-gateway.internal": "openai"}`), for gateways that pass calls on. A host
            that is neither known nor named here is a provider of its own, whose prices only you know.
        include_usage: Ask OpenAI for the usage of streamed chats that did not ask themselves, and hide the extra
            chunk that carries it. It is only asked of hosts that are known to understand.
        include_usage_hosts: Host names, beside OpenAI's own, that may be asked.
        deployments: What is asked for as a model to the model that it is (`{"my-gpt4": "gpt-4o"}`): Azure deployments,
            Amazon's own inference profiles, names of a gateway. A model that the response names itself comes first.
        hash_users: Keep users by pseudonym, made with a secret that lies beside the ledger. False keeps what
            `attribute(user=...)` gives as it is.
        hash_prefixes: Keep a short hash, made with that secret, of the first 4,096 characters of each request, by which
            `tollbook advise` finds those that begin alike. No text is kept.

    Raises:
        ValueError: `only` names an integration that there is not; the message lists those there are.
    """
    available = integrations()
    wanted = set(available) if only is None else {only} if isinstance(only, str) else set(only)
    if unknown := wanted - set(available):
        raise ValueError(f"no integration named {', '.join(sorted(unknown))}; there are: {', '.join(available)}")
    settings = Settings(
        hosts=hosts,
        include_usage=include_usage,
        include_usage_hosts=include_usage_hosts,
        deployments=deployments,
    )
    with _lock:
        if disable:
            for name in wanted:
                _guard.guarded(available[name].uninstall)()
            return
        _configure(store, hash_users, hash_prefixes)
        for name in wanted:
            _guard.guarded(available[name].install)(settings)
    if not available:
        log.warning("tollbook found no integrations: is the package installed?")


def _configure(store: str | Path | None, hash_users: bool, prefixes: bool) -> None:
    """Where the ledger is, and a last look at exit at streams that nobody closed."""
    global _sweeping
    from tollbook import _runtime
    from tollbook.spans import _attribution, hash_prefixes

    _runtime.configure(store)
    _attribution.hash_users = hash_users
    hash_prefixes(on=prefixes)
    if not _sweeping:
        _sweeping = True
        atexit.register(_sweep)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_leave)


def _leave() -> None:
    """In the child of a fork: what was open when it began is the parent's to end."""
    from tollbook.spans import open_streams

    for call in list(open_streams.values()):
        call.drop()


def _sweep() -> None:
    from tollbook._late import catch_up
    from tollbook.spans import open_streams

    catch_up()
    for call in list(open_streams.values()):
        call.end("ok" if call.complete else "abandoned")
