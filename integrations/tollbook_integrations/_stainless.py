"""The one choke point of all SDKs that Stainless generates: where their HTTP calls meet, whatever method made them.

Three private methods have kept their signatures through all versions that are in use. `request` is passed once per
call, and gives its start, its failure and the chance to ask for usage. `_process_response` is passed once per HTTP
answer that succeeded, and ties the call to the response. `_process_response_data` is passed once per decoded body or
streamed event, before the SDK makes an object of it. What the host gets is what it would have got.
"""

from __future__ import annotations

import copy
import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from time import perf_counter_ns
from types import ModuleType
from typing import Any

from tollbook import _guard, _patch
from tollbook._instrument import Settings
from tollbook._runtime import warm
from tollbook.spans import Call, Record, _gate, open_streams, status_of
from tollbook_integrations._admission import admitted, admitted_async, asking
from tollbook_integrations._body import KEY, follow, read_whole
from tollbook_integrations._endpoint import Endpoint
from tollbook_integrations._hosts import CHARGE_HEADER, WORDS, Origin, is_known, provider_at, region_at
from tollbook_integrations._items import hide_unread, link_unclaimed, streams, streams_async
from tollbook_integrations._pending import apart, pending, reset
from tollbook_integrations._wire import read_as

Json = dict[str, Any]


log = logging.getLogger("tollbook")


class Stainless:
    """The integration of one SDK; an instance holds nothing but facts about it, and whether it is on."""

    def __init__(
        self,
        name: str,
        library: str,
        endpoints: Mapping[str, Endpoint],
        *,
        polls: Mapping[str, Endpoint] | None = None,
        providers: Mapping[str, str] | None = None,
        ask_hosts: tuple[str, ...] = (),
    ) -> None:
        """Describe an SDK.

        Args:
            name: Of the package and its module.
            library: The requirement that is tested.
            endpoints: Paths that are paid for when they are posted to, as the SDK names them.
            polls: Patterns of paths whose answers repeat a usage, or finish one, when they are got.
            providers: Name of a client class to the provider that it speaks to, where the host does not tell.
            ask_hosts: Hosts that understand `stream_options`.
        """
        self.name = name
        self.library = library
        self.endpoints = dict(endpoints)
        self.polls = [(re.compile(pattern), endpoint) for pattern, endpoint in (polls or {}).items()]
        self.providers = dict(providers or {})
        self.ask_hosts = ask_hosts
        self.on = False
        self._settings = Settings()
        self._origins: dict[tuple[int, type], Origin] = {}
        self._paths: dict[str, Endpoint | None] = {}
        self._states: dict[str, str] = {}
        self._waiting = False
        self._hides = False
        self._refusing: set[str] = set()

    # -- on and off -------------------------------------------------------------------------------------------------

    def install(self, settings: Settings) -> None:
        """Meter the SDK from now on, or from its import on."""
        self._settings = settings
        self._origins.clear()
        self._refusing.clear()
        self.on = True
        module = f"{self.name}._base_client"
        if module in sys.modules or not self._waiting:
            self._waiting = True
            _patch.when_imported(module, self._patch)

    def uninstall(self) -> None:
        """Leave the SDK alone; where another tool's wrapper lies over ours, ours stays and does nothing."""
        self.on = False
        module = sys.modules.get(f"{self.name}._base_client")
        if module is None:
            return
        for place, owner, name, _ in self._points(module):
            if owner is not None:
                removed = _patch.undo(owner, name)
                self._states[place] = "off" if removed else "off, but under another tool's wrapper"

    def state(self) -> dict[str, str]:
        """What is patched: place to `on`, `off`, `waiting for import` or `failed: why`."""
        return self._states or {f"{self.name}._base_client": "waiting for import" if self.on else "off"}

    def _points(self, base: ModuleType) -> Iterator[tuple[str, type | None, str, Callable[..., Any]]]:
        """Each place with the class it is in (None if the SDK has none there), the method, and what we put there."""
        streaming = sys.modules.get(f"{self.name}._streaming")
        for module, kind, name, ours in (
            (base, "SyncAPIClient", "request", self._request),
            (base, "AsyncAPIClient", "request", self._arequest),
            (base, "SyncAPIClient", "_process_response", self._process_response),
            (base, "AsyncAPIClient", "_process_response", self._aprocess_response),
            (base, "BaseClient", "_process_response_data", self._data),
            (streaming, "Stream", "__stream__", streams),
            (streaming, "AsyncStream", "__stream__", streams_async),
        ):
            owner: type | None = getattr(module, kind, None)
            found = hasattr(owner, name)
            yield f"{kind}.{name}", owner if found else None, name, ours
            if found and name == "request" and owner is not None:
                for below in _patch.copies(owner, name):
                    yield f"{below.__name__}.{name}", below, name, ours

    def _patch(self, base: ModuleType) -> None:
        if not self.on:
            return
        for place, owner, name, ours in self._points(base):
            if owner is None:
                self._states[place] = "failed: the SDK has no such method"
                continue
            self._states[place] = "failed"
            _patch.replace(owner, name, ours)
            self._states[place] = "on"
        # Whoever asks for a chunk more than the host did must be able to hide it.
        self._hides = all(how == "on" for place, how in self._states.items() if not place.endswith(".request"))
        if missing := [place for place, how in self._states.items() if how != "on"]:
            log.warning("tollbook does not know this version of %s, and can't meter: %s", self.name, ", ".join(missing))

    # -- what is called ---------------------------------------------------------------------------------------------

    def _endpoint(self, options: Any) -> Endpoint | None:
        method, url = options.method.lower(), options.url
        if method == "post":
            paths = self._paths
            if url in paths:
                return paths[url]
            path = url.partition("?")[0]
            found = next((e for p, e in self.endpoints.items() if path == p or path.endswith(p)), None)
            if len(paths) > 500:
                paths = self._paths = {}  # another thread may be reading the old one
            paths[url] = found
            return found
        if method == "get" and self.polls:
            path = url.partition("?")[0]
            return next((endpoint for pattern, endpoint in self.polls if pattern.search(path)), None)
        return None

    def _origin(self, client: Any) -> Origin:
        warm()  # the price list loads while the first request is on its way
        url = client.base_url
        kind: type = client.__class__
        key = (id(url), kind)
        found = self._origins.get(key)
        if found is None:
            host: str = url.host
            named = (self.providers.get(base.__name__) for base in kind.__mro__)
            provider = self._settings.hosts.get(host) or next((n for n in named if n), None) or provider_at(host)
            region = region_at(host)
            asked = host in self.ask_hosts or host.endswith(tuple(f".{h}" for h in self.ask_hosts))
            may_ask = self._settings.include_usage and (asked or host in self._settings.include_usage_hosts)
            may_ask = may_ask and self._hides and host not in self._refusing
            if len(self._origins) > 500:
                self._origins.clear()
            # The URL is kept with the facts, so that its identity stays its own.
            found = Origin(url, provider, {"region": region} if region else None, may_ask, not is_known(host))
            self._origins[key] = found
        return found

    def _begin(self, client: Any, options: Any, stream: bool) -> Call | None:
        """The call that `options` ask for; None if it is not paid for."""
        try:
            endpoint = self.endpoints.get(options.url) if options.method == "post" else None
            if endpoint is None and (endpoint := self._endpoint(options)) is None:
                return None
            origin = self._origins.get((id(client.base_url), client.__class__)) or self._origin(client)
            body = options.json_data
            model = body.get("model") if body.__class__ is dict else None
            if extra := getattr(options, "extra_json", None):
                model = extra.get("model", model)
            reader = endpoint.reader
            if (named := self._settings.deployments) and model.__class__ is str and model in named:
                reader = read_as(reader, model, named[model])
                model = named[model]
            record = Record(
                trace_id="",
                span_id="",
                name=endpoint.name,
                integration=self.name,
                provider=origin.provider,
                operation=endpoint.operation,
                request_model=model if model.__class__ is str else None,
                context=origin.context,
                stream=stream,
            )
            convention = WORDS.get((origin.provider, endpoint.convention), endpoint.convention)
            call = Call(record, convention, reader, body, endpoint.counted)
            if origin.gateway:
                call.gateway = True
        except Exception:  # noqa: BLE001 - the guard
            _guard.report("tollbook_integrations.begin")
            return None
        return call

    @_guard.guarded
    def _ask(self, client: Any, args: tuple[Any, ...], kwargs: Json, call: Call) -> tuple[tuple[Any, ...], Json] | None:
        """Arguments that ask for usage; None if the host asks itself, must not, or its server may not understand."""
        options = args[1] if len(args) > 1 else kwargs["options"]
        endpoint = self.endpoints.get(options.url) or self._endpoint(options)
        body: Json = options.json_data
        if endpoint is None or not endpoint.ask or body.__class__ is not dict:
            return None
        extra: Json = getattr(options, "extra_json", None) or {}
        given: Json = extra.get("stream_options") or body.get("stream_options") or {}
        if given.get("include_usage"):
            return None
        headers: Json = options.headers or {}
        bytes_only = headers.get("X-Stainless-Raw-Response") == "stream"
        if "include_usage" in given or "stream_options" in extra or bytes_only or not self._origin(client).may_ask:
            call.record.flags = ("usage_not_requested",)
            return None
        asking = copy.copy(options)
        asking.json_data = {**body, "stream_options": {**given, "include_usage": True}}
        call.injected = True
        return ((args[0], asking, *args[2:]), kwargs) if len(args) > 1 else (args, {**kwargs, "options": asking})

    @_guard.guarded
    def _refused(self, client: Any, call: Call, error: BaseException) -> bool:
        """Whether a server rejected the request only because we asked for usage; it is not asked again."""
        if call.injected and getattr(error, "status_code", None) in {400, 422} and "stream_options" in str(error):
            call.drop()
            self._refusing.add(client.base_url.host)
            self._origins.clear()
            return True
        return False

    @_guard.guarded
    def _failed(self, call: Call, error: BaseException) -> None:
        """The host gets `error`: what was used until then is billed all the same."""
        if call.raw is not None and not call.record.stream:
            call.end()  # a whole answer, which the SDK then refused to parse
            return
        status = status_of(error)
        if (not call.claimed and status != "error") or type(error).__name__ == "APIConnectionError":
            call.record.flags += ("may_be_billed",)
        call.end(status, type(error).__name__)

    def _request(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            stream = bool(kwargs.get("stream"))
            call = self._begin(client, args[1] if len(args) > 1 else kwargs.get("options"), stream) if self.on else None
            if call is None:
                if pending.get() is None:
                    return original(client, *args, **kwargs)
                with apart():
                    return original(client, *args, **kwargs)
            sent = (self._ask(client, args, kwargs, call) if stream else None) or (args, kwargs)
            if _gate.gate is not None and (model := admitted(call)) is not None:
                sent = asking(model, *sent) or sent
            token = pending.set(call)
            try:
                result = original(client, *sent[0], **sent[1])
            except BaseException as error:
                pending.reset(token)
                if not self._refused(client, call, error):
                    self._failed(call, error)
                    raise
            else:
                pending.reset(token)
                if not call.claimed:
                    call.end()
                return result
            return request(client, *args, **kwargs)  # now as the host asked

        return request

    def _arequest(self, original: Callable[..., Any]) -> Callable[..., Any]:
        async def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            stream = bool(kwargs.get("stream"))
            call = self._begin(client, args[1] if len(args) > 1 else kwargs.get("options"), stream) if self.on else None
            if call is None:
                if pending.get() is None:
                    return await original(client, *args, **kwargs)
                with apart():
                    return await original(client, *args, **kwargs)
            sent = (self._ask(client, args, kwargs, call) if stream else None) or (args, kwargs)
            if _gate.gate is not None and (model := await admitted_async(call)) is not None:
                sent = asking(model, *sent) or sent
            token = pending.set(call)
            try:
                result = await original(client, *sent[0], **sent[1])
            except BaseException as error:
                reset(token)
                if not self._refused(client, call, error):
                    self._failed(call, error)
                    raise
            else:
                reset(token)
                if not call.claimed:
                    call.end()
                return result
            return await request(client, *args, **kwargs)

        return request

    # -- what is answered -------------------------------------------------------------------------------------------

    def _claim(self, client: Any, kwargs: Json) -> Call | None:
        """The call that a response belongs to; None if it is not paid for, or has one already."""
        try:
            options, extensions = kwargs["options"], kwargs["response"].extensions
            if KEY in extensions or not self.on:
                return None
            call = pending.get()
            if call is None or call.claimed:
                # Our `request` was passed by (a patch of a subclass), or the SDK sent more than one request.
                call = self._begin(client, options, bool(kwargs.get("stream")))
                if call is None:
                    return None
            call.claimed = True
            if retries := kwargs.get("retries_taken"):
                call.record.retries = retries
            extensions[KEY] = call
            if call.gateway and not call.record.stream:  # a stream's headers are sent before its cost is known
                call.saw_charge(kwargs["response"].headers.get(CHARGE_HEADER))
            if not kwargs["response"].is_closed:
                follow(call, kwargs["response"])
                if call.record.stream:
                    open_streams[id(call)] = call
        except Exception:  # noqa: BLE001 - the guard
            link_unclaimed(kwargs)
            _guard.report("tollbook_integrations.claim")
            return None
        return call

    def _answered(self, call: Call, response: Any) -> None:
        """The SDK has made what the host gets of `response`."""
        try:
            if response.is_closed and not call.ended:
                if not call.first:
                    read_whole(call, response)  # a raw response, which the host may never parse
                call.complete = True
                call.end()
        except Exception:  # noqa: BLE001 - the guard
            _guard.report("tollbook_integrations.answered")

    def _process_response(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def _process_response(client: Any, **kwargs: Any) -> Any:
            call = self._claim(client, kwargs)
            if call is None:
                return original(client, **kwargs)
            try:
                result = original(client, **kwargs)
            except BaseException as error:
                self._failed(call, error)
                raise
            self._answered(call, kwargs["response"])
            return result

        return _process_response

    def _aprocess_response(self, original: Callable[..., Any]) -> Callable[..., Any]:
        async def _process_response(client: Any, **kwargs: Any) -> Any:
            call = self._claim(client, kwargs)
            if call is None:
                return await original(client, **kwargs)
            try:
                result = await original(client, **kwargs)
            except BaseException as error:
                self._failed(call, error)
                raise
            self._answered(call, kwargs["response"])
            return result

        return _process_response

    # -- what is decoded: once per body, or once per streamed event --------------------------------------------------

    def _data(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def _process_response_data(client: Any, *, data: Any, cast_to: Any, response: Any, **more: Any) -> Any:
            try:
                call = response.extensions.get(KEY)
                if call is not None:
                    if not call.first:
                        call.first = perf_counter_ns()
                        call.scan = None  # the SDK parses this body itself
                    if data.__class__ is dict:
                        call.reader(call, data)
            except Exception:  # noqa: BLE001 - the guard
                hide_unread(response, data)
                _guard.report("tollbook_integrations.reader")
            else:
                if call is not None and call.stop is not None:
                    raise call.stop  # a budget cuts this stream
            return original(client, data=data, cast_to=cast_to, response=response, **more)

        return _process_response_data
