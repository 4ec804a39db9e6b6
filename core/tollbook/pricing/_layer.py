"""Layers: definitions of one authority, which of them apply to a call, and the rate card that they make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import PurePath

import msgspec

from tollbook.pricing import _sheet
from tollbook.pricing._card import Card, Origin, Rates, identified
from tollbook.pricing._catalog import DAY, in_force
from tollbook.pricing._definition import Definition, Variant, Window
from tollbook.pricing._names import LISTS, spellings
from tollbook.pricing._sheet import Sheet

Rows = Sequence[tuple[int, Card | None]]
Below = Callable[[str, str, int, Mapping[str, str]], Rows]
"""The layers of less authority, asked as the catalog asks its sources."""

_SECOND = 1_000_000_000
_MOST = 4096
_ONE_OF = ("processing", "service_tier", "speed")
"""Keys of a context of which one selects the price: a batch has one price, whatever tier it names."""


class Layer:
    """Definitions in the order in which they were read: of two that are equal otherwise, the later holds."""

    def __init__(self, name: str, definitions: Iterable[Definition] = ()) -> None:
        self.name = name
        self.definitions = tuple(definitions)
        self._fitting: dict[tuple[str, str], tuple[tuple[int, Definition], ...]] = {}

    @property
    def version(self) -> str:
        """Its name and a hash of all that it says, in its order."""
        content = " ".join(each.digest for each in self.definitions)
        return f"{self.name} {blake2b(content.encode(), digest_size=6).hexdigest()}"

    def fitting(self, provider: str, model: str) -> tuple[tuple[int, Definition], ...]:
        """The definitions that are about `model`, at whatever time, with their places."""
        key = provider, model
        found = self._fitting.get(key)
        if found is None:
            if len(self._fitting) >= _MOST:
                self._fitting.clear()
            names = tuple(dict.fromkeys((model, *spellings(model, LISTS.get(provider, provider)))))
            found = self._fitting[key] = tuple(
                (n, each)
                for n, each in enumerate(self.definitions)
                if _is_of(each, provider) and any(each.pattern.matches(name) for name in names)
            )
        return found

    def cards(self, provider: str, model: str, day: int, context: Mapping[str, str], below: Below) -> Rows:
        """As a source of the catalog; `below` is asked for what definitions only adjust."""
        fitting = self.fitting(provider, model)
        if not fitting:
            return ()
        asked: dict[tuple[tuple[str, str], ...], Rows] = {}

        def ask(rest: Mapping[str, str], instant: int) -> Card | None:
            key = tuple(rest.items())
            if key not in asked:
                asked[key] = below(provider, model, day, rest)
            return in_force(asked[key], instant)

        instants = {day, *(each for _, found in fitting for each in _instants(found, day) if day < each < day + DAY)}
        rows: dict[int, Card | None] = {}
        while open_ := instants - rows.keys():
            for instant in open_:
                rows[instant] = self._card(provider, fitting, instant, context, ask)
            # What lies below may change in the midst of the day, too.
            instants |= {each for answer in asked.values() for each, _ in answer}
        return sorted(rows.items()) if any(rows.values()) else ()

    def _card(
        self,
        provider: str,
        fitting: Sequence[tuple[int, Definition]],
        instant: int,
        context: Mapping[str, str],
        ask: Callable[[Mapping[str, str], int], Card | None],
    ) -> Card | None:
        base, adjusting = _selected(fitting, instant)
        work = _Work(self.name, instant, dict(context))
        plans = [(each, work.choose(each)) for each in reversed(adjusting)]
        if base is None:
            card = ask(work.context, instant)
            if card is None:
                return None
            sheet = _sheet.own(card)
        else:
            plan = work.choose(base)
            work.rest()
            card, sheet = _stated(self.name, base, provider)
            sheet = work.apply(base, plan, sheet)
        for each, plan in reversed(plans):
            sheet = work.apply(each, plan, sheet)
        return work.card(card, sheet)


class _Work:
    """A card in the making."""

    def __init__(self, layer: str, instant: int, context: dict[str, str]) -> None:
        self.layer = layer
        self.instant = instant
        self.context = context
        """What no variant has taken yet."""
        self.taken: dict[str, str] = {}
        self.notes: list[str] = []
        self.used: list[Definition] = []

    def choose(self, definition: Definition) -> list[Variant]:
        """The variants of `definition` that apply; what they are about is taken out of the context."""
        newest: dict[tuple[str, ...], Variant] = {}
        for variant in definition.variants:
            live = variant.start <= self.instant < variant.end
            if live and all(self.context.get(key) in values for key, values in variant.when.items()):
                keys = tuple(sorted(variant.when))
                if keys not in newest or newest[keys].start <= variant.start:
                    newest[keys] = variant
        alone = min(((-len(keys), keys) for keys, variant in newest.items() if not variant.stacks), default=(0, None))[
            1
        ]
        chosen = {keys: variant for keys, variant in newest.items() if variant.stacks or keys == alone}
        for keys in chosen:
            for key in keys:
                if key in self.context:
                    self.taken[key] = self.context.pop(key)
        if alone is not None and (first := next((key for key in alone if key in _ONE_OF), None)):
            for key in _ONE_OF:
                if key in self.context:
                    self.notes.append(f"{key}={self.context.pop(key)} priced as {self.taken[first]}")
        return [variant for variant in definition.variants if any(variant is each for each in chosen.values())]

    def rest(self) -> None:
        """Note what is left of the context: no variant knows it."""
        self.notes += [f"{key}={value} priced as standard" for key, value in self.context.items()]

    def apply(self, definition: Definition, variants: Sequence[Variant], sheet: Sheet) -> Sheet:
        """`sheet` as `definition` changes it."""
        window = next((each for each in reversed(definition.windows) if _is_open(each, self.instant)), None)
        if not (definition.change or definition.tiers or variants or window):
            return sheet
        self.used.append(definition)
        if definition.adjusts:  # otherwise the sheet is the definition's own
            sheet = _sheet.changed(sheet, definition.change)
        for tier in definition.tiers:
            sheet = _sheet.stepped(sheet, tier.threshold, tier.operator, tier.change)
        for each in (*variants, *((window,) if window else ())):
            sheet = _sheet.changed(sheet, each.change)
        return sheet

    def card(self, base: Card, sheet: Sheet) -> Card | None:
        """The finished card: `base` itself, if nothing changed it."""
        if not self.used:
            return base
        rates, tiers, assumed = _sheet.rates(sheet)
        origins = tuple(
            Origin(self.layer, each.name, each.source, each.checked, PurePath(each.file).name, each.digest)
            for each in self.used
        )
        top = origins[-1]
        version = f"{top.file} {top.digest}".strip()
        # A definition that only adds a price, of a tool perhaps, leaves the others' authority as it is.
        adds = base.source and _has_all_of(base.rates, rates) and len(base.tiers) == len(tiers)
        adds = adds and all(_has_all_of(old.rates, new.rates) for old, new in zip(base.tiers, tiers, strict=True))
        versions = (base.source, version) if adds else (version, base.source)
        return identified(
            msgspec.structs.replace(
                base,
                id="",
                layer=base.layer if adds else self.layer,
                source=", ".join(each for each in versions if each),
                rates=rates,
                tiers=tiers,
                context={**base.context, **dict(sorted(self.taken.items()))},
                assumed=assumed,
                assumptions=(*base.assumptions, *self.notes),
                origins=(*base.origins, *origins),
            )
        )


def _has_all_of(old: Rates, new: Rates) -> bool:
    return old.items() <= new.items()


def _is_of(definition: Definition, provider: str) -> bool:
    if not definition.providers:
        return True
    return LISTS.get(provider, provider) in {LISTS.get(each, each) for each in definition.providers}


def _selected(fitting: Sequence[tuple[int, Definition]], instant: int) -> tuple[Definition | None, list[Definition]]:
    """The definition that states the prices, and those that adjust them, in their order.

    Of those that adjust, the ones of the same name are versions of one fact, of which the newest holds.
    """
    live = [(n, each) for n, each in fitting if each.start <= instant < each.end]
    stated = max(((each.start, n, each) for n, each in live if not each.adjusts), key=lambda x: x[:2], default=None)
    versions: dict[str, tuple[int, int, Definition]] = {}
    for n, each in live:
        if each.adjusts and (each.name not in versions or versions[each.name][:2] <= (each.start, n)):
            versions[each.name] = each.start, n, each
    adjusting = sorted(versions.values(), key=lambda version: version[1])
    return (stated[2] if stated else None), [each for _, _, each in adjusting]


def _stated(layer: str, definition: Definition, provider: str) -> tuple[Card, Sheet]:
    """The card that a definition states, still without rates, and its prices."""
    card = Card(
        id="",
        provider=definition.providers[0] if len(definition.providers) == 1 else provider,
        model=definition.name,
        layer=layer,
        source="",
        rates={},
        since=definition.since,
    )
    return card, _sheet.changed(Sheet({}), definition.change)


def _instants(definition: Definition, day: int) -> Iterator[int]:
    """When the prices of `definition` change, at whatever time of the day."""
    yield definition.start
    yield definition.end
    for variant in definition.variants:
        yield variant.start
        yield variant.end
    for window in definition.windows:
        yield window.start
        yield window.end
        yield day + window.since * _SECOND
        yield day + window.until * _SECOND


def _is_open(window: Window, instant: int) -> bool:
    if not window.start <= instant < window.end:
        return False
    moment = datetime.fromtimestamp(instant // _SECOND, UTC)
    clock = moment.hour * 3600 + moment.minute * 60 + moment.second
    today, yesterday = moment.weekday(), (moment.weekday() - 1) % 7
    if window.since < window.until:
        return window.since <= clock < window.until and today in window.days
    return (clock >= window.since and today in window.days) or (clock < window.until and yesterday in window.days)
