"""The command line as people run it: a process of its own, started, interrupted, gone on with."""

import json
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import tomli_w

from mlpsearch.search.results.status import StudyStatus, study_status
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.studies.data.holdout import open_test_split
from mlpsearch.studies.record import open_study
from mlpsearch.studies.spec import catalog
from mlpsearch.studies.spec.keys import Confirm
from mlpsearch.studies.study_data import load_spec_data
from tests.patience import PATIENCE_SECONDS
from tests.search.conftest import Answer
from tests.studies.stores import new_study

MLPSEARCH = Path(sys.executable).with_name("mlpsearch")
OPTUNA = Path(sys.executable).with_name("optuna")
TRIALS = 12  # many more than end before the interruption
CONFIRM = Confirm(top=2, seeds=2, report=2)  # so that it takes less than the search


def answer_of(process: subprocess.Popen[str]) -> Answer:
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    return Answer(process.returncode, out, err)


def start(*command: str | Path, cwd: Path) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)


# ---- starting up ----


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


_WITHOUT_WHAT_IS_SLOW = """
import sys
from mlpsearch.search.cli import main
sys.argv = ["mlpsearch", *sys.argv[1:]]
try:
    main()
finally:
    slow = {"torch", "torchvision", "optuna_dashboard", "sklearn", "scipy.stats", "sqlalchemy"}
    assert not slow & sys.modules.keys(), slow & sys.modules.keys()
"""


@pytest.mark.parametrize(
    ("command", "stored"),
    [
        ("--help", False),
        ("list", False),
        ("list", True),
    ],
)
def test_looking_around_is_quick(command: str, stored: bool, tmp_path: Path) -> None:
    """Of several runs the best counts, and its processor time: on a busy machine others use the clock's."""
    storage = new_study(tmp_path).url if stored else str(tmp_path / "none.db")
    arguments = ["list", "--storage", storage] if command == "list" else [command]
    taken = []
    for _ in range(3):
        before = cpu_seconds()
        answer = answer_of(start(sys.executable, "-P", "-c", _WITHOUT_WHAT_IS_SLOW, *arguments, cwd=tmp_path))
        assert (answer.code, answer.err) == (0, "")
        assert answer.out
        taken.append(cpu_seconds() - before)
    assert min(taken) < 0.5


def test_a_study_is_made_and_worked_on_without_what_is_slow(tmp_path: Path) -> None:
    """That is, once its images are decoded, without the modules that take long to import."""
    load_spec_data(catalog.find("digits-numpy"), None)
    open_test_split("digits", None)
    for command, said in (("submit", "digits-numpy: 30 trials in "), ("worker", "testing trial ")):
        words = (command, "digits-numpy", "--storage", str(tmp_path / "studies.db"))
        answer = answer_of(start(sys.executable, "-P", "-c", _WITHOUT_WHAT_IS_SLOW, *words, cwd=tmp_path))
        assert (answer.code, answer.out) == (0, ""), answer.err
        assert said in answer.err


# ---- interrupted and resumed ----


@dataclass(frozen=True)
class Story:
    """What happened to one study: `run` was interrupted by Ctrl-C, then it was resumed.

    done: trials that ended before the interruption.  between: how it stood after it.
    """

    folder: Path
    interrupted: Answer
    done: int
    between: StudyStatus
    resumed: Answer

    @property
    def storage(self) -> str:
        return f"sqlite:///{self.folder}/mlpsearch.db"


def ended_trials(path: Path) -> int:
    """How many trials ended, by the tables themselves."""
    try:
        with closing(sqlite3.connect(path, timeout=PATIENCE_SECONDS)) as connection:
            query = "SELECT COUNT(*) FROM trials WHERE state IN ('COMPLETE', 'PRUNED')"
            return int(connection.execute(query).fetchone()[0])
    except sqlite3.OperationalError:  # not made yet
        return 0


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, image_cache: Path) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("story")
    for name in ("search", "models", "studies"):  # not ours, and in the way of an import by name
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise RuntimeError('imported from the current folder')\n")
    ready = catalog.find("digits-numpy")
    ready = ready.model_copy(update={"confirm": CONFIRM, "budget": ready.budget.model_copy(update={"epochs": 8})})
    (folder / "study.toml").write_text(tomli_w.dumps(ready.to_json()), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLPSEARCH_CACHE", str(image_cache))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.delenv("MLPSEARCH_STORAGE", raising=False)
        run = start(MLPSEARCH, "run", "study.toml", "--trials", str(TRIALS), cwd=folder)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not ended_trials(folder / "mlpsearch.db") and run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        interrupted = answer_of(run)
        done = ended_trials(folder / "mlpsearch.db")
        record = open_study(f"sqlite:///{folder}/mlpsearch.db", "digits-numpy")
        between = study_status(record, Ledger(record))
        resumed = answer_of(start(MLPSEARCH, "resume", "digits-numpy", "--json", cwd=folder))
        yield Story(folder, interrupted, done, between, resumed)


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(story: Story) -> None:
    assert (story.interrupted.code, story.interrupted.out) == (130, "")
    *before, last = story.interrupted.err.strip().splitlines()
    assert "ending after the running epochs; once more ends now" in before
    expected = f"{story.done} of {TRIALS} trials are done and kept; `mlpsearch resume digits-numpy` goes on"
    assert last == f"interrupted: {expected}"
    assert 1 <= story.done < TRIALS


def test_nothing_runs_on_after_ctrl_c(story: Story) -> None:
    status = story.between
    assert (status.state, status.running, status.tests) == ("open", [], [])
    assert status.ended == story.done
    assert status.trials["waiting"] <= 1
    assert status.trials["failed"] == 0


def test_resuming_goes_on_to_exactly_the_budget_and_tests_once(story: Story) -> None:
    assert story.resumed.code == 0
    study = json.loads(story.resumed.out)
    assert study["state"] == "complete"
    assert study["trials"]["finished"] + study["trials"]["pruned"] == TRIALS
    assert sum(study["trials"].values()) == TRIALS
    (test,) = study["tests"]
    assert (test["command"], test["opening"]) == ("mlpsearch resume digits-numpy", 1)
    assert test["accuracy"] > 0.8


def test_progress_is_in_plain_lines_where_there_is_no_terminal(story: Story) -> None:
    for answer in (story.interrupted, story.resumed):
        assert f"/{TRIALS} trials, " in answer.err
        assert "\x1b" not in answer.err


def test_stock_optuna_reads_it(story: Story) -> None:
    listing = start(OPTUNA, "studies", "--storage", story.storage, "-f", "json", cwd=story.folder)
    best = ("best-trial", "--storage", story.storage, "--study-name", "digits-numpy", "-f", "json")
    finding = start(OPTUNA, *best, cwd=story.folder)
    listed, found = answer_of(listing), answer_of(finding)
    assert (listed.code, found.code) == (0, 0), listed.err + found.err
    studies = {study["name"]: study["n_trials"] for study in json.loads(listed.out)}
    assert studies.keys() == {"digits-numpy", "digits-numpy (confirmation)"}
    assert studies["digits-numpy"] == TRIALS
    expected = json.loads(story.resumed.out)["best"]
    trial = json.loads(found.out)
    assert trial["number"] == expected["number"]
    assert trial["params"] == expected["params"]
