"""An export made here, where nothing but the wheel is installed: the same predictions, and the same training."""

import json
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from mlpsearch.models.errors import DataError
from mlpsearch.search.export.prediction import classify
from tests.search.export.conftest import Folder
from tests.search.export.reading import read_export
from tests.search.makers import NETS
from tests.studies.image_makers import encode, grey_pixels
from tests.wheels import build, copy_of_the_checkout

ROOT = Path(__file__).parents[3]
ROOMS = ("models", "search", "studies")


def test_the_wheel_holds_the_rooms_in_one_package_and_nothing_else(wheel: Path) -> None:
    there = {
        f"mlpsearch/{path.relative_to(ROOT).as_posix()}"
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {
        f"mlpsearch/{name}"
        for name in (
            "studies/spec/catalog/digits-numpy.toml",
            "models/numpy_net/backpropagation.md",
            "search/cli/__init__.py",
        )
    } < there
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == there | {f"mlpsearch/{name}" for name in ("__init__.py", "__main__.py", "py.typed")}


def test_a_wheel_made_of_the_source_distribution_is_the_same(wheel: Path, tmp_path: Path) -> None:
    build("sdist", copy_of_the_checkout(tmp_path / "tree"), tmp_path)
    (packed,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(packed) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    build("wheel", unpacked, tmp_path)
    (other,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(other) as two:
        held, again = ({name: archive.read(name) for name in archive.namelist()} for archive in (one, two))
    assert held == again


def test_the_wheel_brings_the_command_and_the_catalog(installed: Callable[..., str]) -> None:
    assert "digits-numpy " in installed("-m", "mlpsearch", "list")
    script = Path(installed("-c", "import sys; print(sys.prefix)").strip()) / "bin" / "mlpsearch"
    assert "mlpsearch, version " in installed(script, "--version")


@pytest.mark.parametrize("net", NETS)
def test_an_export_gives_the_same_numbers_there(
    installed: Callable[..., str], folder: Folder, tmp_path: Path, net: str
) -> None:
    best, images = folder(net), [tmp_path / f"{number}.png" for number in range(5)]
    for number, path in enumerate(images):
        path.write_bytes(encode(grey_pixels(number, 8, 8)))
    here = [asdict(prediction) for prediction in classify(best, images, 10, list[DataError]().append)]
    there = json.loads(installed("-m", "mlpsearch", "predict", best, *images, "--top", "10", "--json"))
    assert there["predictions"] == here
    accuracy = read_export(best).accuracy.validation
    assert json.loads(installed("-m", "mlpsearch", "train", best, "--json")) == {
        "schema_version": 1,
        "validation_accuracy": accuracy,
        "exported": accuracy,
        "same_weights": True,
        "differences": [],
        "same": True,
        "members": [],
    }
