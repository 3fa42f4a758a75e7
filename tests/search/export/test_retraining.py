"""Training an export again: the same net bit for bit, or what has changed since."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_info

from mlpsearch.models.errors import DataError
from mlpsearch.search.export.document import Export, read_export
from mlpsearch.search.export.retraining import Comparison, Retraining
from mlpsearch.studies.record import StudyRecord
from tests.search.export.conftest import Folder
from tests.search.makers import NETS


def changed(export: Export, **changes: Any) -> Export:
    return Export.model_validate(export.model_dump() | changes)


def retrain(export: Export) -> Comparison:
    retraining = Retraining(export, None)
    assert [result.epoch for result in retraining.epochs()] == [1, 2]
    return retraining.comparison()


@pytest.mark.parametrize("net", NETS)
def test_a_net_is_trained_again_bit_by_bit(folder: Folder, finished: Callable[..., StudyRecord], net: str) -> None:
    export = read_export(folder(net))
    trial = finished(net).optuna_study().trials[export.trial]
    retraining = Retraining(export, None)
    reached = {result.epoch: result.validation_accuracy for result in retraining.epochs()}
    assert reached == trial.intermediate_values
    assert trial.value is not None
    assert retraining.comparison() == Comparison(trial.value, trial.value, same_weights=True, differences=[])


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
