"""`new` for images and arrays: a study file that can be run."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from mlpsearch.studies.data.training import dataset_of
from mlpsearch.studies.spec.dimensions import Choices
from mlpsearch.studies.spec.keys import LEARNT
from mlpsearch.studies.spec.reading import load_spec
from tests.search.conftest import Command
from tests.studies.data.arrays.makers import images, table, with_test, write
from tests.studies.image_makers import encode


def files_of(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def pets(count: int, shape: tuple[int, ...], split: str = "") -> dict[str, bytes]:
    """Images of cats and dogs, each different; split: a folder above those of the classes."""
    return {
        f"{split}{name}/{number}.png": encode(np.random.default_rng(number).integers(0, 256, shape, np.uint8))
        for name in ("cat", "dog")
        for number in range(count)
    }


def test_a_folder_of_images_gets_a_study_file_that_runs(mlpsearch: Command, tmp_path: Path) -> None:
    files_of(tmp_path / "my pets", pets(20, (8, 6, 3)))
    answer = mlpsearch("new", "my pets", "--net", "torch")
    assert answer.err.startswith("wrote my-pets.toml; `mlpsearch check my-pets.toml` says what was understood")
    text = Path("my-pets.toml").read_text()
    classes, size = "2, most often 'cat' (50%)", "8×6 pixels (height × width), in colour"
    assert text.startswith(f"# 32 training and validation images; classes: {classes}; {size}.\n")
    assert 'data = "my pets"' in text
    spec = load_spec("my-pets.toml")
    assert (spec.net, spec.dataset, spec.folds, spec.image_size) == ("torch", "images", 5, None)
    assert (spec.start, spec.budget.trials, spec.budget.epochs) == (LEARNT, 30, 40)
    Path("my-pets.toml").write_text(text.replace("epochs = 40", "epochs = 2"))
    run = mlpsearch("run", "my-pets.toml", "--trials", "2", "--no-evaluate")
    assert run.code == 0, run.err
    assert "my-pets: tried first: " in run.err


def test_a_validation_folder_is_what_trials_are_judged_by(mlpsearch: Command, tmp_path: Path) -> None:
    splits = pets(6, (4, 4), "train/") | pets(3, (4, 4), "val/") | pets(2, (4, 4), "test/")
    files_of(tmp_path / "pets", splits)
    assert mlpsearch("new", "pets").code == 0
    spec = load_spec("pets.toml")
    assert (spec.validation, spec.folds) == (None, None)
    text = Path("pets.toml").read_text()
    assert text.startswith("# 18 training and validation images; ")
    assert "4×4 pixels (height × width), grey.\n" in text
    check = mlpsearch("check", "pets.toml")
    assert check.code == 0
    assert "trials are told apart by luck" in check.out
    assert "folds = 5" not in check.out


@pytest.mark.parametrize(
    ("others", "why"), [((20, 30, 3), "have different sizes"), ((90, 80, 3), "have 90×80 pixels")]
)
def test_photos_are_resized_and_that_is_said(
    mlpsearch: Command, tmp_path: Path, others: tuple[int, ...], why: str
) -> None:
    files_of(tmp_path / "pets", pets(12, (90, 80, 3)))
    files_of(tmp_path / "pets", pets(3, others))
    told = mlpsearch("new", "pets").err.splitlines()
    assert told[0] == f"pets: the images {why}: image_size = 32 in the study file resizes them"
    assert load_spec("pets.toml").image_size == 32
    assert "32×32 pixels" in Path("pets.toml").read_text()
    assert mlpsearch("check", "pets.toml").code == 0


def test_many_images_are_seen_less_often_and_judged_by_a_part(mlpsearch: Command, tmp_path: Path) -> None:
    write(tmp_path / "many.npz", images(12_000))
    assert mlpsearch("new", "many.npz").code == 0
    spec = load_spec("many.toml")
    assert (spec.dataset, spec.validation, spec.folds, spec.budget.epochs) == ("arrays", 0.2, None, 30)
    assert spec.search["preprocessing"] == Choices(choices=("scale", "standardize"))
    in_training = spec.budget.epochs * math.ceil(7_680 / 64)  # four fifths of the 9,600 that are not the test's
    assert f"# about {in_training:,} steps" in Path("many.toml").read_text()


def test_arrays_get_a_study_file_by_what_they_hold(mlpsearch: Command, tmp_path: Path) -> None:
    write(tmp_path / "pixels.npz", images(60))
    write(tmp_path / "numbers", with_test(table(60), table(20, seed=1)))
    for name, kind in (("pixels.npz", "4×5 pixels"), ("numbers", "columns: 3 of numbers")):
        assert mlpsearch("new", name).code == 0
        study = f"{name.partition('.')[0]}.toml"
        assert kind in Path(study).read_text()
        spec = load_spec(study)
        assert (spec.dataset, spec.label, spec.test, spec.folds) == ("arrays", None, None, 5)
        assert mlpsearch("check", study).code == 0


@pytest.mark.parametrize(
    ("name", "has_label", "dataset"),
    [
        ("a.npz", False, "arrays"),
        ("a.npy", False, "arrays"),
        ("idx", False, "arrays"),
        ("a.tar.gz", False, "images"),
        ("A.ZIP", False, "images"),
        ("pets", False, "images"),
        ("a.parquet", False, "images"),
        ("a.parquet", True, "table"),
        ("a.csv", False, "table"),
        ("a.csv.gz", True, "table"),
    ],
)
def test_names_say_what_data_are(tmp_path: Path, name: str, has_label: bool, dataset: str) -> None:
    (tmp_path / "pets" / "cat").mkdir(parents=True)
    files_of(tmp_path / "idx", {"train-images-idx3-ubyte.gz": b""})
    if "." in name:
        (tmp_path / name).touch()
    assert dataset_of(tmp_path / name, has_label=has_label) == dataset


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("m.pkl", "m.pkl: a pickle can run any program, so it is not read"),
        ("m.mat", "m.mat: .mat files are not read"),
        ("m.xlsx", "m.xlsx: must be a table (.csv, "),
        ("m.PNG", "m.PNG: is one image: name the folder that has a folder of images for each class"),
    ],
)
@pytest.mark.parametrize("more", [(), ("--label", "y")], ids=["no label", "label"])
def test_what_is_not_read_is_refused_before_anything_is_asked(
    mlpsearch: Command, tmp_path: Path, name: str, said: str, more: tuple[str, ...]
) -> None:
    (tmp_path / name).write_bytes(b"any")
    answer = mlpsearch("new", name, *more)
    assert answer.code == 1
    assert answer.err.startswith(f"error: {said}")
    assert not (tmp_path / "m.toml").exists()
