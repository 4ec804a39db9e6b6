"""The environments that the tests run in are the ones that pyproject.toml promises."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
PROMISED = [Requirement(text) for text in [*PROJECT["dependencies"], *EXTRAS["openai"], *EXTRAS["anthropic"]]]


def pins(name: str) -> dict[str, Version]:
    """The versions in a file of constraints, by package."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return {
        canonicalize_name(package): Version(version) for package, _, version in (line.partition("==") for line in lines)
    }


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-floor.txt"])
def test_constraints_are_names_and_versions_only(name: str) -> None:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", line)] == []


@pytest.mark.parametrize("requirement", PROMISED, ids=str)
def test_the_newest_versions_are_within_what_is_promised(requirement: Requirement) -> None:
    assert pins("constraints.txt")[canonicalize_name(requirement.name)] in requirement.specifier


@pytest.mark.parametrize("requirement", PROMISED, ids=str)
def test_the_floor_is_the_oldest_that_is_promised(requirement: Requirement) -> None:
    (oldest,) = (each.version for each in requirement.specifier if each.operator == ">=")
    assert pins("constraints-floor.txt")[canonicalize_name(requirement.name)] == Version(oldest)
