"""Every dimension of a price definition: figures computed by hand, from the prices in each text."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from tests.prices import found, fresh, priced, usd, use

D = Decimal


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    with fresh():
        use(TOKENS + OTHERS + DATED)
        yield


TOKENS = """
schema = 1
currency = "USD"

[[model]]
name = "acme-1"
provider = "acme"
match_pattern = '(?i)^(acme/)?acme-1(-2026-\\d\\d-\\d\\d)?$'
unit = "TOKENS"
source = "https://acme.example/prices"
checked = 2026-11-20

  [model.price]
  per = 1_000_000
  input = 2.50
  output = 10.00
  cache_read = 0.25
  cache_write = 3.00
  cache_write_30m = 3.50
  cache_write_1h = 5.00
  cache_write_12h = { input = 2.5 }
  reasoning = 20
  input_audio = 40
  audio_cache_read = 4
  output_audio = 80
  input_image = 5
  image_cache_read = 0.5
  output_image = 30
  input_video = 7
  output_video = 70

  [[model.price_row]]
  usage = "web_search_calls"
  unit = "CALLS"
  per = 1000
  price = 10.00

  [[model.price_row]]
  usage = "output_video_ms"
  unit = "SECONDS"
  price = 0.10

  [[model.tier]]
  when = { input_tokens = { gt = 200_000 } }
  multiply = { input = 2, cache_read = 2, output = 1.5 }

  [[model.tier]]
  when = { input_tokens = { gte = 500_000 } }
  price = { per = 1_000_000, input = 10 }

  [[model.variant]]
  when = { service_tier = ["priority", "fast"] }
  price = { per = 1_000_000, input = 4.25, output = 17.00, cache_read = 0.425 }

  [[model.variant]]
  when = { processing = "batch" }
  multiply = { all_tokens = 0.5 }

  [[model.variant]]
  when = { region = ["us", "eu"] }
  multiply = { all_tokens = 1.1 }
  stacks = true
"""

OTHERS = """
[[model]]
name = "draw"
unit = "IMAGES"
price = { output = 0.04, input = 0.01 }

[[model]]
name = "say"
unit = "CHARACTERS"
price = { per = 1_000_000, input = 15 }

[[model]]
name = "hear"
unit = "SECONDS"
price = { per = 60, total = 0.006 }

[[model]]
name = "hear-ms"
unit = "MILLISECONDS"
price = { per = 3_600_000, input = 0.36 }

[[model]]
name = "film"
unit = "SECONDS"
price = { output_video = 0.30 }

[[model]]
name = "scan"
unit = "PAGES"
price = { per = 1000, total = 2 }

[[model]]
name = "see"
unit = "PIXELS"
price = { per = 1_000_000, input = 0.5 }

[[model]]
name = "ask"
unit = "REQUESTS"
price = { total = 0.01 }

[[model]]
name = "flat"
price = { per = 1_000_000, total = 3 }

[[model]]
name = "free"
price = { input = 0, output = 0 }
"""

DATED = """
[[model]]
name = "night"
price = { per = 1_000_000, input = 2, output = 4 }

  [[model.window]]
  utc = "22:00-02:00"
  days = ["mon", "tue", "wed", "thu", "fri"]
  multiply = { all_tokens = 0.5 }

[[model]]
name = "sale"
price = { per = 1_000_000, input = 5 }

[[model]]
name = "sale"
start_time = 2026-08-21T00:00:00Z
end_time = 2026-11-21T06:30:00Z
price = { per = 1_000_000, input = 4 }

[[model]]
name = "sale"
start_time = 2027-01-01
price = { per = 1_000_000, input = 6 }
"""

M = 1_000_000
EXACT = [
    ("acme-1", {"input": 100_000}, "0.25"),
    ("ACME/acme-1-2026-08-01", {"input": 100_000}, "0.25"),
    ("acme-1", {"input": 20, "input_cache_read": 100, "output": 30}, "0.000375"),  # 50 + 25 + 300 micro-dollars
    ("acme-1", {"input_cache_write": 0, "input_cache_write_5m": M // 10}, "0.3"),
    ("acme-1", {"input_cache_write_30m": M // 10}, "0.35"),
    ("acme-1", {"input_cache_write_1h": M // 10}, "0.5"),
    ("acme-1", {"input_cache_write_12h": M // 10}, "0.625"),  # 2.5 times input
    ("acme-1", {"output": 10, "output_reasoning": 100}, "0.0021"),  # 100 + 2000
    ("acme-1", {"input_audio": 10, "input_audio_cache_read": 10, "output_audio": 10}, "0.00124"),  # 400 + 40 + 800
    ("acme-1", {"input_image": 10, "input_image_cache_read": 10, "output_image": 10}, "0.000355"),  # 50 + 5 + 300
    ("acme-1", {"input_video": 10, "output_video": 10}, "0.00077"),  # 70 + 700
    ("acme-1", {"input": 0, "web_search": 3}, "0.03"),
    ("acme-1", {"input": 0, "output_video_ms": 4500}, "0.45"),
    # beyond 200,000 tokens sent, whole request: input 5, cached 0.50, output 15; not at it
    ("acme-1", {"input": 200_000, "output": 1000}, "0.51"),
    ("acme-1", {"input": 200_001, "output": 1000}, "1.015005"),
    ("acme-1", {"input": 150_000, "input_cache_read": 50_001, "output": 1000}, "0.7900005"),
    # from 500,000 on: input 10, all else as at first
    ("acme-1", {"input": 499_999}, "2.499995"),
    ("acme-1", {"input": 500_000, "output": 1000}, "5.01"),
    ("draw", {"output_images": 3}, "0.12"),
    ("draw", {"input_images": 2, "output_images": 1}, "0.06"),
    ("say", {"input_characters": 500}, "0.0075"),
    ("hear", {"input_audio_ms": 30_000}, "0.003"),
    ("hear", {"output_audio_ms": 60_000}, "0.006"),
    ("hear-ms", {"input_audio_ms": 4000}, "0.0004"),
    ("film", {"output_video_ms": 8000}, "2.4"),
    ("scan", {"pages": 7}, "0.014"),
    ("see", {"input_pixels": 1024 * 1024}, "0.524288"),
    ("ask", {"input": 100, "output": 50}, "0.01"),  # once a call, and the tokens cost nothing
    ("ask", {"requests": 3}, "0.03"),
    ("flat", {"input": 10, "input_cache_read": 10, "input_cache_write_1h": 10, "output_audio": 10}, "0.00012"),
    ("free", {"input": 1000, "output": 1000, "output_reasoning": 5}, "0"),
]


@pytest.mark.parametrize(("model", "quantities", "expected"), EXACT)
def test_known_quantities_at_defined_prices(model: str, quantities: dict[str, int], expected: str) -> None:
    assert usd(model, quantities) == D(expected)


USED = {"input": 1000, "input_cache_read": 4000, "input_cache_write_1h": 100, "output": 200}
"""At list prices 2500 + 1000 + 500 + 2000 micro-dollars."""

SERVED = [
    ({}, "0.006"),
    ({"service_tier": "default", "region": "global"}, "0.006"),
    ({"service_tier": "priority"}, "0.00985"),  # 4250 + 1700 + 500 + 3400
    ({"service_tier": "fast"}, "0.00985"),
    ({"processing": "batch"}, "0.003"),  # half of all, cached tokens too
    ({"service_tier": "batch"}, "0.003"),
    ({"region": "us"}, "0.0066"),
    ({"inference_geo": "us"}, "0.0066"),
    ({"processing": "batch", "region": "eu"}, "0.0033"),  # 6000 x 0.5 x 1.1
    ({"service_tier": "priority", "region": "us"}, "0.010835"),
]


@pytest.mark.parametrize(("context", "expected"), SERVED)
def test_what_was_served_selects_the_price(context: dict[str, str], expected: str) -> None:
    assert usd("acme-1", USED, context) == D(expected)


def test_a_batch_is_priced_as_a_batch_whatever_tier_it_names() -> None:
    cost = priced("acme-1", USED, {"processing": "batch", "service_tier": "priority"})
    assert cost.total_usd == D("0.003")
    assert cost.assumptions == ("service_tier=priority priced as batch",)


def test_what_no_variant_knows_is_priced_as_standard_and_said() -> None:
    cost = priced("acme-1", USED, {"service_tier": "ultrafast", "region": "us"})
    assert (cost.total_usd, cost.status) == (D("0.0066"), "estimated")
    assert cost.assumptions == ("service_tier=ultrafast priced as standard",)


def test_a_long_context_keeps_its_ratio_in_a_variant() -> None:
    # 300,000 at 4.25 x 2, 1000 at 17 x 1.5; in a batch half of 5 and 15
    used = {"input": 300_000, "output": 1000}
    assert usd("acme-1", used, {"service_tier": "priority"}) == D("2.5755")
    assert usd("acme-1", used, {"processing": "batch"}) == D("0.7575")


WINDOWS = [  # 2026-11-20 is a Friday
    ("2026-11-20T21:59:59", "2"),
    ("2026-11-20T22:00:00", "1"),
    ("2026-11-20T23:59:59", "1"),
    ("2026-11-21T00:00:00", "1"),  # still Friday's
    ("2026-11-21T01:59:59", "1"),
    ("2026-11-21T02:00:00", "2"),
    ("2026-11-21T22:00:00", "2"),  # Saturday
    ("2026-11-22T22:00:00", "2"),  # Sunday
    ("2026-11-23T01:00:00", "2"),  # Sunday's
    ("2026-11-23T22:00:00", "1"),
]


@pytest.mark.parametrize(("when", "expected"), WINDOWS)
def test_a_time_of_day_may_lie_across_midnight_and_belongs_to_the_day_it_begins(when: str, expected: str) -> None:
    assert usd("night", {"input": M}, when=when) == D(expected)


PROMOTION = [
    ("2026-08-20T23:59:59", "5"),
    ("2026-08-21T00:00:00", "4"),
    ("2026-11-21T06:29:59", "4"),
    ("2026-11-21T06:30:00", "5"),  # in the midst of a day, back to the row before
    ("2026-12-31T23:59:59", "5"),
    ("2027-01-01T00:00:00", "6"),
]


@pytest.mark.parametrize(("when", "expected"), PROMOTION)
def test_after_a_promotion_the_row_before_applies_again(when: str, expected: str) -> None:
    assert usd("sale", {"input": M}, when=when) == D(expected)


def test_what_a_definition_leaves_out_is_assumed_or_unpriced_and_said() -> None:
    use('[[model]]\nname = "m"\nprice = { per = 1_000_000, input = 1, output = 2 }')
    assert usd("m", {"input": M, "output_reasoning": M, "input_image": M}) == D(4)
    cost = priced("m", {"input_cache_read": M, "output_audio": M})
    assert (cost.total_usd, cost.status) == (D(3), "estimated")
    assert cost.assumptions == ("input_cache_read priced as input", "output_audio priced as output")
    cost = priced("m", {"input": M, "input_cache_write_1h": 5, "input_characters": 5})
    assert (cost.total_usd, cost.status) == (D(1), "partial")
    assert cost.assumptions == ("no price for input_cache_write_1h", "no price for input_characters")


def test_a_price_that_is_no_whole_number_is_exact_all_the_same() -> None:
    use('[[model]]\nname = "m"\nprice = { per = 3, input = 0.0000000000001 }')
    # 1e-13 / 3 dollars a token: 30 of them make one pico-dollar
    assert priced("m", {"input": 30}).total == 1
    assert priced("m", {"input": 44}).total == 1
    assert priced("m", {"input": 46}).total == 2


def test_a_card_says_which_definition_made_it() -> None:
    card = found("acme-1", {"region": "us"})
    assert (card.layer, card.provider, card.model, card.since) == ("user", "acme", "acme-1", None)
    assert card.context == {"region": "us"}
    (origin,) = card.origins
    assert (origin.layer, origin.name, origin.source) == ("user", "acme-1", "https://acme.example/prices")
    assert (origin.checked, origin.file) == ("2026-11-20", "prices.toml")
    assert card.source == f"prices.toml {origin.digest}"
    assert found("sale").since == "2026-08-21"
    assert found("acme-1").id != card.id
