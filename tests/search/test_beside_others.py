"""Beside a project of the user's own that has models, search, studies and utils as well, in any form."""

import functools
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.trial import TrialState

from mlpsearch.studies.record import open_study
from tests.patience import PATIENCE_SECONDS
from tests.wheels import Environment

NAMES = ("models", "search", "studies", "utils", "tests", "benchmarks")
STUDY = """
name = "mine"
dataset = "digits"
net = "numpy"
[budget]
trials = 2
epochs = 1
[fixed]
batch_size = 64
[search]
hidden_size = {low = 4, high = 8}
"""


@pytest.fixture(scope="module")
def beside(installed: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """The environment and a folder, both full of what has our rooms' names."""
    folder = tmp_path_factory.mktemp("project")
    taken = 'raise RuntimeError("imported instead of ours")\n'
    for name in NAMES:
        (folder / f"{name}.py").write_text(taken)
        for place in (folder, installed.packages):
            (place / name).mkdir(exist_ok=place is installed.packages)
            (place / name / "__init__.py").write_text(taken)
    (folder / "study.toml").write_text(STUDY)
    yield Environment(installed.python, folder)
    for name in NAMES:
        (installed.packages / name / "__init__.py").unlink()
        (installed.packages / name).rmdir()


def test_the_package_is_typed_and_quick_to_import(beside: Environment) -> None:
    heavy = "{'numpy', 'torch', 'optuna', 'click'}"
    assert beside("-c", f"import mlpsearch, sys; print({heavy} & sys.modules.keys())") == "set()\n"
    assert (beside.packages / "mlpsearch" / "py.typed").exists()


@pytest.fixture
def run(beside: Environment, image_cache: Path, tmp_path: Path) -> functools.partial[str]:
    """`python -m mlpsearch` there, with a storage for the test alone."""
    variables = {"PYTHONPATH": str(beside.folder), "MLPSEARCH_CACHE": str(image_cache)}
    variables["MLPSEARCH_STORAGE"] = f"sqlite:///{tmp_path}/studies.db"
    return functools.partial(beside, "-m", "mlpsearch", **variables)


def finished(run: functools.partial[str]) -> int:
    """How many trials have ended, as this process sees it: each command there takes a second."""
    return open_study(run.keywords["MLPSEARCH_STORAGE"], "mine").counts.by_state()[TrialState.COMPLETE]


def test_the_command_with_two_workers(beside: Environment, run: functools.partial[str]) -> None:
    run("run", "study.toml", "--workers", "2")
    assert finished(run) == 2
    script = functools.partial(beside, beside.python.with_name("mlpsearch"), **run.keywords)
    assert script("status", "mine") == run("status", "mine")


def test_a_worker_that_was_started_by_hand_and_a_server(beside: Environment, run: functools.partial[str]) -> None:
    run("submit", "study.toml", "--no-evaluate")
    run("worker", "mine")
    assert finished(run) == 2
    server = beside.start("-m", "mlpsearch", "serve", "--port", "0", **run.keywords)
    try:
        assert server.stderr is not None
        assert "http://" in server.stderr.readline()
    finally:
        server.send_signal(signal.SIGTERM)
        _, said = server.communicate(timeout=PATIENCE_SECONDS)
    assert "instead of ours" not in said


@pytest.mark.stress
def test_workers_on_ray(run: functools.partial[str]) -> None:
    run("run", "study.toml", "--ray", "local", "--workers", "2")
    assert finished(run) == 2
