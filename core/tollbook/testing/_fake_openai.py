"""OpenAI's words: chats, responses and embeddings.

Source: OpenAI's API reference (Chat Completions, Responses, Embeddings, streaming events), as of 2026-11.
"""

from __future__ import annotations

from typing import Any

from tollbook.testing._answers import Answer, Failure, Json, Script, sent
from tollbook.testing._fake import Event, Fake, Reply

_CREATED = 1_790_000_000
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_exceeded",
}


def fake_openai(*answers: Script) -> Fake:
    """An OpenAI that gives `answers`, for `openai` 2 and 3.

    It knows `/chat/completions`, `/responses` (both also as streams) and `/embeddings`.

    Args:
        answers: Texts, `Answer`s, `Failure`s, or functions that make one of these of the request's body. The last one
            is given again and again. Without any it says `Hello!`.

    >>> fake = fake_openai("It is sunny.")
    >>> client = fake.client()  # doctest: +SKIP
    """
    return Fake("openai", ("OpenAI", "AsyncOpenAI"), answers, _say, _error, _headers)


def _headers(number: int) -> dict[str, str]:
    return {"x-request-id": f"req_fake_{number}", "openai-version": "2020-10-01"}


def _error(failure: Failure) -> Json:
    kind = failure.kind or _KINDS.get(failure.status, "server_error")
    return {"error": {"message": failure.message, "type": kind, "param": None, "code": kind}}


def _say(path: str, body: Json, answer: Answer, number: int) -> Reply | None:
    if path.endswith("/chat/completions"):
        return _chat(body, answer, number)
    if path.endswith("/responses"):
        return _responses(body, answer, number)
    return _embeddings(body, answer) if path.endswith("/embeddings") else None


def _embeddings(body: Json, answer: Answer) -> Json:
    texts: list[Any] = body["input"] if isinstance(body.get("input"), list) else []
    count = len(texts) if texts and not isinstance(texts[0], int) else 1
    used = sent(body, "input")
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": n, "embedding": [0.25, -0.5, 0.125]} for n in range(count)],
        "model": answer.model or body.get("model"),
        "usage": dict(answer.usage) if answer.usage is not None else {"prompt_tokens": used, "total_tokens": used},
    }


# ---- chats -----------------------------------------------------------------------------------------------------


def _chat(body: Json, answer: Answer, number: int) -> Reply:
    calls = [
        {"id": f"call_{number}_{n}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for n, (name, arguments) in enumerate(answer.calls())
    ]
    finish = answer.finish or ("tool_calls" if calls else "stop")
    usage = _totals(answer, "prompt_tokens", "completion_tokens", sent(body, "messages", "tools"))
    head = {"id": f"chatcmpl-fake-{number}", "created": _CREATED, "model": answer.model or body.get("model")}
    if not body.get("stream"):
        message: Json = {"role": "assistant", "content": answer.text or None, "refusal": None, "annotations": []}
        if calls:
            message["tool_calls"] = calls
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        return {**head, "object": "chat.completion", "service_tier": "default", "choices": [choice], "usage": usage}

    options: Json = body.get("stream_options") or {}
    asked = bool(options.get("include_usage"))

    def chunk(delta: Json | None, finish: str | None = None, used: Json | None = None) -> Event:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
        data = {**head, "object": "chat.completion.chunk", "service_tier": "default", "choices": choices}
        return None, {**data, "usage": used} if asked else data

    events = [chunk({"role": "assistant", "content": "" if answer.text else None, "refusal": None})]
    events += [chunk({"content": piece}) for piece in answer.pieces()]
    events += [chunk({"tool_calls": [{"index": n, **call}]}) for n, call in enumerate(calls)]
    events += [chunk({}, finish)]
    events += [chunk(None, used=usage)] if asked else []
    return [*events, (None, "[DONE]")]


def _totals(answer: Answer, sent_as: str, answered_as: str, prompt: int) -> Json:
    """The usage, with its total."""
    used = {sent_as: prompt, answered_as: answer.tokens()} if answer.usage is None else dict(answer.usage)
    used = {sent_as: 0, answered_as: 0, **used}
    return {"total_tokens": used[sent_as] + used[answered_as], **used}


# ---- responses -------------------------------------------------------------------------------------------------


def _responses(body: Json, answer: Answer, number: int) -> Reply:
    items = _items(answer, number)
    usage = _totals(answer, "input_tokens", "output_tokens", sent(body, "input", "instructions", "tools"))
    usage = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}, **usage}
    cut = answer.finish not in (None, "completed")
    done: Json = {
        **_open(body, answer, number),
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": answer.finish} if cut else None,
        "output": items,
        "usage": usage,
    }
    if not body.get("stream"):
        return done
    started: Json = {**_open(body, answer, number), "status": "in_progress", "output": [], "usage": None}
    events: list[Json] = [{"type": "response.created", "response": started}]
    events.append({"type": "response.in_progress", "response": started})
    for index, item in enumerate(items):
        events += _item_events(index, item, answer)
    events.append({"type": "response.incomplete" if cut else "response.completed", "response": done})
    return [(str(event["type"]), {**event, "sequence_number": n}) for n, event in enumerate(events)]


def _open(body: Json, answer: Answer, number: int) -> Json:
    """What is the same at the start of a response and at its end."""
    return {
        "id": f"resp_fake_{number}",
        "object": "response",
        "created_at": _CREATED,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": answer.model or body.get("model"),
        "parallel_tool_calls": True,
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": body.get("store", True),
        "temperature": 1.0,
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools") or [],
        "top_p": 1.0,
        "truncation": "disabled",
        "metadata": body.get("metadata") or {},
    }


def _items(answer: Answer, number: int) -> list[Json]:
    items: list[Json] = []
    if answer.text:
        part: Json = {"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}
        message = {"id": f"msg_fake_{number}", "type": "message", "role": "assistant", "status": "completed"}
        items.append({**message, "content": [part]})
    for n, (name, arguments) in enumerate(answer.calls()):
        call = {"id": f"fc_fake_{number}_{n}", "type": "function_call", "status": "completed"}
        items.append({**call, "call_id": f"call_{number}_{n}", "name": name, "arguments": arguments})
    return items


def _item_events(index: int, item: Json, answer: Answer) -> list[Json]:
    """The events of one item of the output, from `added` to `done`."""
    place = {"item_id": item["id"], "output_index": index}
    part_place = {**place, "content_index": 0}
    if item["type"] == "message":
        part: Json = item["content"][0]
        opened: Json = {**item, "status": "in_progress", "content": []}
        inner: list[Json] = [
            {"type": "response.content_part.added", **part_place, "part": {**part, "text": ""}},
            *(
                {"type": "response.output_text.delta", **part_place, "delta": piece, "logprobs": []}
                for piece in answer.pieces()
            ),
            {"type": "response.output_text.done", **part_place, "text": answer.text, "logprobs": []},
            {"type": "response.content_part.done", **part_place, "part": part},
        ]
    else:
        opened = {**item, "status": "in_progress", "arguments": ""}
        arguments, name = item["arguments"], item["name"]
        inner = [
            {"type": "response.function_call_arguments.delta", **place, "delta": arguments},
            {"type": "response.function_call_arguments.done", **place, "name": name, "arguments": arguments},
        ]
    added: Json = {"type": "response.output_item.added", "output_index": index, "item": opened}
    return [added, *inner, {"type": "response.output_item.done", "output_index": index, "item": item}]
