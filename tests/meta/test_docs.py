"""What README and docs say is so: every example runs and prints what stands below it, every link leads somewhere.

A page is run from top to bottom, as a reader would: its Python blocks share their names, and its `$ tollbook` commands
see what they recorded. The SDKs talk to the wire server. Blocks are known by their language:

    python      is run; if a `text` block follows, it is what was printed
    console     each `$ tollbook ...` is run; the lines below it, if any, are what it prints
    sh          is marked `<!-- not run: why -->`, and only read by the shell
    text        follows a `python` block, or is marked as not run

Another block of Python may be marked as not run, too; it is compiled.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import anthropic
import click
import openai
import pytest
from click.testing import CliRunner
from tests.wire.cassettes import load
from tests.wire.server import Play, Wire

import tollbook
from tollbook import _runtime
from tollbook.cli import main

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("*/README.md"))
    if not path.relative_to(ROOT).parts[0].startswith(".")
)
ANSWERS = (
    "openai-chat-seed-pair",
    "openai-chat-stream",
    "openai-responses-plain",
    "openai-embeddings",
    "anthropic-messages-plain",
    "anthropic-messages-stream",
)
HOME = "/home/you/.local/share/tollbook"
"""Where the ledger is in the docs."""
VOLATILE = (
    (r"overlay\.toml [0-9a-f]{12}", "overlay.toml"),
    (r"[\d.,]+ (?:ms|s|min)\b", "TIME"),
    (r"\b\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?(?: \w+)?", "WHEN"),
    (r"\b[0-9a-f]{32}\b", "TRACE"),
    (r"\b\d+ days? ago", "AGE"),
    (r"\b\d+\.\d+\.\d+\b", "VERSION"),
    (r" +", " "),
    (r"─+", "─"),
)


class Block(NamedTuple):
    """One fenced block."""

    line: int
    language: str
    text: str
    mark: str
    """The HTML comment above it."""


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page."""
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    opened: int | None = None
    for number, line in enumerate(lines):
        if not line.lstrip().startswith("```"):
            continue
        if opened is None:
            opened = number
            continue
        above = next((text for text in reversed(lines[:opened]) if text.strip()), "")
        mark = found_mark[1] if (found_mark := re.fullmatch(r"<!-- (.*) -->", above.strip())) else ""
        indent = len(lines[opened]) - len(lines[opened].lstrip())
        text = "\n".join(each[indent:] for each in lines[opened + 1 : number])
        found.append(Block(opened + 1, lines[opened].strip().removeprefix("```"), text, mark))
        opened = None
    assert opened is None, f"{page.name}:{opened} is never closed"
    return found


def steady(text: str) -> list[str]:
    """The text without what differs from run to run."""
    for pattern, word in VOLATILE:
        text = re.sub(pattern, word, text)
    return [line.strip() for line in text.strip().splitlines()]


@pytest.fixture
def providers(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    """The SDKs' default clients talk to the wire server."""
    exchanges = [exchange for name in ANSWERS for exchange in load(name).exchanges]
    with wire.play(exchanges) as play:
        monkeypatch.setenv("OPENAI_API_KEY", "not-a-key")
        monkeypatch.setenv("OPENAI_BASE_URL", play.url("api.openai.com", "/v1"))
        monkeypatch.setenv("ANTHROPIC_API_KEY", "not-a-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", play.url("api.anthropic.com"))
        yield play
    tollbook.autolog(disable=True)
    _runtime.stop()


class Reader:
    """Somebody who tries everything that a page shows."""

    def __init__(self, page: Path, home: Path) -> None:
        self.page = page
        self.home = home
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.printed: str | None = None

    def read(self, block: Block) -> None:
        """Try one block."""
        where = f"{self.page.relative_to(ROOT)}:{block.line}"
        printed, self.printed = self.printed, None
        if block.mark.startswith("not run"):
            self.check(block, where)
        elif block.language == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(block.text, where, "exec"), self.names)
            self.printed = out.getvalue()
        elif block.language == "text":
            assert printed is not None, f"{where}: the output of what?"
            assert steady(printed) == steady(block.text), where
        elif block.language == "console":
            self.type(block, where)
        else:
            self.check(block, where)
            assert block.language in ("toml", "json"), f"{where}: {block.language} is not run, so it has to be marked"

    def type(self, block: Block, where: str) -> None:
        """Run commands, and compare what they print."""
        commands = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
        assert commands[0] == "", f"{where}: a command has a dollar before it"
        for command in commands[1:]:
            line, _, expected = command.partition("\n")
            program, *arguments = shlex.split(line, comments=True)
            assert program == "tollbook", f"{where}: {program} is not run here"
            result = CliRunner().invoke(main, arguments, env={"COLUMNS": "120"})
            assert result.exit_code == 0, f"{where}: {result.output}"
            if expected.strip():
                shown = result.output.replace(str(self.home), HOME)
                assert steady(shown) == steady(expected), f"{where}:\n{shown}"

    def leave(self) -> None:
        """Close the clients, as the end of a program would."""
        for name in self.names.values():
            if isinstance(name, openai.OpenAI | anthropic.Anthropic):
                name.close()

    def check(self, block: Block, where: str) -> None:
        """Read what can't be run."""
        if block.language == "python":
            compile(block.text, where, "exec")
        elif block.language == "toml":
            tomllib.loads(block.text)
        elif block.language == "json":
            json.loads(block.text)
        elif block.language in ("sh", "console"):
            script = re.sub(r"^\$ ", "", block.text, flags=re.MULTILINE)
            done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
            assert done.returncode == 0, f"{where}: {done.stderr}"
        else:
            assert block.language == "text", f"{where}: what is {block.language!r}?"


@pytest.mark.usefixtures("providers")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page_run_and_print_what_it_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    reader = Reader(page, tmp_path)
    try:
        for block in blocks(page):
            reader.read(block)
    finally:
        reader.leave()


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as they are made by those who show Markdown."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(file), f"{page.name}: {target}"


def test_every_page_of_the_docs_is_linked_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in (ROOT / "docs").glob("*.md") if f"(docs/{page.name})" not in readme] == []


@pytest.mark.parametrize("name", tollbook.__all__)
def test_every_public_name_is_in_the_docs(name: str) -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert re.search(rf"\btollbook\.{name}\b|\bimport {name}\b|`{name}`", text), name


def test_every_command_and_option_is_in_the_docs() -> None:
    pages = {
        "advise": "advise.md",
        "budget": "budgets.md",
        "prices": "prices.md",
        "reprice": "repricing.md",
        "ui": "dashboard.md",
    }
    reports = "report daily weekly monthly session forecast whatif top tail statusline"
    pages |= dict.fromkeys(reports.split(), "reports.md")
    reading = (ROOT / "docs" / "reading.md").read_text(encoding="utf-8")
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        assert f"`tollbook {name}" in reading
        text = reading + (ROOT / "docs" / pages.get(name, "reading.md")).read_text(encoding="utf-8")
        below = command.commands if isinstance(command, click.Group) else {}
        for path, each in [(name, command), *((f"{name} {word}", each) for word, each in below.items())]:
            assert f"`tollbook {path}" in text or f"$ tollbook {path}" in text
            for option in (option for parameter in each.params for option in parameter.opts):
                assert not option.startswith("--") or option in text, f"{path} {option}"


def test_the_example_of_an_integration_is_the_real_one() -> None:
    """Who copies it gets what is tested."""
    page = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
    real = (ROOT / "integrations" / "tollbook_integrations" / "anthropic.py").read_text(encoding="utf-8")
    assert f"```python\n{real}```" in page


def test_numbers_that_only_a_measurement_gives_are_the_only_open_ones() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for line in text.splitlines():
            if "TODO" in line:
                assert page.name == "README.md", page.name
                assert line.startswith("| "), "only a table has open cells"
