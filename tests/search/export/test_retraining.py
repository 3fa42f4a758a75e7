"""Training an export again: the same net bit for bit, or what has changed since."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_info

from mlpsearch.models import build_net
from mlpsearch.models.errors import DataError
from mlpsearch.models.prediction import prediction_arrays
from mlpsearch.models.weights import digest
from mlpsearch.search.export import retraining
from mlpsearch.search.export.document import Export
from mlpsearch.search.export.retraining import Comparison, Retraining
from mlpsearch.studies.record import StudyRecord
from tests.models.compiled import needs_compiled_steps
from tests.search.export.conftest import Folder
from tests.search.export.reading import read_export
from tests.search.makers import NETS


def changed(export: Export, **changes: Any) -> Export:
    return Export.model_validate(export.model_dump() | changes)


def retrain(export: Export) -> Comparison:
    again = Retraining(export, None)
    assert [result.epoch for result in again.epochs()] == [1, 2]
    return again.comparison()


@pytest.mark.parametrize("net", NETS)
def test_a_net_is_trained_again_bit_by_bit(folder: Folder, finished: Callable[..., StudyRecord], net: str) -> None:
    export = read_export(folder(net))
    trial = finished(net).optuna_study().trials[export.trial]
    again = Retraining(export, None)
    reached = {result.epoch: result.validation_accuracy for result in again.epochs()}
    assert reached == trial.intermediate_values
    assert trial.value is not None
    assert again.comparison() == Comparison(trial.value, trial.value, same_weights=True, differences=[])


def test_what_came_out_otherwise_is_found(folder: Folder) -> None:
    export = read_export(folder())
    accuracy = export.accuracy.model_dump() | {"validation": 0.5}
    other = retrain(changed(export, accuracy=accuracy, weights_digest="0" * 64))
    assert (other.same, other.same_weights, other.exported, other.differences) == (False, False, 0.5, [])


def test_another_rounding_shows_in_the_weights_alone(folder: Folder) -> None:
    """The smallest step of the learning rate changes no prediction, but bits."""
    export = read_export(folder())
    rate = export.config["learning_rate"] * (1 + 1e-6)
    other = retrain(changed(export, config=export.config | {"learning_rate": rate}))
    assert (other.same, other.same_weights) == (True, False)


def test_what_has_changed_since_is_listed(folder: Folder) -> None:
    export = read_export(folder())
    versions = export.versions | {"numpy": "1.0", "gone": "2"}
    del versions["torch"]
    listed = retrain(changed(export, versions=versions)).differences
    assert listed == [
        "gone none, was 2",
        f"numpy {export.versions['numpy']}, was 1.0",
        f"torch {export.versions['torch']}, was none",
    ]


@needs_compiled_steps
def test_a_net_in_pytorch_is_trained_by_the_steps_of_its_trial(folder: Folder) -> None:
    """Compiled ones round otherwise than autograd's."""
    export = read_export(folder("torch"))
    assert export.compiled_steps
    by_autograd = retrain(changed(export, compiled_steps=False))
    assert (by_autograd.same_weights, by_autograd.differences) == (False, [])
    digest_by_autograd = digest_of(changed(export, compiled_steps=False))
    assert digest_by_autograd != export.weights_digest
    older = {key: it for key, it in export.model_dump().items() if key != "compiled_steps"}
    of_older = retrain(Export.model_validate(older | {"weights_digest": digest_by_autograd}))
    assert (of_older.same_weights, of_older.differences) == (True, [])


def digest_of(export: Export) -> str:
    again = Retraining(export, None)
    list(again.epochs())
    return digest(prediction_arrays(again._net, again._preprocessing))


@needs_compiled_steps
@pytest.mark.parametrize(("net", "listed"), [("torch", ["steps by autograd, was compiled"]), ("numpy", [])])
def test_steps_that_cannot_be_compiled_here_are_listed_where_that_changes_bits(
    net: str, listed: list[str], folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = read_export(folder(net))
    monkeypatch.setattr(retraining, "build_net", lambda name, **how: build_net(name, **how | {"compiled": False}))
    other = retrain(export)
    assert (other.same_weights, other.differences) == (not listed, listed)


def blas_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_training_uses_the_threads_of_the_trial_and_gives_them_back(folder: Folder) -> None:
    epochs = Retraining(changed(read_export(folder()), threads=2), None).epochs()
    next(epochs)
    assert blas_threads() == {2}
    list(epochs)
    assert blas_threads() == {1}


def test_other_images_are_refused(folder: Folder) -> None:
    export = read_export(folder())
    other = changed(export, data=export.data.model_dump() | {"fingerprint": "0" * 64})
    with pytest.raises(DataError) as caught:
        Retraining(other, None)
    message = str(caught.value)
    assert message.startswith("training images at the cache: their fingerprint is ")
    assert message.endswith(", the export's 000000000000; name the right ones with --data")


def test_images_that_are_not_there_are_refused(folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.tar"):
        Retraining(read_export(folder()), str(tmp_path / "none.tar"))
