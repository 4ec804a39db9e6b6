"""Requests: whom calls are booked to behind the middleware for ASGI and WSGI, in applications without a framework."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.web import ask_asgi, ask_wsgi, booked, call

import tollbook
from tollbook import _guard, _salt
from tollbook.spans import _sink, current
from tollbook_integrations import asgi, wsgi

PARENT = {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01", "baggage": "tollbook.feature=search,tollbook.user=ada"}


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(_sink, "sink", lambda record: None)
    monkeypatch.setattr(_salt, "place", tmp_path / "ledger.db")
    _salt.forget()
    yield
    _salt.forget()
    tollbook.attribute_process()
    assert current.get() is None
    assert booked() is None


def ask(inside: Callable[[], Any], kind: str, path: str = "/", headers: Any = None, **options: Any) -> list[Any]:
    """What an application says that does `inside` when it is called, and for a piece of its body."""

    async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
        first = inside()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": json.dumps([first, inside()]).encode()})

    def wsgi_app(environ: Any, start_response: Any) -> Iterable[bytes]:
        first = inside()
        start_response("200 OK", [])
        return (json.dumps([first, inside()]).encode() for _ in range(1))

    if kind == "asgi":
        body = asyncio.run(ask_asgi(asgi.TollbookMiddleware(asgi_app, **options), path, headers))
    else:
        body = ask_wsgi(wsgi.TollbookMiddleware(wsgi_app, **options), path, headers)
    found: list[Any] = json.loads(body)
    return found


both = pytest.mark.parametrize("kind", ["asgi", "wsgi"])


@both
def test_a_request_is_booked_by_headers_and_by_what_functions_say_to_the_end_of_its_body(kind: str) -> None:
    headers = {"X-User-Id": "ada", "X-Plan": "gold"}
    found = ask(booked, kind, headers=headers, user="x-user-id", plan="X-Plan", org=lambda of: 7, key="x-absent")
    wanted = {"feature": "GET /", "user": tollbook.user_pseudonym("ada"), "plan": "gold", "org": "7"}
    assert found == [wanted, wanted]


@both
@pytest.mark.parametrize(
    ("path", "feature"),
    [
        ("/users/ada@example.org/17", "GET /users"),
        ("/", "GET /"),
        ("//x", "GET /x"),
        (f"/{'n' * 99}", f"GET /{'n' * 64}"),
    ],
)
def test_without_a_route_the_feature_has_no_ids_in_it(kind: str, path: str, feature: str) -> None:
    assert ask(booked, kind, path) == [{"feature": feature}] * 2


@both
def test_a_request_is_one_trace_and_another_one_is_another(kind: str) -> None:
    traces = [ask(lambda: call().trace_id, kind) for _ in range(2)]
    assert [len(set(each)) for each in traces] == [1, 1]
    assert traces[0] != traces[1]


@both
def test_headers_of_strangers_are_not_believed_and_those_of_ones_own_services_are(kind: str) -> None:
    def inside() -> Any:
        made = call()
        return [made.attribution, made.trace_id, made.parent_id]

    stranger, own = ask(inside, kind, headers=PARENT), ask(inside, kind, headers=PARENT, trust_baggage=True)
    assert stranger[0][0] == {"feature": "GET /"}
    assert stranger[0][1] != "ab" * 16
    assert stranger[0][2] is None
    assert own[0] == [{"feature": "search", "user": tollbook.user_pseudonym("ada")}, "ab" * 16, "cd" * 8]


@both
def test_hostile_headers_change_nothing(kind: str) -> None:
    headers = {"traceparent": "\xff" * 300, "baggage": "tollbook.feature=a%00,;;=,tollbook." + "x" * 9000}
    assert ask(booked, kind, headers=headers, trust_baggage=True) == [{"feature": "GET /"}] * 2


@both
def test_the_program_holds_over_the_request_and_that_over_the_process(kind: str) -> None:
    def inside() -> Any:
        with tollbook.attribute(user="bob", step="1"):
            named = booked()
        return [booked(), named]

    tollbook.attribute_process(feature="api", user="nobody", region="eu", org="acme")
    found = ask(inside, kind, headers={"u": "ada"}, user="u", org="absent")
    ada, bob = (tollbook.user_pseudonym(name) for name in ("ada", "bob"))
    plain = {"feature": "GET /", "user": ada, "region": "eu", "org": "acme"}
    assert found[0] == [plain, {**plain, "user": bob, "step": "1"}]


@both
def test_what_is_known_later_is_asked_for_when_a_call_is_made(kind: str) -> None:
    state = SimpleNamespace()
    seen: list[int] = []

    def user(of: Any) -> object:
        seen.append(1)
        return state.user

    def inside() -> Any:
        before = booked()
        state.user = "ada"
        after = [booked(), booked()]
        return [before, after]

    found = ask(inside, kind, user=user)
    ada = {"feature": "GET /", "user": tollbook.user_pseudonym("ada")}
    assert found[0] == [{"feature": "GET /"}, [ada, ada]]
    assert len(seen) == 2, "what is known is not asked for again"


def test_a_function_is_not_asked_where_nothing_is_called() -> None:
    def never(of: Any) -> object:
        raise AssertionError

    assert ask(lambda: 1, "asgi", user=never) == [1, 1]


def test_a_function_is_asked_before_the_application_leaves_the_request() -> None:
    """Flask forgets it then, and makes the pieces of a body later."""
    inside = SimpleNamespace(user="ada")

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        del inside.user
        return (json.dumps(booked()).encode() for _ in range(1))

    body = ask_wsgi(wsgi.TollbookMiddleware(app, user=lambda environ: inside.user))
    assert json.loads(body) == {"feature": "GET /", "user": tollbook.user_pseudonym("ada")}


@both
@pytest.mark.boundary
def test_a_function_that_fails_stops_no_call_and_is_told_of(kind: str) -> None:
    def fails(of: Any) -> object:
        raise TypeError

    before = sum(_guard.failures.values())
    assert ask(booked, kind, user=fails, org=lambda _: "acme") == [{"feature": "GET /", "org": "acme"}] * 2
    assert sum(_guard.failures.values()) > before


@both
def test_what_is_neither_a_header_nor_a_function_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="user is the name of a header or a function"):
        ask(booked, kind, user=7)
    with pytest.raises(ValueError, match="tag"):
        ask(booked, kind, **{"t" * 65: "x"})

    async def later(of: Any) -> str:
        return "ada"

    with pytest.raises(ValueError, match="can't be async"):
        ask(booked, kind, user=later)


@both
def test_errors_pass_as_they_are(kind: str) -> None:
    error = KeyError("the application's own")

    def inside() -> Any:
        raise error

    with pytest.raises(KeyError) as caught:
        ask(inside, kind)
    assert caught.value is error


@both
def test_a_request_inside_of_a_span_is_a_part_of_it(kind: str) -> None:
    with tollbook.span("test") as outer:
        found = ask(lambda: [call().trace_id, call().parent_id], kind)
    assert found[0] == [outer.trace_id, outer.span_id]


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
async def test_what_is_no_http_request_is_left_alone(kind: str) -> None:
    given: list[Any] = []

    async def app(*arguments: Any) -> None:
        given.extend([*arguments, booked()])

    scope, receive, send = {"type": kind}, object(), object()
    await asgi.TollbookMiddleware(app)(scope, receive, send)
    assert given[0] is scope
    assert given[1:] == [receive, send, None]


async def test_requests_at_once_do_not_mix() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": json.dumps(booked()).encode()})

    wrapped = asgi.TollbookMiddleware(app, session="x-session")
    found = await asyncio.gather(*(ask_asgi(wrapped, f"/{n}", {"x-session": str(n)}) for n in range(9)))
    assert [json.loads(each) for each in found] == [{"feature": f"GET /{n}", "session": str(n)} for n in range(9)]


def test_a_body_that_is_whole_or_a_file_is_handed_on_as_it_is() -> None:
    """Servers know such bodies by their type, and send them faster."""

    class Files(list[bytes]):
        pass

    for body in ([b"x"], (b"x",), Files([b"x"])):
        app = wsgi.TollbookMiddleware(lambda environ, start, body=body: body)
        assert app({"wsgi.file_wrapper": Files}, None) is body


def test_a_body_is_closed_within_its_request_and_once_read_ends() -> None:
    seen: list[Any] = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            yield b"1"
            seen.append(booked())

        def close(self) -> None:
            seen.append(booked())

    assert ask_wsgi(wsgi.TollbookMiddleware(lambda environ, start: Body())) == b"1"
    assert seen == [{"feature": "GET /"}] * 2


def test_bodies_that_are_read_in_turns_and_in_other_threads_do_not_mix() -> None:
    def app(environ: Any, start: Any) -> Iterator[bytes]:
        for _ in range(2):
            yield json.dumps(booked()).encode()

    wrapped = wsgi.TollbookMiddleware(app)
    one, two = (iter(wrapped({"PATH_INFO": f"/{n}"}, None)) for n in "12")
    found = [json.loads(next(each))["feature"] for each in (one, two, two, one)]
    assert found == ["GET /1", "GET /2", "GET /2", "GET /1"]
