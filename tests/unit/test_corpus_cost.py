"""Costs that other projects' tests assert, or that were computed from stated rates, recomputed here to the last digit.

The rows are not part of the repository; without them the tests are skipped. Every row is either checked or counted
under the reason why it is not, and the counts are part of the test.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.corpus_differences import KINDS, PRICES

from tollbook._money import from_usd, to_usd
from tollbook.pricing import Card, Rates, Tier, card, cost_of
from tollbook.pricing import _catalog as catalog
from tollbook.pricing import _genai as listed
from tollbook.pricing._card import ratio
from tollbook.pricing._listed import types as genai
from tollbook.usage import Usage, read

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "expected_costs.jsonl"
pytestmark = pytest.mark.skipif(not CORPUS.exists(), reason="the recorded rows are not here")

Row = dict[str, Any]

NAMES = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gcp": "gcp.gemini",
    "google": "gcp.gemini",
    "google-cloud": "gcp.vertex_ai",
    "google-gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "x-ai": "x_ai",
    "xai": "x_ai",
}
"""The corpus' names of providers that OpenTelemetry calls otherwise."""

LATEST = datetime(2026, 11, 9, 12, tzinfo=UTC)
"""When a row without a date is priced: the day of the newest price in genai-prices 0.2.3."""

MOMENTS = {
    "genai-prices:test_price_constraint_time_of_date#2": datetime(2025, 6, 1, 17, tzinfo=UTC),  # cheaper at that hour
    "pydantic-ai:test_background_mode_reasoning_vcr": datetime(2026, 8, 1, tzinfo=UTC),  # before a price cut
}
"""When rows without a date were priced, as their figures show."""


def rows() -> list[Row]:
    with CORPUS.open() as file:
        return [json.loads(line) for line in file]


def exclusive(used: Row) -> dict[str, int] | None:
    """genai-prices' usage, whose totals include their parts, as disjoint quantities; None if it contradicts itself."""

    def n(name: str) -> int:
        return used.get(f"{name}_tokens") or 0

    kinds = ("audio", "image", "video")
    quantities = {f"input_{kind}_cache_read": n(f"cache_{kind}_read") for kind in kinds}
    quantities["input_cache_read"] = n("cache_read") - sum(quantities.values())
    quantities |= {f"input_{kind}": n(f"input_{kind}") - n(f"cache_{kind}_read") for kind in kinds}
    quantities |= {f"input_cache_write_{ttl}": n(f"cache_write_{ttl}") for ttl in ("5m", "1h")}
    quantities["input_cache_write"] = n("cache_write") - n("cache_write_5m") - n("cache_write_1h")
    quantities["input"] = n("input") - sum(quantities.values())
    answer = {f"output_{kind}": n(f"output_{kind}") for kind in ("reasoning", "citation", *kinds)}
    quantities |= answer
    quantities["output"] = n("output") - sum(answer.values())
    quantities["web_search"] = used.get("web_searches") or 0
    quantities["session_ms"] = int(1000 * Decimal(used.get("audio_seconds") or 0))
    if any(quantity < 0 for quantity in quantities.values()):
        return None
    return {name: quantity for name, quantity in quantities.items() if quantity}


def inclusive_usage(row: Row) -> Row | None:
    """A row's usage in genai-prices' words; None if it has the provider's, which are for the tests of usage to read."""
    if row["usage_convention"].startswith("raw") and "normalized_usage" not in row:
        return None
    names = {"cache_read.input_tokens": "cache_read_tokens", "cache_creation.input_tokens": "cache_write_tokens"}
    used = {key.removeprefix("gen_ai.usage."): n for key, n in (row.get("normalized_usage") or row["usage"]).items()}
    return {names.get(key, key): n for key, n in used.items()}


def stated_prices(rates: Row) -> genai.ModelPrice:
    """A row's own rates in the package's words."""

    def price(value: Any) -> Decimal | genai.TieredPrices:
        if isinstance(value, dict):
            tiers = [genai.Tier(start=tier["start"], price=Decimal(tier["price"])) for tier in value["tiers"]]
            return genai.TieredPrices(base=Decimal(value["base"]), tiers=tiers)
        return Decimal(value)

    return genai.ModelPrice(**{key: price(value) for key, value in rates.items()})


def moment(row: Row) -> int:
    when = datetime.fromisoformat(row["date"]).replace(hour=12, tzinfo=UTC) if "date" in row else LATEST
    when = MOMENTS.get(row["id"], when)
    return int(when.timestamp()) * 10**9


Only = Callable[..., None]


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Iterator[Only]:
    """Makes a card the only price that is known."""

    def use(rates: Rates, tiers: tuple[Tier, ...] = ()) -> None:
        alone = Card(id="alone", provider="p", model="m", layer="user", source="row", rates=rates, tiers=tiers)
        monkeypatch.setattr(catalog, "sources", [lambda _provider, _model, day, _context: [(day, alone)]])
        monkeypatch.setattr(catalog, "_by_id", {})
        catalog.forget()

    yield use
    catalog.forget()


def disagreement(row: Row, quantities: dict[str, int], provider: str = "p", model: str = "m") -> str:
    """What of the row's expected figures we do not reproduce exactly (within its stated tolerance, if it has one)."""
    cost = cost_of(Usage(quantities or {"input": 0}), provider, model, moment(row))
    assert cost is not None
    ours = {"total": cost.total, "input": cost.input, "output": cost.output}
    slack = from_usd(Decimal(str(row.get("tolerance", 0))))
    return ", ".join(
        f"{row['id']}: {name} is {figure}, ours {to_usd(mine) if mine is not None else None}"
        for name, figure in row["expected_usd"].items()
        if name in ours
        and not (name == "input" and "cache_read" in row["expected_usd"])  # there it is what no cache held
        and ((mine := ours[name]) is None or abs(mine - from_usd(str(figure))) > slack)
    )


def by_repository(*names: str) -> Iterator[Row]:
    return (row for row in rows() if row["source"]["repo"] in names and row["kind"] != "provider-reported")


def test_genai_prices_rows_at_their_own_rates(only: Only) -> None:
    """Flat and tiered rates, stated in genai-prices' words, give the costs that the rows state."""
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for row in by_repository("pydantic/genai-prices"):
        used = inclusive_usage(row)
        stated = row["price_basis"].get("rates")
        if not stated or "hovercraft_mtok" in stated:
            counts["no rates stated"] += 1
        elif used is None:
            counts["raw usage"] += 1
        elif {"sausages", "bonus_units"} & used.keys() or any(isinstance(n, float) for n in used.values()):
            counts["units of the test's own, or half a token"] += 1
        elif (quantities := exclusive(used)) is None:
            counts["parts exceed the whole"] += 1
        else:
            rates, tiers, _ = listed.compiled(stated_prices(stated))
            only(rates, tiers)
            if problem := disagreement(row, quantities):
                wrong.append(problem)
            counts["checked"] += 1
    assert not wrong, "\n".join(wrong)
    assert counts.keys() <= KINDS.keys() | {"checked"}
    assert dict(counts) == {
        "checked": 759,
        "no rates stated": 3,
        "parts exceed the whole": 2,
        "units of the test's own, or half a token": 5,
    }


def test_rows_at_bundled_prices() -> None:
    """What genai-prices and its users computed from its list, computed from today's list as of the row's day."""
    if listed.SOURCE != "genai-prices 0.2.3":
        pytest.skip("the counts are those of another price list")
    counts: Counter[str] = Counter()
    different: dict[str, str] = {}
    for row in by_repository("pydantic/genai-prices", "pydantic/pydantic-ai", "pydantic/logfire"):
        used = inclusive_usage(row)
        quantities = exclusive(used) if used and not {"sausages", "bonus_units"} & used.keys() else None
        provider, model = NAMES.get(row.get("provider"), row.get("provider")), row.get("model")
        if not provider or not model:
            counts["no model named"] += 1
        elif quantities is None:
            counts["raw usage, units of the test's own, or parts exceed the whole"] += 1
        elif card(provider, model, moment(row)) is None:
            counts["not in today's list"] += 1
        elif not (problem := disagreement(row, quantities, provider, model)):
            counts["checked"] += 1
        else:
            different[row["id"]] = problem
    assert different.keys() == PRICES.keys(), {name: text for name, text in different.items() if name not in PRICES}
    assert counts.keys() <= KINDS.keys() | {"checked"}
    assert dict(counts) == {
        "checked": 953,
        "no model named": 16,
        "not in today's list": 21,
        "raw usage, units of the test's own, or parts exceed the whole": 7,
    }


BILLED_BEYOND = {"genai-prices-dataset:211:anthropic:default", "genai-prices-dataset:250:anthropic:default"}
"""Responses that state iterations outside their totals, which are billed and which genai-prices does not read."""


def test_raw_responses_from_usage_to_cost(only: Only) -> None:
    """Usage objects as providers sent them, read by us, cost what the rows state for genai-prices' reading of them."""
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for row in by_repository("pydantic/genai-prices"):
        raw = row["usage"].get("usage") or row["usage"].get("usageMetadata")
        if row["kind"] != "dataset" or not row["price_basis"].get("rates") or row["api"] == "embeddings":
            continue
        chat = "openai.responses" if row["api"] == "responses" else "openai.chat"
        usage = read({"anthropic": "anthropic.messages", "google": "gemini"}.get(row["provider"], chat), raw)
        rates, tiers, _ = listed.compiled(stated_prices(row["price_basis"]["rates"]))
        only(rates, tiers)
        cost = cost_of(usage, "p", "m", moment(row))
        assert cost is not None
        total = cost.total if cost.listed is None else cost.listed
        if row["id"] in BILLED_BEYOND:
            counts["billed beyond what its source reads"] += 1
            assert total is not None
            assert total > from_usd(row["expected_usd"]["total"])
            continue
        if total != from_usd(row["expected_usd"]["total"]):
            wrong.append(f"{row['id']}: {row['expected_usd']}, ours {total}")
        counts["checked"] += 1
    assert not wrong, "\n".join(wrong)
    assert counts.keys() <= KINDS.keys() | {"checked"}
    assert dict(counts) == {"checked": 667, "billed beyond what its source reads": 2}


PER = {"usd_per_million_tokens": 10**6, "usd_per_1000_tokens": 1000, "usd_per_token": 1, "usd_per_character": 1}

QUANTITIES = {
    "cachedInput": "input_cache_read",
    "cache_creation_input_tokens": "input_cache_write",
    "cache_creation_tokens": "input_cache_write",
    "cache_read": "input_cache_read",
    "cache_read_input_tokens": "input_cache_read",
    "cache_read_tokens": "input_cache_read",
    "cache_write": "input_cache_write",
    "cache_write_tokens": "input_cache_write",
    "cached_tokens": "input_cache_read",
    "completion": "output",
    "completion_tokens": "output",
    "input": "input",
    "input_characters": "input_characters",
    "input_tokens": "input",
    "input_tokens_cache_read": "input_cache_read",
    "input_tokens_cache_write": "input_cache_write",
    "output": "output",
    "output_tokens": "output",
    "prompt": "input",
    "prompt_tokens": "input",
    "write5m": "input_cache_write_5m",
}
DETAILS = {"prompt_details": "input", "completion_details": "output", "completion_tokens_details": "output"}
RATES = {
    "cache_creation": "input_cache_write",
    "cache_creation_input_token_cost": "input_cache_write",
    "cache_read": "input_cache_read",
    "cache_read_input_token_cost": "input_cache_read",
    "cache_write": "input_cache_write",
    "character": "input_characters",
    "completion": "output",
    "completion.output": "output",
    "completion.reasoning": "output_reasoning",
    "input": "input",
    "input_cost_per_token": "input",
    "output": "output",
    "output_cost_per_image_token": "output_image",
    "output_cost_per_reasoning_token": "output_reasoning",
    "output_cost_per_token": "output",
    "prompt": "input",
    "prompt.audio": "input_audio",
    "prompt.image": "input_image",
    "prompt.input": "input",
    "prompt.video": "input_video",
    "write5m": "input_cache_write_5m",
}
LONG = {"input_above_272k": "input", "cache_read_above_272k": "input_cache_read", "output_above_272k": "output"}


def flat_quantities(row: Row) -> dict[str, int] | str:
    """A row's usage in disjoint quantities, or why it has none."""
    quantities: dict[str, int] = {}
    inclusive = "includes" in row.get("usage_convention", "")
    if not isinstance(row["usage"], dict):
        return "several calls in one row"
    for name, value in row["usage"].items():
        if name in {"total", "total_tokens"}:
            continue
        if isinstance(value, dict) and name in {"prompt_tokens_details", "input_tokens_details"}:
            quantities |= {QUANTITIES.get(key, key): n for key, n in value.items()}
        elif isinstance(value, dict) and name in DETAILS:
            parts = {key.removesuffix("_tokens"): n for key, n in value.items()}
            for plain in ("text", "input", "output"):
                parts.pop(plain, None)
            quantities |= {f"{DETAILS[name]}_{key}": n for key, n in parts.items()}
        elif name in QUANTITIES:
            quantities[QUANTITIES[name]] = value
        else:
            return "usage that only its source defines"
    if not all(type(n) is int for n in quantities.values()):
        return "fractions or words for counts"
    cached = [name for name in quantities if name.startswith("input_cache")]
    if cached and "usage_convention" not in row:
        return "usage that only its source defines"
    for whole in ("input", "output"):
        if whole in quantities:
            parts = [name for name in quantities if name.startswith(f"{whole}_") and (inclusive or name not in cached)]
            quantities[whole] -= sum(quantities[name] for name in parts)
    return quantities if min(quantities.values(), default=0) >= 0 else "parts exceed the whole"


def flat_rates(row: Row, quantities: dict[str, int]) -> tuple[Rates, tuple[Tier, ...]] | str:
    """A row's own rates, where images, sound and reasoning without one cost as text; or why it has none."""
    basis = row["price_basis"]
    stated = basis.get("rates")
    if not stated or basis.get("unit") not in PER:
        return "no rates, or not by the token"
    if not stated.keys() <= RATES.keys() | LONG.keys():
        return "rates that only their source defines"

    def rate(value: float) -> Any:
        top, bottom = Decimal(str(value)).as_integer_ratio()
        return ratio(top * 10**12, bottom * PER[basis["unit"]])

    def rates(names: dict[str, str]) -> Rates:
        found = {bucket: rate(stated[name]) for name, bucket in names.items() if name in stated}
        for bucket in quantities:
            base = bucket.split("_")[0]
            if "cache" not in bucket and base in found:
                found.setdefault(bucket, found[base])
        return found

    long = rates(LONG)
    return rates(RATES), (Tier(272_000, "gt", long),) if long else ()


ELSEWISE = {
    "openlit-cli:TestCostCacheCreationFallback": "guesses a price that is not stated",
    "openlit-py:TestNoCacheTokens::test_unknown_model_returns_zero": "calls an unknown price 0",
    "inspect_ai:test_compute_model_cost_1h_cache_write_billed_above_5m_rate[1h]": "guesses a price that is not stated",
}
"""Rows whose rule is not ours, each with that rule."""


def test_other_projects_rows_at_their_own_rates(only: Only) -> None:
    """Rows of other projects with plain rates: the quantities at those rates give the figures that they assert."""
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    ours = {"pydantic/genai-prices", "pydantic/pydantic-ai", "pydantic/logfire"}
    for row in rows():
        if row["source"]["repo"] in ours or row["kind"] == "provider-reported":
            continue
        if row["id"] in ELSEWISE:
            counts[ELSEWISE[row["id"]]] += 1
            continue
        quantities = flat_quantities(row)
        prices = quantities if isinstance(quantities, str) else flat_rates(row, quantities)
        if isinstance(prices, str) or isinstance(quantities, str):
            counts[str(prices)] += 1
            continue
        only(*prices)
        if problem := disagreement(row, quantities):
            wrong.append(problem)
        counts["checked"] += 1
    assert not wrong, "\n".join(wrong)
    assert counts.keys() <= KINDS.keys() | {"checked"}
    assert dict(counts) == {
        "checked": 44,
        "calls an unknown price 0": 1,
        "fractions or words for counts": 2,
        "guesses a price that is not stated": 2,
        "no rates, or not by the token": 41,
        "parts exceed the whole": 2,
        "rates that only their source defines": 14,
        "several calls in one row": 1,
        "usage that only its source defines": 18,
    }
