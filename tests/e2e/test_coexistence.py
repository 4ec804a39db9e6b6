"""Other tools' patches beside ours, put on before or after: one record per call, and the host gets what it got.

Runs where the tools are installed: `pip install --group coexist`.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from tests.wire.server import Wire

import tollbook
from tollbook import _runtime
from tollbook.spans import Record

NOWHERE = "http://127.0.0.1:9"
"""Where tools send what they see."""
MESSAGES = [{"role": "user", "content": "Count from one to five."}]


def openinference() -> Callable[[], None]:
    one = pytest.importorskip("openinference.instrumentation.openai").OpenAIInstrumentor()
    other = pytest.importorskip("openinference.instrumentation.anthropic").AnthropicInstrumentor()
    one.instrument()
    other.instrument()

    def undo() -> None:
        one.uninstrument()
        other.uninstrument()

    return undo


def openllmetry() -> Callable[[], None]:
    one = pytest.importorskip("opentelemetry.instrumentation.openai").OpenAIInstrumentor()
    one.instrument()
    return lambda: one.uninstrument()


def sentry() -> Callable[[], None]:
    sdk = pytest.importorskip("sentry_sdk")
    sdk.init(traces_sample_rate=1.0)
    return _nothing  # its patches stay


def langfuse() -> Callable[[], None]:
    sdk = pytest.importorskip("langfuse")
    sdk.Langfuse(public_key="pk-lf-x", secret_key="sk-lf-x", base_url=NOWHERE, flush_interval=3600, timeout=1)
    pytest.importorskip("langfuse.openai")  # importing it is what patches
    return _nothing  # its patches stay


def ddtrace() -> Callable[[], None]:
    os.environ["DD_INSTRUMENTATION_TELEMETRY_ENABLED"] = os.environ["DD_REMOTE_CONFIGURATION_ENABLED"] = "false"
    os.environ["DD_TRACE_AGENT_URL"] = NOWHERE
    dd = pytest.importorskip("ddtrace")
    dd.patch(openai=True, anthropic=True)
    names = ("openai", "anthropic")
    patches = [importlib.import_module(f"ddtrace.contrib.internal.{name}.patch") for name in names]

    def undo() -> None:
        for patch in patches:
            patch.unpatch()

    return undo


def logfire() -> Callable[[], None]:
    lf = pytest.importorskip("logfire")
    lf.configure(send_to_logfire=False, console=False, inspect_arguments=False)
    opened = contextlib.ExitStack()
    opened.enter_context(lf.instrument_openai())
    opened.enter_context(lf.instrument_anthropic())
    return opened.close


TOOLS = [openinference, openllmetry, sentry, langfuse, ddtrace, logfire]


def _nothing() -> None:
    return


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("first", ["ours", "theirs"])
@pytest.mark.parametrize("tool", TOOLS, ids=lambda t: t.__name__)
def test_another_tool_sees_its_calls_and_we_see_ours_once(tool: Any, first: str, wire: Wire, tmp_path) -> None:
    if first == "ours":
        tollbook.autolog(store=tmp_path / "l.db")
        undo = tool()
    else:
        undo = tool()
        tollbook.autolog(store=tmp_path / "l.db")
    try:
        calls(wire)
        undo()
        undo = _nothing
        tollbook.autolog()  # a tool that put back what it had saved may have put it over our patch
        calls(wire)
        undo = tool()
        tollbook.autolog(disable=True)
        calls(wire)  # theirs alone, put on over ours
    finally:
        undo()
        tollbook.autolog(disable=True)
    records = _runtime.store().spans(limit=None)
    _runtime.stop()
    found = sorted(said(record) for record in records)
    once = [
        ("Completions", False, 120, 30, "0.000475"),
        ("Completions", True, 120, 30, "0.000475"),
        ("Messages", False, 1320, 50, "0.002685"),
        ("Messages", True, 1320, 50, "0.002685"),
    ]
    assert found == sorted(once * 2)


def said(record: Record) -> tuple[Any, ...]:
    """Name, stream, tokens in and out, and cost in USD."""
    assert record.usage is not None
    assert record.cost is not None
    assert record.cost.total_usd is not None
    usage = record.usage
    return record.name, record.stream, usage.input_tokens, usage.output_tokens, f"{record.cost.total_usd.normalize():f}"


def calls(wire: Wire) -> None:
    """Four calls, read to their end."""
    gpt: Any = {"model": "gpt-4o", "messages": MESSAGES}
    claude: Any = {"model": "claude-sonnet-4-6", "max_tokens": 200, "messages": MESSAGES}
    for name, stream in (("openai-chat-plain", False), ("openai-chat-stream", True)):
        with wire.play(name) as play, openai.OpenAI(base_url=play.url("api.openai.com", "/v1"), api_key="x") as client:
            answer = client.chat.completions.create(**gpt, stream=stream)
            if stream:
                assert all(chunk.choices for chunk in answer)
            else:
                assert answer.usage.total_tokens == 150
    for name, stream in (("anthropic-messages-plain", False), ("anthropic-messages-stream", True)):
        with (
            wire.play(name) as play,
            anthropic.Anthropic(base_url=play.url("api.anthropic.com"), api_key="x") as client,
        ):
            if stream:
                with client.messages.stream(**claude) as events:
                    message = events.get_final_message()
            else:
                message = client.messages.create(**claude)
            assert message.usage.output_tokens == 50
