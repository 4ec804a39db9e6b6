"""The demo: the real SDKs, over real HTTP, against a server on this machine that replays exchanges from `cassettes/`.

The exchanges were written by hand in the providers' wire format; no key is needed and nothing is sent anywhere.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

CASSETTES = (
    "openai-chat-seed-pair",
    "openai-chat-plain",
    "openai-chat-stream",
    "openai-responses-plain",
    "openai-embeddings",
    "anthropic-messages-plain",
    "anthropic-messages-stream",
)


Json = dict[str, Any]
Answers = dict[tuple[str, str, bool], list[Json]]
"""By path, model and whether it streams."""


def _folder() -> Path:
    """Inside the installed package, or at the top of a checkout."""
    packed = Path(__file__).parent / "cassettes"
    return packed if packed.is_dir() else Path(__file__).parents[2] / "cassettes"


def _load() -> Answers:
    answers: Answers = {}
    for name in CASSETTES:
        cassette = json.loads((_folder() / f"{name}.json").read_text(encoding="utf-8"))
        for exchange in cassette["exchanges"]:
            request = exchange["request"]
            body: Json = request.get("body") or {}
            key = (request["path"], body.get("model", ""), bool(body.get("stream")))
            answers.setdefault(key, []).append(exchange["response"])
    return answers


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answers: Answers
    answered = 0

    def do_POST(self) -> None:
        type(self).answered += 1
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        # A model that no exchange is of gets the answer of another, in its own name.
        key = (self.path, asked["model"], bool(asked.get("stream")))
        waiting = self.answers.get(key) or self.answers[self.path, "gpt-4o", False]
        response = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if response.get("events"):
            with_usage = asked.get("stream_options", {}).get("include_usage", True)
            body = b"".join(_event(e) for e in response["events"] if with_usage or not _only_usage(e))
            kind = "text/event-stream"
        else:
            answer = response["body"] if key in self.answers else {**response["body"], "model": asked["model"]}
            body, kind = json.dumps(answer).encode(), "application/json"
        self.send_response(response["status"])
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as http.server names it
        """Say nothing."""


def _event(event: Json) -> bytes:
    data = event["data"]
    name = f"event: {event['event']}\n" if event.get("event") else ""
    return f"{name}data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()


def _only_usage(event: Json) -> bool:
    data: Json | str = event["data"]
    return not isinstance(data, str) and not data.get("choices", True) and bool(data.get("usage"))


@contextmanager
def _no_proxy() -> Generator[None]:
    """Keep the calls on this machine, whatever its environment says of proxies."""
    names = ("NO_PROXY", "no_proxy")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "127.0.0.1,localhost"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class Played(NamedTuple):
    """What the demo did."""

    story: str
    """In words, for whoever looks on."""
    trace_id: str
    """The trace of one agent run."""


def play(store: Path) -> Played:
    """Make some calls as a small program would, metered into `store`.

    Raises:
        ModuleNotFoundError: One of the SDKs is not installed.
    """
    import anthropic
    import openai

    import tollbook

    class Handler(_Handler):
        answers = _load()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_port
    with (
        _no_proxy(),
        openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none") as gpt,
        anthropic.Anthropic(base_url=f"http://localhost:{port}", api_key="none") as claude,
    ):
        try:
            tollbook.autolog(
                store=store,
                hosts={"127.0.0.1": "openai", "localhost": "anthropic"},
                include_usage_hosts=["127.0.0.1"],
            )
            trace_id = _program(tollbook, gpt, claude)
        finally:
            tollbook.autolog(disable=True)
            server.shutdown()
            server.server_close()
    story = (
        f"A small program made {Handler.answered} calls with openai {openai.__version__} and anthropic "
        f"{anthropic.__version__}, after `import tollbook; tollbook.autolog()`. The answers, written by hand, came "
        "from a server on this machine."
    )
    return Played(story, trace_id)


def _program(tollbook: Any, gpt: Any, claude: Any) -> str:
    question = [{"role": "user", "content": "Name a colour."}]
    gpt.embeddings.create(model="text-embedding-3-small", input="A short text.")
    gpt.responses.create(model="gpt-4o", input="Say it in one word.")
    gpt.chat.completions.create(model="a-model-of-your-own", messages=question)
    with tollbook.span("colour agent", kind="agent") as run:
        for _ in range(2):
            gpt.chat.completions.create(model="gpt-4o-mini", messages=question)
        with tollbook.span("look it up", kind="tool"):
            for _ in gpt.chat.completions.create(model="gpt-4o", messages=question, stream=True):
                pass
        claude.messages.create(model="claude-sonnet-4-6", max_tokens=200, messages=question)
        with claude.messages.stream(model="claude-sonnet-4-6", max_tokens=200, messages=question) as stream:
            stream.get_final_text()
    return str(run.trace_id)
