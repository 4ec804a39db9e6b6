"""What Tollbook adds to a call, measured: `python3 dev.py bench`, or this file with the names of measurements.

All figures of one table come from one process in which bare, reference and Tollbook take turns; each is the median of
the rounds, and CPU time, not wall time. Absolute microseconds move with the machine: compare the columns.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import streams
import stub
from reference import Reference, from_chat, from_message

ROUNDS = 60
SDK_ROUNDS = 9
CALLS = 400
"""Less than a batch of the drain, so that a round is a burst of calls and then its drain, not a fight for the GIL."""


def _timed(work: Callable[[], None], flush: Callable[[], None], *, collect: bool = False) -> tuple[float, float]:
    """Seconds of CPU of this thread, and of the whole process with the flush; `collect`: garbage meanwhile, too."""
    gc.collect()
    if not collect:
        gc.disable()
    whole, here = time.process_time(), time.thread_time()
    work()
    mine = time.thread_time() - here
    flush()
    everything = time.process_time() - whole
    gc.enable()
    return mine, everything


def _row(name: str, samples: list[tuple[float, float]], bare: list[tuple[float, float]], per: int) -> dict[str, Any]:
    added = [[(s[i] - b[i]) / per * 1e6 for s, b in zip(samples, bare, strict=True)] for i in (0, 1)]
    # Other programs and a slower clock only ever add: the fastest tenth is what the machine can do.
    quiet = [statistics.quantiles(each, n=10)[0] for each in added]
    return {
        "what": name,
        "caller_us": round(statistics.median(added[0]), 2),
        "all_us": round(statistics.median(added[1]), 2),
        "quiet_caller_us": round(quiet[0], 2),
        "quiet_all_us": round(quiet[1], 2),
        "bare_us": round(statistics.median(b[0] for b in bare) / per * 1e6, 2),
    }


def _repeat(work: Callable[[], object], number: int) -> None:
    for _ in range(number):
        work()


def calls(folder: Path) -> list[dict[str, Any]]:
    """A call that is not streamed, on an SDK without weight: what the meter itself costs."""
    import tollbook
    from tollbook._instrument import Settings
    from tollbook_integrations.openai import integration as facts

    stub.install()
    from tollbook_integrations._stainless import Stainless

    meter = Stainless("stub_sdk", "stub", facts.endpoints, ask_hosts=("api.openai.com",))
    tollbook.autolog(store=folder / "calls.db", only=[])
    client = stub.SyncAPIClient()
    request = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}

    def work() -> None:
        for _ in range(CALLS):
            client.request(dict, stub.Options("/chat/completions", request))

    reference = Reference(folder / "reference.db")
    bare, ours, least = [], [], []
    for round_ in range(ROUNDS + 2):
        b = _timed(work, lambda: None)
        meter.install(Settings())
        o = _timed(work, tollbook.flush)
        meter.uninstall()
        reference.patch(stub.SyncAPIClient, "request")
        r = _timed(work, reference.flush)
        reference.unpatch()
        if round_ >= 2:
            bare.append(b), ours.append(o), least.append(r)
    return [
        _row("call: reference (no price, no durability)", least, bare, CALLS),
        _row("call: tollbook", ours, bare, CALLS),
    ]


def budgets(folder: Path) -> list[dict[str, Any]]:
    """What a budget adds to a metered call: none, one of a block of code, and one of the ledger that stops calls."""
    import tollbook
    from tollbook._instrument import Settings
    from tollbook_integrations.openai import integration as facts

    stub.install()
    from tollbook_integrations._stainless import Stainless

    meter = Stainless("stub_sdk", "stub", facts.endpoints, ask_hosts=("api.openai.com",))
    tollbook.autolog(store=folder / "budgets.db", only=[])
    meter.install(Settings())
    client = stub.SyncAPIClient()
    plain = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 100}

    def work(given: Any = None) -> None:
        for _ in range(CALLS):
            # An SDK makes each request anew from what it was given.
            request = plain if given is None else {**plain, **stub.copied(given)}
            client.request(dict, stub.Options("/chat/completions", request))

    def in_block(given: Any = None, **limit: Any) -> Callable[[], None]:
        def inside() -> None:
            with tollbook.budget(**limit):
                work(given)

        return inside

    agents: dict[str, Any] = {
        "a tool": {"tools": stub.TOOLS[:1]},
        "ten tools": {"tools": stub.TOOLS},
        "an agent's tenth step": {"tools": stub.TOOLS[:1], "messages": stub.steps(10)},
    }
    works: dict[str, Callable[[], None]] = {
        "none": work,
        "block of code, calls": in_block(calls=10**6),
        "block of code, USD with a ceiling": in_block(usd=1000, ceiling="0.01"),
        "block of code, tokens by the worst case": in_block(tokens=10**9),
        "block of code, USD by the worst case": in_block(usd=1000),
        "the ledger's, USD with a ceiling": work,
        **{f"none, {name}": partial(work, each) for name, each in agents.items()},
        **{f"block of code, USD by the worst case, {name}": in_block(each, usd=1000) for name, each in agents.items()},
    }
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for round_ in range(ROUNDS + 5):
        # Each begins where another one left off, so they take turns in that, too.
        names = [*works][round_ % len(works) :] + [*works][: round_ % len(works)]
        for name in names:
            shared = name.startswith("the ledger")
            if shared:
                tollbook.set_budgets({"name": "all", "usd": 1_000_000, "ceiling": "0.01", "action": "stop"})
            sample = _timed(works[name], tollbook.flush)
            if shared:
                tollbook.remove_budget("all")
            if round_ >= 5:
                samples[name].append(sample)
    meter.uninstall()
    none = {name: samples.pop(name) for name in works if name.startswith("none")}
    return [
        _row(f"budget: {name}", found, none.get(f"none, {name.rpartition(', ')[2]}", none["none"]), CALLS)
        for name, found in samples.items()
    ]


def chunks(_: Path) -> list[dict[str, Any]]:
    """One streamed event, seen by the patched point."""
    import tollbook
    from tollbook._instrument import Settings
    from tollbook.spans import Call, Record
    from tollbook_integrations._body import KEY
    from tollbook_integrations.openai import integration as facts

    stub.install()
    from tollbook_integrations._stainless import Stainless

    tollbook.autolog(only=[])
    meter = Stainless("stub_sdk", "stub", facts.endpoints)
    client = stub.SyncAPIClient()
    event = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4o",
        "choices": [{"index": 0, "delta": {"content": " word"}, "finish_reason": None}],
    }
    number = 20_000

    def work() -> None:
        response = stub.Response()
        if meter.on:
            endpoint = facts.endpoints["/chat/completions"]
            response.extensions[KEY] = Call(
                Record(trace_id="", span_id="", stream=True), endpoint.convention, endpoint.reader
            )
        process = client._process_response_data
        for _ in range(number):
            process(data=event, cast_to=dict, response=response)

    bare, ours = [], []
    for round_ in range(ROUNDS + 2):
        b = _timed(work, lambda: None)
        meter.install(Settings())
        o = _timed(work, lambda: None)
        meter.uninstall()
        if round_ >= 2:
            bare.append(b), ours.append(o)
    return [_row("streamed event: tollbook", ours, bare, number)]


def sdk(folder: Path) -> list[dict[str, Any]]:
    """The real SDK over a transport in memory: a chat, a stream of 200 chunks, embeddings of 100 vectors, a message.
    Between two calls the SDK uses the processor's caches, so meters run cold; and the thread that drains competes."""
    import anthropic
    import openai
    from real import workloads

    import tollbook

    rows = []
    tollbook.autolog(store=folder / "sdk.db")
    tollbook.autolog(disable=True)
    reference = Reference(folder / "reference.db")
    patched: dict[str, tuple[Any, Callable[[Any], tuple[Any, ...]]]] = {
        "openai chat": (openai.OpenAI, from_chat),
        "anthropic message": (anthropic.Anthropic, from_message),
    }
    for name, number, work in workloads():
        bare, ours, least = [], [], []

        def calls(n: int = number, w: Callable[[], object] = work) -> None:
            _repeat(w, n)

        for round_ in range(SDK_ROUNDS + 2):
            b = _timed(calls, lambda: None, collect=True)
            tollbook.autolog()
            o = _timed(calls, tollbook.flush, collect=True)
            tollbook.autolog(disable=True)
            if name in patched:
                owner, numbers = patched[name]
                reference.patch(owner, "request", numbers)
                r = _timed(calls, reference.flush, collect=True)
                reference.unpatch()
                if round_ >= 2:
                    least.append(r)
            if round_ >= 2:
                bare.append(b), ours.append(o)
        if least:
            rows.append(_row(f"{name}: reference", least, bare, number))
        row = _row(f"{name}: tollbook" if least else name, ours, bare, number)
        row["ratio"] = round(1 + row["all_us"] / row["bare_us"], 3)
        rows.append(row)
    return rows


def start(_: Path) -> list[dict[str, Any]]:
    """What importing costs in a fresh process, and enabling beside an SDK that is imported."""
    rows = []
    code = {
        "import tollbook": ("", "import tollbook"),
        "autolog() beside an imported SDK": ("import openai, anthropic", "import tollbook; tollbook.autolog()"),
        "autolog() before any SDK": ("", "import tollbook; tollbook.autolog()"),
    }
    for name, (before, measured) in code.items():
        script = (
            f"import sys, time, os\n{before}\n"
            "rss = lambda: int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGE_SIZE')\n"
            "n, m, t = set(sys.modules), rss(), time.process_time()\n"
            f"{measured}\n"
            "t = time.process_time() - t\n"
            "print(t * 1e3, (rss() - m) / 1e6, len(set(sys.modules) - n))"
        )
        found = []
        # Installed packages have been compiled: pip does it, and the first of these runs does it here.
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        for _ in range(8):
            with tempfile.TemporaryDirectory() as place:
                env = {**kept, "TOLLBOOK_STORE": f"{place}/l.db"}
                done = subprocess.run(
                    [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=env
                )
            found.append([float(x) for x in done.stdout.split()])
        ms, mb, modules = (statistics.median(column) for column in zip(*found[1:], strict=True))
        rows.append({"what": name, "cpu_ms": round(ms, 1), "memory_mb": round(mb, 1), "modules": int(modules)})
    return rows


def speed(folder: Path) -> list[dict[str, Any]]:
    """20,000 calls at full speed, from one thread and from eight: what arrives, and how memory grows over 100,000."""
    import tollbook
    from tollbook._instrument import Settings
    from tollbook.ledger import open_store
    from tollbook_integrations.openai import integration as facts

    stub.install()
    from tollbook_integrations._stainless import Stainless

    meter = Stainless("stub_sdk", "stub", facts.endpoints)
    rows = []
    request = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}

    def work(number: int) -> None:
        client = stub.SyncAPIClient()
        for _ in range(number):
            client.request(dict, stub.Options("/chat/completions", request))

    for threads, total in ((1, 20_000), (8, 20_000), (1, 100_000)):
        path = folder / f"speed-{threads}-{total}.db"
        tollbook.autolog(store=path, only=[])
        meter.install(Settings())
        work(2000)
        before = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        began = time.perf_counter()
        crew = [threading.Thread(target=work, args=(total // threads,)) for _ in range(threads)]
        for thread in crew:
            thread.start()
        for thread in crew:
            thread.join()
        seconds = time.perf_counter() - began
        began = time.perf_counter()
        tollbook.flush(60)
        flushed = time.perf_counter() - began
        grown = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") - before
        meter.uninstall()
        arrived = sum(row.calls for row in open_store(path).summary(by=["model"])) - 2000
        rows.append(
            {
                "what": f"{total:,} calls from {threads} thread{'s' * (threads > 1)}",
                "lost": total - arrived,
                "calls_per_s": round(total / seconds),
                "flush_ms": round(flushed * 1e3, 1),
                "memory_mb": round(grown / 1e6, 1),
            }
        )
    return rows


def reprice(folder: Path) -> list[dict[str, Any]]:
    """Repricing 200,000 recorded calls, on the clock on the wall: one that changes all of them, and one that finds
    nothing to change; the drain that brought them into the ledger, for comparison."""
    from tollbook.ledger import Spool, Store
    from tollbook.pricing import Cost
    from tollbook.reports import reprice as run
    from tollbook.spans import Record
    from tollbook.usage import Usage

    store, number = Store(folder / "reprice.db"), 200_000
    spool = Spool(store.spool)
    models = (("openai", "gpt-4o-mini"), ("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4-5"))
    for n in range(number):
        provider, model = models[n % 3]
        spool.append(
            Record(
                trace_id=f"{n:032x}",
                span_id=f"{n:016x}",
                name="Completions",
                start=1_763_690_400_000_000_000 + n * 10_000_000_000,
                duration=1_000_000_000,
                integration=provider,
                provider=provider,
                operation="chat",
                request_model=model,
                response_id=f"chatcmpl-{n:024x}",
                finish="stop",
                usage=Usage({"input": 100 + n % 50, "input_cache_read": 20, "output": 30}),
                cost=Cost(total=7, input=3, output=4, cards=("0" * 16,)),
                bills=True,
            )
        )
    spool.close()
    rows = []

    def timed(what: str, work: Callable[[], object]) -> None:
        began, cpu = time.perf_counter(), time.process_time()
        work()
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        rows.append({"what": what, "spans_per_s": round(number / seconds), "cpu_us": round(cpu / number * 1e6, 1)})

    timed("drain into the ledger", lambda: store.drain(timeout=600))
    timed("reprice: dry run", lambda: run(store, dry_run=True))
    timed("reprice: every cost changes", lambda: run(store))
    timed("reprice: nothing changes", lambda: run(store))
    store.close()
    return rows


SPANS = 1_000_000


def reports(folder: Path) -> list[dict[str, Any]]:
    """What people ask of a ledger of a year (`--spans`, 1,000,000 if absent): CPU time of a query, and of a report.
    The reference is what SQLite takes to answer one of these questions from the calls themselves."""
    from reports import ask, build

    return [build(folder / "year.db", SPANS), *ask(folder / "year.db")]


MEASUREMENTS: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    "calls": calls,
    "langchain": streams.langchain,
    "budgets": budgets,
    "chunks": chunks,
    "sdk": sdk,
    "start": start,
    "speed": speed,
    "reports": reports,
    "reprice": reprice,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(MEASUREMENTS)}; all if absent")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--spans", type=int, default=SPANS, help="how many spans `reports` has; 1000000 if absent")
    given = parser.parse_args()
    globals()["SPANS"] = given.spans
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    for name in given.names or MEASUREMENTS:
        if not given.names:  # each in a process of its own
            subprocess.run([sys.executable, __file__, name, *(["--json"] if given.json else [])], check=True)
            continue
        with tempfile.TemporaryDirectory() as folder:
            os.environ["TOLLBOOK_STORE"] = str(Path(folder) / "ledger.db")
            rows = MEASUREMENTS[name](Path(folder))
        if given.json:
            print(json.dumps({name: rows}))
            continue
        print(f"\n{name}: {(MEASUREMENTS[name].__doc__ or '').strip()}")
        for row in rows:
            print("  " + "  ".join(f"{key} {value}" if key != "what" else f"{value:<45}" for key, value in row.items()))


if __name__ == "__main__":
    main()
