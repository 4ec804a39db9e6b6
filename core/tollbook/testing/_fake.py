"""A provider that is none: it answers the real SDK, below its HTTP client, without a network or a key."""

from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Callable, Iterable
from functools import partial
from types import ModuleType
from typing import Any, cast

from tollbook.testing._answers import Answer, Failure, Given, Json, Script

Event = tuple[str | None, Json | str]
"""Of a stream: its name, if it has one, and its data."""
Reply = Json | list[Event]
"""A body, or the events of a stream."""
Words = Callable[[str, Json, Answer, int], Reply | None]
"""Puts an answer into a provider's words: path, request, answer, number of the request; None: no such path."""
Errors = Callable[[Failure], Json]

KEY = "not-a-key"


class Fake:
    """A provider that gives the answers of a test, in order; the last one again and again.

    `client()` and `async_client()` give the SDK's own clients; `http_client()` is for clients that the program makes.
    """

    def __init__(
        self,
        sdk: str,
        kinds: tuple[str, str],
        answers: Iterable[Script],
        words: Words,
        errors: Errors,
        headers: Callable[[int], dict[str, str]],
    ) -> None:
        """Use `fake_openai` or `fake_anthropic`."""
        self.requests: list[Json] = []
        """The bodies of all requests so far."""
        self._sdk, self._kinds = sdk, kinds
        self._answers = list(answers) or ["Hello!"]
        self._words, self._errors, self._headers = words, errors, headers
        self._lock = threading.Lock()

    def client(self, **options: Any) -> Any:
        """The SDK's client (`openai.OpenAI` or `anthropic.Anthropic`), answered by this fake.

        Args:
            options: Of the client; by default it has a key that is none, and does not try again.

        Raises:
            ModuleNotFoundError: The SDK is not installed.
        """
        return self._client(self._kinds[0], self.http_client(), options)

    def async_client(self, **options: Any) -> Any:
        """The SDK's asynchronous client; as `client`."""
        return self._client(self._kinds[1], self.async_http_client(), options)

    def _client(self, kind: str, http: Any, options: dict[str, Any]) -> Any:
        # By name, since this library knows no SDK.
        make = getattr(importlib.import_module(self._sdk), kind)
        return make(**{"api_key": KEY, "max_retries": 0, "http_client": http, **options})

    def http_client(self) -> Any:
        """What the SDK takes as `http_client`: a `Client` of httpx or httpx2, whichever this version is made for."""
        return self._http().Client(transport=self.transport())

    def async_http_client(self) -> Any:
        """As `http_client`, for asynchronous clients: an `AsyncClient`."""
        return self._http().AsyncClient(transport=self.transport())

    def transport(self) -> Any:
        """The transport alone, sync and async: for a program that makes its own client of httpx or httpx2."""
        library = self._http()
        return library.MockTransport(partial(self._respond, library))

    def _http(self) -> ModuleType:
        """The HTTP library that this version of the SDK is made for."""
        kind: type = importlib.import_module(self._sdk).DefaultHttpxClient
        home = next(base.__module__ for base in kind.__mro__ if base.__module__.startswith("httpx"))
        return importlib.import_module(home.partition(".")[0])

    def _respond(self, library: ModuleType, request: Any) -> Any:
        content: bytes = request.content
        body = _read(content)
        with self._lock:
            number = len(self.requests)
            self.requests.append(body)
            script = self._answers[min(number, len(self._answers) - 1)]
        given: Given = script(body) if callable(script) else script
        headers = self._headers(number)
        if isinstance(given, Failure):
            if given.retry_after is not None:
                headers["retry-after"] = f"{given.retry_after:g}"
            return library.Response(given.status, headers=headers, json=self._errors(given))
        answer = Answer(given) if isinstance(given, str) else given
        reply = self._words(request.url.path, body, answer, number)
        if reply is None:
            unknown = Failure(404, f"tollbook.testing has no answer for {request.url.path}", "not_found_error")
            return library.Response(404, headers=headers, json=self._errors(unknown))
        if isinstance(reply, dict):
            return library.Response(200, headers=headers, json=reply)
        headers["content-type"] = "text/event-stream; charset=utf-8"
        return library.Response(200, headers=headers, content=b"".join(map(_line, reply)))


def _read(content: bytes) -> Json:
    """What a request says; nothing where it is a form, such as one with a file."""
    try:
        found: object = json.loads(content)
    except ValueError:
        return {}
    return cast("Json", found) if isinstance(found, dict) else {}


def _line(event: Event) -> bytes:
    name, data = event
    text = data if isinstance(data, str) else json.dumps(data)
    return f"{f'event: {name}' + chr(10) if name else ''}data: {text}\n\n".encode()
