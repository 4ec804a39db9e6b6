"""Requests that leave otherwise than the host made them: asking for the usage of a stream, or another model."""

from __future__ import annotations

import copy
from typing import Any

from tollbook import _guard
from tollbook.spans import Call
from tollbook_integrations._route import Routes

Json = dict[str, Any]


@_guard.guarded
def changed(options: Any, **fields: Any) -> Any:
    """The options of a request that has `fields` in its body; None if they can't be made."""
    others = copy.copy(options)
    others.json_data = {**options.json_data, **fields}
    extra: Json = getattr(options, "extra_json", None) or {}
    if not fields.keys().isdisjoint(extra):  # it is merged over the body when the request is sent
        others.extra_json = {**extra, **fields}
    return others


@_guard.guarded
def asking(routes: Routes, client: Any, options: Any, call: Call) -> Any:
    """Options that ask for usage; None if the host asks itself, must not, or its server may not understand."""
    route = routes.find(client, options)
    body: Json = options.json_data
    if route is None or route.told or body.__class__ is not dict:
        return None
    extra: Json = getattr(options, "extra_json", None) or {}
    given: Json = extra.get("stream_options") or body.get("stream_options") or {}
    if given.get("include_usage"):
        return None
    headers: Json = options.headers or {}
    bytes_only = headers.get("X-Stainless-Raw-Response") == "stream"
    if "include_usage" in given or "stream_options" in extra or bytes_only or not route.ask:
        call.record.flags = ("usage_not_requested",)
        return None
    asked = changed(options, stream_options={**given, "include_usage": True})
    call.injected = asked is not None
    return asked


@_guard.guarded
def refused(routes: Routes, client: Any, call: Call, error: BaseException) -> bool:
    """Whether a server rejected the request only because we asked for usage; it is not asked again."""
    if call.injected and getattr(error, "status_code", None) in {400, 422} and "stream_options" in str(error):
        call.drop()
        routes.refuses(client.base_url.host)
        return True
    return False
