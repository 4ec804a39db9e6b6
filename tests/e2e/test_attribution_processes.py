"""Attribution and traces in child processes, however they are started: programs of their own, and one ledger."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tollbook.ledger import open_store
from tollbook.spans import Record

PRELUDE = """
import json, os, subprocess, sys, threading
from concurrent.futures import ProcessPoolExecutor
import multiprocessing
import tollbook

def call(name):
    tollbook.record(model="m", usage={"input_tokens": 1, "output_tokens": 1}, name=name)

def carried(headers, name):
    with tollbook.extract(headers):
        call(name)

"""


def run(program: str, tmp_path: Path, **environment: str) -> dict[str, Record]:
    """What the program and its children recorded, by name."""
    path = tmp_path / "program.py"
    path.write_text(PRELUDE + program)
    done = subprocess.run(
        [sys.executable, path], env={**os.environ, **environment}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    store = open_store(os.environ["TOLLBOOK_STORE"])
    store.drain()
    found = {record.name: record for record in store.spans(limit=None)}
    store.close()
    return found


CHILD = [sys.executable, "-c", "import tollbook; tollbook.record(model='m', usage={'input_tokens': 1}, name='child')"]


def test_a_program_continues_what_its_environment_says_in_every_thread(tmp_path: Path) -> None:
    child = (
        PRELUDE
        + """
tollbook.attribute_process(feature="default", region="eu")
call("main")
thread = threading.Thread(target=call, args=("thread",))
thread.start(); thread.join()
with tollbook.attribute(feature="own"):
    call("inner")
"""
    )
    found = run(
        f"""
with tollbook.attribute(feature="nightly", user="ada"), tollbook.span("run", kind="agent"):
    call("parent")
    command = [sys.executable, "-c", {child!r}]
    subprocess.run(command, env={{**os.environ, **tollbook.child_environment()}}, check=True)
subprocess.run({CHILD!r}, env={{**os.environ, **tollbook.child_environment()}}, check=True)
""",
        tmp_path,
    )
    parent = found["parent"].attribution
    assert parent is not None
    assert parent["agent"] == "run"
    assert parent["user"].startswith("u_")
    assert found["main"].attribution == found["thread"].attribution == {**parent, "region": "eu"}
    assert found["inner"].attribution == {**parent, "region": "eu", "feature": "own"}
    for name in ("main", "thread", "inner"):
        assert (found[name].trace_id, found[name].parent_id) == (found["run"].trace_id, found["run"].span_id)
    assert found["child"].attribution is None
    assert found["child"].trace_id != found["run"].trace_id


def test_a_grandchild_does_not_continue_what_its_parent_has_left(tmp_path: Path) -> None:
    found = run(
        f"""
call("parent")
tollbook.continue_process({{}})
call("later")
subprocess.run({CHILD!r}, env={{**os.environ, **tollbook.child_environment()}}, check=True)
""",
        tmp_path,
        TOLLBOOK_CONTEXT=";tollbook.feature=outer",
    )
    assert found["parent"].attribution == found["later"].attribution == {"feature": "outer"}, "the process keeps it"
    assert found["child"].attribution == {"feature": "outer"}


@pytest.mark.parametrize("first", ["extract", "record", "attribute", "inject", "span"])
def test_what_is_inherited_is_there_whatever_is_used_first(first: str, tmp_path: Path) -> None:
    found = run(
        f"""
tollbook.{first}
call("it")
""",
        tmp_path,
        TOLLBOOK_CONTEXT="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01;tollbook.user=ada",
    )
    assert found["it"].attribution == {"user": "ada"}, "whether users are pseudonyms was decided by the parent"
    assert found["it"].parent_id == "b7ad6b7169203331"


@pytest.mark.parametrize("hostile", ["x", ";;;", "00-0-0-0;tollbook.=,=", "\udcff;tollbook.a=\udcff%ff"])
def test_an_environment_that_says_nothing_sensible_is_ignored(hostile: str, tmp_path: Path) -> None:
    assert run('call("it")\n', tmp_path, TOLLBOOK_CONTEXT=hostile)["it"].parent_id is None


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_a_process_of_multiprocessing_continues_by_headers(method: str, tmp_path: Path) -> None:
    if method == "fork" and not hasattr(os, "fork"):
        pytest.skip("there is no fork here")
    found = run(
        f"""
if __name__ == "__main__":
    processes = multiprocessing.get_context({method!r})
    with tollbook.attribute(feature="a"), tollbook.span("run"):
        one = processes.Process(target=carried, args=(tollbook.inject({{}}), "carried"))
        two = processes.Process(target=call, args=("plain",))
        for each in (one, two):
            each.start()
        for each in (one, two):
            each.join()
""",
        tmp_path,
    )
    assert found["carried"].attribution == {"feature": "a"}
    assert found["carried"].parent_id == found["run"].span_id
    plain: Any = {"feature": "a"} if method == "fork" else None
    assert found["plain"].attribution == plain, "a fork goes on where it began, and what is spawned begins with nothing"


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_a_pool_of_processes_continues_by_its_initializer_and_each_task_by_headers(method: str, tmp_path: Path) -> None:
    if method == "fork" and not hasattr(os, "fork"):
        pytest.skip("there is no fork here")
    found = run(
        f"""
if __name__ == "__main__":
    with tollbook.attribute(feature="pool"), tollbook.span("run"):
        inside = tollbook.child_environment()
    pool = ProcessPoolExecutor(
        1, multiprocessing.get_context({method!r}), initializer=tollbook.continue_process, initargs=(inside,)
    )
    with pool:
        with tollbook.attribute(user="of the first", session="s"):
            pool.submit(call, "pool").result()
        with tollbook.attribute(session="2"):
            pool.submit(carried, tollbook.inject({{}}), "task").result()
        pool.submit(call, "again").result()
""",
        tmp_path,
    )
    assert found["pool"].attribution == found["again"].attribution == {"feature": "pool"}
    assert found["pool"].trace_id == found["run"].trace_id
    assert found["task"].attribution == {"feature": "pool", "session": "2"}


def test_the_environment_for_a_child_is_text_without_surprises(tmp_path: Path) -> None:
    """It survives a shell's and a container's way of passing variables."""
    path = tmp_path / "program.py"
    path.write_text(
        PRELUDE
        + """
with tollbook.attribute(feature="a b,c;d", **{"t\N{SNOWMAN}": "\N{SNOWMAN}"}):
    print(json.dumps(tollbook.child_environment()))
"""
    )
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=60, check=True)
    found = json.loads(done.stdout)
    assert found == {"TOLLBOOK_CONTEXT": ";tollbook.feature=a%20b%2Cc%3Bd,tollbook.t%E2%98%83=%E2%98%83"}
