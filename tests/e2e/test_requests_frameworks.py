"""Requests in web frameworks and tasks of Celery: the examples book by route and user, and so do other ways."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.web import ask_asgi, ask_wsgi, booked
from tests.wire.cassettes import load
from tests.wire.server import Wire

import tollbook
from tollbook.ledger import open_store
from tollbook.spans import Record
from tollbook_integrations import asgi

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ADA = {"X-User-Id": "ada"}
ANSWERS = ("openai-chat-seed-pair", "openai-chat-stream")


@pytest.fixture
def provider(wire: Wire, meter: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Metering, and the SDK's default client talks to the wire server."""
    with wire.play([exchange for name in ANSWERS for exchange in load(name).exchanges]) as play:
        monkeypatch.setenv("OPENAI_API_KEY", "not-a-key")
        monkeypatch.setenv("OPENAI_BASE_URL", play.url("api.openai.com", "/v1"))
        meter.on()
        yield meter


def example(name: str) -> Any:
    """The module of an example."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wanted(route: str) -> dict[str, str]:
    return {"feature": route, "user": tollbook.user_pseudonym("ada")}


def said(record: Record) -> tuple[dict[str, str] | None, str, bool]:
    return record.attribution, record.status, record.stream


async def test_fastapi_books_to_the_template_of_the_route_and_streams_to_their_end(provider: Any) -> None:
    pytest.importorskip("fastapi")
    module = example("fastapi_app")
    assert b"text" in await ask_asgi(module.app, "/words/petrichor", ADA)
    assert await ask_asgi(module.app, "/stories/ada", ADA)
    await module.client.close()
    assert [said(record) for record in provider.records()] == [
        (wanted("/words/{word}"), "ok", False),
        (wanted("/stories/{hero}"), "ok", True),
    ]


async def test_starlette_books_to_the_user_whom_inner_middleware_finds(provider: Any) -> None:
    pytest.importorskip("starlette")
    module = example("starlette_app")
    assert b"text" in await ask_asgi(module.app, "/words/petrichor", ADA)
    await module.client.close()
    assert provider.one().attribution == wanted("/words/{word}")


def test_flask_books_to_the_rule_and_what_g_holds_and_streams_to_their_end(provider: Any) -> None:
    pytest.importorskip("flask")
    module = example("flask_app")
    assert b"text" in ask_wsgi(module.app, "/words/petrichor", ADA)
    assert ask_wsgi(module.app, "/stories/ada", ADA)
    module.client.close()
    assert [said(record) for record in provider.records()] == [
        (wanted("/words/<word>"), "ok", False),
        (wanted("/stories/<hero>"), "ok", True),
    ]


def test_django_books_to_the_route_and_streams_to_their_end(provider: Any) -> None:
    pytest.importorskip("django")
    module = example("django_app")
    assert b"text" in ask_wsgi(module.app, "/words/petrichor/", ADA)
    assert ask_wsgi(module.app, "/stories/ada/", ADA)
    module.client.close()
    assert [said(record) for record in provider.records()] == [
        (wanted("/words/<str:word>/"), "ok", False),
        (wanted("/stories/<str:hero>/"), "ok", True),
    ]


def test_django_awaits_and_streams_within_the_request_and_asks_where_a_database_may_be_asked() -> None:
    """In a process of its own, since Django can be configured once."""
    pytest.importorskip("django")
    program = """
import asyncio, sys
from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path
from django.utils.asyncio import async_unsafe
import tollbook
from tests.web import ask_asgi, ask_wsgi, booked

@async_unsafe("as of a database")
def stored(request):
    return request.tenant[0] + "-plan"

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=[
    "tollbook_integrations.django.TollbookMiddleware", "__main__.authenticated"
], TOLLBOOK={"org": lambda request: request.tenant, "plan": stored, "trust_baggage": True})

def authenticated(get_response):
    async def inside(request):
        request.tenant = "acme"
        return await get_response(request)
    return inside
authenticated.async_capable, authenticated.sync_capable = True, False

async def view(request, word):
    async def pieces():
        yield repr(booked())
        await asyncio.sleep(0)
        yield repr(booked())
    return StreamingHttpResponse(pieces())

async def plain(request):
    return HttpResponse(repr(booked()))

urlpatterns = [path("words/<str:word>/", view), path("plain/", plain)]
import django
django.setup()
from django.core.handlers.asgi import ASGIHandler
headers = {"baggage": "tollbook.tier=gold"}
from django.core.handlers.wsgi import WSGIHandler
print(asyncio.run(ask_asgi(ASGIHandler(), "/words/x/", headers)).decode())
print(asyncio.run(ask_asgi(ASGIHandler(), "/plain/", headers)).decode())
print(ask_wsgi(WSGIHandler(), "/plain/", headers).decode())
assert booked() is None
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=EXAMPLES.parent, env=dict(os.environ), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    wanted = {"org": "acme", "plan": "a-plan", "tier": "gold"}
    streamed, *whole = done.stdout.splitlines()
    assert streamed[: len(streamed) // 2] == streamed[len(streamed) // 2 :]
    assert ast.literal_eval(streamed[: len(streamed) // 2]) == {**wanted, "feature": "/words/<str:word>/"}
    assert [ast.literal_eval(found) for found in whole] == [{**wanted, "feature": "/plain/"}] * 2


@pytest.mark.parametrize("prefix", ["", "/v1/tenants/{tenant}"])
async def test_the_route_of_an_included_router_is_whole(prefix: str) -> None:
    fastapi = pytest.importorskip("fastapi")
    router = fastapi.APIRouter()
    found: list[Any] = []

    @router.get("/words/{word}")
    async def asynchronous(word: str) -> None:
        found.append(booked())

    @router.get("/plain/{word}")
    def plain(word: str) -> None:
        found.append(booked())

    app = fastapi.FastAPI()
    app.include_router(router, prefix=prefix)
    app.add_middleware(asgi.TollbookMiddleware)
    path = prefix.replace("{tenant}", "7")
    await ask_asgi(app, f"{path}/words/x")
    await ask_asgi(app, f"{path}/plain/x")
    assert found == [{"feature": f"{prefix}/words/{{word}}"}, {"feature": f"{prefix}/plain/{{word}}"}]


async def test_background_tasks_and_sync_streams_of_starlette_are_within_the_request() -> None:
    pytest.importorskip("starlette")
    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.responses import StreamingResponse
    from starlette.routing import Mount, Route

    found: list[Any] = []

    def pieces() -> Iterator[bytes]:
        found.append(booked())
        yield b"x"
        found.append(booked())

    async def answer(request: Any) -> Any:
        return StreamingResponse(pieces(), background=BackgroundTask(lambda: found.append(booked())))

    app = Starlette(routes=[Mount("/tenants/{id}", routes=[Route("/words/{word}", answer)])])
    assert await ask_asgi(asgi.TollbookMiddleware(app), "/tenants/7/words/x") == b"x"
    assert found == [{"feature": "/words/{word}"}] * 3, "what is mounted knows its own part"


CELERY = """
import sys
from celery import Celery
from celery.contrib.testing.worker import start_worker
import tollbook
from tollbook_integrations import celery as tollbook_celery

tollbook_celery.instrument()
tollbook_celery.instrument()
app = Celery("words", broker="memory://", backend="cache+memory://")

def call(name):
    tollbook.record(model="m", usage={"input_tokens": 1}, name=name)

@app.task(name="words.explain")
def explain(name, fail=False):
    call(name)
    if fail:
        raise KeyError(name)
    if name == "outer":
        explain.delay("inner").forget()

@app.task(name="words.again", bind=True, max_retries=1)
def again(self):
    call(f"try {self.request.retries}")
    if not self.request.retries:
        raise self.retry(countdown=0)

with tollbook.attribute(feature="dictionary", user="ada"), tollbook.span("sender") as sender:
    results = [explain.delay("sent"), explain.delay("failed", fail=True), explain.delay("outer"), again.delay()]
results.append(explain.delay("plain"))
explain("called")
with tollbook.attribute(feature="eager"):
    explain.apply(("eager",))
with start_worker(app, pool="solo", perform_ping_check=False):
    for result in results:
        result.get(timeout=30, propagate=False)
    import time
    deadline = time.monotonic() + 30
    from tollbook import _runtime
    while time.monotonic() < deadline and "inner" not in {r.name for r in _runtime.store().spans(limit=None)}:
        time.sleep(0.05)
call("after")
tollbook_celery.uninstrument()
"""


def test_tasks_of_celery_continue_what_sent_them(tmp_path: Path) -> None:
    pytest.importorskip("celery")
    path = tmp_path / "words.py"
    path.write_text(CELERY)
    done = subprocess.run(
        [sys.executable, path], env=dict(os.environ), cwd=tmp_path, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    store = open_store(os.environ["TOLLBOOK_STORE"])
    store.drain()
    found = {record.name: record for record in store.spans(limit=None)}
    store.close()
    sent = found["sent"].attribution
    assert sent is not None
    assert (sent["feature"], sent["user"][:2]) == ("dictionary", "u_")
    for name in ("sent", "failed", "outer", "inner", "try 0", "try 1"):
        assert found[name].attribution == sent, name
        assert found[name].trace_id == found["sender"].trace_id, name
    assert found["plain"].attribution == {"feature": "words.explain"}
    assert found["plain"].trace_id != found["sender"].trace_id
    assert found["called"].attribution is None
    assert found["eager"].attribution == {"feature": "eager"}
    assert found["after"].attribution is None


def test_the_example_for_celery_books_to_what_sent_the_task(provider: Any) -> None:
    """Without a worker: called in place, a task goes on with what holds there."""
    pytest.importorskip("celery")
    module = example("celery_tasks")
    try:
        module.app.conf.task_always_eager = True
        assert module.send("petrichor", "ada").get()
    finally:
        module.tollbook_celery.uninstrument()
        module.client.close()
    assert provider.one().attribution == wanted("dictionary")
