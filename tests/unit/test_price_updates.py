"""`tollbook prices add|check|update`: files of definitions that a user writes, and those that are fetched."""

from __future__ import annotations

import http.server
import json
import os
import threading
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.commands import process, run, said

import tollbook
from tollbook.pricing import _own, _update, definition_errors, reload_definitions

GOOD = b"""schema = 1
[[model]]
name = "gpt-4o"
provider = "openai"
start_time = 2026-11-01
price = { per = 1_000_000, input = 2, output = 9, cache_read = 1 }
source = "https://example.com/prices"
"""
LATER = GOOD.replace(b"output = 9", b"output = 8")
AT = "2026-11-20"


def digest(content: bytes) -> str:
    return sha256(content).hexdigest()


@pytest.fixture
def site() -> Iterator[dict[str, Any]]:
    """A server on this machine: path to content, or to what to do with the request."""
    pages: dict[str, Any] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path)
            if callable(page):
                page(self)
                return
            self.send_response(404 if page is None else 200)
            self.send_header("Content-Length", str(len(page or b"")))
            self.end_headers()
            self.wfile.write(page or b"")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        pages["url"] = f"http://127.0.0.1:{server.server_port}"
        yield pages
        server.shutdown()
        thread.join()


def update(origin: str | Path, content: bytes, *options: str) -> Any:
    return run("prices", "update", str(origin), "--sha256", digest(content), *options)


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def output(model: str = "gpt-4o") -> Decimal | None:
    reload_definitions()
    found = tollbook.price(model, at=AT)
    return None if found is None else found.output


def kept() -> set[str]:
    return {path.name for path in _update.directory().iterdir()} if _update.directory().exists() else set()


# ---- update --------------------------------------------------------------------------------------------------


def test_an_update_from_an_address_is_used_and_says_where_it_is_from(site: dict[str, Any]) -> None:
    site["/prices.toml"] = GOOD
    result = update(f"{site['url']}/prices.toml", GOOD)
    assert result.exit_code == 0, result.output
    found = tollbook.price("gpt-4o", at=AT)
    assert found is not None
    assert (found.output, found.layer, found.since, found.definition) == (9, "update", "2026-11-01", "gpt-4o")
    assert found.source.startswith("prices.toml ")
    assert output("gpt-4o-mini") == Decimal("0.6"), "what it does not name is as before"
    assert "definition 'gpt-4o' (update): https://example.com/prices" in said("prices", "show", "gpt-4o")
    assert f"1 definition in an update, fetched from {site['url']}/prices.toml" in run("doctor", COLUMNS="500").output


def test_an_update_from_a_file_comes_before_the_list_and_after_the_user_s_own(tmp_path: Path) -> None:
    assert update(put(tmp_path / "p.toml", GOOD), GOOD).exit_code == 0
    assert output() == 9
    said("prices", "add", "--name", "gpt-4o", "--input", "1", "--output", "7")
    assert output() == 7


def test_json_is_known_by_its_content(tmp_path: Path) -> None:
    table = {"schema": 1, "model": [{"name": "gpt-4o", "price": {"per": 1_000_000, "input": 2, "output": 9}}]}
    content = json.dumps(table).encode()
    assert update(put(tmp_path / "prices", content), content).exit_code == 0
    assert output() == 9


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"no toml", "expected TOML"),
        (b"{", "expected JSON"),
        (b"schema = 2\n" + GOOD[11:], "schema: expected 1"),
        (b"schema = 1\nmodel = []\n", "holds no definition"),
        (GOOD.replace(b"input = 2", b'input = "many"'), "price.input"),
        (GOOD + GOOD[11:].replace(b"output = 9", b"ouput = 9"), "ouput"),
        (b"#" * 2_000_001, "larger than 2,000,000 bytes"),
    ],
)
def test_what_makes_no_sense_changes_nothing(tmp_path: Path, content: bytes, wrong: str) -> None:
    assert update(put(tmp_path / "good.toml", GOOD), GOOD).exit_code == 0
    before = kept()
    result = update(put(tmp_path / "bad.toml", content), content)
    assert result.exit_code == 1
    assert wrong in result.output
    assert kept() == before
    assert output() == 9


def test_another_content_than_the_expected_one_is_refused(tmp_path: Path, site: dict[str, Any]) -> None:
    site["/p"] = LATER
    for origin in (put(tmp_path / "p.toml", LATER), f"{site['url']}/p"):
        result = update(origin, GOOD)
        assert result.exit_code == 1
        assert f"its SHA-256 is {digest(LATER)}, and not {digest(GOOD)}" in result.output
    assert kept() == set()
    assert run("prices", "update", "x", "--sha256", "abc").exit_code == 1
    assert run("prices", "update", "x").exit_code == 2, "without a hash nothing is fetched"


def test_a_download_that_breaks_off_or_never_ends_is_refused(site: dict[str, Any]) -> None:
    def short(request: Any) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(GOOD)))
        request.end_headers()
        request.wfile.write(GOOD[:50])

    def endless(request: Any) -> None:
        request.send_response(200)
        request.end_headers()
        for _ in range(100):
            try:
                request.wfile.write(b"#" * 100_000)
            except OSError:  # the other side has had enough
                return

    def garbage(request: Any) -> None:
        request.wfile.write(b"\x00\x01 no HTTP\r\n\r\n")

    for page, wrong in (
        (short, "broke off after 50 of"),
        (endless, "larger than 2,000,000"),
        (garbage, "can't be read"),
    ):
        site["/p"] = page
        result = update(f"{site['url']}/p", GOOD)
        assert result.exit_code == 1
        assert wrong in result.output
        assert result.output.startswith("Error: ")
    result = update(f"{site['url']}/nothing", GOOD)
    assert "can't be read: 404 Not Found" in result.output
    assert kept() == set()


def test_only_https_is_fetched_and_only_from_there_elsewhere(site: dict[str, Any]) -> None:
    def elsewhere(request: Any) -> None:
        request.send_response(302)
        request.send_header("Location", "http://prices.example/p")
        request.end_headers()

    site["/p"] = elsewhere
    for url in ("http://prices.example/p", "ftp://127.0.0.1/p", "file:///etc/passwd", f"{site['url']}/p"):
        result = update(url, GOOD)
        assert result.exit_code == 1
        assert "is no https:// address" in result.output


def test_a_price_that_jumps_needs_a_word(tmp_path: Path) -> None:
    far = GOOD.replace(b"output = 9", b"output = 201")
    free = GOOD.replace(b"input = 2,", b"input = 0,")
    batch = b"price = { per = 1_000_000, input = 200, output = 400 }"
    in_a_batch = GOOD + b'[[model.variant]]\nwhen = { processing = "batch" }\n' + batch
    to_come = GOOD.replace(b"2026-11-01", b"2099-01-01").replace(b"output = 9", b"output = 201")
    past = GOOD.replace(b"start_time = 2026-11-01", b"end_time = 2025-01-01").replace(b"output = 9", b"output = 201")
    wholly = b"price = { per = 1_000_000, input = 200, output = 400 }"
    long = GOOD + b"[[model.tier]]\nwhen = { input_tokens = { gt = 1000 } }\n" + wholly
    at_night = GOOD + b'[[model.window]]\nutc = "03:00-03:01"\ndays = ["wed"]\n' + wholly
    cases = [(far, "output"), (free, "input"), (in_a_batch, "input"), (to_come, "output"), (past, "output")]
    for content, bucket in [*cases, (long, "input"), (at_night, "input")]:
        result = update(put(tmp_path / "p.toml", content), content)
        assert result.exit_code == 1
        assert f"gpt-4o at openai, {bucket}: $" in result.output
        assert "--allow-jumps" in result.output
        assert kept() == set()
    assert update(put(tmp_path / "p.toml", to_come), to_come, "--allow-jumps").exit_code == 0
    at_the_limit = GOOD.replace(b"output = 9", b"output = 200")
    assert update(put(tmp_path / "p.toml", at_the_limit), at_the_limit).exit_code == 0


@pytest.mark.parametrize(
    "pattern", [r"gpt-4o-2024-(08-06|11-20)", r"gpt-4o-\d{4}-\d\d-\d\d", r"(?i)^(openai/)?gpt-4o-20.+$"]
)
def test_a_price_that_jumps_by_a_dated_name_needs_a_word_too(tmp_path: Path, pattern: str) -> None:
    content = f"""[[model]]
name = "dated"
provider = "api.openai.com"
match_pattern = '{pattern}'
price = {{ per = 1_000, input = 2.5, output = 10 }}
""".encode()
    result = update(put(tmp_path / "p.toml", content), content)
    assert result.exit_code == 1
    assert "at openai, input: $" in result.output
    assert kept() == set()


def test_of_an_address_no_password_and_no_key_is_kept() -> None:
    _update.keep(GOOD, "https://me:secret@prices.example/a.toml?token=secret#secret")
    _, stored, _ = _update.load()
    assert stored is not None
    assert stored.origin == "https://prices.example/a.toml"
    assert b"secret" not in (_update.directory() / "current").read_bytes()


def test_the_copy_before_is_kept_and_holds_where_the_current_one_is_damaged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = GOOD.replace(b"output = 9", b"output = 7")
    for content in (first, GOOD, LATER, LATER):
        assert update(put(tmp_path / "p.toml", content), content).exit_code == 0
        for path in _update.directory().glob(f"{digest(first)}.*"):
            os.utime(path, (0, 0))  # long ago
    assert kept() == {"current", f"{digest(GOOD)}.toml", f"{digest(LATER)}.toml"}
    assert output() == 8
    current = _update.directory() / f"{digest(LATER)}.toml"
    current.write_bytes(current.read_bytes().replace(b"8", b"1"))
    assert output() == 9
    assert "damaged" in caplog.text
    assert any("damaged" in str(problem) for problem in definition_errors())
    assert "damaged" in run("doctor").output
    current.unlink()
    assert output() == 9
    (_update.directory() / f"{digest(GOOD)}.toml").write_bytes(b"")
    assert output() == 10, "the price list's own"
    assert update(put(tmp_path / "p.toml", GOOD), GOOD).exit_code == 0
    assert output() == 9
    assert definition_errors() == []


def test_an_update_leaves_alone_what_another_one_is_about_to_put_in_use() -> None:
    """Two at once: each writes its copy, then says which one holds."""
    _update.keep(GOOD, "one")
    other = _update.directory() / f"{digest(LATER)}.toml"
    other.write_bytes(LATER)
    started = _update.directory() / ".current.1.new"
    started.write_bytes(b"{")
    _update.keep(GOOD, "one")
    assert other.exists()
    assert started.exists()


@pytest.mark.parametrize("pointer", [b"", b"{", b"[]", b"null", b"[" * 100_000, b"\xff"])
def test_a_damaged_pointer_leaves_the_newest_copy(tmp_path: Path, pointer: bytes) -> None:
    for n, content in enumerate((GOOD, LATER)):
        assert update(put(tmp_path / "p.toml", content), content).exit_code == 0
        os.utime(_update.directory() / f"{digest(content)}.toml", (n, n))
    put(_update.directory() / "current", pointer)
    assert output() == 8
    assert "the newest copy holds" in str(definition_errors())


def test_a_pointer_leads_to_no_other_place(tmp_path: Path) -> None:
    _update.directory().mkdir(parents=True)
    secret = put(tmp_path / f"{digest(GOOD)}.toml", GOOD)
    put(_update.directory() / "current", json.dumps({"file": str(secret)}).encode())
    assert output() == 10


def test_an_interrupted_update_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert update(put(tmp_path / "p.toml", GOOD), GOOD).exit_code == 0
    real = Path.replace

    def full(self: Path, target: Path) -> Path:
        if target.name == "current":
            raise OSError(28, "No space left on device")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", full)
    result = update(put(tmp_path / "p.toml", LATER), LATER)
    assert result.exit_code == 1
    assert "No space left on device" in result.output
    assert output() == 9
    assert definition_errors() == []


def test_nothing_is_fetched_or_made_unless_asked_for() -> None:
    tollbook.price("gpt-4o")
    said("prices", "list", "--provider", "openai")
    assert not _update.directory().exists()


# ---- add -----------------------------------------------------------------------------------------------------


def test_a_definition_is_added_and_all_that_is_there_stays(tmp_path: Path) -> None:
    file = put(tmp_path / "mine.toml", b"# my prices\r\nschema = 1 # one\n\n[[model]]\nname='x' # x\nprice={input=1}")
    before = file.read_bytes()
    file.chmod(0o600)
    text = said(
        "prices",
        "add",
        "--file",
        str(file),
        "--name",
        "ours",
        "--provider",
        "here",
        "--input",
        "0.2",
        "--output",
        "$0.6",
    )
    assert "price = { per = 1_000_000, input = 0.2, output = 0.6 }" in text
    assert file.read_bytes().startswith(before)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each["name"] for each in tomllib.loads(file.read_text())["model"]] == ["x", "ours"]
    assert [path.name for path in tmp_path.iterdir() if "new" in path.name] == []


def test_it_goes_to_the_user_s_or_the_project_s_file_and_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said(
        "prices",
        "add",
        "--name",
        "ours",
        "--input",
        "1",
        "--output",
        "2",
        "--price",
        "reasoning=3",
        "--start",
        "2026-01-01",
    )
    assert (_own.home() / "prices.toml").exists()
    found = tollbook.price("ours")
    assert found is not None
    assert (found.input, found.output, found.prices["output_reasoning"].usd) == (1, 2, 3)
    said("prices", "add", "--name", "paint", "--unit", "images", "--price", "output=0.04", "--project")
    assert (tmp_path / "tollbook-prices.toml").exists()
    paint = tollbook.price("paint")
    assert paint is not None
    assert str(paint.prices["output_images"]) == "$0.04 / image"
    assert "ours" in said("prices", "list", "--layer", "user")


NAMES = ["a'b", 'a"b', "a\\d", "a\nb", "a\x7fb", "日本", "[[model]]", "a\x1b[2J", "#", "a='", '"""']


@pytest.mark.parametrize("name", NAMES)
def test_any_name_can_be_written(name: str) -> None:
    text = said("prices", "add", "--name", name, "--match", "x", "--input", "1", "--output", "1", "--source", name)
    (model,) = tomllib.loads((_own.home() / "prices.toml").read_text(encoding="utf-8"))["model"]
    assert (model["name"], model["source"]) == (name, name)
    assert "\x1b" not in text


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--input", "much"),
        ("--input", "nan"),
        ("--input", "-1"),
        ("--price", "nope=1"),
        ("--price", "a}=1"),
        ("--price", "x"),
        ("--input", "1", "--match", "(a"),
        ("--input", "1", "--start", "soon"),
        ("--input", "1", "--unit", "BEANS"),
        ("--input", "1", "--project", "--file", "x.toml"),
        ("--input", "1", "--file", "x.json"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(options: tuple[str, ...]) -> None:
    result = run("prices", "add", "--name", "ours", *options)
    assert result.exit_code == 2, result.output
    assert not (_own.home() / "prices.toml").exists()
    assert not Path("x.json").exists()


def test_the_same_twice_is_refused(tmp_path: Path) -> None:
    said("prices", "add", "--name", "ours", "--input", "1")
    before = (_own.home() / "prices.toml").read_bytes()
    result = run("prices", "add", "--name", "ours", "--input", "2")
    assert result.exit_code == 2
    assert "a second definition of the same name" in result.output
    assert (_own.home() / "prices.toml").read_bytes() == before


def test_a_file_that_is_no_toml_is_left_as_it_is(tmp_path: Path) -> None:
    file = put(tmp_path / "x.toml", b"no = = toml")
    assert run("prices", "add", "--name", "ours", "--input", "1", "--file", str(file)).exit_code == 2
    assert file.read_bytes() == b"no = = toml"


# ---- check, diff FILE ----------------------------------------------------------------------------------------


def test_a_file_is_checked_line_by_line(tmp_path: Path) -> None:
    good, bad = (
        put(tmp_path / "good.toml", GOOD),
        put(tmp_path / "bad.toml", GOOD.replace(b"output = 9", b"output = -9")),
    )
    assert said("prices", "check", str(good)) == "1 definition can be used; nothing is wrong\n"
    done = process("prices", "check", str(bad))
    assert done.returncode == 1
    assert f"{bad}:6: " in done.stdout
    found = json.loads(run("prices", "check", str(bad), "--json").output)
    assert (found["definitions"], found["problems"][0]["line"], found["problems"][0]["field"]) == (0, 6, "price.output")
    assert run("prices", "check", str(tmp_path / "none.toml")).exit_code == 1


def test_a_file_is_compared_with_what_is_known(tmp_path: Path) -> None:
    file = put(tmp_path / "p.toml", GOOD + b'[[model]]\nname = "new"\nprice = { per = 1_000_000, input = 3 }\n')
    found = json.loads(said("prices", "diff", str(file), "--json"))
    changes = {(each["provider"], each["model"], each["bucket"]): (each["before"], each["now"]) for each in found}
    assert changes["openai", "gpt-4o", "output"] == ("10", "9")
    assert changes["openai", "gpt-4o", "web_search"] == ("10", None)
    assert changes["", "new", "input"] == (None, "3")
    assert "gpt-4o" in said("prices", "diff", str(file), "--provider", "openai", "--search", "4o")
    assert run("prices", "diff", str(file), "--since", "7d").exit_code == 2
    assert run("prices", "diff", str(put(tmp_path / "bad.toml", b"x"))).exit_code == 2
