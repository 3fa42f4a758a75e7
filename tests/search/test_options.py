"""A study with every option of the training: what its best net is, wherever it is taken, is one and the same."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlpsearch.models.metrics import accuracy, predict_split, probabilities
from mlpsearch.models.weights import load_arrays, save_arrays
from mlpsearch.search.export.exporting import export_winner, write_folder
from mlpsearch.search.export.prediction import load_classifier
from mlpsearch.search.export.retraining import Retraining
from mlpsearch.search.results.winner import load_winner
from mlpsearch.search.service import evaluate
from mlpsearch.search.workers.worker import Worker
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.study_data import load_study_data
from tests.models.cases import EVERYTHING
from tests.search.export.reading import read_export
from tests.search.makers import NETS, digits_study, never, weights_path
from tests.studies.stores import folder_of


def searched_with_everything(folder: Path, net: str) -> StudyRecord:
    """Both trials are done."""
    options = EVERYTHING | {"components": 20, "averaging": 0.5, "batch_size": 32}
    del options["learning_rate"]  # is searched
    record = digits_study(folder, net, **options)
    Worker(record, load_study_data(record), never).run()
    return record


@pytest.mark.parametrize("net", NETS)
def test_the_winner_comes_back_from_its_weights(tmp_path: Path, net: str) -> None:
    record = searched_with_everything(tmp_path, net)
    winner = load_winner(record)
    split = winner.data.validation
    assert accuracy(predict_split(winner.net, split, winner.preprocessing), split) == winner.validation_accuracy
    assert winner.first_layer is not None
    assert winner.first_layer.shape == (64, winner.config.hidden_size)
    report = evaluate(record, "c")
    assert 0.2 < report.accuracy < 1


@pytest.mark.parametrize("net", NETS)
def test_an_export_predicts_and_trains_the_same(tmp_path: Path, net: str) -> None:
    record = searched_with_everything(tmp_path, net)
    winner = load_winner(record)
    write_folder(export_winner(record, winner, tmp_path / "best"), winner, tmp_path / "best")
    split = winner.data.validation
    found = load_classifier(tmp_path / "best").probabilities(split.images[split.rows])
    np.testing.assert_array_equal(found, probabilities(winner.net, split, winner.preprocessing))
    retraining = Retraining(read_export(tmp_path / "best"), None)
    assert len(list(retraining.epochs())) == 2
    assert retraining.comparison().same_weights


def test_weights_without_statistics_of_the_pixels_are_completed(finished: Callable[..., StudyRecord]) -> None:
    """As earlier versions wrote them."""
    record = finished()
    expected = load_winner(record)
    arrays, metadata = load_arrays(weights_path(folder_of(record), expected.trial))
    older = {name: array for name, array in arrays.items() if name not in ("offset", "scale")}
    save_arrays(weights_path(folder_of(record), expected.trial), older, metadata)
    found, split = load_winner(record), expected.data.validation
    np.testing.assert_array_equal(
        probabilities(found.net, split, found.preprocessing),
        probabilities(expected.net, split, expected.preprocessing),
    )
