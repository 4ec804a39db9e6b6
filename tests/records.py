"""Records for tests: one like those of a real call, and any that the types allow."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import strategies as st

from tollbook.ledger import _batch, _lines
from tollbook.pricing import Cost
from tollbook.spans import Record
from tollbook.usage import Part, Usage
from tollbook.usage._buckets import BUCKETS

START = 1_763_690_400_000_000_000
"""2025-11-21 02:00 UTC."""

HOUR = 3_600_000_000_000

_numbers = itertools.count(1)


def call(**changes: Any) -> Record:
    """A finished, priced call of a trace of its own, with some fields changed."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "trace_id": f"{number:032x}",
        "span_id": f"{number:016x}",
        "name": "chat",
        "start": START + number,
        "duration": 1_000_000,
        "integration": "openai",
        "provider": "openai",
        "operation": "chat",
        "request_model": "gpt-4o-mini",
        "response_model": "gpt-4o-mini-2024-07-18",
        "usage": Usage({"input": 100, "input_cache_read": 20, "output": 30, "output_reasoning": 5}),
        "cost": Cost(total=30, input=10, output=20, cards=("a",)),
        "bills": True,
    }
    return Record(**(values | changes))


@contextlib.contextmanager
def at_a_time(rows: int, size: int) -> Iterator[None]:
    """The ledger stores so many rows by one statement, and reads so many bytes of a journal before it does."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_batch, "_TOGETHER", rows)
        patched.setattr(_batch, "_INSERT_TOGETHER", ", ".join([_batch._INSERT, *[_batch._VALUES] * (rows - 1)]))
        patched.setattr(_lines, "_PIECE", size)
        yield


few = st.sampled_from([(1, 1), (2, 700), (3, 300), (100, 8192)])
"""Arguments of `at_a_time`, the last of them the usual ones."""

_names = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_maybe = st.none() | _names
_counts = st.integers(0, 2**40)
_quantities = st.dictionaries(st.sampled_from(sorted(BUCKETS)) | _names, _counts, max_size=5)
_pico = st.integers(-(2**62), 2**62)
_scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
_several = st.lists(_names, max_size=3).map(tuple)

usages = st.builds(
    Usage,
    quantities=_quantities,
    source=st.sampled_from(["reported", "estimated", "manual"]),
    estimated=_several,
    method=_maybe,
    band=st.none() | st.floats(0, 1),
    parts=st.lists(st.builds(Part, kind=_names, quantities=_quantities, model=_maybe), max_size=2).map(tuple),
    charge=st.none() | _pico,
    flags=_several,
    extra=st.none() | st.dictionaries(_names, _scalars | _names | st.lists(_scalars, max_size=2), max_size=2),
)

costs = st.builds(
    Cost,
    total=st.none() | _pico,
    input=st.none() | _pico,
    output=st.none() | _pico,
    other=_pico,
    status=st.sampled_from(["exact", "partial", "estimated", "unpriced", "manual"]),
    listed=st.none() | _pico,
    cards=_several,
    assumptions=_several,
)

records = st.builds(
    Record,
    trace_id=st.binary(min_size=16, max_size=16).map(bytes.hex),
    span_id=st.binary(min_size=8, max_size=8).map(bytes.hex),
    parent_id=st.none() | st.binary(min_size=8, max_size=8).map(bytes.hex),
    kind=_names,
    name=_names,
    start=st.integers(0, START),
    duration=st.integers(0, 2**40),
    first_chunk=st.none() | st.integers(0, 2**40),
    status=_names,
    error=_maybe,
    integration=_names,
    provider=_maybe,
    operation=_maybe,
    request_model=_maybe,
    response_model=_maybe,
    response_id=_maybe,
    stream=st.booleans(),
    retries=st.integers(0, 9),
    finish=_maybe,
    context=st.none() | st.dictionaries(_names | st.just("service_tier"), _names, max_size=3),
    usage=st.none() | usages,
    cost=st.none() | costs,
    bills=st.booleans(),
    covers=st.booleans(),
    flags=_several,
    attribution=st.none() | st.dictionaries(_names, _names, max_size=3),
    attributes=st.none() | st.dictionaries(_names, _scalars | _names, max_size=3),
)
"""Any record whose fields have their types."""
