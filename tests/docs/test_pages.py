"""What the pages list is what there is: rooms, the version, keys of exports."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from pydantic import BaseModel

from mlpsearch.search.export.document import EnsembleExport, Export
from mlpsearch.studies.spec.reading import parse_spec

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("models", "search", "studies")


def text_of(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def section(page: str, heading: str) -> str:
    """What stands below a heading, up to the next one."""
    return re.split(r"^#+ ", page.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def keys(text: str) -> set[str]:
    """The keys in the first column of a table; `a.b`, `.c` is short for a.b and a.c."""
    found: list[str] = []
    for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE):
        for key in re.findall(r"`([^`]+)`", row):
            found.append(found[-1].rpartition(".")[0] + key if key.startswith(".") else key)
    return set(found)


def test_the_readme_names_every_room() -> None:
    named = re.findall(r"^\| \[([^\]]+)/\]", section(text_of("README.md"), "Rooms"), re.MULTILINE)
    packages = (path.parent.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("__init__.py"))
    others = {"src/mlpsearch", "tests", "benchmarks", "findings", "docs"}
    assert sorted(named) == sorted({package.as_posix() for package in packages} | others)


def test_the_newest_release_of_the_changelog_is_this_version() -> None:
    newest = re.findall(r"^## \[(\d.*?)\] - \d{4}-\d\d-\d\d$", text_of("CHANGELOG.md"), re.MULTILINE)[0]
    assert newest == tomllib.loads(text_of("pyproject.toml"))["project"]["version"]


def test_the_study_files_of_the_readme_are_such() -> None:
    table, images = re.findall(r"```toml\n(.*?)```", text_of("README.md"), re.DOTALL)
    assert parse_spec(table, "README.md").dataset == "table"
    rest = table[table.index("\n[budget]") :]
    assert parse_spec(images + rest, "README.md").dataset == "images"


def export_keys(model: type[BaseModel], before: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        kinds = (field.annotation, *get_args(field.annotation))
        inner = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if inner:
            yield from export_keys(inner[0], f"{before}{name}.")
        else:
            yield f"{before}{name}"


def test_the_keys_of_an_export_are_listed() -> None:
    listed = keys(section(text_of("docs/export.md"), "export.toml"))
    assert listed == set(export_keys(Export)) - {"config", "versions"} | {"config.FIELD", "versions.NAME"}


def test_the_keys_of_an_export_of_several_nets_are_listed() -> None:
    listed = keys(section(text_of("docs/export.md"), "export.toml of several nets"))
    as_of_one = {"study", "taken", "net", "command", "metric", "versions"}
    all_keys = {key for key in export_keys(EnsembleExport) if not key.startswith("data.")} - as_of_one
    assert listed == all_keys - {"members.config"} | {"members.config.FIELD"}
