"""Serving the dashboard from this process, until it is interrupted."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tollbook.ledger import Store

_WEB = 80
"""The port that browsers leave out of an address."""
_LEAST = 16
"""Characters of a token that somebody chose."""


class Refused(ValueError):  # noqa: N818 - the message says what to do
    """The dashboard is not served like this."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def open_socket(host: str, port: int | None, usual: int) -> socket.socket:
    """A socket that listens.

    Args:
        host: A name or an address.
        port: None: the `usual` one, or any if that is in use.
        usual: The port to try first.

    Raises:
        Refused: It can't be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    problem = ""
    for number in (usual, 0) if port is None else (port,):
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host.strip("[]"), number))
        except (OSError, OverflowError) as error:
            listening.close()
            reason = getattr(error, "strerror", None) or str(error)
            problem = f"{host}:{number} can't be used: {reason}. Name another one with --port"
        else:
            listening.listen(64)
            return listening
    raise Refused(problem)


def serve(
    store: Store,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    token: str | None = None,
    read_only: bool = False,
    sample: bool = False,
    ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve the dashboard until the process is interrupted.

    Args:
        store: The ledger.
        host: The address to listen on. One that other machines reach needs a `token`.
        port: None: 8642, or any if that is in use.
        token: What a browser must bring once; None: a random one.
        read_only: Whether nothing can be changed.
        sample: Whether to say on every page that the calls are made up.
        ready: Called with the address, the token in it, when it can be opened.

    Raises:
        Refused: The address can't be used, or others could reach it and there is no token.
    """
    import uvicorn

    from tollbook.web._app import make_app

    if token is not None and len(token) < _LEAST:
        raise Refused(
            f"the token is too short: it needs at least {_LEAST} characters, since it is all that is asked for"
        )
    if token is None and not is_loopback(host):
        raise Refused(
            f"{host} can be reached from other machines, and what was spent is nobody else's business: "
            "set TOLLBOOK_UI_TOKEN (or --token) to a secret that you give to those who may see it, "
            "or leave --host away and use a tunnel such as ssh -L"
        )
    secret = token or secrets.token_urlsafe(24)
    listening = open_socket(host, port, 8642)
    number = listening.getsockname()[1]
    name = f"[{host.strip('[]')}]" if ":" in host else host
    # A page elsewhere can't bring the cookie of a host name that is ours, so others may be used where others may come.
    names = {name, "127.0.0.1", "localhost", "[::1]"}
    ports = [f":{number}", *([""] if number == _WEB else [])]
    hosts = [each + port for each in names for port in ports] if is_loopback(host) else None
    app = make_app(store, token=secret, hosts=hosts, read_only=read_only, sample=sample)
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", server_header=False)
    shown = "127.0.0.1" if name in ("0.0.0.0", "[::]") else name  # noqa: S104 - compared, not listened on
    ready(f"http://{shown}:{number}/?token={secret}")
    with listening:
        uvicorn.Server(config).run(sockets=[listening])
