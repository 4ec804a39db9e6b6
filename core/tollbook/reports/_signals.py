"""What single calls tell: each signal takes in one call after another, and says at the end what it saw."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from tollbook._prices import resolve
from tollbook.pricing import Card, Quotes, list_price, rates_of, smaller_models
from tollbook.pricing._catalog import DAY
from tollbook.reports._advice import Advice, Step, said, usd
from tollbook.spans._prefix import NAME as PREFIX

if TYPE_CHECKING:
    from tollbook.spans import Record

Cards = Callable[[str], Card | None]
Model = tuple[str | None, str | None]
"""Provider and model, as recorded."""

CUT = frozenset({"length", "max_tokens", "max_output_tokens", "MAX_TOKENS", "model_length"})
"""Why an answer ended, in the providers' words for: the limit of its tokens was reached."""

LEAST = 1024
"""Tokens sent below which no provider caches a prompt, and characters that make a prefix: about a quarter of these."""


def model_of(record: Record) -> Model:
    """Whose call it was."""
    return record.provider, record.response_model or record.request_model


def listed(record: Record) -> int | None:
    """What the call comes to by the list, else what it cost; None if unknown."""
    cost = record.cost
    return None if cost is None else cost.total if cost.listed is None else cost.listed


def about(model: Model, **more: str | None) -> dict[str, str | None]:
    return {"provider": model[0], "model": model[1], **{k: v for k, v in more.items() if v is not None}}


class _Other(msgspec.Struct):
    calls: int = 0
    own: int = 0
    other: int = 0


class CheaperModel:
    """What the same usage would have come to on smaller models of the same family, or on those that a user names."""

    def __init__(self, card: Cards, chosen: Mapping[str, str] | None = None) -> None:
        self._card = card
        self._chosen = dict(chosen or {})
        self._quotes = Quotes()
        self._calls: dict[Model, int] = {}
        self._names: dict[tuple[str, str], list[str]] = {}
        self._sellers: dict[tuple[str, str, int], tuple[str, str]] = {}
        self._found: dict[tuple[Model, str], _Other] = {}
        self._without: dict[tuple[Model, str], int] = {}
        """Calls of a model that have no price on the one that the user named."""

    def see(self, record: Record) -> None:
        """Take in one call."""
        own, cost, usage = listed(record), record.cost, record.usage
        model = model_of(record)
        self._calls[model] = self._calls.get(model, 0) + 1
        used = None if cost is None or not cost.cards or not cost.cards[0] else self._card(cost.cards[0])
        if used is None or own is None or usage is None or usage.parts:
            return
        named = self._named(model, record, used)
        for name in self._smaller(used) if named is None else [named]:
            quoted = self._quoted(name, record)
            other = None if quoted is None else list_price(usage, quoted)
            if other is not None:
                found = self._found.setdefault((model, name), _Other())
                found.calls += 1
                found.own += own
                found.other += other
            elif named is not None:
                self._without[model, name] = self._without.get((model, name), 0) + 1

    def _named(self, model: Model, record: Record, used: Card) -> str | None:
        chosen = self._chosen
        return chosen.get(model[1] or "") or chosen.get(record.request_model or "") or chosen.get(used.model)

    def _smaller(self, used: Card) -> list[str]:
        key = (used.provider, used.model)
        if key not in self._names:
            self._names[key] = smaller_models(*key)
        return self._names[key]

    def _quoted(self, name: str, record: Record) -> Card | None:
        """The card of the other model: the same provider's if it sells it, else of whom its name says."""
        provider, at, context = record.provider or "", record.start, record.context
        if name not in self._chosen.values():
            return self._quotes(provider, name, at, context)
        key = (provider, name, at // DAY)
        if key not in self._sellers:
            if self._quotes(provider, name, at, context) is None:
                seller, model = resolve(name, None, at, context)
                self._sellers[key] = seller or "", model
            else:
                self._sellers[key] = provider, name
        return self._quotes(*self._sellers[key], at, context)

    def advice(self) -> Iterator[Advice]:
        """One for each model and cheaper one, and for each that the user named and that has no price."""
        for (model, name), calls in self._without.items():
            if (model, name) not in self._found:
                yield Advice(
                    signal="cheaper_model",
                    about=about(model, cheaper=name),
                    text=f"what {calls:,} calls of {model[1]} would have cost on {name} is not known: it has no price",
                    arithmetic=(Step(f"calls of {model[1]} that {name} has no price for", f"{calls:,}"),),
                    basis="known",
                    calls=calls,
                )
        for (model, name), found in self._found.items():
            less = found.own - found.other
            if less <= 0:
                continue
            all_ = self._calls[model]
            yield Advice(
                signal="cheaper_model",
                about=about(model, cheaper=name),
                text=f"{found.calls:,} calls of {model[1]} would have cost {less / found.own:.0%} less on {name}",
                arithmetic=(
                    Step(f"on {model[1]}, {found.calls:,} of {all_:,} calls", said(found.own)),
                    Step(f"the same usage on {name}, at the prices of each call's own time", said(found.other)),
                    Step("difference", said(less)),
                ),
                basis="guessed",
                guess="that it would use as many tokens; whether its answers are good enough, only you can tell",
                calls=found.calls,
                cost=usd(found.own),
                saving=usd(less),
            )


class _Cut(msgspec.Struct):
    calls: int = 0
    cut: int = 0
    tokens: int = 0
    cost: int = 0
    unknown: int = 0


class CutOutput:
    """Answers that ended because they reached the limit of their tokens."""

    def __init__(self) -> None:
        self._found: dict[Model, _Cut] = {}

    def see(self, record: Record) -> None:
        """Take in one call."""
        if record.finish is None:
            return
        found = self._found.setdefault(model_of(record), _Cut())
        found.calls += 1
        if record.finish in CUT:
            cost = listed(record)
            found.cut += 1
            found.tokens += 0 if record.usage is None else record.usage.output_tokens
            found.cost += cost or 0
            found.unknown += cost is None

    def advice(self) -> Iterator[Advice]:
        """One for each model."""
        for model, found in self._found.items():
            if not found.cut:
                continue
            more = f", {found.unknown:,} of them without a known cost" if found.unknown else ""
            yield Advice(
                signal="cut_output",
                about=about(model),
                text=f"{found.cut:,} answers of {model[1]} were cut at the limit of their tokens",
                arithmetic=(
                    Step("answers that say why they ended", f"{found.calls:,}"),
                    Step("cut at max_tokens", f"{found.cut:,} ({found.cut / found.calls:.0%})"),
                    Step("tokens that these generated", f"{found.tokens:,}"),
                    Step(f"what these calls cost{more}", said(found.cost)),
                ),
                basis="known",
                calls=found.cut,
                cost=None if found.unknown == found.cut else usd(found.cost),
            )


class _Failed(msgspec.Struct):
    failed: int = 0
    kinds: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    cost: int = 0
    unknown: int = 0
    retried: int = 0
    well: int = 0
    well_cost: int = 0


class FailedCalls:
    """Calls that failed, were given up or retried, and may have been billed all the same."""

    def __init__(self) -> None:
        self._found: dict[Model, _Failed] = {}

    def see(self, record: Record) -> None:
        """Take in one call."""
        found = self._found.setdefault((record.provider, record.request_model or record.response_model), _Failed())
        cost = listed(record)
        found.retried += record.retries
        if record.status == "ok":
            if cost is not None:
                found.well += 1
                found.well_cost += cost
            return
        found.failed += 1
        found.kinds[record.status] = found.kinds.get(record.status, 0) + 1
        if cost is not None:
            found.cost += cost
        elif record.status != "error" or "may_be_billed" in record.flags:
            found.unknown += 1

    def advice(self) -> Iterator[Advice]:
        """One for each model."""
        for model, found in self._found.items():
            if not found.failed and not found.retried:
                continue
            kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(found.kinds.items()))
            steps = [
                Step("calls that did not end well", f"{found.failed:,}{f' ({kinds})' if kinds else ''}"),
                Step("what of these is known to have cost", said(found.cost) if found.cost else "nothing"),
            ]
            unsure = found.unknown + found.retried
            if unsure:
                steps.append(Step("timeouts, given-up calls and retried attempts of unknown cost", f"{unsure:,}"))
            if unsure and found.well:
                each = found.well_cost // found.well
                steps.append(Step(f"at the mean of {found.well:,} others, {said(each)} each", said(unsure * each)))
            yield Advice(
                signal="failed_calls",
                about=about(model),
                text=f"{found.failed:,} calls of {model[1]} did not end well, {found.retried:,} attempts were retried",
                arithmetic=tuple(steps),
                basis="guessed" if unsure else "known",
                guess="that calls without an answer were billed like others; providers do not say" if unsure else "",
                calls=found.failed + found.retried,
                cost=None if unsure and not found.cost else usd(found.cost),
            )


class _Uncached(msgspec.Struct):
    calls: int = 0
    tokens: int = 0
    cost: int = 0
    less: int = 0
    most: int = 0
    used: bool = False


class UncachedInput:
    """Models with a price for cached input that are sent much, and never read anything from a cache."""

    def __init__(self, card: Cards) -> None:
        self._card = card
        self._found: dict[tuple[Model, str | None], _Uncached] = {}

    def see(self, record: Record) -> None:
        """Take in one call."""
        usage, cost = record.usage, record.cost
        if usage is None or cost is None or not cost.cards:
            return
        key = (model_of(record), (record.attribution or {}).get("feature"))
        found = self._found.setdefault(key, _Uncached())
        if any("_cache_" in name and quantity for name, quantity in usage.quantities.items()):
            found.used = True
        plain = usage.quantities.get("input", 0)
        card = self._card(cost.cards[0]) if cost.cards[0] else None
        if card is None or plain < LEAST or found.used:
            return
        prices = rates_of(card, usage, ("input", "input_cache_read"), plain)
        if prices is None or prices[1] >= prices[0] or "input_cache_read" in card.assumed:
            return
        found.calls += 1
        found.tokens += plain
        found.cost += prices[0]
        found.less += prices[0] - prices[1]
        found.most = max(found.most, prices[0] - prices[1])

    def advice(self) -> Iterator[Advice]:
        """One for each model and feature."""
        for (model, feature), found in self._found.items():
            if found.used or found.calls < 2:
                continue
            at_most = found.less - found.most
            yield Advice(
                signal="uncached_input",
                about=about(model, feature=feature),
                text=f"{found.calls:,} calls sent {model[1]} {LEAST:,} tokens or more, none of them from a cache",
                arithmetic=(
                    Step("tokens sent uncached", f"{found.tokens:,}"),
                    Step("what these cost", said(found.cost)),
                    Step("what they cost more than read from a cache", said(found.less)),
                    Step("without the largest call, which has to come first", said(at_most)),
                ),
                basis="guessed",
                guess="that all begin alike and come while a cache lives; what a write costs extra is not taken off",
                calls=found.calls,
                cost=usd(found.cost),
                saving=usd(at_most),
            )


class _Prefix(msgspec.Struct):
    calls: int = 0
    hits: int = 0
    tokens: int = 0


class RepeatedPrefix:
    """Requests that begin alike and are not read from a cache, where the program has their beginnings hashed."""

    MOST = 100_000
    """Beginnings that are told apart; later ones are left out."""

    def __init__(self) -> None:
        self._found: dict[tuple[Model, str], _Prefix] = {}

    def see(self, record: Record) -> None:
        """Take in one call."""
        digest = (record.attributes or {}).get(PREFIX)
        if not isinstance(digest, str) or record.usage is None:
            return
        key = (model_of(record), digest)
        if key not in self._found and len(self._found) >= self.MOST:
            return
        found = self._found.setdefault(key, _Prefix())
        found.calls += 1
        found.hits += any(name.endswith("cache_read") and n for name, n in record.usage.quantities.items())
        found.tokens += record.usage.quantities.get("input", 0)

    def advice(self) -> Iterator[Advice]:
        """One for each beginning that came again and was never read from a cache."""
        for (model, digest), found in self._found.items():
            if found.calls < 2 or found.hits:
                continue
            yield Advice(
                signal="repeated_prefix",
                about=about(model, prefix=digest),
                text=f"{found.calls:,} requests to {model[1]} began alike, and none was read from a cache",
                arithmetic=(
                    Step("requests with this beginning", f"{found.calls:,}"),
                    Step("tokens that they sent uncached, in all", f"{found.tokens:,}"),
                ),
                basis="known",
                calls=found.calls,
            )
