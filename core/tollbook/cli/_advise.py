"""`tollbook advise`: where money can be saved, with the arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from tollbook.cli._command import Bar, Command, open_ledger, say_json, store_option

if TYPE_CHECKING:
    from tollbook.cli._text import Screen
    from tollbook.reports import Advice

_WHEN = "2026-11-01, 2026-11-01T14:30, 90m, 24h, 7d, 4w, today, yesterday, week or month"


@click.command(cls=Command, short_help="Where money can be saved, with the arithmetic.")
@click.option("--since", metavar="WHEN", help=f"Calls from when on: {_WHEN}.")
@click.option("--until", metavar="WHEN", help="Until when, that moment excluded; written as for --since.")
@click.option("--timezone", "-z", metavar="ZONE", help="Of days and times: an IANA name, utc, or local (the default).")
@click.option("--where", "-w", multiple=True, metavar="NAME=VALUE", help="Only calls of which this holds.")
@click.option(
    "--cheaper",
    multiple=True,
    metavar="MODEL=OTHER",
    help="A model, and the one that you might use in its place, which may be PROVIDER/MODEL. For others, smaller ones "
    "of the same family.",
)
@click.option("--top", type=click.IntRange(1), metavar="N", help="The first N pieces of advice.")
@click.option("--json", "form", flag_value="json", help="JSON: exact, money as decimal text, null where unknown.")
@click.option("--md", "form", flag_value="md", help="Markdown.")
@store_option
def advise(
    *,
    since: str | None,
    until: str | None,
    timezone: str | None,
    where: tuple[str, ...],
    cheaper: tuple[str, ...],
    top: int | None,
    form: str | None,
    store: str | None,
) -> None:
    """Where money can be saved, with the arithmetic, and what of it is known and what is guessed.

    Cheaper models, answers that were cut, contexts that grow, prompts that no cache holds, writes to caches that nobody
    reads, calls that failed. It reads every call of the period.

    \b
    Examples:
      tollbook advise --since month
      tollbook advise --where feature=search --top 3
      tollbook advise --cheaper gpt-4o=gpt-4.1-mini --md
    """  # noqa: D301 - click wants the character
    from tollbook.cli._report import conditions
    from tollbook.cli._text import say, screen
    from tollbook.reports import advise as run

    chosen = conditions(where)
    replaced = _replaced(cheaper)
    opened = open_ledger(store)
    with Bar("Reading") as bar:
        found = run(
            opened,
            since=since,
            until=until,
            timezone=timezone,
            where=chosen,
            cheaper=replaced,
            progress=bar.show,
        )[:top]
    if form == "json":
        say_json([each.as_dict() for each in found])
    elif not found:
        say("Nothing to advise: no calls are recorded there, or none of the signals shows")
    elif form == "md":
        say(as_markdown(found))
    else:
        say(as_text(found, screen()))


def _replaced(given: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in given:
        model, _, other = map(str.strip, each.partition("="))
        if not model or not other:
            raise ValueError(f"--cheaper {each!r} is not written MODEL=OTHER")
        if found.setdefault(model, other) != other:
            raise ValueError(f"--cheaper names two models in the place of {model}: {found[model]} and {other}")
    return found


def as_text(found: Sequence[Advice], screen: Screen) -> str:
    """The advice for a terminal."""
    from tollbook.cli._text import paragraph

    lines: list[str] = []
    for number, each in enumerate(found, 1):
        lines.append(paragraph(screen, f"{number}. {each.text}{_worth(each)}", "bold"))
        lines += [paragraph(screen, f"   {step.text}: {step.value}", indent="     ") for step in each.arithmetic]
        lines.append(paragraph(screen, f"   {basis(each)}", "dim", "     "))
        lines.append("")
    return "\n".join(lines[:-1])


def as_markdown(found: Sequence[Advice]) -> str:
    """The advice as Markdown."""
    from tollbook.cli._forms import escaped

    lines: list[str] = []
    for each in found:
        lines += [f"### {escaped(each.text + _worth(each))}", ""]
        lines += [f"- {escaped(step.text)}: {escaped(step.value)}" for step in each.arithmetic]
        lines += [f"- {escaped(basis(each))}", ""]
    return "\n".join(lines[:-1])


def _worth(advice: Advice) -> str:
    from tollbook._money import show

    return "" if advice.saving is None else f": at most {show(advice.saving)}"


def basis(advice: Advice) -> str:
    """What is known and what is guessed, and whether it rests on few calls."""
    from tollbook.cli._words import counted

    text = "known" if advice.basis == "known" else f"guessed: {advice.guess}"
    return f"{text}; few calls: only {counted(advice.calls)}" if advice.small_sample else text
