"""Every folder that is no sound export of several nets is refused, in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors.numpy import save_file

import mlpsearch as package
from mlpsearch.models.errors import ExportError, WeightsError
from mlpsearch.models.weights import load_arrays
from mlpsearch.search.export.document import DOCUMENT, Export
from mlpsearch.search.export.parameters import WEIGHTS
from mlpsearch.studies.record import StudyRecord
from tests.search.export.ensemble_makers import write


def refused(folder: Path, kind: type[Exception] = ExportError) -> str:
    with pytest.raises(kind) as caught:
        package.load(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert message.isprintable()
    return message


CASES: list[tuple[str, Any, str]] = [
    ("format", 5, "format: input should be 2 or 3"),
    ("ensemble", "all", "ensemble: input should be 'winner' or 'greedy'"),
    ("members", [], "members: list should have at least 1 item after validation, not 0"),
    ("weights", "../x.safetensors", "weights: extra inputs are not permitted"),
    ("members.0.path", "/etc/passwd", "members.0.path: extra inputs are not permitted"),
    ("members.0.weight", 0.0, "members.0.weight: input should be greater than 0"),
    ("members.0.weight", 0.5, "the document: weights of the members must add up to 1"),
    ("members.0.weight", float("nan"), "members.0.weight: input should be "),
    ("members.1.fold", 0, "the document: fold of each member must be below folds"),
    ("data.folds", 3, "the document: fold of each member must be below folds"),
    ("data.fold", 0, "data.fold: extra inputs are not permitted"),
    ("members.2.weights_digest", "-", "members.2.weights_digest: field required"),
    ("members.2.config.seed", "-", "members.2: config.seed: is missing"),
    ("members.2.config.depth", 1, "members.2: depth = 1: must be a whole number from 2 to 64"),
    ("members.2.config.\x1b[31m", 1, "members.2: config. [31m: unknown key"),
    ("selection.rows", 0, "selection.rows: input should be greater than or equal to 1"),
]


@pytest.mark.parametrize(("key", "value", "message"), CASES, ids=[ascii(f"{key}={it}") for key, it, _ in CASES])
def test_a_document_with_a_mistake_is_refused_with_its_key(
    study: Callable[..., StudyRecord], tmp_path: Path, key: str, value: Any, message: str
) -> None:
    write(study(), tmp_path / "best.json")
    content = json.loads((tmp_path / "best.json").read_text())
    content["selection"] = {"nets": 1, "rows": 1, "score": 0.5, "winner": 0.5}
    *parts, name = key.split(".")
    table = content
    for part in parts:
        table = table[int(part)] if isinstance(table, list) else table[part]
    if value == "-":
        del table[name]
    else:
        table[name] = value
    (tmp_path / "best.json").write_text(json.dumps(content))
    assert refused(tmp_path / "best.json").startswith(f"{tmp_path / 'best.json'}: {message}")


def test_more_members_than_there_may_be_are_refused(
    study: Callable[..., StudyRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(study(), tmp_path / "best.json")
    content = json.loads((tmp_path / "best.json").read_text())
    content["members"] = content["members"][:1] * 1001
    (tmp_path / "best.json").write_text(json.dumps(content))
    assert "members: list should have at most 1000 items" in refused(tmp_path / "best.json")


def test_a_document_without_its_weights_cannot_predict(study: Callable[..., StudyRecord], tmp_path: Path) -> None:
    write(study(), tmp_path / "best.toml")
    assert "has no weights; `mlpsearch export STUDY -o FOLDER`" in refused(tmp_path / "best.toml")


def rewrite(folder: Path, changes: dict[str, NDArray[Any] | None]) -> None:
    """Change arrays of the weights file; None takes one away."""

    arrays, _ = load_arrays(folder / WEIGHTS)
    for name, array in changes.items():
        arrays.pop(name, None)
        if array is not None:
            arrays[name] = array
    save_file(arrays, folder / WEIGHTS)


BAD_ARRAYS: list[tuple[dict[str, Any], str]] = [
    ({"1.bias.0": None}, "1.bias.0 is nothing, must be ("),
    ({"1.bias.1": np.zeros(11, np.float32)}, "1.bias.1 is (11,), must be (10,)"),
    ({"1.bias.1": np.full(10, np.nan, np.float32)}, "1.bias.1 has values that are not finite"),
    ({"2.bias.1": np.zeros(10, np.float64)}, "2.bias.1 is of type float64, must be float32"),
    ({"2.bias.1": np.zeros(10, np.float32)}, "not the weights of this export (their digest of net 2 is another)"),
    ({"offset": np.zeros(64, np.float32)}, "not the weights of this export (their digest of net 0 is another)"),
    ({"offset": None}, "0.offset is nothing, must be (64,)"),
    ({"offset": np.zeros(63, np.float32)}, "offset is (63,), must be (64,)"),
    ({"3.bias.0": np.zeros(10, np.float32)}, "3.bias.0 is (10,), must be nothing"),
    ({"bias.0": np.zeros(10, np.float32)}, "bias.0 is (10,), must be nothing"),
    ({"\x1b[31m\n": np.zeros(1, np.float32)}, "'\\x1b[31m\\n' is (1,), must be nothing"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_ARRAYS, ids=[ascii(message) for _, message in BAD_ARRAYS])
def test_other_weights_are_refused(
    study: Callable[..., StudyRecord], tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    write(study(), tmp_path / "best")
    rewrite(tmp_path / "best", changes)
    assert refused(tmp_path / "best", WeightsError).startswith(f"{tmp_path / 'best' / WEIGHTS}: {message}")


def test_a_file_of_weights_that_is_missing_or_none_or_too_large_is_refused(
    study: Callable[..., StudyRecord], tmp_path: Path
) -> None:
    write(study(), tmp_path / "best")
    path = tmp_path / "best" / WEIGHTS
    with path.open("r+b") as file:
        file.truncate(10**12)  # of which the disk holds next to nothing
    assert "has 1,000,000,000,000 bytes, and the weights of this export at most " in refused(
        tmp_path / "best", WeightsError
    )
    path.unlink()
    assert f"{path}: not a readable safetensors file (No such file" in refused(tmp_path / "best", WeightsError)
    path.symlink_to("/dev/zero")
    assert refused(tmp_path / "best", WeightsError) == f"{path}: is no file"
    path.unlink()
    path.mkdir()
    assert refused(tmp_path / "best", WeightsError) == f"{path}: is no file"


def test_what_read_exports_before_refuses_it(study: Callable[..., StudyRecord], tmp_path: Path) -> None:

    write(study(), tmp_path / "best.json")
    with pytest.raises(ValidationError) as caught:
        Export.model_validate(json.loads((tmp_path / "best.json").read_text()))
    assert caught.value.errors()[0]["loc"] == ("format",)


def test_it_names_no_file(study: Callable[..., StudyRecord], tmp_path: Path) -> None:
    write(study(), tmp_path / "best")
    text = (tmp_path / "best" / DOCUMENT).read_text()
    assert "safetensors" not in text
    assert "/" not in text
