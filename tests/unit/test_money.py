"""Money: exact inside, honest when shown."""

from __future__ import annotations

import decimal
import doctest
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbook import _money
from tollbook._money import MOST, from_usd, plain, show, to_usd
from tollbook.ledger import Row
from tollbook.reports import ReportRow
from tollbook.testing._baseline import Sum, risen

picos = st.integers(-(10**30), 10**30)


@given(st.integers(-MOST * 10**12 + 1, MOST * 10**12 - 1))
def test_pico_dollars_survive_the_way_to_decimal_and_back(pico):
    assert from_usd(to_usd(pico)) == pico
    assert from_usd(str(to_usd(pico))) == pico


@given(picos)
def test_plain_text_is_exact_has_no_exponent_and_no_needless_zero(pico):
    text = plain(to_usd(pico))
    assert Decimal(text) == to_usd(pico)
    assert set(text) <= set("-0123456789.")
    assert text == text.rstrip("0").rstrip(".") if "." in text else True


@given(st.lists(picos, max_size=9))
def test_money_is_exact_whatever_the_programs_decimal_context_is(amounts):
    with decimal.localcontext() as context:
        context.prec = 3
        parts = [to_usd(amount) for amount in amounts]
        total = plain(to_usd(sum(amounts)))
    with decimal.localcontext() as context:
        context.prec = 100
        assert sum(parts) == Decimal(total)


@given(st.integers(1, 10**30))
def test_a_cost_is_never_shown_as_nothing_and_never_far_off(pico):
    shown = show(to_usd(pico))
    read = Decimal(shown.removeprefix("$").replace(",", ""))
    assert read > 0
    assert abs(read - to_usd(pico)) <= to_usd(pico) / 1000
    assert show(-to_usd(pico)) == f"-{shown}"
    assert len(shown.partition(".")[2]) >= 2, "at least cents"


@pytest.mark.parametrize(
    ("usd", "shown"),
    [
        ("0", "$0.00"),
        ("0.0000016", "$0.0000016"),
        ("0.000000000001", "$0.000000000001"),
        ("0.0000258", "$0.0000258"),
        ("0.00099999", "$0.001"),
        ("0.123456", "$0.1235"),
        ("0.5", "$0.50"),
        ("1", "$1.00"),
        ("12.34567", "$12.3457"),
        ("99.99999", "$100.00"),
        ("289.404", "$289.40"),
        ("1234567.891", "$1,234,567.89"),
        ("-0.25", "-$0.25"),
    ],
)
def test_what_a_reader_sees(usd, shown):
    assert show(Decimal(usd)) == shown


def test_what_is_not_known_is_not_shown_as_zero():
    assert show(None) == "unpriced"
    assert plain(None) is None


@pytest.mark.parametrize("usd", ["", "abc", "nan", "inf", "-Infinity", Decimal("sNaN"), None, [], "1e999999", MOST])
def test_what_is_no_amount_is_refused(usd):
    with pytest.raises(ValueError, match="money"):
        from_usd(usd)


def test_more_than_twelve_decimals_are_rounded_half_to_even():
    assert [from_usd(text) for text in ("5e-13", "15e-13", "25e-13", "1e-400")] == [0, 2, 2, 0]


def test_the_examples_in_the_documentation_hold():
    assert doctest.testmod(_money).failed == 0


def test_what_a_program_makes_of_its_decimal_context_changes_no_amount() -> None:
    """It may round to three digits, or raise an error where anything is rounded."""
    then, now = (Row({}, calls=1, total_cost=cost) for cost in (1_234_567 * 10**9 + 10**6, 1_234_567 * 10**9))
    tests = {test: Sum(Decimal(usd), 1, 1) for test, usd in (("a", "1234.567"), ("b", "0.001234"))}
    with decimal.localcontext(decimal.Context(prec=3, traps=[decimal.Inexact])):
        assert show(Decimal("-123.4567")) == "-$123.46"
        assert from_usd("8999999.999999999999") == 8_999_999_999_999_999_999
        row = ReportRow((), now)
        row.compared, row.previous = True, ReportRow((), then)
        assert row.change is not None
        assert row.change.percent == pytest.approx(-8.1e-08)
        assert (tests["a"] + tests["b"]).usd == Decimal("1234.568234")
        assert risen(tests["a"], tests["a"] + tests["b"], 0.0001) is None
        assert "from $1,234.57" in (risen(tests["a"], tests["a"] + tests["a"], 10) or "")
