"""Where the calls of a client lead: all that is known of them before they are made, found once for each path."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tollbook._instrument import Settings
from tollbook._runtime import warm
from tollbook.spans import Call
from tollbook_integrations._endpoint import Endpoint
from tollbook_integrations._hosts import WORDS, is_known, provider_at, region_at

Json = dict[str, Any]

_MOST = 500
_Key = tuple[str, str, int, type]


class Route(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A paid path at the host that a client speaks to."""

    url: object
    """The client's base URL, kept so that its identity, by which the route is found, stays its own."""
    name: str
    """Name of the span."""
    operation: str
    """`gen_ai.operation.name`."""
    provider: str
    """`gen_ai.provider.name`, or the host."""
    convention: str
    """Of the usage object, in `tollbook.usage.CONVENTIONS`."""
    reader: Callable[[Call, Json], None]
    """Sees bodies and streamed events."""
    counted: Callable[[Json], dict[str, int] | None] | None
    """Counts what is billed by the request alone."""
    context: dict[str, str] | None
    """What selects a price and is known by the host."""
    ask: bool
    """Whether a stream tells its usage only if it is asked to, by `stream_options`, and its server understands that."""
    told: bool
    """Whether a stream tells its usage without being asked."""
    gateway: bool
    """Whether it is no known provider's own host: then one that passes calls on, perhaps."""
    deployments: dict[str, str]
    """What is asked for as a model to the model that it is."""


class Routes:
    """The routes of one SDK's clients."""

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        polls: Mapping[str, Endpoint],
        providers: Mapping[str, str],
        ask_hosts: tuple[str, ...],
    ) -> None:
        self.known: dict[_Key, Route | None] = {}
        """By HTTP method, path, identity of the client's base URL and its class; None for what is not paid for."""
        self.hides = False
        """Whether a chunk that only we asked for can be kept from the host."""
        self._endpoints = endpoints
        self._polls = [(re.compile(pattern), endpoint) for pattern, endpoint in polls.items()]
        self._providers = providers
        self._ask_hosts = ask_hosts
        self._settings = Settings()
        self._refusing: set[str] = set()

    def use(self, settings: Settings) -> None:
        """Find all routes anew, as `settings` say."""
        self._settings = settings
        self._refusing.clear()
        self.known.clear()

    def refuses(self, host: str) -> None:
        """Never ask `host` for usage again: it rejects that."""
        self._refusing.add(host)
        self.known.clear()

    def find(self, client: Any, options: Any) -> Route | None:
        """The route of the request that `options` describe; None if it is not paid for."""
        url = client.base_url
        key = (options.method, options.url, id(url), client.__class__)
        with contextlib.suppress(KeyError):
            return self.known[key]
        warm()  # the price list loads while the first request is on its way
        if len(self.known) > _MOST:
            self.known.clear()
        endpoint = self._endpoint(options)
        route = self.known[key] = None if endpoint is None else self._leading(endpoint, url, client.__class__)
        return route

    def _endpoint(self, options: Any) -> Endpoint | None:
        path, method = options.url.partition("?")[0], options.method.lower()
        if method == "post":
            return next((e for p, e in self._endpoints.items() if path == p or path.endswith(p)), None)
        if method == "get":
            return next((endpoint for pattern, endpoint in self._polls if pattern.search(path)), None)
        return None

    def _leading(self, endpoint: Endpoint, url: Any, kind: type) -> Route:
        host: str = url.host
        settings = self._settings
        named = (self._providers.get(base.__name__) for base in kind.__mro__)
        provider = settings.hosts.get(host) or next((n for n in named if n), None) or provider_at(host)
        region = region_at(host)
        return Route(
            url=url,
            name=endpoint.name,
            operation=endpoint.operation,
            provider=provider,
            convention=WORDS.get((provider, endpoint.convention), endpoint.convention),
            reader=endpoint.reader,
            counted=endpoint.counted,
            context={"region": region} if region else None,
            ask=endpoint.ask and self._may_ask(host),
            told=not endpoint.ask,
            gateway=not is_known(host),
            deployments=settings.deployments,
        )

    def _may_ask(self, host: str) -> bool:
        understands = host in self._ask_hosts or host.endswith(tuple(f".{h}" for h in self._ask_hosts))
        wanted = self._settings.include_usage and (understands or host in self._settings.include_usage_hosts)
        return wanted and self.hides and host not in self._refusing
