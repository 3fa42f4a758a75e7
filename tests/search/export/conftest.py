"""Exported folders of the study `mine`, made once for each net."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mlpsearch.search.export.exporting import export_winner, write_folder
from mlpsearch.search.results.winner import load_winner
from mlpsearch.search.service import evaluate
from mlpsearch.studies.record import open_study

Folder = Callable[..., Path]


@pytest.fixture(scope="package")
def _exported(
    searched: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory, image_cache: Path
) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def get(net: str) -> Path:
        if net not in made:
            made[net] = tmp_path_factory.mktemp("exported") / "best"
            shutil.copytree(searched(net), made[net].with_name("study"))
            record = open_study(f"sqlite:///{made[net].with_name('study')}/studies.db", "mine")
            evaluate(record, "c")
            winner = load_winner(record)
            write_folder(export_winner(record, winner, made[net]), winner, made[net])
        return made[net]

    return get


@pytest.fixture
def folder(_exported: Callable[[str], Path], tmp_path: Path) -> Folder:
    """A copy of the folder, for the test alone; the study was tested."""

    def get(net: str = "numpy") -> Path:
        return shutil.copytree(_exported(net), tmp_path / "best")

    return get
