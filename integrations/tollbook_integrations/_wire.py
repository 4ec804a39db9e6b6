"""What the bodies and streamed events of the common APIs look like, whoever serves them.

A reader takes a decoded JSON object, a whole body or one event of a stream, and sets on the call what it tells:
usage, model, id, tier, how it ended, and how much text it carried, by length only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tollbook.spans import Call, Record

Json = dict[str, Any]
Reader = Callable[[Call, Json], None]

_TOOLS = {
    "web_search_call": "web_search",
    "file_search_call": "file_search",
    "code_interpreter_call": "code_execution",
}
"""Output items of the Responses API that are billed by their number."""

_ENDED = frozenset({"completed", "incomplete", "failed", "cancelled"})


def _identity(call: Call, data: Json) -> None:
    record = call.record
    if record.response_id is None and (found := data.get("id")):
        record.response_id = found if found.__class__ is str else _text(found)
    if found := data.get("model"):  # Azure's first chunk has an empty one
        record.response_model = found if found.__class__ is str else _text(found)
        call.identified = True
    if found := data.get("service_tier"):
        call.tier = found


def _text(found: Any) -> str | None:
    """What a server says where others say a word: its number as text, and nothing for what else it may be."""
    return str(found) if isinstance(found, (int, float)) else None


def _within(data: Json, name: str) -> Json:
    """The object `name` of `data`; an empty one if it is null or absent."""
    return data.get(name) or {}


def _with(usage: Json, data: Json, *names: str) -> Json:
    """`usage` with what `data` says of it beside it."""
    found = {name: data[name] for name in names if data.get(name)}
    return {**usage, **found} if found else usage


def read_as(reader: Reader, deployment: str, model: str) -> Reader:
    """`reader`, for a server that may repeat the name of a `deployment` of the user's where it should name `model`."""

    def read(call: Call, data: Json) -> None:
        reader(call, data)
        if call.record.response_model == deployment:
            call.record.response_model = model

    return read


def plain(call: Call, data: Json) -> None:
    """A body or event that may have `usage`, `model` and `id`, and nothing else that matters."""
    if usage := data.get("usage"):
        call.saw_usage(_with(usage, data, "svg_usage"))
        call.complete = True
    _identity(call, data)


def chat(call: Call, data: Json) -> None:
    """Chat Completions, legacy completions, and what speaks like them."""
    choices = data.get("choices")
    finish = None
    if choices:
        choice = choices[0]
        finish = choice.get("finish_reason")
        delta = choice.get("delta")
        if delta:
            if text := delta.get("content"):
                call.characters += len(text)
            else:
                _other_text(call, delta)
        elif text := choice.get("text"):
            call.characters += len(text)
    usage = data.get("usage")
    if usage is not None:
        if call.raw is None and call.identified:
            call.complete = True  # said once and late, it is said at the end; some servers say it with every chunk
        call.saw_usage(_with(usage, data, "usage_breakdown") if "usage_breakdown" in data else usage)
        if call.injected and not choices:
            call.hide_chunk = True
    elif call.injected:
        data.pop("usage", None)  # `usage: null` is on every chunk only because we asked
    if finish is None and usage is None and call.identified:
        return
    if finish:
        call.record.finish = finish
        call.complete = True
    _identity(call, data)
    if more := data.get("x_groq"):
        call.saw_usage(more.get("usage") or {})


def _other_text(call: Call, delta: Json) -> None:
    for name in ("reasoning_content", "reasoning", "refusal"):
        if isinstance(text := delta.get(name), str):
            call.characters += len(text)
    tools: list[Json] = delta.get("tool_calls") or []
    for tool in tools:
        if text := _within(tool, "function").get("arguments"):
            call.characters += len(text)


def responses(call: Call, data: Json) -> None:
    """The Responses API."""
    body = data.get("response")
    if body is None:
        if text := data.get("delta"):
            if isinstance(text, str):
                call.characters += len(text)
            return
        body = data
    if body.get("object") not in {"response", "response.compaction"}:
        return
    _identity(call, body)
    status = body.get("status")
    if status in _ENDED:
        call.complete = True
        call.record.finish = _within(body, "incomplete_details").get("reason") or status
        if status == "failed":
            call.failed = str(_within(body, "error").get("code") or "failed")[:64]
    usage = body.get("usage")
    if usage:
        call.saw_usage(_with(usage, body, "tool_usage", "svg_usage"))
        _count_tools(call, body)
    if body.get("background"):
        if usage:
            call.identify(body["id"])
            call.record.bills = True
        else:
            call.record.bills = False  # queued: whoever reads the finished response books it
            call.record.flags = ("background",)
            if status in _ENDED:
                call.ended_without_answer(body["id"])
            else:
                call.wait_for(body["id"])


def response_poll(call: Call, data: Json) -> None:
    """A response that is read again: paid when it was made, unless it ran in the background."""
    responses(call, data)
    if not (data.get("response") or data).get("background") or call.raw is None:
        call.drop()


def _count_tools(call: Call, body: Json) -> None:
    counts: dict[str, int] = {}
    sessions: set[str] = set()
    stated = _within(body, "tool_usage")
    output: list[Json] = body.get("output") or []
    for item in output:
        bucket = _TOOLS.get(item.get("type", ""))
        if bucket is None or bucket in stated:  # what is stated is what is billed
            continue
        if bucket == "code_execution":  # billed by the container, however often it is used
            sessions.add(str(item.get("container_id")))
            counts[bucket] = len(sessions)
        elif bucket != "web_search" or _within(item, "action").get("type", "search") == "search":
            counts[bucket] = counts.get(bucket, 0) + 1
    call.tools = counts or None


def messages(call: Call, data: Json) -> None:
    """Anthropic's Messages API."""
    kind = data.get("type")
    if kind == "content_block_delta":
        delta = data["delta"]
        if text := delta.get("text") or delta.get("partial_json") or delta.get("thinking"):
            call.characters += len(text)
        return
    if usage := data.get("usage"):
        call.saw_usage(usage)
    if kind == "message_start":
        body = data["message"]
        if usage := body.get("usage"):
            call.saw_usage(usage)
        _identity(call, body)
    elif kind == "message_delta":
        call.record.finish = _within(data, "delta").get("stop_reason")
        call.complete = call.record.finish is not None
    elif kind == "message":
        call.record.finish = data.get("stop_reason")
        call.complete = True
        _identity(call, data)


def audio(call: Call, data: Json) -> None:
    """Transcription: a body, or events of which the last one has the usage."""
    if text := data.get("delta"):
        call.characters += len(text)
    plain(call, data)


def _book_result(call: Call, name: str, operation: str, convention: str, reader: Reader, body: Json, key: str) -> None:
    """Book one result of a batch, once, however often the results are read."""
    record = Record(
        trace_id="",
        span_id="",
        name=name,
        integration=call.record.integration,
        provider=call.record.provider,
        operation=operation,
        context={"processing": "batch"},
    )
    result = Call(record, convention, reader)
    reader(result, body)
    result.complete = True
    result.identify(key)
    record.flags = ("batch",)
    result.end()


def anthropic_results(call: Call, line: Json) -> None:
    """One line of the results of an Anthropic message batch."""
    if message := _within(_within(line, "result"), "message"):
        _book_result(call, "Messages", "chat", "anthropic.messages", messages, message, message["id"])


def openai_results(call: Call, line: Json) -> None:
    """One line of the output file of an OpenAI batch."""
    body = _within(_within(line, "response"), "body")
    if not body.get("usage"):
        return
    kind = body.get("object")
    if kind == "response":
        _book_result(call, "Responses", "chat", "openai.responses", responses, body, body["id"])
    elif kind == "chat.completion":
        _book_result(call, "Completions", "chat", "openai.chat", chat, body, body["id"])
    else:
        _book_result(call, "Embeddings", "embeddings", "openai.chat", plain, body, line["id"])
