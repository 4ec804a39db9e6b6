"""Definitions that only adjust what a lower layer says, and the order of the layers."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from tests.prices import at, found, fresh, priced, usd, use

from tollbook.pricing import _catalog as catalog
from tollbook.pricing import _genai, _sheet, card, contexts, history

D = Decimal
M = 1_000_000
SOL = "gpt-6.1-sol"
"""At OpenAI, a million: input 2, cached 0.10, written 2.50, output 10; beyond 272,000 twice, and 15. A batch: half."""

REGION = """
[[model]]
name = "regional processing"
provider = "openai"
match_pattern = 'gpt-6.*'
start_time = 2026-09-29

  [[model.variant]]
  when = { region = "us" }
  multiply = { all_tokens = 1.1 }
  stacks = true
"""

TIERS = """
[[model]]
name = "ultrafast"
provider = "openai"
match_pattern = 'gpt-6.1-sol'

  [[model.variant]]
  when = { service_tier = "ultrafast" }
  multiply = { all_tokens = 6 }

  [[model.variant]]
  when = { processing = "batch" }
  start_time = 2026-09-30
  end_time = 2026-10-14
  multiply = { all_tokens = 0.5 }

[[model]]
name = "writes for 12 hours"
provider = "openai"
match_pattern = 'gpt-6.1-(sol|terra)'
adjusts = true
price = { cache_write_12h = { input = 2.5 } }

[[model]]
name = "containers"
provider = "openai"
match_pattern = '.*'

  [[model.price_row]]
  usage = "code_execution"
  price = 0.03
"""


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    with fresh():
        use("[[model]]\nname = 'nothing'", "overlay")
        use("[[model]]\nname = 'nothing'")
        yield


def sol(quantities: dict[str, int], context: dict[str, str] | None = None, when: str = "2026-11-20") -> Decimal | None:
    return usd(SOL, quantities, context, provider="openai", when=when)


def test_a_factor_for_a_context_multiplies_what_the_list_says_in_it() -> None:
    use(REGION, "overlay")
    used = {"input": 1000, "input_cache_read": 1000, "output": 100, "web_search": 1}
    assert sol(used) == D("0.0131")  # 2000 + 100 + 1000 micro-dollars, and a search of 10,000
    assert sol(used, {"region": "us"}) == D("0.01341")  # tokens only
    assert sol(used, {"region": "us", "processing": "batch"}) == D("0.011705")  # 3100 / 2 x 1.1
    assert sol(used, {"region": "us", "service_tier": "priority"}) == D("0.01682")  # 3100 x 2 x 1.1
    assert sol({"input": 300_000}, {"region": "us"}) == D("1.32")  # beyond the threshold, too


def test_what_no_adjustment_is_about_stays_the_lists_own_card() -> None:
    plain = found(SOL, provider="openai")
    use(REGION, "overlay")
    assert found(SOL, provider="openai") == plain
    assert plain.layer == "genai-prices"
    assert card("openai", "gpt-99", 10**18) is None


def test_an_adjusted_card_says_what_it_was_made_of() -> None:
    use(REGION, "overlay")
    use("[[model]]\nname = 'contract'\nmatch_pattern = '.*'\nsource = 'signed'\nmultiply = { all_tokens = 0.9 }")
    card = found(SOL, {"region": "us"}, provider="openai")
    assert (card.layer, card.provider, card.model) == ("user", "openai", SOL)
    assert [(each.layer, each.name) for each in card.origins] == [
        ("overlay", "regional processing"),
        ("user", "contract"),
    ]
    assert card.source.endswith(_genai.SOURCE)
    assert (card.context, card.assumptions) == ({"region": "us"}, ())
    assert card.rates["input"] == 1_980_000  # 2 x 1.1 x 0.9


def test_a_variant_starts_from_the_standard_price_and_takes_the_place_of_the_lists() -> None:
    use(TIERS, "overlay")
    used = {"input": 1000, "output": 100}
    assert sol(used, {"service_tier": "ultrafast"}) == D("0.018")
    assert sol(used, {"processing": "batch"}, "2026-10-13") == D("0.0015")
    assert sol(used, {"processing": "batch"}, "2026-10-14") == D("0.0015")  # the list's own
    assert found(SOL, {"processing": "batch"}, "openai", "2026-10-13").layer == "overlay"
    cost = priced(SOL, used, {"processing": "batch", "service_tier": "priority"}, provider="openai", when="2026-10-13")
    assert (cost.total_usd, cost.assumptions) == (D("0.0015"), ("service_tier=priority priced as batch",))


def test_what_one_layer_leaves_of_the_context_is_the_next_ones() -> None:
    use(REGION, "overlay")
    use("[[model]]\nname = 'x'\nmatch_pattern = '.*'\nvariant = [{when={processing='batch'}, multiply={all=0.4}}]")
    assert sol({"input": 1000}, {"processing": "batch", "region": "us"}) == D("0.00088")  # 2 x 1.1 x 0.4


def test_a_price_as_a_multiple_follows_the_price_that_the_list_has_there() -> None:
    use(TIERS, "overlay")
    assert sol({"input_cache_write_12h": 1000}) == D("0.005")
    assert sol({"input_cache_write_12h": 1000}, {"processing": "batch"}) == D("0.0025")
    assert sol({"input_cache_write_12h": 300_000}) == D("3")
    assert sol({"input": 1000, "code_execution": 2}) == D("0.062")


def test_a_price_that_is_replaced_takes_along_what_the_list_derives_from_it() -> None:
    use("[[model]]\nname = 'x'\nmatch_pattern = 'gpt-6.*'\nadjusts = true\nprice = { per = 1_000_000, output = 20 }")
    assert sol({"input": 1000, "output_reasoning": 1000, "output": 1000}) == D("0.042")
    assert sol({"input": 300_000, "output": 1000}) == D("1.23")  # 4 x 300,000, and 20 x 1.5


def test_an_assumption_of_the_list_ends_where_a_definition_knows_better() -> None:
    model = "gpt-4o-audio-preview"
    assert priced(model, {"input_audio": M}, provider="openai").status == "estimated"
    use(
        f"[[model]]\nname = '{model}'\nadjusts = true\n"
        "price = { per = 1_000_000, input_audio = 40, output_audio = 80 }"
    )
    assert usd(model, {"input": M, "input_audio": M, "output_audio": M}, provider="openai") == D("122.5")


def test_versions_of_one_fact_replace_each_other_and_different_facts_add_up() -> None:
    use(
        """
        [[model]]
        name = "discount"
        match_pattern = 'gpt-.*'
        start_time = 2026-11-01
        multiply = { all_tokens = 0.5 }
        [[model]]
        name = "discount"
        match_pattern = '.*'
        multiply = { all_tokens = 0.8 }
        [[model]]
        name = "tax"
        match_pattern = '.*'
        multiply = { all = 1.1 }
        """
    )
    assert sol({"input": M // 10}, when="2026-10-31") == D("0.176")  # 0.2 x 0.8 x 1.1
    assert sol({"input": M // 10}, when="2026-11-01") == D("0.11")
    assert sol({"input": 0, "web_search": 1}, when="2026-11-01") == D("0.011")  # tokens only are cheaper


def test_the_users_definition_comes_before_ours_and_ours_before_the_list() -> None:
    model = "gpt-4o-mini"
    use(f"[[model]]\nname = '{model}'\nstart_time = 2026-11-01\nprice = {{ input = 2 }}", "overlay")
    assert found(model, provider="openai", when="2026-10-31").layer == "genai-prices"
    assert found(model, provider="openai").layer == "overlay"
    use(f"[[model]]\nname = '{model}'\nend_time = 2026-11-19\nprice = {{ input = 1 }}")
    assert [found(model, provider="openai", when=f"2026-11-{day}").layer for day in (18, 19)] == ["user", "overlay"]


def test_what_adjusts_in_a_layer_also_adjusts_what_is_stated_in_it() -> None:
    use(
        "[[model]]\nname = 'all'\nmatch_pattern = '.*'\nmultiply = { all = 0.5 }\n"
        "[[model]]\nname = 'm'\nprice = { input = 2 }"
    )
    assert usd("m", {"input": 1}) == D(1)
    assert [each.name for each in found("m").origins] == ["m", "all"]


def test_an_adjustment_follows_the_list_through_the_day() -> None:
    use(
        "[[model]]\nname = 'x'\nmatch_pattern = 'deepseek-.*'\n"
        "start_time = 2026-11-20T08:00:00Z\nmultiply = { all = 2 }"
    )
    prices = [
        usd("deepseek-chat", {"input": M}, provider="deepseek", when=f"2026-11-20T{clock}")
        for clock in ("00:29:59", "00:30:00", "07:59:59", "08:00:00", "16:29:59", "16:30:00")
    ]
    assert prices == [D("0.135"), D("0.27"), D("0.27"), D("0.54"), D("0.54"), D("0.27")]


def test_a_model_without_a_provider_can_be_defined() -> None:
    use(
        "[[model]]\nname = 'local'\nprice = { input = 1 }\n"
        "[[model]]\nname = 'hosted'\nprovider = 'x'\nprice = { input = 1 }"
    )
    assert usd("local", {"input": 1}, provider=None) == D(1)
    assert priced("hosted", {"input": 1}, provider=None).total is None
    assert priced("gpt-4o", {"input": 1}, provider=None).total is None


def test_a_provider_may_be_named_as_spans_do_or_as_lists_do() -> None:
    use("[[model]]\nname = 'm'\nprovider = ['aws', 'api.x.ai']\nprice = { input = 1 }")
    for provider in ("aws.bedrock", "aws", "x_ai", "x-ai"):
        assert usd("m", {"input": 1}, provider=provider) == D(1)
    assert priced("m", {"input": 1}, provider="openai").total is None


def test_all_cards_of_the_list_survive_being_taken_apart() -> None:
    """What adjusts nothing changes nothing: a card becomes a sheet and the same rates again."""
    listed = [each for _, _, each in _genai.listed(at("2026-11-20")) if each is not None]
    assert len(listed) > 2000
    for each in listed:
        assert _sheet.rates(_sheet.own(each)) == (each.rates, each.tiers, each.assumed), each.model


def test_the_version_of_a_layer_changes_with_what_it_says() -> None:
    before = catalog.price_lists()
    assert catalog.price_lists() == before
    use(REGION)
    assert catalog.price_lists() != before


def test_the_history_of_a_price_and_its_contexts_include_those_of_definitions() -> None:
    use(REGION + TIERS, "overlay")
    use(
        "[[model]]\nname = 'gpt-6.1-sol'\nprice = { input = 1 }\n"
        "start_time = 2026-11-01T06:00:00Z\nend_time = 2026-11-02"
    )
    layers = {each.start: each.card and each.card.layer for each in history("openai", SOL)}
    assert layers[at("2026-11-01T06:00:00")] == "user"
    assert layers[at("2026-11-02T00:00:00")] == "genai-prices"
    found = contexts("openai", SOL)
    assert {"region": "us"} in found
    assert {"service_tier": "ultrafast"} in found
    assert found.count({"processing": "batch"}) == 1
