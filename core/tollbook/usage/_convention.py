"""What a convention is made of: where each number of a usage object is, and which other numbers contain it."""

from __future__ import annotations

from typing import NamedTuple

TOTAL = "total"
"""In place of a bucket: the total that the provider states, which is checked and not kept."""

CHARGE = "charge"
"""In place of a bucket: what the provider says it charged, `scale` being the pico-dollars of its unit."""


class Field(NamedTuple):
    """One number of a usage object."""

    path: str
    """Keys joined by dots. `list[key=a|b].value` is the sum of `value` over the items whose `key` is `a` or `b`,
    `list[].value` the sum over all, `list[a]` the number of items that are the string `a`. Case is no difference.
    """
    bucket: str
    """What the number counts, less what other numbers inside it count. Of several fields of one bucket the first
    that is there holds; the others are other words for the same number."""
    inside: tuple[str, ...] = ()
    """Buckets whose own number contains this one. Empty: it is contained in none."""
    scale: int = 1
    """Units of the bucket per unit of the number. Above 1, the number may be a fraction."""
    adds: bool = False
    """Whether it is added to the bucket's other number, instead of being another word for it."""


class Selector(NamedTuple):
    """Something in a usage object that selects a price and is no quantity."""

    path: str
    name: str
    """Its name in a price's context: `service_tier`, `speed`, `inference_geo`, ..."""
    value: str | None = None
    """Its value wherever the path is there; None: what the path says."""


class Parts(NamedTuple):
    """Usage of other models, or other passes, inside one usage object."""

    path: str
    """Where the object or the list of objects is."""
    convention: str
    """How each object is to be read."""
    kinds: tuple[tuple[str, str], ...] = ()
    """What an object's `type` makes it as a part; empty: it is inside the totals, and no part."""
    kind: str | None = None
    """What every object is, where they have no `type`."""
    serves: str | None = None
    """The `type` of an object whose model is the one that the totals are of."""
    usage: str | None = None
    """The key of each object's usage; None: it is the object itself."""
    model: str | None = None
    """The model, where the object names none. None: the model of the response."""
    inside: bool = False
    """Whether the parts make up the totals, and so replace them."""


class Convention(NamedTuple):
    """The words in which one API, SDK or tool states usage."""

    name: str
    fields: tuple[Field, ...]
    silent: tuple[str, ...] = ()
    """Paths that are known and count nothing: timings, and what is the rest of something else."""
    rest: tuple[tuple[str, str], ...] = ()
    """What the stated total counts beyond its parts: a path that must be there (empty: none must), and the bucket."""
    split: tuple[tuple[str, str], ...] = ()
    """A bucket, and the path of the object whose numbers should make up all of it."""
    selectors: tuple[Selector, ...] = ()
    parts: tuple[Parts, ...] = ()
    own_key: tuple[str, str] | None = None
    """A path that says that the call was made with the user's own key at another provider, and the path of what
    that provider charges beside the charge."""
    currency: str | None = None
    """The path of the currency of the charge, US dollars if nothing is there."""
    unit: str | None = None
    """The path of the unit in which all is counted, if it is not tokens."""
    flat: bool = False
    """Whether the dots of a path are part of one key."""
    closed: bool = False
    """Whether the object holds more than usage, so that nothing unknown in it may be kept."""
    beside: tuple[str, ...] = ()
    """Keys of the response that belong to the usage; the caller lays them beside it, in one dict."""
    writable: bool = False
    """Whether `write` speaks it."""
    also: tuple[str, ...] = ()
    """Paths that `write` fills beside the first one of each bucket."""
