"""scikit-learn's tables, with its names, and test rows that stay the same."""

import numpy as np
import pytest

from mlpsearch.studies.data.holdout import open_test_split
from mlpsearch.studies.data.sources import check_images
from mlpsearch.studies.data.training import load_training, own_copy
from mlpsearch.studies.spec.catalog import find
from mlpsearch.studies.spec.table_options import BUNDLED_TABLES

ROWS = {"iris": (120, 30), "wine": (142, 36), "breast-cancer": (455, 114), "letter-like": (5_200, 1_300)}
CLASSES = {
    "iris": ("setosa", "versicolor", "virginica"),
    "wine": ("class_0", "class_1", "class_2"),
    "breast-cancer": ("benign", "malignant"),
}
TEST_FINGERPRINTS = {
    "iris": "3f33a3b5989b",
    "wine": "9ca3dd03bb2f",
    "breast-cancer": "2af0908fb56a",
    "letter-like": "6f71f4c6bd95",
}


@pytest.mark.parametrize("dataset", CLASSES)
def test_the_columns_and_classes_have_scikit_learns_names(dataset: str) -> None:
    from sklearn import datasets

    original = getattr(datasets, f"load_{dataset.replace('-', '_')}")()
    spec = find(f"{dataset}-numpy")
    data = load_training(dataset, None, validation=spec.validation, split_seed=0, options=spec.data_options)
    assert data.table is not None
    assert [(one.name, one.kind) for one in data.table.columns] == [
        (name, "number") for name in original.feature_names
    ]
    assert data.classes == CLASSES[dataset]
    seen = {tuple(row) for row in np.asarray(data.training.images).tolist()}
    assert seen < {tuple(row) for row in original.data.tolist()}


def test_the_artificial_table_has_the_sizes_of_one_of_letters() -> None:
    spec = find("letter-like-torch")
    data = load_training("letter-like", None, validation=1000, split_seed=0, options=spec.data_options)
    assert data.classes == tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert data.class_counts().min() > 190
    cells = np.asarray(data.training.images)
    assert cells.shape[1] == 16
    assert np.array_equal(np.unique(cells), np.arange(16))
    assert data.sealed is not None
    assert data.sealed.also_in_training == 0


@pytest.mark.parametrize("dataset", BUNDLED_TABLES)
def test_the_test_rows_stay_the_same(dataset: str) -> None:
    data = load_training(dataset, None, validation=10, split_seed=0)
    test = open_test_split(dataset, None)
    assert (len(data.training) + len(data.validation), len(test.test)) == ROWS[dataset]
    assert test.fingerprint[:12] == TEST_FINGERPRINTS[dataset], "the test rows have changed"


@pytest.mark.parametrize("dataset", BUNDLED_TABLES)
def test_they_are_found_by_name_alone(dataset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLPSEARCH_DATA", "/elsewhere")
    assert own_copy(dataset, None) is None
    data = load_training(dataset, None, validation=10, split_seed=0)
    assert check_images(dataset, None) == []
    assert data.remarks == (f"{dataset}: {data.training.inputs} columns: {data.training.inputs} of numbers",)
