"""Anthropic's words: messages.

Source: Anthropic's API reference (Messages, streaming messages, errors, counting tokens), as of 2026-11.
"""

from __future__ import annotations

import json

from tollbook.testing._answers import Answer, Failure, Json, Script, sent
from tollbook.testing._fake import Event, Fake, Reply

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def fake_anthropic(*answers: Script) -> Fake:
    """An Anthropic that gives `answers`, for `anthropic` 0.125 to 2.

    It knows `/v1/messages`, also as a stream, and `/v1/messages/count_tokens`.

    Args:
        answers: As for `fake_openai`.

    >>> fake = fake_anthropic(Answer("I will look.", tools={"weather": {"city": "Oslo"}}))
    >>> client = fake.client()  # doctest: +SKIP
    """
    return Fake("anthropic", ("Anthropic", "AsyncAnthropic"), answers, _say, _error, _headers)


def _headers(number: int) -> dict[str, str]:
    return {"request-id": f"req_fake_{number}"}


def _error(failure: Failure) -> Json:
    kind = failure.kind or _KINDS.get(failure.status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": failure.message}, "request_id": "req_fake"}


def _say(path: str, body: Json, answer: Answer, number: int) -> Reply | None:
    prompt = sent(body, "system", "messages", "tools")
    if path.endswith("/messages/count_tokens"):
        return {"input_tokens": prompt}
    return _message(body, answer, number, prompt) if path.endswith("/messages") else None


def _message(body: Json, answer: Answer, number: int, prompt: int) -> Reply:
    blocks: list[Json] = [{"type": "text", "text": answer.text}] if answer.text else []
    for n, (name, arguments) in enumerate(answer.calls()):
        block = {"type": "tool_use", "id": f"toolu_fake_{number}_{n}", "name": name}
        blocks.append({**block, "input": json.loads(arguments)})
    finish = answer.finish or ("tool_use" if answer.tools else "end_turn")
    used = {"input_tokens": prompt, "output_tokens": answer.tokens()} if answer.usage is None else answer.usage
    usage = {
        "input_tokens": 0,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 0,
        "service_tier": "standard",
        **used,
    }
    message: Json = {
        "id": f"msg_fake_{number}",
        "type": "message",
        "role": "assistant",
        "model": answer.model or body.get("model"),
        "content": blocks,
        "stop_reason": finish,
        "stop_sequence": None,
        "usage": usage,
    }
    return _events(message, answer) if body.get("stream") else message


def _events(message: Json, answer: Answer) -> list[Event]:
    usage: Json = message["usage"]
    start: Json = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    events: list[Json] = [{"type": "message_start", "message": start}]
    for index, block in enumerate(message["content"]):
        if block["type"] == "text":
            empty: Json = {**block, "text": ""}
            deltas: list[Json] = [{"type": "text_delta", "text": piece} for piece in answer.pieces()]
        else:
            empty = {**block, "input": {}}
            deltas = [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    said = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    counted = {name: value for name, value in usage.items() if name.endswith("tokens")}
    events.append({"type": "message_delta", "delta": said, "usage": counted})
    events.append({"type": "message_stop"})
    return [(str(event["type"]), event) for event in events]
