"""The most that a request can come to, told from its bytes without a tokenizer.

A bound is sound, or there is none. So what is not known to add nothing, and is not counted here, leaves a request
without one: each key of it, each kind of content, each tool. That is no estimate, and shares none of its rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import ceil
from typing import Any, NamedTuple, cast

import msgspec

from tollbook.tokens._content import Content, encodable, fields_of
from tollbook.tokens._images import Image, image_tokens
from tollbook.tokens._methods import base_name, claude_version, frame

Json = Mapping[str, Any]


class Most(NamedTuple):
    """Bounds of what a request uses."""

    sent: int
    """Tokens of the input."""
    answers: int
    """How many answers it asks for, each as long as the request allows."""
    images: bool
    """Whether images are among the input."""
    caches: frozenset[str]
    """Lifetimes of the caches that it may ask for: `5m`, `1h`, `12h`."""


_FREE = frozenset(
    {"model", "temperature", "top_p", "seed", "stream", "stream_options", "user", "metadata", "store"}
    | {"safety_identifier", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options"}
    # read by their values: what costs more is priced, or has no bound
    | {"n", "service_tier"}
)
"""Keys of all requests that add no tokens."""
_SAMPLING = frozenset(
    {"stop", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "max_tokens", "best_of", "suffix"}
    # of servers that speak as OpenAI does
    | {"top_k", "min_p", "top_a", "typical_p", "repetition_penalty", "random_seed", "safe_prompt"}
    | {"reasoning_format", "include_reasoning"}
)
_TOOLS = frozenset({"tools", "tool_choice", "parallel_tool_calls"})
_CHAT = frozenset(
    {"messages", "max_completion_tokens", "top_logprobs", "reasoning_effort", "verbosity", "response_format"}
    | {"functions", "function_call", "modalities"}
    # Anthropic's own
    | {"system", "stop_sequences", "thinking", "output_config", "output_format", "context_management"}
    | {"cache_control", "speed", "inference_geo", "diagnostics", "user_profile_id", "workspace_id"}
    | {"betas", "anthropic_version", "anthropic_beta"}
)
_RESPONSES = frozenset(
    {"input", "instructions", "max_output_tokens", "max_tool_calls", "top_logprobs", "reasoning", "text", "include"}
    | {"truncation", "background"}
)
KEYS = {
    "messages": _FREE | _SAMPLING - {"best_of", "suffix"} | _TOOLS | _CHAT,
    "responses": _FREE | _TOOLS | _RESPONSES,
    "prompt": _FREE | _SAMPLING | {"prompt"},
    "embeddings": _FREE | {"input", "dimensions", "encoding_format"},
}
"""By the request's language, all keys that it may have. Not among them, for instance: `prediction`, of which what is
refused is billed; `fallbacks` to dearer models; `prompt`, `conversation`, `container`, which are stored elsewhere."""
_AS_JSON = ("tool_choice", "function_call", "response_format", "text", "output_config", "output_format", "reasoning")
"""Keys whose values the model may be shown as they are."""
_CONTENT = ("system", "instructions")

MESSAGE = frozenset(
    {"type", "role", "content", "name", "tool_calls", "function_call", "tool_call_id", "refusal", "id", "status"}
    | {"phase", "annotations", "clear_at", "prefix", "reasoning_content", "reasoning", "reasoning_details"}
)
TEXTS = frozenset({"text", "input_text", "output_text", "refusal", "summary_text", "reasoning_text"})
_IMAGES = frozenset({"image", "image_url", "input_image"})
_IMAGE = frozenset(
    {"type", "image_url", "source", "detail", "file_id", "cache_control", "prompt_cache_breakpoint", "transformations"}
)
WHOLE = frozenset(
    {"tool_use", "function_call", "custom_tool_call", "thinking", "redacted_thinking"}
    | {"server_tool_use", "web_search_tool_result"}
)
"""Kinds of content that are no more than their JSON, encrypted or not."""
RESULTS = {
    "tool_result": "content",
    "function_call_output": "output",
    "custom_tool_call_output": "output",
    "search_result": "content",
}
"""Kinds of content that have other content inside, by its key."""

_SEARCHING = re.compile(r"search|sonar|compound")
"""Models that search without being told to: no request bounds what they read, and searches have a fee."""
_HIDDEN = 300
"""Tokens that a model's own template or instructions may add to a request."""
_FRAME = 16
"""Tokens that frame a message, or name its sender."""
SCHEMA = 500
TOOL_PROMPT = 400
USE = 60
"""Tokens that frame one use of a tool, or its result."""
_CITED = 4
"""Times that a text may be longer which is cut into sentences, so that they can be cited."""
_LARGE = ((8192, 8192), (2048, 768))
"""Width and height of images that come to most tokens, in patches and in tiles."""
_LEAST_PATCH, _LEAST_IMAGE = 14, 4096
"""Pixels of the finest patches of any model, and the tokens that small images may be scaled up to."""
_MEASURED = re.compile(r"gpt-|o\d|chatgpt|computer-use|codex|gemini")

_MARKS = frozenset({"Omit", "NotGiven"})


class _UnboundedError(Exception):
    """Nothing bounds the request."""


def answers_of(request: Json) -> int:
    """How many answers a request asks for: to each of its prompts, with those that are made to choose from."""
    asked = [number for name in ("n", "best_of") if isinstance(number := request.get(name), int)]
    prompts: Any = request.get("prompt")
    each = cast("list[Any]", prompts) if isinstance(prompts, (list, tuple)) else []
    return max(1, *asked, 1) * (len(each) if each and not isinstance(each[0], int) else 1)


def given(request: Json) -> Json:
    """`request` without the marks that SDKs put where nothing was given."""
    return {key: value for key, value in request.items() if value.__class__.__name__ not in _MARKS}


def most_of(request: Json, model: str | None, operation: str | None = None) -> Most | None:
    """The most that a request can use; None if nothing bounds it.

    A token is never less than a byte. What providers add is not published, and taken with much to spare.

    Args:
        request: Its JSON.
        model: As requested.
        operation: `gen_ai.operation.name`; None: as the request looks.
    """
    try:
        return _Sum(model).of(given(request), operation)
    except (
        _UnboundedError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
    ):  # of JSON that is none
        return None


class _Sum:
    """What is found of a request, part by part."""

    def __init__(self, model: str | None) -> None:
        self.model = model
        self.adds = frame(model)
        self.tokens = _HIDDEN + _FRAME + 2 * self.adds.request
        self.caches: set[str] = set()
        self.images = False

    def of(self, request: Json, operation: str | None) -> Most:
        language = _language(request, operation, self.model)
        keys = KEYS[language]
        for key, value in request.items():
            if value is not None and key not in keys:
                raise _UnboundedError(key)
        if language != "embeddings" and _SEARCHING.search((self.model or "").lower()):
            raise _UnboundedError
        _check_values(request)
        self.sent(request, language)
        for key in _AS_JSON:
            if (value := request.get(key)) is not None and not isinstance(value, str):
                shown = self.encoded(value)
                self.tokens += 2 * len(shown) + (SCHEMA if b"schema" in shown else 0)
        self.tools(request)
        for key in ("cache_control", "prompt_cache_options", "prompt_cache_retention"):
            if request.get(key) is not None:
                self.encoded({key: request[key]})
        return Most(self.tokens, answers_of(request), self.images, frozenset(self.caches))

    def sent(self, request: Json, language: str) -> None:
        if language == "messages":
            for message in _list(request["messages"]):
                self.message(message)
        elif language == "responses" and not isinstance(request["input"], str):
            for item in _list(request["input"]):
                self.item(item)
        else:
            self.texts(request["prompt" if language == "prompt" else "input"])
            self.texts(request.get("suffix") or "")
        for key in _CONTENT:
            self.content(request.get(key))

    def encoded(self, value: Any) -> bytes:
        """`value` as JSON, after a look at the caches that it asks for."""
        found = msgspec.json.encode(value, enc_hook=encodable)
        if b'"cache_control"' in found:
            self.caches.add("5m")
            if b'"1h"' in found:
                self.caches.add("1h")
        if b'"prompt_cache_' in found:
            self.caches.add("12h")
        return found

    def text(self, text: str) -> None:
        self.tokens += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))

    def texts(self, value: Any) -> None:
        """One text or several, or tokens: what has no messages."""
        if isinstance(value, str):
            self.text(value)
            self.tokens += _FRAME
            return
        for each in _list(value):
            if isinstance(each, (str, list, tuple)):
                self.texts(each)
            elif isinstance(each, int):
                self.tokens += 1
            else:
                raise _UnboundedError

    def rest(self, item: Json, *read: str) -> None:
        """All of `item` but what is read apart. Caches are not shown to the model."""
        left = {key: value for key, value in item.items() if key not in read and value is not None}
        if "cache_control" in left:
            self.encoded({"cache_control": left.pop("cache_control")})
        if left:
            self.tokens += len(self.encoded(left))

    def message(self, value: Any) -> None:
        item = _object(value)
        if "role" not in item or not MESSAGE.issuperset(key for key in item if item[key] is not None):
            raise _UnboundedError
        self.tokens += _FRAME * (1 + isinstance(item.get("name"), str))
        uses = len(_list(item.get("tool_calls") or ())) + (item.get("function_call") is not None)
        self.tokens += (USE + self.adds.call) * (uses + (item["role"] in {"tool", "function"}))
        self.content(item.get("content"))
        self.rest(item, "role", "content", "type")

    def item(self, value: Any) -> None:
        """An item of the Responses' input."""
        item = _object(value)
        if item.get("type") in {None, "message"}:
            self.message(item)
        elif item["type"] == "reasoning":
            if not isinstance(item.get("encrypted_content"), str):
                raise _UnboundedError  # the provider keeps it
            self.tokens += _FRAME
            self.rest(item)
        else:
            self.part(item)

    def content(self, value: Any) -> None:
        if isinstance(value, str):
            self.text(value)
        elif value is not None:
            for part in _list(value):
                if isinstance(part, str):
                    self.text(part)
                else:
                    self.part(_object(part))

    def part(self, item: Json) -> None:
        """A part of a message's content, or of a result."""
        kind: Any = item.get("type")
        if kind in TEXTS:
            text = item.get("text") if item.get("text") is not None else item.get("refusal")
            if not isinstance(text, str):
                raise _UnboundedError
            self.text(text)
            self.rest(item, "type", "text" if item.get("text") is not None else "refusal")
        elif kind in _IMAGES:
            self.image(item)
        elif kind in WHOLE:
            self.tokens += USE + self.adds.call
            self.rest(item)
        elif kind in RESULTS:
            self.tokens += USE + self.adds.call
            self.cited(item, item.get(RESULTS[kind]), RESULTS[kind])
        elif kind == "document":
            self.document(item)
        else:
            raise _UnboundedError(kind)

    def cited(self, item: Json, inside: Any, *read: str) -> None:
        """An item and the content in it, which may be cut into what can be cited."""
        before = self.tokens
        self.content(inside)
        self.rest(item, *read)
        if item.get("citations") is not None:
            self.tokens += (_CITED - 1) * (self.tokens - before) + SCHEMA

    def document(self, item: Json) -> None:
        source = _object(item["source"])
        inside = {"text": "data", "content": "content"}.get(source["type"])
        if inside is None:
            raise _UnboundedError  # a file: pages, and what is stored elsewhere
        self.tokens += 60
        self.cited(item, source[inside], "source")

    def image(self, item: Json) -> None:
        seen = Content()
        seen.add(item)
        if seen.uncounted or len(seen.images) != 1 or item.get("transformations"):
            raise _UnboundedError
        if not _IMAGE.issuperset(item) or _is_other_file(item.get("image_url")):
            raise _UnboundedError
        self.images = True
        self.rest(item, "image_url", "source")
        self.tokens += _most_of_image(self.model, seen.images[0])

    def tools(self, request: Json) -> None:
        """What the model is told of the tools that the program has."""
        found = [_object(tool) for tool in _list(request.get("tools") or ())]
        for tool in found:
            kind: Any = tool.get("type")
            if not (kind in {"function", "custom"} or (kind is None and "input_schema" in tool)):
                raise _UnboundedError(kind)  # the provider's own, which may add anything, and have a fee
        found += [_object(tool) for tool in _list(request.get("functions") or ())]
        if found:
            # The structure of a tool is 3 tokens at times for what is 2 bytes of JSON.
            self.tokens += 2 * len(self.encoded(found)) + 2 * self.adds.tools + TOOL_PROMPT


def _language(request: Json, operation: str | None, model: str | None) -> str:
    """Whose keys the request has."""
    if operation is None:
        told = next((key for key in ("messages", "prompt", "input") if request.get(key) is not None), None)
        operation = {"prompt": "text_completion"}.get(told or "", "chat")
        if told == "input" and "embed" in base_name(model):
            operation = "embeddings"
    if operation == "chat":
        found = "messages" if request.get("messages") is not None else "responses"
    else:
        found = {"text_completion": "prompt", "embeddings": "embeddings"}.get(operation, "")
    if not found or request.get({"responses": "input", "embeddings": "input"}.get(found, found)) is None:
        raise _UnboundedError
    return found


def _check_values(request: Json) -> None:
    """Refuse values that change what is billed."""
    for name in ("n", "best_of"):
        if not isinstance(request.get(name), (int, type(None))):
            raise _UnboundedError(name)
    for name in ("service_tier", "speed", "inference_geo"):
        if not isinstance(request.get(name), (str, type(None))):
            raise _UnboundedError(name)
    if any(kind != "text" for kind in request.get("modalities") or ()):
        raise _UnboundedError("modalities")
    managed: Any = request.get("context_management")
    edits: Any = [] if managed is None else _object(managed).get("edits") or []
    for edit in _list(edits):
        if not str(_object(edit).get("type")).startswith("clear_"):
            raise _UnboundedError("context_management")  # a summary, say, is billed by itself
    reasoning: Any = request.get("reasoning")
    if reasoning is not None and _object(reasoning).get("mode") not in {None, "standard"}:
        raise _UnboundedError("reasoning")


def _is_other_file(url: Any) -> bool:
    """Whether what is sent as an image is none."""
    found: Any = cast("Json", url).get("url") if isinstance(url, Mapping) else url
    return isinstance(found, str) and found.startswith("data:") and not found.startswith("data:image/")


def _most_of_image(model: str | None, image: Image) -> int:
    sizes = [(image.width, image.height)] if image.width and image.height else _LARGE
    each = [image_tokens(model, image._replace(width=width, height=height)) for width, height in sizes]
    most = max(ceil(tokens * (1 + band)) for tokens, band in each)
    if claude_version(model) is None and not _MEASURED.match(base_name(model)):
        patches = max(ceil(width / _LEAST_PATCH) * ceil(height / _LEAST_PATCH) for width, height in sizes)
        most = max(most, _LEAST_IMAGE, patches)
    return most


def _object(value: Any) -> Json:
    found = fields_of(value)
    if not isinstance(found, Mapping):
        raise _UnboundedError
    return cast("Json", found)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise _UnboundedError
    return list(cast("list[Any]", value))
