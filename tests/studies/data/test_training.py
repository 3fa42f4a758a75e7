import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.images.decoding import decode_image
from mlpsearch.studies.data.training import DATASETS, TrainingData, check_images, load_training
from mlpsearch.studies.spec.study import StudySpec
from tests.studies import image_makers as make

ROOT = Path(__file__).parents[3]


def test_training_and_validation_share_the_images_and_no_row() -> None:
    data = load_training("digits", None, validation=300, split_seed=0)
    assert data.training.images is data.validation.images
    assert data.training.labels is data.validation.labels
    assert len(data.validation) == 300
    rows = np.concatenate([data.training.rows, data.validation.rows])
    assert sorted(rows) == list(range(1437))
    assert data.training.inputs == 64
    assert (data.shape, data.classes) == ((8, 8, 1), tuple("0123456789"))


def test_every_class_has_its_share_of_validation() -> None:
    data = load_training("digits", None, validation=300, split_seed=0)
    in_all = np.bincount(data.training.labels)
    in_validation = np.bincount(data.validation.labels[data.validation.rows])
    assert np.abs(in_validation - 300 * in_all / 1437).max() < 1


def test_the_seed_moves_the_split_and_nothing_else() -> None:
    first, again, other = (load_training("digits", None, validation=300, split_seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.validation.rows, again.validation.rows)
    assert not np.array_equal(first.validation.rows, other.validation.rows)
    assert first.fingerprint == again.fingerprint == other.fingerprint


@pytest.mark.parametrize("validation", [-1, 0, 1428, 5000])
def test_a_validation_split_that_cannot_be_is_refused(validation: int) -> None:
    with pytest.raises(DataError, match=rf"^validation = {validation}: must be from 1 to 1,427 \(1,437 in all"):
        load_training("digits", None, validation=validation, split_seed=0)


def test_the_largest_validation_split_is_allowed() -> None:
    assert len(load_training("digits", None, validation=1427, split_seed=0).training) == 10


def test_the_same_images_have_one_fingerprint_in_any_form(tmp_path: Path) -> None:
    files = make.image_files(train=4)
    forms = ["folder", "a.tar", "b.tar.gz", "c.tgz", "d.zip"]
    seen = {
        load_training("images", make.write_any(tmp_path / form, files), validation=2, split_seed=0).fingerprint
        for form in forms
    }
    assert len(seen) == 1
    files["train/cat/000.png"] = files["train/dog/000.png"]
    changed = make.write_zip(tmp_path / "e.zip", files)
    assert load_training("images", changed, validation=2, split_seed=0).fingerprint not in seen


@pytest.mark.parametrize(
    ("shape", "fingerprint"),
    [
        ((4, 5, 3), "6bb19d6cdfd094968460510b6df802132d1a500cc976b06bfde6774fedb4032a"),
        ((4, 5), "bc36f5d4d1c586489ebe94e205a13ed8c684a74dec893a9823815ef4f6fc3a41"),
    ],
)
def test_ordinary_images_keep_the_fingerprint_they_had_in_the_first_version(
    tmp_path: Path, shape: tuple[int, ...], fingerprint: str
) -> None:
    """Studies on users' disks go by it."""
    path = make.write_tar(tmp_path / "x.tar", make.image_files(shape=shape))
    assert load_training("images", path, validation=2, split_seed=0).fingerprint == fingerprint


# --- a validation split of the data set's own ---


@pytest.mark.parametrize("form", ["folder", "x.tar.gz", "x.zip"])
@pytest.mark.parametrize("name", ["val", "valid", "validation", "Val"])
@pytest.mark.parametrize("top", ["", "pets/"])
def test_a_validation_folder_is_the_validation_split(tmp_path: Path, form: str, name: str, top: str) -> None:
    files = {
        top + file.replace("val/", f"{name}/"): content
        for file, content in make.image_files(train=4, val=3).items()
    }
    path = make.write_any(tmp_path / form, files)
    data = load_training("images", path, validation=None, split_seed=0)
    assert data.validation_folder == name
    assert (len(data.training), len(data.validation)) == (8, 6)
    assert data.validation.labels[data.validation.rows].tolist() == [0, 0, 0, 1, 1, 1]
    expected = decode_image(files[f"{top}{name}/cat/001.png"], "x").reshape(-1)
    np.testing.assert_array_equal(data.validation.images[data.validation.rows[1]], expected)
    assert data.training.shape == data.validation.shape == data.shape
    assert check_images("images", path) == [f"{path}: {name}/ is the validation split, 6 images"]


def test_a_number_beside_a_validation_folder_is_refused_with_both_named(tmp_path: Path) -> None:
    path = make.write_tar(tmp_path / "x.tar", make.image_files(val=2))
    with pytest.raises(DataError) as caught:
        load_training("images", path, validation=2, split_seed=0)
    assert str(caught.value) == (
        f"{path}: has a validation split, val/ with 4 images, and validation = 2 asks for images of train: "
        "leave that out, or take the folder away"
    )


def test_two_validation_folders_are_refused(tmp_path: Path) -> None:
    files = make.image_files(val=2)
    files |= {name.replace("val/", "valid/"): content for name, content in files.items() if "val/" in name}
    path = make.write_tar(tmp_path / "x.tar", files)
    with pytest.raises(DataError, match=r"more than one validation folder \('val', 'valid'\)"):
        load_training("images", path, validation=None, split_seed=0)


def test_the_fingerprint_follows_the_validation_folder(tmp_path: Path) -> None:
    files = make.image_files(val=2)
    folder = make.write_folder(tmp_path / "folder", files)
    seen = [load_training("images", folder, validation=None, split_seed=0).fingerprint]
    (folder / "val" / "cat" / "000.png").write_bytes(files["val/dog/000.png"])
    seen.append(load_training("images", folder, validation=None, split_seed=0).fingerprint)
    (folder / "val").rename(folder / "aside")
    seen.append(load_training("images", folder, validation=2, split_seed=0).fingerprint)
    assert len(set(seen)) == 3
    (folder / "aside").rename(folder / "val")
    assert load_training("images", folder, validation=None, split_seed=0).fingerprint == seen[1]


def test_grey_validation_images_beside_colour_are_spread(tmp_path: Path) -> None:
    grey = {name: content for name, content in make.image_files(shape=(4, 5), val=2).items() if "val/" in name}
    path = make.write_tar(tmp_path / "x.tar", make.image_files() | grey)
    data = load_training("images", path, validation=None, split_seed=0)
    pixels = data.validation.images.reshape(4, 4, 5, 3)
    assert data.shape == (4, 5, 3)
    np.testing.assert_array_equal(pixels[..., 0], pixels[..., 2])


def test_without_a_number_and_a_folder_a_thousand_images_are_split_off(tmp_path: Path) -> None:
    assert len(load_training("digits", None, validation=None, split_seed=0).validation) == 1000


def test_loading_never_decodes_a_test_image(tmp_path: Path, cache: Path) -> None:
    files = make.image_files() | {"test/cat/000.png": b"broken"}
    load_training("images", make.write_tar(tmp_path / "x.tar", files), validation=2, split_seed=0)
    load_training("digits", None, validation=2, split_seed=0)
    names = [path.name for path in cache.iterdir()]
    assert len(names) == 4  # an entry and a lock each
    assert all(name.startswith("train-") for name in names)


def test_the_module_has_no_word_for_the_test_split() -> None:
    text = (ROOT / "studies" / "data" / "training.py").read_text().lower()
    assert "test" not in text.replace("latest", "")
    assert "holdout" not in text


def test_naming_a_data_set_starts_no_heavy_import() -> None:
    script = (
        "import sys, mlpsearch.studies.data.training, mlpsearch.studies.data.holdout\n"
        "heavy = {'torch', 'torchvision', 'sklearn', 'scipy', 'PIL', 'optuna'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "mlpsearch.studies.data.training.load_training('digits', None, validation=100, split_seed=0)\n"
        "heavy = {'torch', 'torchvision', 'optuna'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_names_are_those_of_the_documentation() -> None:
    assert get_args(StudySpec.model_fields["dataset"].annotation) == DATASETS


@pytest.mark.stress  # decodes fifty thousand images
def test_the_real_cifar10_images(cifar10_training: TrainingData) -> None:
    data = cifar10_training
    assert (len(data.training), len(data.validation)) == (49_000, 1_000)
    assert np.bincount(data.validation.labels[data.validation.rows]).tolist() == [100] * 10
    assert data.shape == (32, 32, 3)
    assert data.classes[:4] == ("airplane", "automobile", "bird", "cat")
    # The original's mean and standard deviation of each colour, from which the JPEG files differ a little.
    colours = data.training.images[::10].reshape(-1, 3) / 255
    np.testing.assert_allclose(colours.mean(axis=0), [0.4914, 0.4822, 0.4465], atol=0.01)
    np.testing.assert_allclose(colours.std(axis=0), [0.2470, 0.2435, 0.2616], atol=0.01)
