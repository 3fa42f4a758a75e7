"""The exported file: all that is needed to train the best configuration again, and nothing else accepted."""

import tomllib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from threadpoolctl import threadpool_info

from models.errors import DataError, ExportError
from models.weights import load_arrays
from search.export import (
    Export,
    export_winner,
    read_export,
    train_export,
    write_export,
    write_weights,
)
from search.finalize import Winner, evaluate, load_winner
from studies.record import StudyRecord
from tests.search.makers import NETS

Finished = Callable[..., StudyRecord]


def winner_and_file(record: StudyRecord, tmp_path: Path) -> tuple[Winner, Path]:
    winner, path = load_winner(record), tmp_path / "best.toml"
    write_export(export_winner(record, winner), path)
    return winner, path


@pytest.fixture(scope="module")
def good() -> dict[str, str]:
    """The text of a good file, once it is written."""
    return {}


@pytest.fixture
def document(good: dict[str, str], finished: Finished, tmp_path: Path) -> dict[str, Any]:
    """The content of a good file."""
    if not good:
        record = finished()
        evaluate(record, "c")
        _, path = winner_and_file(record, tmp_path)
        good["text"] = path.read_text("utf-8")
    return tomllib.loads(good["text"])


@pytest.mark.parametrize("net", NETS)
def test_an_export_is_trained_again_bit_by_bit(finished: Finished, tmp_path: Path, net: str) -> None:
    record = finished(net)
    winner, path = winner_and_file(record, tmp_path)
    trial = record.optuna_study().trials[winner.trial]
    results = list(train_export(read_export(path), None))
    reached = {result.epoch: result.validation_accuracy for result in results}
    assert reached == trial.intermediate_values
    assert results[-1].validation_accuracy == read_export(path).accuracy.validation == trial.value


def test_an_export_read_again_is_the_same(finished: Finished, tmp_path: Path) -> None:
    record = finished()
    evaluate(record, "c")
    export = export_winner(record, load_winner(record))
    write_export(export, tmp_path / "best.toml")
    assert read_export(tmp_path / "best.toml") == export


def test_what_an_export_holds(document: dict[str, Any]) -> None:
    assert document.keys() == {
        "format",
        "study",
        "trial",
        "net",
        "threads",
        "config",
        "data",
        "accuracy",
        "versions",
    }
    assert (document["format"], document["study"], document["net"]) == (1, "mine", "numpy")
    assert document["config"]["epochs"] == 2
    data, accuracy = document["data"], document["accuracy"]
    assert (data["dataset"], data["validation"], data["split_seed"]) == ("digits", 250, 0)
    assert (data["classes"], data["shape"], len(data["fingerprint"])) == (list("0123456789"), [8, 8, 1], 64)
    assert accuracy["test_images"] == 360
    assert accuracy["test_opening"] == 1
    assert np.trace(accuracy["confusion"]) / 360 == accuracy["test"]
    assert accuracy["test_interval"][0] < accuracy["test"] < accuracy["test_interval"][1]
    assert document["versions"].keys() >= {"python", "mlpsearch", "numpy", "optuna", "torch"}


def test_an_export_of_an_untested_trial_has_no_test_accuracy(finished: Finished, tmp_path: Path) -> None:
    record = finished()
    winner, path = winner_and_file(record, tmp_path)
    assert tomllib.loads(path.read_text("utf-8"))["accuracy"] == {"validation": winner.validation_accuracy}
    evaluate(record, "c")
    other = replace(winner, trial=1 - winner.trial)  # the test was of the other trial
    assert export_winner(record, other).accuracy.test is None


def test_exported_weights_are_those_of_the_winner(finished: Finished, tmp_path: Path) -> None:
    winner = load_winner(finished())
    write_weights(winner, tmp_path / "best.safetensors")
    arrays, _ = load_arrays(tmp_path / "best.safetensors")
    for layer, weights in enumerate(winner.net.weights):
        np.testing.assert_array_equal(arrays[f"weight.{layer}"], weights)


def test_training_uses_the_threads_of_the_trial(document: dict[str, Any]) -> None:
    export = Export.model_validate(document | {"threads": 2})
    next(iter(train_export(export, None)))
    blas = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    assert blas
    assert set(blas) == {2}


# ---- what cannot be written ----


@pytest.mark.parametrize("place", [".", "file/best.toml"])
@pytest.mark.parametrize("what", ["configuration", "weights"])
def test_a_file_that_cannot_be_written_is_named(finished: Finished, tmp_path: Path, place: str, what: str) -> None:
    (tmp_path / "file").touch()
    record, path = finished(), tmp_path / place
    winner = load_winner(record)
    export = export_winner(record, winner)
    write = partial(write_weights, winner) if what == "weights" else partial(write_export, export)
    with pytest.raises(ExportError) as caught:
        write(path)
    assert str(caught.value).startswith(f"{path}: cannot be written (")


# ---- what cannot be read ----


def refusal(path: Path) -> str:
    with pytest.raises(ExportError) as caught:
        read_export(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


CASES: list[tuple[str, Any, str]] = [
    # key ("-": taken away), value, what is said
    ("study", "-", "study: field required"),
    ("config", "-", "config: field required"),
    ("data.fingerprint", "-", "data.fingerprint: field required"),
    ("accuracy.validation", "-", "accuracy.validation: field required"),
    ("config.learning_rate", "-", "config.learning_rate: is missing"),
    ("config.seed", "-", "config.seed: is missing"),
    ("unknown", 1, "unknown: extra inputs are not permitted"),
    ("data.unknown", 1, "data.unknown: extra inputs are not permitted"),
    ("config.unknown", 1, "config.unknown: unknown key"),
    ("format", 2, "format: input should be 1"),
    ("net", "jax", "net: input should be 'numpy' or 'torch'"),
    ("trial", "3", "trial: input should be a valid integer"),
    ("threads", 0, "threads: input should be greater than or equal to 1"),
    ("data.classes", "0123456789", "data.classes: input should be a valid list"),
    ("data.shape", [8, 8], "data.shape: list should have at least 3 items after validation, not 2"),
    ("data.split_seed", -1, "data.split_seed: input should be greater than or equal to 0"),
    ("accuracy.validation", "high", "accuracy.validation: input should be a valid number"),
    ("config.hidden_size", "80", "hidden_size = '80': must be a whole number from 1 to 65536"),
    ("config.learning_rate", -1.0, "learning_rate = -1.0: must be a number from 1e-12 to 1000"),
    ("config.optimizer", "lion", "optimizer = 'lion': must be one of 'sgd', 'adam'"),
    ("versions.numpy", 2, "versions.numpy: input should be a valid string"),
]


@pytest.mark.parametrize(("key", "value", "message"), CASES, ids=[f"{key}={value}" for key, value, _ in CASES])
def test_a_file_with_a_mistake_is_refused_with_its_key(
    document: dict[str, Any], tmp_path: Path, key: str, value: Any, message: str
) -> None:
    *tables, name = key.split(".")
    table = document
    for part in tables:
        table = table[part]
    if value == "-":
        del table[name]
    else:
        table[name] = value
    path = tmp_path / "changed.toml"
    path.write_text(tomli_w.dumps(document), "utf-8")
    assert refusal(path) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"format = ", "Invalid value (at end of document)"),
        (b"\x80\x04K\x01.", "'utf-8' codec can't decode byte 0x80 in position 0: invalid start byte"),
        (b"", "study: field required"),
        (b"a = " + b"[" * 100_000, "is nested too deeply"),
        (b"#" * 1_000_001, "larger than 1,000,000 bytes; not an export"),
        (b"trial = 1" + b"0" * 5000, "Exceeds the limit (4300 digits) for integer string conversion"),
    ],
    ids=["no TOML", "a pickle", "empty", "deep", "large", "digits"],
)
def test_what_is_no_export_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "best.toml"
    path.write_bytes(content)
    assert refusal(path).startswith(message)


def test_a_file_that_is_not_there_or_a_folder_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.toml") == "cannot be read (No such file or directory)"
    assert refusal(tmp_path) == "cannot be read (Is a directory)"


def test_other_images_are_refused(document: dict[str, Any]) -> None:
    document["data"]["fingerprint"] = "0" * 64
    with pytest.raises(DataError) as caught:
        list(train_export(Export.model_validate(document), None))
    message = str(caught.value)
    assert message.startswith("training images at the cache: their fingerprint is ")
    assert message.endswith(", the export's 000000000000; name the right ones with --data")
