"""Content: what of a request is counted, whichever provider's language it speaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from tollbook.tokens._images import Image, image_from

Json = Mapping[str, Any]

_MOST = 200_000
"""Values that are looked at; what is beyond counts as not counted."""
_NO_TEXT = frozenset(
    {
        "type", "role", "id", "call_id", "tool_call_id", "tool_use_id", "status", "cache_control", "detail", "data",
        "media_type", "mime_type", "mimeType", "file_id", "file_data", "signature", "encrypted_content", "index",
        "thoughtSignature", "thought_signature", "object",
    }
)  # fmt: skip
"""Keys of a message whose values the model does not read as text."""
_AS_JSON = frozenset(
    {"arguments", "args", "input", "parameters", "input_schema", "schema", "response", "content_schema"}
)
"""Keys whose object the model reads as JSON."""
_IMAGES = frozenset({"image", "image_url", "input_image", "image_file"})
_CALLS = frozenset({"tool_use", "tool_result", "function", "function_call", "function_call_output"})
_THOUGHTS = frozenset({"reasoning", "thinking", "redacted_thinking"})
"""What a model thought in earlier turns, which is sent back and not billed again."""
_FILES = frozenset(
    {"compaction", "file", "input_file", "document", "input_audio", "audio", "video", "video_url", "container_upload"}
)
_SENT = ("messages", "input", "prompt", "contents", "texts", "system", "instructions", "systemInstruction")
_SCHEMAS = ("response_format", "text", "output_config", "output_format")
_SCHEMA_OF_TOOL = ("parameters", "input_schema", "parametersJsonSchema", "inputSchema")
_DEEPEST = 10
_STORED = ("previous_response_id", "conversation", "cachedContent", "container", "mcp_servers")


class Content:
    """What a request holds that becomes tokens."""

    __slots__ = (
        "caches", "calls", "characters", "images", "messages", "names", "schemas", "texts", "thinking", "tokens",
        "tool_frame", "tools", "uncounted",
    )  # fmt: skip

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.characters = 0
        self.tokens = 0
        """Those that the request gives as numbers."""
        self.messages = 0
        self.names = 0
        self.calls = 0
        """Uses of tools, and their results."""
        self.thinking = False
        """Whether the request turns reasoning on, in Anthropic's words."""
        self.schemas = 0
        """Forms that the answer must have."""
        self.caches: set[str] = set()
        """Lifetimes of the caches that the request asks for, as Anthropic's `cache_control` says them."""
        self.tools = 0
        self.tool_frame = 0
        """Tokens that the structure of the tools adds to their words."""
        self.images: list[Image] = []
        self.uncounted: set[str] = set()
        """What no rule counts: `file`, `document`, `input_audio`, `previous_response_id`, ..."""

    def add(self, value: Any) -> None:
        """Take in a value of JSON: text, messages, or anything made of them."""
        waiting: list[Any] = [value]
        left = _MOST
        while waiting:
            item: Any = waiting.pop()
            left -= 1
            if left < 0:
                self.uncounted.add("more values")
                return
            if isinstance(item, str):
                self._text(item)
            elif isinstance(item, Mapping):
                self._object(cast("Json", item), waiting)
            elif isinstance(item, (list, tuple)):
                items = cast("list[Any]", item)
                if items and items[0].__class__ is int:
                    self.tokens += len(items)
                else:
                    waiting.extend(reversed(items))
            elif isinstance(dumped := fields_of(item), Mapping):
                waiting.append(dumped)

    def _text(self, text: str) -> None:
        if text.startswith("data:") and _is_file(text[:256]):
            self.uncounted.add("file")
        elif text:
            self.texts.append(text)
            self.characters += len(text)

    def _object(self, item: Json, waiting: list[Any]) -> None:
        said: Any = item.get("type")
        kind = said if isinstance(said, str) else ""
        if "cache_control" in item:
            self.see_cache(item)
        if kind == "message" or "role" in item:
            self.messages += 1
            self.names += isinstance(item.get("name"), str)
        elif kind in _CALLS or item.get("role") == "tool":
            self.calls += 1
        if kind in _IMAGES or "inline_data" in item or "inlineData" in item:
            self._image(item)
            return
        if kind in _THOUGHTS:
            return
        if kind in _FILES:
            source = item.get("source")
            if isinstance(source, Mapping) and cast("Json", source).get("type") == "text":
                self._text(str(cast("Json", source).get("data") or ""))
            else:
                self.uncounted.add(kind)
            return
        for key, value in item.items():
            if key in _AS_JSON and isinstance(value, Mapping):
                self._text(_json(value))
            elif key not in _NO_TEXT:
                waiting.append(value)

    def see_cache(self, item: Json) -> None:
        """Take note of the cache that `item` asks for."""
        asked: Any = item.get("cache_control")
        if isinstance(asked, Mapping):
            self.caches.add(str(cast("Json", asked).get("ttl") or "5m"))

    def _image(self, item: Json) -> None:
        """An image in the words of OpenAI's two APIs, of Anthropic or of Gemini."""
        detail = item.get("detail")
        found: Any = next(
            (item[key] for key in ("image_url", "source", "inline_data", "inlineData", "image") if item.get(key)), None
        )
        if isinstance(found, Mapping):
            inner = cast("Json", found)
            detail = inner.get("detail") or detail
            media = str(inner.get("mime_type") or inner.get("mimeType") or "image/")
            if not media.startswith("image/"):
                self.uncounted.add(media.partition("/")[0][:16])
                return
            found = inner.get("url") or inner.get("data")
        named = detail if isinstance(detail, str) else "auto"
        self.images.append(image_from(found, named) if isinstance(found, str) else Image(detail=named))

    def add_tools(self, tools: Any) -> None:
        """Take in the tools that the model may call: each as its name, description and parameters."""
        for tool in cast("list[Any]", tools) if isinstance(tools, (list, tuple)) else ():
            if self._is_too_much():
                return
            plain = fields_of(tool)
            if not isinstance(plain, Mapping):
                continue
            each = cast("Json", plain)
            self.see_cache(each)
            declared: Any = each.get("functionDeclarations") or each.get("function_declarations")
            if isinstance(declared, list):
                self.add_tools(declared)
                continue
            kind = each.get("type")
            if isinstance(kind, str) and kind not in {"function", "custom"} and "parameters" not in each:
                self.uncounted.add(kind)  # the provider's own, whose instructions nobody has published
            function: Any = each.get("function")
            named = cast("Json", function) if isinstance(function, Mapping) else each
            if named.get("name"):
                self._tool(named)
            else:
                self.uncounted.add(str(kind or next(iter(each), "tool"))[:64])

    def _is_too_much(self) -> bool:
        if len(self.texts) < _MOST:
            return False
        self.uncounted.add("more values")
        return True

    def _tool(self, tool: Json) -> None:
        self.tools += 1
        self.tool_frame += 7
        self._text(f"{tool.get('name') or ''}:{tool.get('description') or ''}")
        schema: Any = next((tool[key] for key in _SCHEMA_OF_TOOL if isinstance(tool.get(key), Mapping)), None)
        if schema is not None and cast("Json", schema).get("properties"):
            self.tool_frame += 3
            self._properties(cast("Json", schema), 0)

    def _properties(self, schema: Json, depth: int) -> None:
        """The parameters of a tool, and theirs, in the words that OpenAI's published rule counts."""
        properties: Any = schema.get("properties")
        below: list[Any] = [schema.get("items"), *_each(schema.get("anyOf")), *_each(schema.get("$defs"))]
        if isinstance(properties, Mapping):
            for name, value in cast("Json", properties).items():
                if self._is_too_much():
                    return
                about: Json = cast("Json", value) if isinstance(value, Mapping) else {}
                self.tool_frame += 3
                self._text(f"{name}:{about.get('type') or ''}:{about.get('description') or ''}")
                if choices := _each(about.get("enum")):
                    self.tool_frame += 3 * len(choices) - 3
                    self.add([str(choice) for choice in choices])
                below.append(about)
        for each in below:
            if isinstance(each, Mapping) and depth < _DEEPEST:
                self._properties(cast("Json", each), depth + 1)


def _is_file(head: str) -> bool:
    """Whether a text that begins with `data:` is a data URL: prose may begin so, too."""
    kind, is_one, _ = head.partition(";base64,")
    return bool(is_one) and len(kind.split()) == 1


def _each(value: Any) -> list[Any]:
    """The values in a list or an object; none of what is neither."""
    if isinstance(value, Mapping):
        return list(cast("Json", value).values())
    return list(cast("list[Any]", value)) if isinstance(value, (list, tuple)) else []


def fields_of(value: Any) -> Any:
    """`value`, and if it is an object of an SDK, its fields."""
    return value.model_dump(exclude_none=True) if hasattr(value, "model_dump") else value


def _json(value: Any) -> str:
    try:
        return msgspec.json.encode(value, enc_hook=encodable).decode()
    except (TypeError, ValueError, RecursionError):
        return ""


def encodable(value: Any) -> Any:
    """An SDK's object as JSON."""
    if (plain := fields_of(value)) is value:
        raise NotImplementedError
    return plain


def content_of(request: Json) -> Content:
    """What of a request's JSON becomes tokens."""
    content = Content()
    content.see_cache(request)
    thinking: Any = request.get("thinking")
    content.thinking = isinstance(thinking, Mapping) and cast("Json", thinking).get("type") != "disabled"
    for key in _SENT:
        if (value := request.get(key)) is not None:
            content.messages += isinstance(value, str)  # a text alone is sent as a message
            content.add(value)
    if "prompt" in request or "embed" in str(request.get("model") or ""):
        content.messages = 0  # no chat
    for key in ("tools", "functions"):
        content.add_tools(request.get(key))
    for key in _SCHEMAS:
        if isinstance(value := request.get(key), Mapping):
            asked = cast("Json", value)
            schema: Any = asked.get("json_schema") or asked.get("format") or asked
            if isinstance(schema, Mapping) and "schema" in schema:
                content.schemas += 1
                content.add(schema)
    content.uncounted.update(key for key in _STORED if request.get(key))
    return content
