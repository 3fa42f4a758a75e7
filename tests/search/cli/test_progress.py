"""The progress of a search, where a terminal shows it and where none does."""

import io
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from mlpsearch.models.announcements import announce
from mlpsearch.search.cli import common
from mlpsearch.search.cli.common import step
from mlpsearch.search.cli.progress import SearchProgress
from mlpsearch.search.results.status import BestTrial, RunningTrial, StudyStatus, study_status
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.search.trials.queue import TrialQueue
from tests.patience import PATIENCE_SECONDS
from tests.search.makers import claim
from tests.studies.stores import new_study, spec


@pytest.fixture
def status(tmp_path: Path) -> StudyStatus:
    record = new_study(tmp_path, spec(trials=3))
    return study_status(record, Ledger(record))


def plain() -> Console:
    return Console(stderr=True, force_terminal=False)


def running(number: int, epoch: int, step: str = "training") -> RunningTrial:
    return RunningTrial(number, "host:1:a", epoch, True, step)


def test_the_last_line_is_of_the_end_however_fast_it_comes(
    status: StudyStatus, capsys: pytest.CaptureFixture[str]
) -> None:
    with SearchProgress(plain()).shown() as progress:
        for finished in range(4):
            progress.update(replace(status, trials=status.trials | {"finished": finished}))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "searching mine: 0/3 trials, no trial finished, 0 pruned; loading"
    assert lines[-1].startswith("searching mine: 3/3 trials, ")
    assert len(lines) == 2


def test_a_pipe_gets_plain_lines_that_say_all(status: StudyStatus, capsys: pytest.CaptureFixture[str]) -> None:
    best = BestTrial(7, 0.964, {}, 0.964, "sampler")
    busy = replace(status, best=best, seconds_left=130.0, running=[running(12, 2), running(13, 0, "whitening")])
    with SearchProgress(plain()).shown() as progress:
        progress.update(busy)
    assert capsys.readouterr().err == (
        "searching mine: 0/3 trials, best 96.40% (trial 7), 0 pruned, about 2 min 10 s left; "
        "trial 12: epoch 2 of 3; trial 13: whitening\n"
    )


def test_a_confirmation_counts_runs(status: StudyStatus, capsys: pytest.CaptureFixture[str]) -> None:
    runs = replace(status, name="mine (confirmation)", running=[running(0, 1)])
    with SearchProgress(plain(), "confirming").shown() as progress:
        progress.update(runs)
    assert capsys.readouterr().err == "confirming mine: 0/3 runs; run 0: epoch 1 of 3\n"


def test_a_terminal_shows_each_worker_on_a_line_within_60_columns(status: StudyStatus) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=60)
    progress = SearchProgress(console)
    assert progress.lines()[0].startswith("searching: ")
    progress.update(status)
    assert progress.lines()[-1] == "  loading: workers start and read the data"
    best = BestTrial(1007, 0.964, {}, 0.964, "sampler")
    many = [running(1000 + number, 2) for number in range(10)]
    busy = replace(status, best=best, seconds_left=7230.0, running=many, budget=status.budget | {"trials": 2000})
    progress.update(busy)
    lines = progress.lines()
    assert lines[0] == "searching mine"
    assert lines[1].endswith(" 0/2000 trials")
    assert lines[2].endswith(" so far, about 2 h 00 min left")
    assert lines[3] == "  best 96.40% (trial 1007), 0 pruned"
    assert lines[4].startswith("  trial 1000: ")
    assert lines[4].endswith(" epoch 2 of 3")
    assert lines[-1] == "  … and 2 more"
    assert max(map(len, lines)) <= 60
    progress.update(replace(busy, running=[]))
    assert "loading" not in " ".join(progress.lines()), "they wait for each other"


def test_what_ctrl_c_says_is_shown_with_the_rest(status: StudyStatus) -> None:
    progress = SearchProgress(Console(file=io.StringIO(), force_terminal=True, width=60))
    progress.update(status)
    progress.say("ending after the running epochs; once more ends now")
    assert progress.lines()[-1] == "ending after the running epochs; once more ends now"


def test_a_trial_before_its_first_epoch_whitens_where_the_study_does(tmp_path: Path) -> None:
    for name, preprocessing, expected in (("a", "whiten", "whitening"), ("b", "center", "preparing")):
        (tmp_path / name).mkdir()
        record = new_study(tmp_path / name, spec(fixed={"preprocessing": preprocessing}))
        claimed = claim(TrialQueue(record))
        assert [trial.step for trial in study_status(record, Ledger(record)).running] == [expected]
        claimed.trial.report(0.5, 1)
        assert [trial.step for trial in study_status(record, Ledger(record)).running] == ["training"]


# ---- steps ----


def test_a_step_that_lasts_gets_a_line_and_one_that_does_not_gets_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with step("loading the data"):
        announce("decoding the training data, once")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(common, "MOMENT_SECONDS", 0.01)
    said, deadline = "", time.monotonic() + PATIENCE_SECONDS
    with step("loading the data"):
        while said.count("\n") < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
            said += capsys.readouterr().err
            if said == "loading the data\n":
                announce("decoding the training data, once")
    assert said == "loading the data\ndecoding the training data, once\n"


def test_what_nobody_listens_to_is_lost() -> None:
    announce("something")
