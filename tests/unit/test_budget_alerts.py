"""Thresholds of budgets: who is told of them, when, and how."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import tollbook
from tollbook import _runtime, _salt
from tollbook.budgets import _alerts
from tollbook.cli import main
from tollbook.ledger import _crossed


@pytest.fixture(autouse=True)
def store(tmp_path: Path) -> Iterator[Path]:
    _runtime.configure(tmp_path / "ledger.db")
    yield tmp_path / "ledger.db"
    _runtime.stop()


def spend(usd: str, **attribution: str) -> None:
    with tollbook.attribute(**attribution):  # type: ignore[arg-type]
        tollbook.record(model="m", provider="p", usage={"input_tokens": 1, "output_tokens": 1}, cost=usd)


def said(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, ["budget", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def test_a_callback_gets_each_threshold_once(caplog: pytest.LogCaptureFixture) -> None:
    told: list[Any] = []
    tollbook.set_budgets({"name": "daily", "usd": "1.00", "action": "callback"}, callback=told.append)
    for usd in ("0.40", "0.15", "0.10", "0.30", "0.30"):
        spend(usd)
        tollbook.flush()
    assert [(alert.threshold, alert.spent, alert.limit) for alert in told] == [
        (50, "0.55", "1"),
        (80, "0.95", "1"),
        (100, "1.25", "1"),
    ]
    assert "budget 'daily' is past 50%: $0.55 of $1.00" in caplog.text


def test_a_callback_that_fails_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from tollbook import _guard

    monkeypatch.setattr(_guard, "reraise", False)
    tollbook.set_budgets({"name": "x", "calls": 1, "action": "callback"}, callback=lambda _: 1 / 0)
    spend("1")
    assert tollbook.flush()


def test_a_callback_that_ends_the_thread_that_drains_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from tollbook import _guard

    monkeypatch.setattr(_guard, "reraise", False)
    told: list[str] = []

    def end(alert: Any) -> None:
        told.append(threading.current_thread().name)
        sys.exit(1)

    tollbook.set_budgets({"name": "x", "calls": 1, "action": "callback"}, callback=end)
    spend("1")
    until = time.monotonic() + 20
    while len(told) < 3 and time.monotonic() < until:
        time.sleep(0.05)
    assert told == ["tollbook-drain"] * 3


class Hook(BaseHTTPRequestHandler):
    got: list[tuple[bytes, dict[str, str]]]
    answers: list[int]
    paths: list[tuple[str, str]]
    place = ""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).got.append((body, {key.lower(): value for key, value in self.headers.items()}))
        type(self).paths.append(("POST", self.path))
        self.send_response(type(self).answers.pop(0) if type(self).answers else 200)
        if type(self).place:
            self.send_header("Location", type(self).place)
        self.end_headers()

    def do_GET(self) -> None:
        type(self).paths.append(("GET", self.path))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[tuple[str, type[Hook]]]:
    kind = type("Hooked", (Hook,), {"got": [], "answers": [], "paths": []})
    server = HTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/costs", kind
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_webhook_gets_a_signed_post(hook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    url, kind = hook
    monkeypatch.setenv("HOOK_KEY", "secret")
    tollbook.set_budgets(
        {"name": "w", "usd": 1, "thresholds": [100], "action": "webhook", "webhook": url, "secret": "HOOK_KEY"}
    )
    spend("2")
    tollbook.flush()
    assert _alerts.wait()
    [(body, headers)] = kind.got
    said = json.loads(body)
    assert (said["type"], said["budget"], said["threshold"], said["spent"]) == ("tollbook.budget.alert", "w", 100, "2")
    signed = headers["tollbook-timestamp"].encode() + b"." + body
    assert headers["tollbook-signature"] == "sha256=" + hmac.new(b"secret", signed, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(("answers", "posts"), [([503, 500, 200], 3), ([503, 500, 502, 200], 3), ([404, 200], 1)])
def test_a_webhook_is_tried_again_where_that_may_help(
    hook: Any, monkeypatch: pytest.MonkeyPatch, answers: list[int], posts: int
) -> None:
    url, kind = hook
    kind.answers = answers
    monkeypatch.setattr(_alerts, "_PAUSES", (0.0, 0.0))
    tollbook.set_budgets({"name": "w", "usd": 1, "thresholds": [100], "action": "webhook", "webhook": url})
    spend("2")
    tollbook.flush()
    assert _alerts.wait()
    assert len(kind.got) == posts


@pytest.mark.parametrize("status", [301, 302, 307])
def test_an_alert_follows_nobody_elsewhere(hook: Any, caplog: pytest.LogCaptureFixture, status: int) -> None:
    """It would be asked for there, without its body, and count as delivered."""
    url, kind = hook
    kind.answers = [status]
    kind.place = url + "/elsewhere"
    assert _alerts._send(url, b"{}", {})
    assert [path for _, path in kind.paths] == ["/costs"]
    assert f"HTTP {status}" in caplog.text


def test_an_answer_that_is_no_http_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_alerts, "_PAUSES", (0.0, 0.0))
    came: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5.0)

        def serve() -> None:
            for _ in range(_alerts.ATTEMPTS):
                connection, _ = server.accept()
                with connection:
                    came.append(connection.recv(65536))
                    connection.sendall(b"garbage\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        assert not _alerts._send(f"http://127.0.0.1:{server.getsockname()[1]}/", b"", {})
        thread.join()
    assert len(came) == _alerts.ATTEMPTS


def test_a_forked_program_leaves_posts_to_the_one_that_was_about_to_make_them(hook: Any) -> None:
    url, _ = hook
    post = _alerts._Post(url, b"{}", {}, Path("none"), 1)
    with _alerts._posts.mutex:
        _alerts._posts.queue.append(post)
    pid = os.fork()
    if pid == 0:
        os._exit(_alerts._posts.qsize())
    with _alerts._posts.mutex:
        _alerts._posts.queue.remove(post)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_what_would_be_signed_is_not_posted_without_the_key(
    hook: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    url, kind = hook
    table = {"name": "w", "usd": 1, "thresholds": [100], "action": "webhook", "webhook": url, "secret": "HOOK_KEY"}
    monkeypatch.delenv("HOOK_KEY", raising=False)
    with pytest.raises(tollbook.BudgetError, match="secret: expected an environment variable that is set"):
        tollbook.set_budgets(table)
    monkeypatch.setenv("HOOK_KEY", "secret")
    tollbook.set_budgets(table)
    monkeypatch.delenv("HOOK_KEY")
    spend("2")
    tollbook.flush()
    assert _alerts.wait()
    assert kind.got == []
    assert "HOOK_KEY, with the key that signs it, is not set in this process" in caplog.text


def ended_program(store: Path, usd: str) -> None:
    """A program that records a call, and is killed before it has counted it."""
    program = (
        "import os, tollbook; tollbook.record(model='m', provider='p', "
        f"usage={{'input_tokens': 1, 'output_tokens': 1}}, cost='{usd}'); os._exit(0)"
    )
    subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "TOLLBOOK_STORE": str(store)}, check=True, timeout=60
    )


@pytest.mark.parametrize("command", [("budget", "alerts"), ("report",)])
def test_a_command_that_finds_a_threshold_crossed_tells_of_it(hook: Any, store: Path, command: tuple[str, ...]) -> None:
    """Whoever crossed it has ended."""
    url, kind = hook
    tollbook.set_budgets({"name": "w", "usd": 1, "thresholds": [100], "action": "webhook", "webhook": url})
    _runtime.stop()
    ended_program(store, "2")
    result = CliRunner().invoke(main, [*command, "--store", str(store)])
    assert result.exit_code == 0, result.output
    assert [json.loads(body)["threshold"] for body, _ in kind.got] == [100]


def test_a_budget_that_is_used_up_when_it_is_set_is_told_of_at_once(hook: Any, store: Path) -> None:
    url, kind = hook
    spend("2")
    said("set", "w", "--usd", "1", "--threshold", "100", "--webhook", url, "--store", str(store))
    assert len(kind.got) == 1


def test_check_fails_from_the_call_that_went_beyond_a_budget_per_call_until_it_is_reset(store: Path) -> None:
    at = ("--store", str(store))
    tollbook.set_budgets({"per_call_max": 1})
    spend("1.00")
    assert "within budget" in said("check", *at)
    spend("1.50")
    [over] = json.loads(said("check", "--json", *at, code=2))
    assert (over["name"], over["spent"], over["exceeded"], over["calls"]) == ("per_call_max", "1.5", True, 1)
    said("reset", "per_call_max", *at)
    assert "within budget" in said("check", *at)


def spent(store: Path) -> dict[str, str]:
    return {each["holder"]: each["spent"] for each in json.loads(said("status", "--json", "--store", str(store)))}


def test_a_user_whose_share_is_reset_is_named_by_id_or_by_pseudonym_and_nobody_else_is(store: Path) -> None:
    at = ("--store", str(store))
    tollbook.set_budgets({"name": "u", "usd": 9, "scope": "user"})
    spend("1", user="ada")
    spend("1", user="bob")
    ada, bob = _salt.pseudonym("ada"), _salt.pseudonym("bob")
    assert spent(store) == {ada: "1", bob: "1"}
    said("reset", "u", "--holder", "ada", *at)
    assert spent(store) == {ada: "0", bob: "1"}
    said("reset", "u", "--holder", bob, *at)
    assert spent(store) == {ada: "0", bob: "0"}
    assert "nobody called 'eve'" in said("reset", "u", "--holder", "eve", *at, code=2)


def test_a_holder_of_several_dimensions_is_named_as_it_is_shown_also_with_the_user_by_id(store: Path) -> None:
    tollbook.set_budgets({"name": "u", "usd": 9, "scope": {"user": "*", "org": "*"}})
    spend("1", user="ada", org="Acme Inc")
    ada = _salt.pseudonym("ada")
    assert spent(store) == {f'"Acme Inc" {ada}': "1"}
    said("reset", "u", "--holder", '"Acme Inc" ada', "--store", str(store))
    assert spent(store) == {f'"Acme Inc" {ada}': "0"}


def test_the_command_line_sets_what_happens_to_streams(store: Path) -> None:
    at = ("--store", str(store))
    said("set", "s", "--usd", "1", "--action", "stop", "--on-stream", "stop", *at)
    [found] = json.loads(said("list", "--json", *at))
    assert found["on_stream"] == "stop"


def test_a_post_that_failed_is_made_by_another_program_later_and_not_for_ever(
    hook: Any, monkeypatch: pytest.MonkeyPatch, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url, kind = hook
    kind.answers = [500] * 6
    monkeypatch.setattr(_alerts, "_PAUSES", (0.0, 0.0))
    tollbook.set_budgets({"name": "w", "usd": 1, "thresholds": [100], "action": "webhook", "webhook": url})
    spend("2")
    tollbook.flush()
    assert _alerts.wait()
    said("alerts", "--store", str(store))
    assert len(kind.got) == 3, "whoever has taken it on has some time"
    monkeypatch.setattr(_crossed, "AGAIN", 0)
    said("alerts", "--store", str(store))
    assert len(kind.got) == 6
    said("alerts", "--store", str(store))
    assert len(kind.got) == 7, "it was taken"
    said("alerts", "--store", str(store))
    assert len(kind.got) == 7
    assert caplog.text.count("is past 100%") == 1

    kind.answers = [500] * 100
    tollbook.set_budgets({"name": "never", "usd": 1, "thresholds": [100], "action": "webhook", "webhook": url})
    for _ in range(2 * _crossed.TRIES):
        said("alerts", "--store", str(store))
        assert _alerts.wait()
    assert len(kind.got) == 7 + 3 * _crossed.TRIES
