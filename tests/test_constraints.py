"""The versions that pyproject.toml allows, and those of constraints.txt that the Makefile installs."""

import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.wheels import ROOT


def asked() -> list[Requirement]:
    """All that pyproject.toml asks for, with all extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    return [Requirement(line) for one in lists for line in one]


def pins() -> list[Requirement]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_each_line_names_one_exact_version_of_a_package_of_its_own() -> None:
    names = [canonicalize_name(pin.name) for pin in pins()]
    assert names == sorted(set(names))
    assert [str(pin) for pin in pins() if [part.operator for part in pin.specifier] != ["=="]] == []


def test_what_the_project_asks_for_is_pinned_to_a_version_that_it_allows() -> None:
    versions = {canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in pins()}
    missing = [str(one) for one in asked() if canonicalize_name(one.name) not in versions]
    assert missing == []
    others = [str(one) for one in asked() if not one.specifier.contains(versions[canonicalize_name(one.name)])]
    assert others == []


def test_the_project_asks_for_ranges_and_so_goes_beside_what_others_have_installed() -> None:
    exact = {"==", "===", "~="}
    assert [str(one) for one in asked() if exact & {part.operator for part in one.specifier}] == []
