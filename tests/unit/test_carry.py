"""Attribution and traces on their way to other processes: what is written, what is taken, and what is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import tollbook
from tollbook import _salt
from tollbook.spans import Call, Record, _attribution, _baggage, _sink, current

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(_sink, "sink", lambda record: None)
    monkeypatch.setattr(_salt, "place", tmp_path / "ledger.db")
    _salt.forget()
    yield
    _salt.forget()
    assert current.get() is None


def call() -> Record:
    made = Call(Record(trace_id="", span_id=""), "openai.chat", lambda *_: None)
    made.end()
    return made.record


def test_what_is_injected_here_continues_there() -> None:
    odd = {"a b": "x, y; z=1 \N{SNOWMAN}"}
    with tollbook.attribute(feature="search", user="ada@example.org", **odd), tollbook.span("run") as run:
        run.attribute(org="acme")
        headers = tollbook.inject({"accept": "*/*"})
        here = tollbook.current_attribution()
    assert headers["accept"] == "*/*"
    assert headers["traceparent"] == f"00-{run.trace_id}-{run.span_id}-01"
    assert "ada" not in headers["baggage"]
    assert call().attribution is None
    with tollbook.extract(headers) as booked:
        made = call()
    assert made.attribution == here == booked
    assert (made.trace_id, made.parent_id) == (run.trace_id, run.span_id)
    assert call().attribution is None


def test_headers_may_be_pairs_of_bytes_in_any_case_and_more_than_one() -> None:
    pairs = [(b"Baggage", b"tollbook.org=acme"), (b"TraceParent", TRACEPARENT.encode()), ("BAGGAGE", "tollbook.tier=1")]
    with tollbook.extract(pairs):
        made = call()
    assert made.attribution == {"org": "acme", "tier": "1"}
    assert made.trace_id == TRACE


def test_what_comes_holds_over_what_holds_here_and_under_what_is_set_inside() -> None:
    with tollbook.attribute(feature="worker", region="eu"), tollbook.extract({"baggage": "tollbook.feature=search"}):
        assert call().attribution == {"feature": "search", "region": "eu"}
        with tollbook.attribute(feature="own"):
            assert call().attribution == {"feature": "own", "region": "eu"}


def test_an_injection_replaces_the_one_before_and_leaves_others_baggage_alone() -> None:
    headers = {"Baggage": "tenant=7;ttl=1, tollbook.feature=old,tollbook.org=old", "Traceparent": "old"}
    with tollbook.attribute(feature="new"):
        assert tollbook.inject(headers) is headers
    assert headers == {"Baggage": "tenant=7;ttl=1,tollbook.feature=new"}
    assert tollbook.inject(headers) == {"Baggage": "tenant=7;ttl=1"}
    assert tollbook.inject({"baggage": "tollbook.feature=old"}) == {}


def test_another_tracers_header_stays_if_that_is_asked_for() -> None:
    with tollbook.span("run"), tollbook.attribute(feature="x"):
        headers = tollbook.inject({"traceparent": TRACEPARENT}, trace=False)
    assert headers == {"traceparent": TRACEPARENT, "baggage": "tollbook.feature=x"}


def test_only_trusted_dimensions_are_taken() -> None:
    headers = {"traceparent": TRACEPARENT, "baggage": "tollbook.feature=a,tollbook.user=u,tollbook.org=b,feature=c"}
    with tollbook.extract(headers, trust=False):
        assert (call().attribution, call().trace_id) == (None, TRACE)
    for trusted in (("feature", "session"), "feature"):
        with tollbook.extract(headers, trust=trusted):
            assert call().attribution == {"feature": "a"}


def test_users_are_not_hashed_twice_and_names_become_pseudonyms(monkeypatch: pytest.MonkeyPatch) -> None:
    with tollbook.attribute(user="ada"):
        hashed = tollbook.inject({})
    monkeypatch.setattr(_attribution, "hash_users", False)
    with tollbook.attribute(user="ada"):
        plain = tollbook.inject({})
    monkeypatch.setattr(_attribution, "hash_users", True)
    assert plain == {"baggage": "tollbook.user=ada"}
    name = tollbook.user_pseudonym("ada")
    for headers in (hashed, plain):
        with tollbook.extract(headers):
            assert call().attribution == {"user": name}


def test_a_header_that_is_too_long_leaves_out_whole_tags_and_never_a_known_dimension() -> None:
    long = {f"t{n}": "\N{SNOWMAN}" * 256 for n in range(20)}
    with tollbook.attribute(feature="search", session="s", **long):
        header = tollbook.inject({"baggage": "other=1"})["baggage"]
    assert len(header) <= _baggage.LONGEST
    assert header.startswith("other=1,tollbook.feature=search,tollbook.session=s,")
    taken = _baggage.parse_baggage(header)
    assert set(taken.values()) == {"search", "s", "\N{SNOWMAN}" * 256}
    assert len(taken) == 5


@pytest.mark.parametrize(
    "header",
    [
        "",
        "tollbook.feature",
        "tollbook.=x",
        "tollbook.feature=",
        f"tollbook.{'n' * 65}=x",
        "tollbook.feature=a%0Ab",
        "tollbook.fe%00ature=a",
        "tollbook.feature=%1b[31m",
        ",;=,,;;==",
        "Tollbook.feature=x",
        f"x={'y' * 9000},tollbook.feature=behind",
        f"tollbook.feature={'cut' * 9000}",
    ],
)
def test_what_is_not_well_formed_is_ignored(header: str) -> None:
    with tollbook.extract({"baggage": header, "traceparent": header}):
        assert call().attribution is None


def test_there_are_no_more_dimensions_than_a_call_may_have() -> None:
    header = ",".join(f"tollbook.t{n}={'v' * 300 if n == 0 else n}" for n in range(100))
    with tollbook.attribute(org="acme"), tollbook.extract({"baggage": header}):
        booked = call().attribution
        assert booked is not None
        assert len(booked) == 32
        assert booked["t0"] == "v" * 256
        assert booked["t31"] == "31"


@given(st.one_of(st.text(max_size=300), st.lists(st.sampled_from("tollbook. =;,%0a\ud800é"), max_size=60).map("".join)))
def test_nothing_that_comes_raises(text: str) -> None:
    for headers in ({"baggage": text, "traceparent": text}, [(text, text)], [("baggage", f"tollbook.x={text}")]):
        with tollbook.extract(headers) as booked:
            assert all(0 < len(name) <= 64 and 0 < len(value) <= 256 for name, value in booked.items())


WORDS = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=40)


@given(st.dictionaries(WORDS, WORDS, max_size=10))
@example(
    {
        "org": "Acme\u00a0GmbH",
        "feature": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "x\u3000y": "\u6771\u4eac\u3000\u5e97",
    }
)
def test_all_text_comes_back_as_it_was(tags: dict[str, Any]) -> None:
    """All but what is blank, which says nothing."""
    wanted = {k: v for k, v in tags.items() if v.strip()}
    header = ",".join(_baggage.members_of(tags))
    assert header.isascii()
    assert not set(header) & set(' "\\;') - {"\\"}
    assert _baggage.parse_baggage(header) == wanted
