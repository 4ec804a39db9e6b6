"""The addresses of the dashboard."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tollbook.ledger import StoreError
from tollbook.web import _breakdown, _overview, _settings, _traces
from tollbook.web._desk import Desk
from tollbook.web._door import Door, bare, form
from tollbook.web._view import View, read

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from tollbook.ledger import Store

Page = Callable[[Desk, View, dict[str, str]], Response]

PAGES: dict[str, Page] = {
    "/": _overview.overview,
    "/breakdown": _breakdown.breakdown,
    "/breakdown/savings": _breakdown.savings,
    "/breakdown/what-if": _breakdown.what_would_be,
    "/traces": _traces.traces,
    "/sessions": _traces.sessions,
    "/prices": _settings.prices,
    "/prices/model": _settings.price,
    "/prices/reprice": _settings.try_reprice,
    "/budgets": _settings.budgets,
    "/health": _settings.health,
}
CHANGES: dict[str, Page] = {
    "/prices": _settings.define,
    "/prices/remove": _settings.remove_price,
    "/prices/reprice": _settings.apply_reprice,
    "/budgets": _settings.set_budget,
    "/budgets/remove": _settings.remove_budget,
}


def make_app(
    store: Store,
    *,
    token: str,
    hosts: Collection[str] | None = None,
    read_only: bool = False,
    sample: bool = False,
) -> ASGIApp:
    """The dashboard over a ledger, as an ASGI application.

    Args:
        store: The ledger.
        token: The secret that an address or the form for it must bring once, before anything is shown.
        hosts: The host names, each with its port, that requests may be addressed to; None: any.
        read_only: Whether nothing can be changed, neither prices nor budgets.
        sample: Whether to say on every page that the calls are made up.
    """
    desk = Desk(store, read_only=read_only, sample=sample)

    def refusal(key: str, status: int) -> Response:
        return desk.page("refused", "", View(), status, title="Not allowed", key=key)

    static = StaticFiles(directory=Path(__file__).with_name("static"))
    routes = [
        *(Route(path, _shown(desk, path, page), methods=["GET"]) for path, page in PAGES.items()),
        *(Route(path, _changed(desk, path, page), methods=["POST"]) for path, page in CHANGES.items()),
        Route("/traces/{trace_id}", _one_trace(desk), methods=["GET"]),
        Mount("/static", static),
    ]

    def missing(request: Request, _: Exception) -> Response:
        return desk.page("missing", "", View(), 404, title="No such page", what=request.url.path)

    def broken(_: Request, __: Exception) -> Response:
        text = "Something in the dashboard itself is wrong; the terminal in which it was started says what."
        return desk.page("error", "", View(), 500, title="That went wrong", message=text)

    app = Starlette(routes=routes, exception_handlers={404: missing, 405: missing, 500: broken})
    return Door(app, token=token, hosts=hosts, read_only=read_only, page=refusal)


def _told(desk: Desk, path: str, make: Callable[[], Response]) -> Response:
    """The page, or one that says what is wrong with what was asked, or with the ledger."""
    try:
        return make()
    except ValueError as error:
        return desk.page("error", path, View(), 400, title="That can't be shown", message=str(error))
    except StoreError as error:
        return desk.page("error", path, View(), 500, title="The ledger can't be read", message=str(error))


def _shown(desk: Desk, path: str, page: Page) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        def make() -> Response:
            view, more = read(request.query_params.multi_items())
            if "add" in request.query_params:  # the form that adds a condition; the address it leads to is a plain one
                more.pop("value", None)
                return RedirectResponse(view.link(path, **more), 303)
            desk.fresh()
            return page(desk, view, more)

        return _told(desk, path, make)

    return answer


def _one_trace(desk: Desk) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        def make() -> Response:
            view, _ = read(request.query_params.multi_items())
            desk.fresh()
            return _traces.trace(desk, view, request.path_params["trace_id"])

        return _told(desk, "/traces", make)

    return answer


def _changed(desk: Desk, path: str, page: Page) -> Callable[[Request], object]:
    async def answer(request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool

        try:
            fields = dict(await form(request.receive))
        except ValueError as error:
            return bare(str(error), 400)

        def make() -> Response:
            view, _ = read(request.query_params.multi_items())
            desk.fresh()
            return page(desk, view, fields)

        return await run_in_threadpool(_told, desk, path, make)

    return answer
