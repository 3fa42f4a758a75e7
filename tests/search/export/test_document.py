"""The exported document: what it holds, that it comes back as it was, and that nothing else is accepted."""

import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w

from mlpsearch.models.errors import ExportError
from mlpsearch.search.export.document import DOCUMENT, write_export
from tests.search.export.conftest import Folder
from tests.search.export.reading import read_export


@pytest.fixture
def document(folder: Folder) -> dict[str, Any]:
    """The content of a good file, in the folder `best`."""
    return tomllib.loads((folder() / DOCUMENT).read_text("utf-8"))


def test_what_a_document_holds(document: dict[str, Any]) -> None:
    tables = {"config", "data", "accuracy", "versions"}
    values = {
        "format",
        "study",
        "taken",
        "trial",
        "net",
        "threads",
        "compiled_steps",
        "command",
        "weights_digest",
        "metric",
        "origin",
    }
    assert document.keys() == tables | values
    assert (document["format"], document["study"], document["net"]) == (3, "mine", "numpy")
    assert document["taken"] == f"trial {document['trial']}, the best of the search"
    assert document["accuracy"]["this_net_on_test"] == document["accuracy"]["test"]["accuracy"]
    assert (document["command"], document["threads"]) == ("mlpsearch train best", 1)
    assert document["config"]["epochs"] == 2
    data, test = document["data"], document["accuracy"]["test"]
    assert (data["dataset"], data["validation"], data["split_seed"]) == ("digits", 250, 0)
    assert (data["classes"], data["shape"], len(data["fingerprint"])) == (list("0123456789"), [8, 8, 1], 64)
    assert (test["images"], test["opening"]) == (360, 1)
    assert np.trace(test["confusion"]) / 360 == test["accuracy"]
    assert test["accuracies"] == [test["accuracy"]]
    assert test["interval"][0] < test["accuracy"] < test["interval"][1]
    assert document["versions"].keys() >= {"python", "blas", "mlpsearch", "numpy", "optuna", "torch"}


def test_a_document_of_0_1_0_is_read(document: dict[str, Any], tmp_path: Path) -> None:
    older = {key: value for key, value in document.items() if key != "taken"} | {"format": 2}
    older["accuracy"] = {key: it for key, it in document["accuracy"].items() if key != "this_net_on_test"}
    confirmation = {"seeds": [1, 2], "accuracies": [0.5, 0.6], "mean": 0.55, "selection_bias": 0.01}
    older["accuracy"] |= {"confirmation": confirmation}
    path = tmp_path / "older.toml"
    path.write_text(tomli_w.dumps(older))
    export = read_export(path)
    assert (export.format, export.taken) == (2, None)
    assert export.accuracy.confirmation is not None
    assert export.accuracy.confirmation.mean == 0.55
    assert export.train_config() == read_export(path).train_config()


@pytest.mark.parametrize(("name", "default"), [("class_weights", "none"), ("shift_averaging", 0)])
def test_a_document_from_before_a_field_was_added_is_read_with_its_default(
    document: dict[str, Any], tmp_path: Path, name: str, default: Any
) -> None:
    del document["config"][name]
    (tmp_path / "e.json").write_text(json.dumps(document))
    assert getattr(read_export(tmp_path / "e.json").train_config(), name) == default


@pytest.mark.parametrize("name", ["other.toml", "other.json"])
def test_a_document_read_again_is_the_same(folder: Folder, tmp_path: Path, name: str) -> None:
    export = read_export(folder())
    write_export(export, tmp_path / name)
    assert read_export(tmp_path / name) == export


def test_both_forms_say_the_same(document: dict[str, Any], tmp_path: Path) -> None:
    write_export(read_export(tmp_path / "best"), tmp_path / "other.json")
    assert json.loads((tmp_path / "other.json").read_text("utf-8")) == document


def test_it_names_no_file_but_the_images(document: dict[str, Any]) -> None:
    """Weights are found by their place, so a document from elsewhere cannot make anything be opened."""

    def texts(value: Any) -> list[str]:
        if isinstance(value, dict | list):
            return [
                text for part in (value.values() if isinstance(value, dict) else value) for text in texts(part)
            ]
        return [value] if isinstance(value, str) else []

    assert [text for text in texts(document) if "/" in text or "safetensors" in text] == []


def test_a_document_of_an_older_version_with_a_p_value_is_read(document: dict[str, Any], tmp_path: Path) -> None:
    old = {"seeds": [1, 2], "accuracies": [0.5, 0.6], "mean": 0.55, "selection_bias": 0.1, "p_value": 0.02}
    document["accuracy"]["confirmation"] = old
    path = tmp_path / "old.toml"
    path.write_text(tomli_w.dumps(document))
    confirmation = read_export(path).accuracy.confirmation
    assert confirmation is not None
    assert (confirmation.p_value, confirmation.chance) == (0.02, None)


# ---- what cannot be written ----


@pytest.mark.parametrize("name", ["best.yaml", "best.TOML", "best.toml.gz", "best.pkl"])
def test_another_suffix_is_refused(folder: Folder, tmp_path: Path, name: str) -> None:
    with pytest.raises(ExportError) as caught:
        write_export(read_export(folder()), tmp_path / name)
    assert (
        str(caught.value) == f"{tmp_path / name}: must end in .toml or .json, or name a folder, without a suffix"
    )


def test_a_file_that_cannot_be_written_is_named(folder: Folder, tmp_path: Path) -> None:
    export = read_export(folder())
    (tmp_path / "file").touch()
    (tmp_path / "folder.toml").mkdir()
    for path in (tmp_path / "file" / "best.toml", tmp_path / "folder.toml"):
        with pytest.raises(ExportError) as caught:
            write_export(export, path)
        assert str(caught.value).startswith(f"{path}: cannot be written (")


# ---- what cannot be read ----


def refusal(path: Path) -> str:
    with pytest.raises(ExportError) as caught:
        read_export(path)
    message = str(caught.value)
    assert caught.value.path == str(path)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    return message.removeprefix(f"{path}: ")


CASES: list[tuple[str, Any, str]] = [
    # key ("-": taken away), value, what is said
    ("study", "-", "study: field required"),
    ("config", "-", "config: field required"),
    ("command", "-", "command: field required"),
    ("data.fingerprint", "-", "data.fingerprint: field required"),
    ("accuracy.validation", "-", "accuracy.validation: field required"),
    ("accuracy.test.images", "-", "accuracy.test.images: field required"),
    ("config.learning_rate", "-", "config.learning_rate: is missing"),
    ("config.seed", "-", "config.seed: is missing"),
    ("unknown", 1, "unknown: extra inputs are not permitted"),
    ("weights", "/etc/passwd", "weights: extra inputs are not permitted"),
    ("data.unknown", 1, "data.unknown: extra inputs are not permitted"),
    ("config.unknown", 1, "config.unknown: unknown key"),
    ("config.\x1b[31m\n", 1, "config. [31m : unknown key"),
    ("format", 1, "format: input should be 2 or 3"),
    ("net", "jax", "net: input should be 'numpy' or 'torch'"),
    ("trial", "3", "trial: input should be a valid integer"),
    ("trial", 3.5, "trial: input should be a valid integer"),
    ("threads", 0, "threads: input should be greater than or equal to 1"),
    ("threads", 10**9, "threads: input should be less than or equal to 1024"),
    ("study", "a\x1b]0;b", "study: must be printable"),
    ("weights_digest", "abc", "weights_digest: string should match pattern '^[0-9a-f]{64}$'"),
    ("data.classes", "0123456789", "data.classes: input should be a valid list"),
    ("data.classes", ["a", "b\n"], "data.classes.1: must be printable"),
    ("data.classes", ["a"], "data.classes: list should have at least 2 items after validation, not 1"),
    ("data.shape", [8, 8], "data.shape.2: field required"),
    ("data.shape", [8, 8, 2], "data.shape.2: must be 1 or 3"),
    ("data.shape", [8, 0, 1], "data.shape.1: input should be greater than or equal to 1"),
    ("data.shape", [8, "8", 1], "data.shape.1: input should be a valid integer"),
    ("data.split_seed", -1, "data.split_seed: input should be greater than or equal to 0"),
    ("accuracy.validation", "high", "accuracy.validation: input should be a valid number"),
    ("accuracy.validation", 1.5, "accuracy.validation: input should be less than or equal to 1"),
    ("accuracy.validation", float("nan"), "accuracy.validation: input should be "),
    ("config.hidden_size", "80", "hidden_size = '80': must be a whole number from 1 to 65536"),
    ("config.learning_rate", -1.0, "learning_rate = -1.0: must be a number from 1e-12 to 1000"),
    ("config.optimizer", "lion", "optimizer = 'lion': must be one of 'sgd', 'adam'"),
    ("versions.numpy", 2, "versions.numpy: input should be a valid string"),
]


@pytest.mark.parametrize(
    ("key", "value", "message"), CASES, ids=[ascii(f"{key}={value}") for key, value, _ in CASES]
)
@pytest.mark.parametrize("suffix", [".toml", ".json"])
def test_a_file_with_a_mistake_is_refused_with_its_key(
    document: dict[str, Any], tmp_path: Path, key: str, value: Any, message: str, suffix: str
) -> None:
    *tables, name = key.split(".")
    table = document
    for part in tables:
        table = table[part]
    if value == "-":
        del table[name]
    else:
        table[name] = value
    path = tmp_path / f"changed{suffix}"
    path.write_text(json.dumps(document) if suffix == ".json" else tomli_w.dumps(document), "utf-8")
    assert refusal(path).startswith(message)


@pytest.mark.parametrize("key", ["data.fingerprint", "accuracy.validation", "config.seed"])
def test_the_key_of_a_mistake_stands_in_a_field(document: dict[str, Any], tmp_path: Path, key: str) -> None:
    table, name = key.split(".")
    del document[table][name]
    path = tmp_path / "changed.toml"
    path.write_text(tomli_w.dumps(document))
    with pytest.raises(ExportError) as caught:
        read_export(path)
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.toml", b"format = ", "Invalid value (at end of document)"),
        ("x.toml", b"\x80\x04K\x01.", "'utf-8' codec can't decode byte 0x80 in position 0: invalid start byte"),
        ("x.toml", b"", "study: field required"),
        ("x.toml", b"a = " + b"[" * 100_000, "is nested too deeply"),
        ("x.toml", b"#" * 32_000_001, "larger than 32,000,000 bytes; not an export"),
        ("x.toml", b"trial = 1" + b"0" * 5000, "Exceeds the limit (4300 digits) for integer string conversion"),
        ("x.json", b"", "Expecting value: line 1 column 1 (char 0)"),
        ("x.json", b"[]", "the document: input should be a valid dictionary or instance of Export"),
        ("x.json", b'{"a": ' + b"[" * 100_000, "is nested too deeply"),
        ("x.json", b'{"trial": 1' + b"0" * 5000 + b"}", "Exceeds the limit (4300 digits) for integer"),
        ("x.json", b"\x80\x04K\x01.", "'utf-8' codec can't decode byte 0x80 in position 0: invalid start byte"),
    ],
    ids=lambda value: str(value[:8]),
)
def test_what_is_no_export_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert refusal(tmp_path / name).startswith(message)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.toml") == "cannot be read (No such file or directory)"
    with pytest.raises(ExportError) as caught:
        read_export(tmp_path)
    assert str(caught.value) == f"{tmp_path / DOCUMENT}: cannot be read (No such file or directory)"


def test_a_file_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / DOCUMENT).symlink_to("/dev/zero")
    with pytest.raises(ExportError, match="larger than 32,000,000 bytes; not an export"):
        read_export(tmp_path / "best")


def test_what_could_not_be_read_again_is_not_written(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = read_export(folder())
    monkeypatch.setattr("mlpsearch.search.export.document._MAX_BYTES", 100)
    with pytest.raises(ExportError, match=r"would have .* bytes, and an export has at most 100"):
        write_export(export, tmp_path / "x.toml")
    assert not (tmp_path / "x.toml").exists()
