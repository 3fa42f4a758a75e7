"""The words for mistakes in a study file: pydantic's findings as key paths and plain sentences."""

import difflib
import re
from collections.abc import Collection, Mapping, Sequence

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

LONGEST_SHOWN = 80
_MOST_MISTAKES = 20  # that are told of a file


def one_line(where: str, mistakes: Sequence[str]) -> str:
    """The message for one file: all its mistakes, of very many the first and how many more there are."""
    told = list(mistakes[:_MOST_MISTAKES])
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


def explain(error: ValidationError, tables: Mapping[str, type[BaseModel]]) -> list[str]:
    """What is wrong, a sentence a mistake, unknown keys first: a misspelt key is often missing as well.

    tables: the model of the whole file under "", of a [budget] under "budget", and those of the two forms of
        a [search] entry under their tags. The description of a field completes "must be ...".
    """
    errors = error.errors(include_url=False)
    errors.sort(key=lambda details: details["type"] != "extra_forbidden")
    return [sentence for details in errors for sentence in _sentences(details, tables)]


def _sentences(details: ErrorDetails, tables: Mapping[str, type[BaseModel]]) -> list[str]:
    location, kind = details["loc"], details["type"]
    if not location:  # The whole file: either it is no table, or StudySpec found it to make no sense.
        return list(details["ctx"]["error"].args) if kind == "value_error" else ["must be a table"]
    # Of search, field, form, key the form is pydantic's tag, not a key of the file.
    key = key_path(*(location[:2] + location[3:] if location[0] == "search" else location))
    model, name = _table_of(location, tables)
    if kind == "extra_forbidden":
        return [f"{key}: unknown key{nearest(name, model.model_fields)}"]
    field = model.model_fields[name]
    if kind == "missing":
        return [f"{key}: is missing; it must be {field.description}"]
    must = str(details["ctx"]["error"]) if kind == "value_error" else f"must be {field.description}"
    return [f"{key} = {show(details['input'])}: {must}"]


def _table_of(
    location: tuple[int | str, ...], tables: Mapping[str, type[BaseModel]]
) -> tuple[type[BaseModel], str]:
    if location[0] == "budget" and len(location) > 1:
        return tables["budget"], str(location[1])
    if location[0] == "search" and len(location) > 3:  # search, field, form, key of the form
        return tables[str(location[2])], str(location[3])
    return tables[""], str(location[0])
