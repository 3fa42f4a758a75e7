"""The words for mistakes in a study file: pydantic's findings as key paths and plain sentences."""

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mlpsearch.models.errors import SpecError

LONGEST_SHOWN = 80
_MOST_MISTAKES = 20  # that are told of a file


@dataclass(frozen=True, slots=True, repr=False)
class Mistake:
    """One mistake in a study file; as text, a sentence.

    key: where, as key_path writes it; "" for the whole file.  given: the wrong value, as `show` writes it.
    """

    problem: str
    key: str = ""
    given: str = ""

    def __str__(self) -> str:
        where = f"{self.key} = {self.given}" if self.given else self.key
        return f"{where}: {self.problem}" if where else self.problem

    def __repr__(self) -> str:  # pydantic puts several into the message of its own error
        return repr(str(self))


def spec_error(where: str | Path, mistakes: Sequence[Mistake]) -> SpecError:
    """The error of a study file. where: its path, or words for what is no file."""
    path = where if isinstance(where, Path) else None
    return SpecError(_one_line(str(where), mistakes), key=mistakes[0].key or None, path=path)


def _one_line(where: str, mistakes: Sequence[Mistake]) -> str:
    """The message for one file: all its mistakes, of very many the first and how many more there are."""
    told = [str(mistake) for mistake in mistakes[:_MOST_MISTAKES]]
    if len(mistakes) > _MOST_MISTAKES:
        told.append(f"and {len(mistakes) - _MOST_MISTAKES} more")
    # A path can hold line breaks too.
    return " ".join(f"{where}: {'; '.join(told)}".splitlines())


def show(value: object) -> str:
    """A value as a message shows it: short, and without what would break the line."""
    if isinstance(value, dict):
        return "{..}"
    if isinstance(value, list | tuple):
        return "[..]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) > 10**LONGEST_SHOWN:
        return "a huge number"  # Python refuses to write out thousands of digits.
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def nearest(name: str, names: Collection[str], *, which: str = "allowed") -> str:
    """In brackets: the one of `names` that was probably meant, or else all of them, and which these are."""
    close = difflib.get_close_matches(name, names, 1)
    return f" (did you mean {close[0]}?)" if close else f" ({which}: {', '.join(names) or 'none'})"


def key_path(*parts: str | int) -> str:
    """Where a value stands: names with dots, places in lists counted from 1 in brackets."""
    path = ""
    for part in parts:
        if isinstance(part, int):
            path += f"[{part + 1}]"
        else:
            name = part if re.fullmatch(r"[A-Za-z0-9_-]{1,40}", part) else show(part)
            path += f".{name}" if path else name
    return path


def explain(error: ValidationError, tables: Mapping[str, type[BaseModel]]) -> list[Mistake]:
    """What is wrong, unknown keys first: a misspelt key is often missing as well.

    tables: the model of the whole file under "", of a [budget] under "budget", and those of the two forms of
        a [search] entry under their tags. The description of a field completes "must be ...".
    """
    errors = error.errors(include_url=False)
    errors.sort(key=lambda details: details["type"] != "extra_forbidden")
    return [mistake for details in errors for mistake in _mistakes(details, tables)]


def _mistakes(details: ErrorDetails, tables: Mapping[str, type[BaseModel]]) -> list[Mistake]:
    location, kind = details["loc"], details["type"]
    if not location:  # The whole file: either it is no table, or StudySpec found it to make no sense.
        return list(details["ctx"]["error"].args) if kind == "value_error" else [Mistake("must be a table")]
    # Of search, field, form, key the form is pydantic's tag, not a key of the file; so it is of start, form, key.
    tag = {"search": 2, "start": 1}.get(str(location[0]), len(location))
    key = key_path(*location[:tag], *location[tag + 1 :])
    model, name = _table_of(location, tables)
    if kind == "extra_forbidden":
        return [Mistake(f"unknown key{nearest(name, model.model_fields)}", key)]
    field = model.model_fields[name]
    if kind == "missing":
        return [Mistake(f"is missing; it must be {field.description}", key)]
    must = str(details["ctx"]["error"]) if kind == "value_error" else f"must be {field.description}"
    return [Mistake(must, key, show(details["input"]))]


def _table_of(
    location: tuple[int | str, ...], tables: Mapping[str, type[BaseModel]]
) -> tuple[type[BaseModel], str]:
    if location[0] == "search" and len(location) > 3:  # search, field, form, key of the form
        return tables[str(location[2])], str(location[3])
    if location[0] in tables and len(location) > 1:
        return tables[str(location[0])], str(location[1])
    return tables[""], str(location[0])
