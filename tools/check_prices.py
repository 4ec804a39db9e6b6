"""Which facts of the overlay are to be looked at again: `python3 dev.py prices` runs this.

A fact is due if nobody has checked it for some time, if another source of prices now says otherwise, or if the price
list says the same by now. The other sources are what happens to be at hand: litellm's JSON (given by its path), and
the packages model-prices and openai-cost-calculator, if they are installed. They copy from each other and from the
same pages, so they decide nothing: whoever looks decides, by the provider's own page.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from tollbook.pricing import Card, card
from tollbook.pricing import _genai as listed
from tollbook.pricing._definition import NEVER, Definition
from tollbook.pricing._places import overlay

DUE = 45
"""Days."""

Context = dict[str, str]
Rates = dict[str, Fraction]
"""USD per unit, by bucket."""


class Source(NamedTuple):
    """A source of prices."""

    name: str
    models: dict[str, set[str]]
    """The names of its models, by the price list's id."""
    rates: Callable[[str, str, datetime, Context], Rates | None]
    """Of provider, model, time and context; None: it says nothing of that."""
    dated: bool
    """Whether it knows what a price was, too."""


class Probe(NamedTuple):
    """A call that a fact is about."""

    at: datetime
    context: Context
    past: bool


# ---- sources -------------------------------------------------------------------------------------------------

LITELLM = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "input_cache_read",
    "cache_creation_input_token_cost": "input_cache_write_5m",
    "cache_creation_input_token_cost_above_1hr": "input_cache_write_1h",
    "input_cost_per_audio_token": "input_audio",
    "output_cost_per_audio_token": "output_audio",
}
CALCULATOR = {
    "input": "input",
    "output": "output",
    "cached_input": "input_cache_read",
    "cache_write": "input_cache_write_5m",
    "cache_write_1h": "input_cache_write_1h",
    "audio_input": "input_audio",
    "audio_output": "output_audio",
}
OURS = {"gemini": "google", "xai": "x-ai"}
"""Names of providers that the price list calls otherwise."""


def per_million(value: Any) -> Fraction:
    return Fraction(str(value)) / 10**6


def litellm(path: Path) -> Source:
    """litellm's `model_prices_and_context_window.json`."""
    entries: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for key, entry in entries.items():
        provider = str(entry.get("litellm_provider", ""))
        name = key.removeprefix(f"{provider}/")
        found[OURS.get(provider, provider), f"{name}:owner::id" if name.startswith("ft:") else name] = entry

    def rates(provider: str, model: str, _at: datetime, context: Context) -> Rates | None:
        entry = found.get((provider, model))
        if entry is None:
            return None
        tier = "batches" if context.get("processing") == "batch" else context.get("service_tier", "")
        suffix = f"_{tier}" if tier else ""
        factor = Fraction(1)
        if region := context.get("region"):
            special = entry.get("provider_specific_entry") or {}
            if region not in special:
                return None
            factor = Fraction(str(special[region]))
        said = {bucket: entry.get(f"{field}{suffix}") for field, bucket in LITELLM.items()}
        result = {bucket: Fraction(str(value)) * factor for bucket, value in said.items() if value is not None}
        if not context and (second := entry.get("output_cost_per_second")) is not None:
            result["output_video_ms"] = Fraction(str(second)) / 1000
        return result or None

    return Source("litellm", names(found), rates, dated=False)


def model_prices(snapshot: Path) -> Source:
    """The snapshot that the package model-prices brings."""
    prices: dict[str, dict[str, dict[str, Any]]] = json.loads(snapshot.read_text(encoding="utf-8"))["prices"]
    found = {
        (OURS.get(owner, owner), name): modes for owner, models in prices.items() for name, modes in models.items()
    }

    def rates(provider: str, model: str, at: datetime, context: Context) -> Rates | None:
        if context.keys() - {"processing", "service_tier"}:
            return None
        tier = context.get("processing") or context.get("service_tier") or "standard"
        rows = found.get((provider, model), {}).get({"priority": "fast"}.get(tier, tier)) or []
        in_force: Mapping[str, Any] | None = None
        for row in rows:
            if row["start"] is None or datetime.fromisoformat(row["start"]) <= at:
                in_force = row["rates"]
        if in_force is None:
            return None
        keys = {
            "input": "input",
            "output": "output",
            "cache_read": "input_cache_read",
            "cache_write": "input_cache_write_5m",
        }
        return {bucket: per_million(in_force[key]) for key, bucket in keys.items() if in_force.get(key) is not None}

    return Source("model-prices", names(found), rates, dated=True)


def cost_calculator(directory: Path) -> Source:
    """The price files that the package openai-cost-calculator brings, parsed from providers' pages."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for path in sorted(directory.glob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        owner = str(data.get("provider", path.stem))
        for model in data.get("models", ()):
            found[OURS.get(owner, owner), model["id"]] = model.get("prices", [])

    def rates(provider: str, model: str, at: datetime, context: Context) -> Rates | None:
        wanted = {"service_tier" if key == "processing" else key: value for key, value in context.items()}
        for row in found.get((provider, model), ()):
            day = at.date().isoformat()
            live = row.get("effective_from", "") <= day < row.get("effective_until", "9999")
            if (row.get("conditions") or {}) == wanted and "min_input_tokens" not in row and live:
                said = row.get("rates", {})
                return {bucket: per_million(said[key]) for key, bucket in CALCULATOR.items() if key in said}
        return None

    return Source("openai-cost-calculator", names(found), rates, dated=False)


def names(found: Mapping[tuple[str, str], object]) -> dict[str, set[str]]:
    result: dict[str, set[str]] = {}
    for provider, model in found:
        result.setdefault(provider, set()).add(model)
    return result


def at_hand(litellm_json: Path | None) -> list[Source]:
    """The sources that there are."""
    sources = [] if litellm_json is None else [litellm(litellm_json)]
    if (package := importlib.util.find_spec("model_prices")) and package.origin:
        sources.append(model_prices(Path(package.origin).with_name("snapshot.json")))
    if (package := importlib.util.find_spec("openai_cost_calculator")) and package.origin:
        sources.append(cost_calculator(Path(package.origin).parent / "data" / "pricing"))
    return sources


# ---- what is due ---------------------------------------------------------------------------------------------


def stale(facts: list[Definition], today: date, days: int) -> Iterator[str]:
    """The facts that nobody has checked since `days` before `today`."""
    for fact in facts:
        if not fact.checked or date.fromisoformat(fact.checked) < today - timedelta(days):
            yield f"{fact.name}: checked {fact.checked or 'never'}, {fact.source or 'without a source'}"


def probes(fact: Definition, today: date) -> Iterator[Probe]:
    """Calls of today that a fact is about, or if it is past, of its last hours."""
    now = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
    plain = (None,) if fact.change or not fact.variants else ()
    for each in (*plain, *fact.variants):
        end = min(fact.end, each.end if each else NEVER)
        moment = int(now.timestamp()) * 10**9
        past = end <= moment
        at = datetime.fromtimestamp(end // 10**9, UTC) - timedelta(hours=12) if past else now
        yield Probe(at, {key: values[0] for key, values in each.when.items()} if each else {}, past)


def ours(found: Card) -> Rates:
    """USD per unit, of what is priced for certain."""
    rates = {bucket: rate for bucket, rate in found.rates.items() if bucket not in found.assumed}
    return {
        bucket: Fraction(*(rate if isinstance(rate, tuple) else (rate, 1))) / 10**12 for bucket, rate in rates.items()
    }


def contradicted(facts: list[Definition], sources: list[Source], today: date, *, decided: bool) -> Iterator[str]:
    """Where a source has another figure than the card that a fact makes; decided are those that its note names."""
    for fact in facts:
        for probe in probes(fact, today):
            for source in sources:
                if (not probe.past or source.dated) and (source.name in fact.note) is decided:
                    yield from differences(fact, probe, source)


def differences(fact: Definition, probe: Probe, source: Source) -> Iterator[str]:
    for provider in fact.providers:
        for model in sorted(name for name in source.models.get(provider, ()) if fact.pattern.matches(name)):
            mine = made_by(fact, provider, model, probe)
            said = source.rates(provider, model, probe.at, probe.context) if mine else None
            about = set(fact.change.sets) if fact.adjusts and fact.change.sets and not probe.context else None
            for bucket, rate in (said or {}).items():
                if mine and mine.get(bucket, rate) != rate and (about is None or bucket in about):
                    figures = f"{float(mine[bucket] * 10**6):g} here, {float(rate * 10**6):g} there, USD per million"
                    yield f"{fact.name}: {model}, {bucket} on {probe.at.date()}: {figures} ({source.name})"


def made_by(fact: Definition, provider: str, model: str, probe: Probe) -> Rates | None:
    """The rates of a call, if `fact` has a part in them."""
    found = card(provider, model, int(probe.at.timestamp()) * 10**9, probe.context)
    if found is None or not any(origin.name == fact.name for origin in found.origins):
        return None
    return ours(found)


def settled(facts: list[Definition], today: date) -> Iterator[str]:
    """The facts that the price list has, too, by now."""
    for fact in facts:
        for probe in probes(fact, today):
            known = [
                model
                for provider in fact.providers
                for model in (info.id for info in listed._LISTS[provider].models)
                if fact.pattern.matches(model) and same_as_listed(fact, provider, model, probe)
            ]
            if known:
                yield f"{fact.name}: the price list says the same of {', '.join(known)} on {probe.at.date()}"


def same_as_listed(fact: Definition, provider: str, model: str, probe: Probe) -> bool:
    mine = made_by(fact, provider, model, probe)
    day = int(probe.at.timestamp()) // 86_400 * 86_400 * 10**9
    rows = listed.cards(provider, model, day, probe.context)
    theirs = rows[-1][1] if rows else None
    return bool(mine) and theirs is not None and not theirs.assumptions and ours(theirs) == mine


def main() -> int:
    """Print what is due; 1 if something is."""
    parser = argparse.ArgumentParser(prog="python3 dev.py prices", description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=DUE, help=f"how long a check is good for (default: {DUE})")
    parser.add_argument("--litellm", type=Path, metavar="FILE", help="litellm's model_prices_and_context_window.json")
    parser.add_argument("--today", type=date.fromisoformat, default=datetime.now(UTC).date(), help=argparse.SUPPRESS)
    options = parser.parse_args()
    facts = list(overlay().definitions)
    sources = at_hand(options.litellm)
    due = 0
    for title, rows in (
        (f"Not checked for {options.days} days", stale(facts, options.today, options.days)),
        ("Another source says otherwise", contradicted(facts, sources, options.today, decided=False)),
        ("Not needed any more", settled(facts, options.today)),
    ):
        found = list(rows)
        due += len(found)
        if found:
            print(f"{title}:", *found, sep="\n  ")
    known = list(contradicted(facts, sources, options.today, decided=True))
    if known:
        print("Another source says otherwise, and a note says why it is not followed:", *known, sep="\n  ")
    compared = (
        ", ".join(source.name for source in sources) or "no other source: install model-prices, or give --litellm"
    )
    print(f"{len(facts)} facts, {due} of them to look at; compared with {compared}.")
    return 1 if due else 0


if __name__ == "__main__":
    sys.exit(main())
