"""Exported folders of the study `mine`, and confirmed studies to export, made once for each net."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mlpsearch.search.export.exporting import export_winner, write_folder
from mlpsearch.search.results.confirming import confirmed
from mlpsearch.search.results.winner import load_winner
from mlpsearch.search.service import confirm, evaluate
from mlpsearch.studies.record import StudyRecord, open_study
from mlpsearch.studies.spec.keys import Confirm
from tests.search.conftest import Command
from tests.search.makers import confirmation_runs
from tests.search.shop import STUDY, shop

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


ASKED = Confirm(top=2, seeds=2, report=3)


@pytest.fixture(scope="package")
def _confirmed(
    searched: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory, image_cache: Path
) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def get(net: str) -> Path:
        if net not in made:
            made[net] = shutil.copytree(searched(net), tmp_path_factory.mktemp("confirmed") / "study")
            record = open_study(f"sqlite:///{made[net]}/studies.db", "mine")
            confirmation_runs(record, ASKED)
            confirm(record, confirmed(record, ASKED), "c")
        return made[net]

    return get


@pytest.fixture
def study(_confirmed: Callable[[str], Path], tmp_path: Path) -> Callable[..., StudyRecord]:
    """A copy of the study `mine` of the digits, confirmed, for the test alone."""

    def get(net: str = "numpy") -> StudyRecord:
        folder = shutil.copytree(_confirmed(net), tmp_path / "study")
        return open_study(f"sqlite:///{folder}/studies.db", "mine")

    return get


@pytest.fixture
def shop_study(mlpsearch: Command) -> Callable[..., StudyRecord]:
    """Searches and confirms the shop's table in the current folder."""

    def make(net: str, more: str = "") -> StudyRecord:
        shop().write_csv("shop.csv")
        more = f'{more}\npruner = "none"'
        text = STUDY.format(net=net, preprocessing="piecewise", more=more).replace("top = 1", "top = 2")
        Path("shop.toml").write_text(text)
        answer = mlpsearch("run", "shop.toml")
        assert answer.code == 0, answer.err
        return open_study("sqlite:///mlpsearch.db", "shop")

    return make
