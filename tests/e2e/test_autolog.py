"""Switching on and off: in any order with imports and clients, again and again, and without a trace afterwards."""

from __future__ import annotations

import copy
import inspect
import pickle
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import anthropic
import openai
import pytest
from tests.wire.cassettes import load
from tests.wire.clients import anthropic_client, openai_at, openai_client
from tests.wire.seen import seen
from tests.wire.server import Wire

import tollbook
from tollbook import _patch
from tollbook._instrument import integrations

CHAT = load("openai-chat-plain").body
STREAM = load("openai-chat-stream").body
MESSAGE = load("anthropic-messages-plain").body
EXACT = [120, 30]
CLAUDE = [1320, 50]

POINTS = [
    (getattr(module, kind), name)
    for sdk in (openai, anthropic)
    for module, kind, name in (
        (sdk._base_client, "SyncAPIClient", "request"),
        (sdk._base_client, "AsyncAPIClient", "request"),
        (sdk._base_client, "SyncAPIClient", "_process_response"),
        (sdk._base_client, "AsyncAPIClient", "_process_response"),
        (sdk._base_client, "BaseClient", "_process_response_data"),
        (sdk._streaming, "Stream", "__stream__"),
        (sdk._streaming, "AsyncStream", "__stream__"),
    )
]
"""Every method that is patched."""


def slots() -> list[Any]:
    return [vars(owner)[name] for owner, name in POINTS]


# ---- in any order --------------------------------------------------------------------------------------------

SETUP = """
import tollbook
base = sys.argv[1]
def on():
    tollbook.autolog(hosts={"127.0.0.1": "openai"}, include_usage_hosts=["127.0.0.1"])
def client():
    import openai
    return openai.OpenAI(base_url=base + "/v1", api_key="x")
body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Count from one to five."}]}
"""
CALLS = """
made.chat.completions.create(**body)
list(made.chat.completions.create(**body, stream=True))
with made.chat.completions.stream(**body) as stream:
    stream.until_done()
show(records())
show([how for place, how in states()["openai"].items()])
"""
ORDERS = {
    "first": "on(); made = client()",
    "after the import": "import openai; on(); made = client()",
    "after the client": "made = client(); on()",
    "after its resources": "made = client(); made.chat.completions; on()",
    "twice, around the import": "on(); made = client(); on()",
    "on, off and on": "on(); tollbook.autolog(disable=True); made = client(); on()",
    "imported in a thread": (
        "import threading; on(); t = threading.Thread(target=__import__, args=('openai',)); t.start(); t.join();"
        "made = client()"
    ),
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
def test_each_call_is_recorded_once_whenever_metering_begins(order: str, wire: Wire, program: Any) -> None:
    with wire.play([*load("openai-chat-plain").exchanges, *load("openai-chat-stream").exchanges]) as play:
        ran = program(SETUP + order + CALLS, play.url())
    records, states = ran.shown
    assert [(r["tokens"], r["source"], r["stream"]) for r in records] == [
        (EXACT, "reported", False),
        (EXACT, "reported", True),
        (EXACT, "reported", True),
    ]
    assert set(states) == {"on"}
    assert ran.stderr == ""


def test_raw_response_objects_that_were_made_before_are_metered(wire: Wire, meter: Any) -> None:
    with wire.play("openai-chat-plain") as play, openai_client(play, False) as client:
        raw = client.chat.completions.with_raw_response
        streaming = client.chat.completions.with_streaming_response
        create = client.chat.completions.create
        meter.on()
        raw.create(**CHAT).parse()
        with streaming.create(**CHAT) as response:
            response.parse()
        create(**CHAT)
    assert [r.usage.total_tokens for r in meter.records()] == [150] * 3


def test_switched_on_again_the_last_settings_apply_and_each_call_is_still_one_record(wire: Wire, meter: Any) -> None:
    with wire.play("openai-chat-plain") as play, openai_at("llm.example.test")(play, False) as client:
        meter.on(hosts={"llm.example.test": "first"})
        client.chat.completions.create(**CHAT)
        meter.on(hosts={"LLM.example.test": "second"})
        client.chat.completions.create(**CHAT)
        meter.on()
        client.chat.completions.create(**CHAT)
    assert [r.provider for r in meter.records()] == ["first", "second", "llm.example.test"]


def test_of_many_threads_that_switch_on_at_once_one_patches(wire: Wire, meter: Any) -> None:
    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait()
        meter.on()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [sum(map(_patch._marked, _patch._layers(slot))) for slot in slots()] == [1] * len(POINTS)
    with wire.play("openai-chat-plain") as play, openai_client(play, False) as client:
        client.chat.completions.create(**CHAT)
    assert meter.one().usage.total_tokens == 150


def test_threads_that_look_for_integrations_at_once_all_find_all(program: Any) -> None:
    ran = program("""
import threading, time
from importlib import metadata
from tollbook import _instrument
load = metadata.EntryPoint.load
def slowly(point):
    time.sleep(0.05)
    return load(point)
metadata.EntryPoint.load = slowly
found = []
threads = [threading.Thread(target=lambda: found.append(sorted(_instrument.integrations()))) for _ in range(4)]
for thread in threads:
    thread.start()
    time.sleep(0.03)
for thread in threads:
    thread.join()
show(found)
""")
    assert all({"anthropic", "openai"} <= set(names) for names in ran.shown[0]), ran.shown


# ---- off -----------------------------------------------------------------------------------------------------


def test_switched_off_the_methods_are_the_very_originals_and_nothing_is_recorded(wire: Wire, meter: Any) -> None:
    before = slots()
    with wire.play("openai-chat-plain") as play, openai_client(play, False) as client:
        meter.on()
        assert not any(now is then for now, then in zip(slots(), before, strict=True))
        client.chat.completions.create(**CHAT)
        meter.off()
        assert all(now is then for now, then in zip(slots(), before, strict=True))
        client.chat.completions.create(**CHAT)
        assert len(meter.records()) == 1
        meter.on()
        client.chat.completions.create(**CHAT)
    assert len(meter.records()) == 2
    assert {how for state in integrations().values() for how in state.state().values()} >= {"on"}


@pytest.mark.parametrize("read", [0, 2])
def test_a_stream_that_is_open_when_metering_ends_ends_well(wire: Wire, meter: Any, read: int) -> None:
    with wire.play("openai-chat-stream") as play, openai_client(play, False) as client:
        bare = [seen(chunk) for chunk in client.chat.completions.create(**STREAM)]
        meter.on()
        stream = client.chat.completions.create(**STREAM)
        got = [seen(next(stream)) for _ in range(read)]
        meter.off()
        got += [seen(chunk) for chunk in stream]
    assert [chunk["content"] for chunk in got] == [chunk["content"] for chunk in bare] or read == 0
    assert len(got) == len(bare)
    record = meter.one()
    assert (record.status, record.usage.total_tokens, record.usage.source) == ("ok", 150, "reported")


@pytest.mark.parametrize("read", [0, 2])
async def test_an_asynchronous_stream_that_is_open_when_metering_ends_ends_well(
    wire: Wire, meter: Any, read: int
) -> None:
    with wire.play("openai-chat-stream") as play:
        async with openai_client(play, True) as client:
            bare = [seen(chunk) async for chunk in await client.chat.completions.create(**STREAM)]
            meter.on()
            stream = await client.chat.completions.create(**STREAM)
            got = [seen(await anext(stream)) for _ in range(read)]
            meter.off()
            got += [seen(chunk) async for chunk in stream]
    assert len(got) == len(bare)
    record = meter.one()
    assert (record.status, record.usage.total_tokens, record.usage.source) == ("ok", 150, "reported")


# ---- which -----------------------------------------------------------------------------------------------------


def test_a_wrapper_that_another_tool_took_off_a_client_is_no_fault_of_the_sdk(
    wire: Wire, meter: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Taken off, it leaves the inherited method as the client class's own, which is wrapped, too, and once only."""
    openai.OpenAI.request = openai.OpenAI.request  # type: ignore[method-assign]
    with wire.play("openai-chat-plain") as play, openai_client(play, False) as client:
        for _ in range(2):
            meter.on()
            client.chat.completions.create(**CHAT)
            meter.off()
            assert "request" not in vars(openai.OpenAI)
    assert len(meter.records()) == 2
    assert [record.getMessage() for record in caplog.records if record.name == "tollbook"] == []


def test_only_the_named_integrations_are_switched_on(wire: Wire, meter: Any) -> None:
    meter.on(only=["anthropic"])
    with wire.play("openai-chat-plain") as play, openai_client(play, False) as client:
        client.chat.completions.create(**CHAT)
    with wire.play("anthropic-messages-plain") as play, anthropic_client(play, False) as client:
        client.messages.create(**MESSAGE)
    assert [r.provider for r in meter.records()] == ["anthropic"]


def test_only_the_named_integrations_are_switched_off(wire: Wire, meter: Any) -> None:
    meter.on()
    tollbook.autolog(disable=True, only="anthropic")
    with wire.play("openai-chat-plain") as play, openai_client(play, False) as client:
        client.chat.completions.create(**CHAT)
    with wire.play("anthropic-messages-plain") as play, anthropic_client(play, False) as client:
        client.messages.create(**MESSAGE)
    assert [r.provider for r in meter.records()] == ["openai"]


@pytest.mark.parametrize("only", [["openai", "opnai"], "opnai"])
def test_an_unknown_integration_is_a_value_error_that_lists_what_there_is(only: Any) -> None:
    with pytest.raises(ValueError, match=r"no integration named opnai; there are: .*anthropic.*openai"):
        tollbook.autolog(only=only)


# ---- SDKs that are not there, not ready, or not known --------------------------------------------------------


def test_without_any_sdk_nothing_is_imported_and_nothing_raised(program: Any) -> None:
    ran = program("""
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            asked.append(name)
            raise ModuleNotFoundError(name, name=name)
asked = []
absent = {"openai", "anthropic", "httpx", "httpx2", "pydantic"}
absent |= {"langchain_core", "llama_index", "llama_index_instrumentation"}
sys.meta_path.insert(0, Nothing())
import tollbook
tollbook.autolog()
tollbook.autolog(disable=True)
tollbook.autolog()
show(asked)
show(sorted({how for state in states().values() for how in state.values()}))
""")
    assert ran.shown == [[], ["waiting for import"]]
    assert ran.stderr == ""


def test_an_sdk_that_another_thread_is_importing_is_metered(wire: Wire, program: Any) -> None:
    with wire.play("openai-chat-plain") as play:
        ran = program(
            SETUP
            + SLOW_IMPORT
            + """
importing = threading.Thread(target=__import__, args=("openai",))
importing.start()
assert entered.wait(20)
threading.Timer(0.2, leave.set).start()
on()
importing.join()
made = client()
made.chat.completions.create(**body)
show(records())
show([how for place, how in states()["openai"].items()])
""",
            play.url(),
        )
    records, states = ran.shown
    assert [r["tokens"] for r in records] == [EXACT]
    assert set(states) == {"on"}
    assert ran.stderr == ""


SLOW_IMPORT = """
import importlib.machinery, threading
entered, leave = threading.Event(), threading.Event()
class Slow(importlib.machinery.SourceFileLoader):
    def exec_module(self, module):
        entered.set()
        during()
        super().exec_module(module)
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "openai._base_client":
            spec = importlib.machinery.PathFinder.find_spec(name, path)
            spec.loader = Slow(name, spec.origin)
            return spec
def during():
    assert leave.wait(20)
sys.meta_path.insert(0, Finder())
"""


def test_switched_on_from_within_the_import_itself_the_import_goes_on_and_the_next_time_works(
    wire: Wire, program: Any
) -> None:
    with wire.play("openai-chat-plain") as play:
        ran = program(
            SETUP
            + SLOW_IMPORT
            + """
during = on
made = client()
made.chat.completions.create(**body)
show(len(records()))
during = lambda: None
on()
made.chat.completions.create(**body)
show(len(records()))
show([how for place, how in states()["openai"].items()])
""",
            play.url(),
        )
    assert ran.shown[:2] == [0, 1]
    assert set(ran.shown[2]) == {"on"}


FAKE = {
    "__init__.py": "from openai import _base_client",
    "_base_client.py": "class SyncAPIClient:\n    def request(self): return 'host'\n",
    "_streaming.py": "",
}


def test_an_sdk_of_unknown_shape_is_imported_unharmed_and_the_doctor_says_what_is_wrong(
    program: Any, tmp_path: Any
) -> None:
    package = tmp_path / "openai"
    package.mkdir()
    for name, text in FAKE.items():
        (package / name).write_text(text, encoding="utf-8")
    ran = program(
        """
import tollbook
tollbook.autolog(only=["openai"])
import openai
show(openai._base_client.__file__)
show(states()["openai"])
from tollbook.cli._doctor import examine
show([finding.text for finding in examine(None) if finding.area == "sdks" and finding.level == "bad"])
""",
        PYTHONPATH=str(tmp_path),
    )
    imported, states, findings = ran.shown
    assert imported.startswith(str(tmp_path))
    assert states["SyncAPIClient.request"].startswith("failed")  # it takes other arguments
    assert states["SyncAPIClient._process_response"].startswith("failed")
    assert states["Stream.__stream__"].startswith("failed")
    # Packages on top of such an SDK may fail to import, which is another finding.
    (finding,) = (text for text in findings if not text.startswith("openai-agents"))
    assert "SyncAPIClient._process_response" in finding
    assert "can't meter" in ran.stderr


def test_an_argument_that_a_later_sdk_may_add_is_passed_on(
    wire: Wire, meter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    owner, base = openai._base_client.SyncAPIClient, openai._base_client.BaseClient
    request, data = owner.request, base._process_response_data

    def later_request(self: Any, cast_to: Any, options: Any, *, later: str, **kwargs: Any) -> Any:
        seen.append(later)
        return request(self, cast_to, options, **kwargs)

    def later_data(self: Any, *, later: str = "", **kwargs: Any) -> Any:
        seen.append(later)
        return data(self, **kwargs)

    monkeypatch.setattr(owner, "request", later_request)
    monkeypatch.setattr(base, "_process_response_data", later_data)
    meter.on()
    with wire.play("openai-chat-plain") as play, openai_client(play, False) as client:
        options = openai._models.FinalRequestOptions.construct(method="post", url="/chat/completions", json_data=CHAT)
        client.request(dict[str, Any], options, later="asked")
        client._process_response_data(data=None, cast_to=dict, response=SimpleNamespace(extensions={}), later="read")
    assert seen[0] == "asked"
    assert seen[-1] == "read"
    assert meter.one().usage.input_tokens == EXACT[0]


@pytest.mark.parametrize("owner", [openai._streaming.AsyncStream, openai._streaming.Stream])
def test_usage_is_not_asked_for_where_the_extra_chunk_could_not_be_hidden(
    wire: Wire, meter: Any, monkeypatch: pytest.MonkeyPatch, owner: type, caplog: pytest.LogCaptureFixture
) -> None:
    original = vars(owner)["__stream__"]
    monkeypatch.setattr(owner, "__init__", _init_without_stream(owner, original))
    monkeypatch.delattr(owner, "__stream__")
    meter.on()
    assert "can't meter" in caplog.text
    with wire.play("openai-chat-stream") as play, openai_client(play, False) as client:
        chunks = list(client.chat.completions.create(**STREAM))
        assert [request.body.get("stream_options") for request in play.requests] == [None]
    assert all(chunk.choices for chunk in chunks)
    record = meter.one()
    assert record.flags[:1] == ("usage_not_requested",)
    assert record.usage.source == "estimated"


def _init_without_stream(owner: Any, original: Any) -> Any:
    """Of an SDK whose `__stream__` has another name."""

    def __init__(self: Any, *, cast_to: Any, response: Any, client: Any, options: Any = None) -> None:
        self.response, self._cast_to, self._client, self._options = response, cast_to, client, options
        self._decoder = client._make_sse_decoder()
        self._iterator = original(self)

    return __init__


# ---- what is patched looks as before -------------------------------------------------------------------------


def test_patched_methods_keep_name_signature_and_kind(meter: Any) -> None:
    def face(owner: type, name: str) -> list[Any]:
        method = getattr(owner, name)
        return [
            method.__name__,
            method.__qualname__,
            method.__module__,
            method.__doc__,
            inspect.signature(method),
            inspect.iscoroutinefunction(method),
            method.__annotations__,
        ]

    before = [face(owner, name) for owner, name in POINTS]
    meter.on()
    assert [face(owner, name) for owner, name in POINTS] == before


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a copy that the SDK left half made
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("factory", [openai_client, anthropic_client])
def test_clients_are_copied_and_pickled_as_without_us(wire: Wire, meter: Any, factory: Any, asynchronous: bool) -> None:
    def outcome(function: Callable[[Any], Any], client: Any) -> Any:
        try:
            return type(function(client)).__name__
        except Exception as error:
            return type(error).__name__, str(error).partition(" object at ")[0]

    with wire.play("openai-chat-plain") as play:
        client = factory(play, asynchronous)
        bare = [outcome(how, client) for how in (copy.copy, copy.deepcopy, pickle.dumps)]
        meter.on()
        assert [outcome(how, client) for how in (copy.copy, copy.deepcopy, pickle.dumps)] == bare
        if not asynchronous:
            client.close()


def test_a_deep_copy_of_a_bound_method_works_as_without_us(wire: Wire, meter: Any) -> None:
    """Frameworks keep `client.chat.completions.create` in objects that they copy."""
    with wire.play("openai-chat-plain") as play, openai_client(play, False) as client:
        meter.on()
        copied = copy.copy(client.chat.completions)
        copied.create(**CHAT)
    assert meter.one().usage.total_tokens == 150


# ---- processes -----------------------------------------------------------------------------------------------

OPEN = (
    SETUP
    + """
import os
on()
made = client()
stream = made.chat.completions.create(**body, stream=True)
first = next(stream)
"""
)


def test_a_stream_that_is_open_when_the_program_ends_is_recorded(wire: Wire, program: Any) -> None:
    with wire.play("openai-chat-stream", hold=3) as play:
        program(OPEN, play.url())
        ran = program("show(records())")
    (record,) = ran.shown[0]
    assert (record["status"], record["source"]) == ("abandoned", "estimated")


def test_a_stream_that_is_open_at_a_fork_is_recorded_by_the_parent_alone(wire: Wire, program: Any) -> None:
    with wire.play("openai-chat-stream", pause=0.001) as play:
        ran = program(
            OPEN
            + """
child = os.fork()
if child:
    os.waitpid(child, 0)
    list(stream)
    show(records())
else:
    del stream
""",
            play.url(),
        )
    (record,) = ran.shown[0]
    assert (record["status"], record["tokens"], record["source"]) == ("ok", EXACT, "reported")
