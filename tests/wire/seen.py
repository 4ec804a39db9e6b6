"""What a host program sees of a call, as plain data that can be compared with `==`."""

from __future__ import annotations

from typing import Any


def seen(value: Any) -> Any:
    """`value` with every SDK object as its class, the fields that were set, and its content.

    Exceptions keep their class, text, status, body and cause; containers and plain values stay what they are.
    """
    if isinstance(value, BaseException):
        return _exception(value)
    if hasattr(value, "model_fields_set"):
        return _model(value)
    if isinstance(value, dict):
        return {key: seen(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [seen(entry) for entry in value]
    return value


def headers(response: Any) -> dict[str, str]:
    """The headers of a response, names in lower case."""
    return {name.lower(): text for name, text in response.headers.items()}


def raised(shown: Any) -> bool:
    """Whether the host saw an exception there."""
    return isinstance(shown, dict) and "raised" in shown


def _model(value: Any) -> dict[str, Any]:
    dump = value.to_dict if hasattr(value, "to_dict") else value.model_dump
    content = dump(mode="json", warnings=False)
    shown = {"class": _class(value), "set": sorted(value.model_fields_set), "content": content}
    if (parsed := getattr(value, "output_parsed", None) or getattr(value, "parsed_output", None)) is not None:
        shown["parsed"] = seen(parsed)
    if request_id := getattr(value, "_request_id", None):
        shown["request_id"] = request_id
    return shown


def _exception(error: BaseException) -> dict[str, Any]:
    cause = error.__cause__
    shown = {"raised": _class(error), "text": str(error), "cause": _class(cause) if cause else None}
    for name in ("status_code", "body", "code", "request_id", "completion"):
        if hasattr(error, name):
            shown[name] = seen(getattr(error, name))
    return shown


def _class(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
