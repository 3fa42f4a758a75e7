"""Reading study files, and comparing what they say."""

import json
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlpsearch.models.paths import expanded
from mlpsearch.studies.spec.keys import VALIDATION
from mlpsearch.studies.spec.messages import Mistake, spec_error
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.spec.table_options import TEST_SHARE

MAX_FILE_BYTES = 1_000_000

# A study may go on with these changed: they say how long it runs and where its images lie (which are
# compared by their fingerprint), and what is done after the search, not what is searched.
MAY_DIFFER = {
    *("budget.trials", "budget.seconds", "budget.total_epochs", "budget.patience"),
    *("confirm.top", "confirm.seeds", "confirm.report"),
    "data",
}
# Defaults up to 0.2, which studies made then keep; the second pruner is that of some of the ready studies.
_EARLIER = {"sampler": ("tpe",), "pruner": ("median", "hyperband")}


_TRANSFERRED = "transfer.studies"


def load_spec(path: str | Path, data: str | Path | None = None) -> StudySpec:
    """Read a study file.

    data: the images to use instead of those the file names. A relative path in the file is relative to the
        file's folder, this one to the current folder; `StudySpec.data` is absolute.

    Raises SpecError, which names the file and the keys, those of the first mistake also in its fields.
    """
    path = Path(path)
    document = _parse(_read(path), path)
    if data is not None:
        document["data"] = str(expanded(data).absolute())
    return StudySpec.from_json(_with_absolute_paths(document, path.parent), path)


def parse_spec(text: str, where: str) -> StudySpec:
    """The specification in the text of a study file; SpecError names `where` and the key."""
    return StudySpec.from_json(_parse(text, where), where)


def parse_spec_in(folder: Path, text: str, where: str) -> StudySpec:
    """What parse_spec returns, with its paths absolute: they are relative to this folder."""
    if len(text) > MAX_FILE_BYTES:
        raise spec_error(where, [Mistake(f"is larger than {MAX_FILE_BYTES:,} characters: not a study file")])
    return StudySpec.from_json(_with_absolute_paths(_parse(text, where), folder), where)


def differences(old: StudySpec, new: StudySpec) -> list[str]:
    """What another specification changes in what is searched, a line a key; MAY_DIFFER is left out.

    A file of test rows may be at another path, as data may. Of the studies of [transfer] some may be left out:
    their points were taken over when the study was made. A key that the other one leaves to its default differs
    not from the default of earlier versions.
    """
    # Specifications of earlier versions state the number that is meant where there is none.
    meant = {"validation": VALIDATION, "test": TEST_SHARE}
    before, after = (meant | dict(_leaves(spec.to_json())) for spec in (old, new))
    if isinstance(old.test, str) and isinstance(new.test, str):
        after["test"] = old.test
    if {*after.get(_TRANSFERRED, ())} <= {*before.get(_TRANSFERRED, ())}:
        after[_TRANSFERRED] = before.get(_TRANSFERRED)
    earlier = {key for key in _EARLIER.keys() - new.model_fields_set if before[key] in _EARLIER[key]}
    return [
        f"{key}: {_written(before, key)} → {_written(after, key)}"
        for key in before | after
        if key not in MAY_DIFFER | earlier and before.get(key) != after.get(key)
    ]


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise spec_error(path, [_unusable(path, f"cannot be read: {error.strerror or error}")]) from None
    if len(content) > MAX_FILE_BYTES:
        raise spec_error(path, [_unusable(path, f"is larger than {MAX_FILE_BYTES:,} bytes: not a study file")])
    try:
        return content.decode("utf-8-sig")  # Some editors put a byte order mark in front.
    except UnicodeDecodeError as error:
        raise spec_error(path, [_unusable(path, f"is not UTF-8 text (byte {error.start})")]) from None


def _unusable(path: Path, what: str) -> Mistake:
    """What is wrong with a file as a whole; where it seems to be data, with the command that wants data."""
    is_data = path.suffix != ".toml" and path.exists()
    hint = f"; is it data? `mlpsearch new {shlex.quote(str(path))}` writes a study file for them"
    return Mistake(what + hint * is_data)


def _parse(text: str, where: str | Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise spec_error(where, [Mistake("is nested too deeply")]) from None
    except tomllib.TOMLDecodeError as error:
        raise spec_error(where, [_unusable(Path(where), f"is not valid TOML: {error}")]) from None
    except ValueError:  # What int() says of thousands of digits.
        raise spec_error(where, [Mistake("holds a number with too many digits")]) from None


def _with_absolute_paths(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    for key in ("data", "test"):
        if isinstance(document.get(key), str) and document[key]:
            document[key] = str((folder / expanded(document[key])).absolute())
    return document


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, f"{key}.{name}" if key else name)
    elif key == "start" and isinstance(value, list):
        for number, point in enumerate(value, 1):
            yield from _leaves(point, f"start[{number}]")
    else:
        yield key, value


def _written(leaves: dict[str, Any], key: str) -> str:
    return json.dumps(leaves[key], ensure_ascii=False) if key in leaves else "(not set)"
