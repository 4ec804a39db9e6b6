"""genai-prices' list, read without the package, says what the package says of it."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from genai_prices import data, data_units
from genai_prices import types as theirs

from tollbook.pricing import _listed
from tollbook.pricing._listed import types as ours

PROVIDERS: list[ours.Provider] = _listed.read("data")["providers"]
MOMENTS = [datetime(2024, 5, 1, 3, tzinfo=UTC) + timedelta(days=61 * n, hours=5 * n) for n in range(18)]


def plain(value: Any) -> Any:
    """A value of the list, of either kind of class, as plain data."""
    if type(value).__name__ in {"UsageExtractor", "UsageExtractorMapping", "ArrayMatch"}:
        return None
    if type(value).__module__ in {ours.__name__, theirs.__name__}:
        fields = {name: plain(each) for name, each in vars(value).items() if each is not None and name != "extractors"}
        return type(value).__name__, {name: each for name, each in fields.items() if each != []}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


def test_every_field_of_every_model_is_the_same() -> None:
    assert plain(PROVIDERS) == plain(data.providers)
    assert _listed.read("data_units")["unit_data"] == data_units.unit_data


def test_every_model_has_the_same_prices_at_any_time_in_any_context() -> None:
    pairs = zip(PROVIDERS, data.providers, strict=True)
    models = [pair for one, other in pairs for pair in zip(one.models, other.models, strict=True)]
    assert len(models) > 2000
    for mine, their in models:
        contexts = [None, *(variant.when for variant in their.price_variants or ()), {"no": "such"}]
        for context in contexts:
            for moment in MOMENTS:
                assert plain(mine.get_prices(moment, context)) == plain(their.get_prices(moment, context))


def test_every_rule_matches_the_same_names() -> None:
    names = [model.id for provider in data.providers for model in provider.models][::7]
    names += [name.upper() for name in names[::9]] + ["", "gpt-4o", "ft:gpt-4o-2024-08-06:org::id", "no-such-model"]
    for mine, their in zip(PROVIDERS, data.providers, strict=True):
        for one, other in zip(mine.models[::5], their.models[::5], strict=True):
            assert [one.match.is_match(name) for name in names] == [other.match.is_match(name) for name in names]


@pytest.mark.parametrize("zone", [None, UTC, timezone(timedelta(hours=8))])
@pytest.mark.parametrize(
    ("start", "end"), [(time(16, 30), time(0, 30)), (time(0, 30), time(16, 30)), (time(1), time(1))]
)
def test_times_of_day_hold_at_the_same_moments(start: time, end: time, zone: Any) -> None:
    mine = ours.TimeOfDateConstraint(start_time=start.replace(tzinfo=zone), end_time=end.replace(tzinfo=zone))
    their = theirs.TimeOfDateConstraint(start_time=start.replace(tzinfo=zone), end_time=end.replace(tzinfo=zone))
    for minutes in range(0, 24 * 60, 30):
        for of in (None, UTC, timezone(timedelta(hours=-5))):
            moment = datetime(2026, 3, 4, minutes // 60, minutes % 60, tzinfo=of)
            assert mine.active(moment) == their.active(moment)


def test_the_package_itself_and_what_it_needs_are_not_imported() -> None:
    script = (
        "import sys; from tollbook.pricing import _genai\n"
        "assert _genai.count() > 2000\n"
        "print([name for name in ('genai_prices', 'httpx2', 'httpx', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_what_newer_data_names_and_we_do_not_know_costs_no_other_price(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "genai_prices"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('imported')", encoding="utf-8")
    (package / "data.py").write_text(
        "from .types import *\n"
        "providers = [Provider(id='p', novelty=1, models=[\n"
        "    ModelInfo(id='known', match=ClauseOr(or_=[ClauseSounds(like='x'), ClauseEquals(equals='known')]),\n"
        "              prices=[ConditionalPrice(prices=ModelPrice(input_mtok=1)),\n"
        "                      ConditionalPrice(constraint=Moon('full'), prices=ModelPrice(input_mtok=2))]),\n"
        "])]\n",
        encoding="utf-8",
    )
    monkeypatch.delitem(sys.modules, "genai_prices")
    monkeypatch.syspath_prepend(tmp_path)
    (model,) = _listed.read("data")["providers"][0].models
    assert (model.match.is_match("known"), model.match.is_match("other")) == (True, False)
    assert vars(model.get_prices(MOMENTS[0])) == {"input_mtok": 1}


def test_a_missing_package_is_an_import_error() -> None:
    with pytest.raises(ImportError, match=r"genai_prices\.absent is not installed"):
        _listed.read("absent")
