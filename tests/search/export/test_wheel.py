"""An export made here, where nothing but the wheel is installed: the same predictions, and the same training."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from models.errors import DataError
from search.export.document import read_export
from search.export.prediction import classify
from tests.search.export.conftest import Folder
from tests.search.makers import NETS
from tests.studies.image_makers import encode, grey_pixels

ROOT = Path(__file__).parents[3]
ROOMS = ("models", "search", "studies")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    for room in ROOMS:
        shutil.copytree(ROOT / room, folder / "tree" / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "tree")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=folder / "tree", check=True, capture_output=True, timeout=120)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Runs Python in another environment, with the wheel installed.

    Its other packages are those of this environment, by a .pth file, so that torch is not installed twice. What
    this environment has as an editable installation is not among them: Python reads the .pth files of no folder
    that a .pth file names.
    """
    folder = tmp_path_factory.mktemp("other")
    venv.create(folder / "env", symlinks=True)
    python = folder / "env" / "bin" / "python"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def run(*arguments: str | Path) -> str:
        done = subprocess.run(
            [python, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    (own,) = (folder / "env" / "lib").glob("python*/site-packages")
    options = ["--no-deps", "--no-index", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", *options, str(wheel)],
        check=True,
        capture_output=True,
        timeout=120,
    )
    (own / "others.pth").write_text(sysconfig.get_path("purelib"))
    where = "import models, search, studies; print(models.__file__, search.__file__, studies.__file__)"
    assert all(Path(path).is_relative_to(own) for path in run("-c", where).split())
    return run


def test_the_wheel_holds_every_file_of_the_rooms(wheel: Path) -> None:
    there = {
        path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"studies/catalog/digits-numpy.toml", "models/backpropagation.md", "search/cli/__init__.py"} < there
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == there


def test_the_wheel_brings_the_command_and_the_catalog(installed: Callable[..., str]) -> None:
    assert "digits-numpy " in installed("-m", "search.cli", "list")
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
    there = json.loads(installed("-m", "search.cli", "predict", best, *images, "--top", "10", "--json"))
    assert there == here
    accuracy = read_export(best).accuracy.validation
    assert json.loads(installed("-m", "search.cli", "train", best, "--json")) == {
        "validation_accuracy": accuracy,
        "exported": accuracy,
        "same_weights": True,
        "differences": [],
        "same": True,
    }
