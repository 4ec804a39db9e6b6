"""The one choke point of all SDKs that Stainless generates: where their HTTP calls meet, whatever method made them.

Three private methods have kept their signatures through all versions that are in use. `request` is passed once per
call, and gives its start, its failure and the chance to ask for usage. `_process_response` is passed once per HTTP
answer that succeeded, and ties the call to the response. `_process_response_data` is passed once per decoded body or
streamed event, before the SDK makes an object of it. What the host gets is what it would have got.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from time import perf_counter_ns
from types import ModuleType
from typing import Any

from tollbook import _guard, _patch
from tollbook._instrument import Settings
from tollbook.spans import Call, Record, _gate, open_streams, status_of
from tollbook_integrations._asking import asking, changed, refused
from tollbook_integrations._body import KEY, follow, read_whole
from tollbook_integrations._endpoint import Endpoint
from tollbook_integrations._hosts import CHARGE_HEADER
from tollbook_integrations._items import hide_unread, link_unclaimed, streams, streams_async
from tollbook_integrations._pending import apart, pending, reset
from tollbook_integrations._route import Routes
from tollbook_integrations._wire import read_as

Json = dict[str, Any]


_REQUEST = ("cast_to", "options", "stream", "stream_cls")
_RESPONSE = ("cast_to", "options", "response", "stream", "stream_cls", "retries_taken")
_READS = frozenset({"get", "GET"})
"""Methods that read what was paid for before: no budget stops them."""
_DATA = ("data", "cast_to", "response")
"""What the patched methods are known to take."""

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
        self.on = False
        self._routes = Routes(self.endpoints, polls or {}, providers or {}, ask_hosts)
        self._states: dict[str, str] = {}
        self._waiting = False

    # -- on and off -------------------------------------------------------------------------------------------------

    def install(self, settings: Settings) -> None:
        """Meter the SDK from now on, or from its import on."""
        self._routes.use(settings)
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
        """Each place with the class it is in (None if it can't be patched there), the method, and what we put there."""
        streaming = sys.modules.get(f"{self.name}._streaming")
        for module, kind, name, ours, arguments in (
            (base, "SyncAPIClient", "request", self._request, _REQUEST),
            (base, "AsyncAPIClient", "request", self._arequest, _REQUEST),
            (base, "SyncAPIClient", "_process_response", self._process_response, _RESPONSE),
            (base, "AsyncAPIClient", "_process_response", self._aprocess_response, _RESPONSE),
            (base, "BaseClient", "_process_response_data", self._data, _DATA),
            (streaming, "Stream", "__stream__", streams, ()),
            (streaming, "AsyncStream", "__stream__", streams_async, ()),
        ):
            owner: type | None = getattr(module, kind, None)
            found = owner is not None and _patch.takes(owner, name, arguments)
            yield f"{kind}.{name}", owner if found else None, name, ours
            if found and name == "request" and owner is not None:
                for below in _patch.copies(owner, name):
                    yield f"{below.__name__}.{name}", below, name, ours

    def _patch(self, base: ModuleType) -> None:
        if not self.on:
            return
        self._states.clear()  # what was patched before may be gone, with the other tool's wrapper that it was under
        for place, owner, name, ours in self._points(base):
            if owner is None:
                self._states[place] = "failed: the SDK has no such method, or it takes other arguments"
                continue
            self._states[place] = "failed"
            _patch.replace(owner, name, ours)
            self._states[place] = "on"
        # Whoever asks for a chunk more than the host did must be able to hide it.
        self._routes.hides = all(how == "on" for place, how in self._states.items() if not place.endswith(".request"))
        if missing := [place for place, how in self._states.items() if how != "on"]:
            log.warning("tollbook does not know this version of %s, and can't meter: %s", self.name, ", ".join(missing))

    # -- what is called ---------------------------------------------------------------------------------------------

    def _begin(self, client: Any, options: Any, stream: bool) -> Call | None:
        """The call that `options` ask for; None if it is not paid for."""
        try:
            # As `find`, written out here, since every call of the host passes this way.
            route = self._routes.known.get((options.method, options.url, id(client.base_url), client.__class__))
            if route is None and (route := self._routes.find(client, options)) is None:
                return None
            body = options.json_data
            if extra := getattr(options, "extra_json", None):
                body = {**body, **extra} if body.__class__ is dict else extra
            model = body.get("model") if body.__class__ is dict else None
            reader = route.reader
            if route.deployments and model.__class__ is str and model in route.deployments:
                reader = read_as(reader, model, route.deployments[model])
                model = route.deployments[model]
            record = Record(
                trace_id="",
                span_id="",
                name=route.name,
                integration=self.name,
                provider=route.provider,
                operation=route.operation,
                request_model=model if model.__class__ is str else None,
                context=route.context,
                stream=bool(stream),
            )
            call = Call(record, route.convention, reader, body, route.counted)
            if route.gateway:
                call.gateway = True
        except Exception:  # noqa: BLE001 - the guard
            _guard.report("tollbook_integrations.begin")
            return None
        return call

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

    # Arguments are passed on by their names: a third of the time that `*args` and `**kwargs` take, and the hosts of
    # most calls wait for it. What a version to come may add to them is `more`.

    def _request(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def request(
            client: Any, cast_to: Any, options: Any, *, stream: bool = False, stream_cls: Any = None, **more: Any
        ) -> Any:
            send = partial(original, **more) if more else original
            call = self._begin(client, options, stream) if self.on else None
            if call is None:
                if pending.get() is None:
                    return send(client, cast_to, options, stream=stream, stream_cls=stream_cls)
                with apart():
                    return send(client, cast_to, options, stream=stream, stream_cls=stream_cls)
            asked = (asking(self._routes, client, options, call) or options) if stream else options
            gate = _gate.gate
            if gate is not None and options.method not in _READS and (model := gate.admit(call)) is not None:
                asked = changed(asked, model=model) or asked
            token = pending.set(call)
            try:
                result = send(client, cast_to, asked, stream=stream, stream_cls=stream_cls)
            except BaseException as error:
                pending.reset(token)
                if not refused(self._routes, client, call, error):
                    self._failed(call, error)
                    raise
            else:
                pending.reset(token)
                if not call.claimed:
                    call.end()
                return result
            # now as the host asked
            return request(client, cast_to, options, stream=stream, stream_cls=stream_cls, **more)

        return request

    def _arequest(self, original: Callable[..., Any]) -> Callable[..., Any]:
        async def request(
            client: Any, cast_to: Any, options: Any, *, stream: bool = False, stream_cls: Any = None, **more: Any
        ) -> Any:
            send = partial(original, **more) if more else original
            call = self._begin(client, options, stream) if self.on else None
            if call is None:
                if pending.get() is None:
                    return await send(client, cast_to, options, stream=stream, stream_cls=stream_cls)
                with apart():
                    return await send(client, cast_to, options, stream=stream, stream_cls=stream_cls)
            asked = (asking(self._routes, client, options, call) or options) if stream else options
            gate = _gate.gate
            if (
                gate is not None
                and options.method not in _READS
                and (model := await gate.admit_async(call)) is not None
            ):
                asked = changed(asked, model=model) or asked
            token = pending.set(call)
            try:
                result = await send(client, cast_to, asked, stream=stream, stream_cls=stream_cls)
            except BaseException as error:
                reset(token)
                if not refused(self._routes, client, call, error):
                    self._failed(call, error)
                    raise
            else:
                reset(token)
                if not call.claimed:
                    call.end()
                return result
            return await request(client, cast_to, options, stream=stream, stream_cls=stream_cls, **more)

        return request

    # -- what is answered -------------------------------------------------------------------------------------------

    def _claim(self, client: Any, options: Any, response: Any, stream: bool, retries: int) -> Call | None:
        """The call that a response belongs to; None if it is not paid for, or has one already."""
        try:
            extensions = response.extensions
            if KEY in extensions or not self.on:
                return None
            call = pending.get()
            if call is None or call.claimed:
                # Our `request` was passed by (a patch of a subclass), or the SDK sent more than one request.
                call = self._begin(client, options, stream)
                if call is None:
                    return None
            call.claimed = True
            if retries:
                call.record.retries = retries
            extensions[KEY] = call
            if call.gateway and not call.record.stream:  # a stream's headers are sent before its cost is known
                call.saw_charge(response.headers.get(CHARGE_HEADER))
            if not response.is_closed:
                follow(call, response)
                if call.record.stream:
                    open_streams[id(call)] = call
        except Exception:  # noqa: BLE001 - the guard
            link_unclaimed(response)
            _guard.report("tollbook_integrations.claim")
            return None
        return call

    def _answered(self, call: Call, response: Any) -> None:
        """The SDK has made what the host gets of `response`."""
        try:
            if response.is_closed:
                if not call.first and not call.ended:
                    read_whole(call, response)  # a raw response, which the host may never parse
                call.complete = True
                call.end()
        except Exception:  # noqa: BLE001 - the guard
            _guard.report("tollbook_integrations.answered")

    def _process_response(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def _process_response(
            client: Any,
            *,
            cast_to: Any,
            options: Any,
            response: Any,
            stream: bool,
            stream_cls: Any,
            retries_taken: int = 0,
            **more: Any,
        ) -> Any:
            call = self._claim(client, options, response, stream, retries_taken)
            try:
                result = (partial(original, **more) if more else original)(
                    client,
                    cast_to=cast_to,
                    options=options,
                    response=response,
                    stream=stream,
                    stream_cls=stream_cls,
                    retries_taken=retries_taken,
                )
            except BaseException as error:
                if call is not None:
                    self._failed(call, error)
                raise
            if call is not None:
                self._answered(call, response)
            return result

        return _process_response

    def _aprocess_response(self, original: Callable[..., Any]) -> Callable[..., Any]:
        async def _process_response(
            client: Any,
            *,
            cast_to: Any,
            options: Any,
            response: Any,
            stream: bool,
            stream_cls: Any,
            retries_taken: int = 0,
            **more: Any,
        ) -> Any:
            call = self._claim(client, options, response, stream, retries_taken)
            try:
                result = await (partial(original, **more) if more else original)(
                    client,
                    cast_to=cast_to,
                    options=options,
                    response=response,
                    stream=stream,
                    stream_cls=stream_cls,
                    retries_taken=retries_taken,
                )
            except BaseException as error:
                if call is not None:
                    self._failed(call, error)
                raise
            if call is not None:
                self._answered(call, response)
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
            if more:
                return original(client, data=data, cast_to=cast_to, response=response, **more)
            return original(client, data=data, cast_to=cast_to, response=response)

        return _process_response_data
