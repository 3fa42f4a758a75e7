"""What a study ends with, as the commands ask for it and tell of it."""

from pathlib import Path

import pytest

from mlpsearch.search.service import evaluate
from mlpsearch.search.trials.queue import TrialQueue
from mlpsearch.studies.record import StudyRecord, open_study
from mlpsearch.studies.storage.opening import ENVIRONMENT
from tests.search.cli_cases import STUDY_FILE
from tests.search.conftest import Command
from tests.search.makers import claim, digits_study, same_study


@pytest.fixture
def pruned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyRecord:
    """The study `mine`, whose two trials were both pruned."""
    record = digits_study(tmp_path / "pruned", "numpy")
    for _ in range(2):
        queue = TrialQueue(record)
        queue.prune(claim(queue), 0.1)
    monkeypatch.setenv(ENVIRONMENT, record.url)
    return record


def opened_by(record: StudyRecord) -> list[str]:
    """The commands that opened the study's test split."""
    return [test["command"] for test in same_study(record).attributes()["tests"]]


def test_run_does_nothing_but_say_so_once_a_study_is_tested(record: StudyRecord, mlpsearch: Command) -> None:
    first = mlpsearch("run", "mine")
    again = mlpsearch("run", "mine")
    assert (again.code, again.out) == (0, first.out)
    assert "mine: nothing to do, it was tested at " in again.err
    assert "; `mlpsearch run mine --trials N` searches on\n" in again.err
    assert "nothing to do" not in first.err
    assert opened_by(record) == ["mlpsearch run mine"]


def test_a_study_that_grows_keeps_its_test_split_closed(record: StudyRecord, mlpsearch: Command) -> None:
    assert mlpsearch("run", "mine").code == 0
    answer = mlpsearch("run", "mine", "--trials", "3")
    assert answer.code == 0
    assert "3/3: " in answer.out
    assert "mine: the test split was opened before and stays closed now; `mlpsearch confirm" in answer.err
    assert opened_by(record) == ["mlpsearch run mine"]


def test_the_block_of_a_study_is_of_one_trial(record: StudyRecord, mlpsearch: Command) -> None:
    """A better trial of a study that grew has no test accuracy yet."""
    report = evaluate(record, "c")
    block = mlpsearch("status").out
    assert f"  winner     trial {report.trial}, the best of the search\n" in block
    assert f"  test       {report.accuracy:.2%} (" in block
    record.set("budget", {"trials": 3, "epochs": 2})
    queue = TrialQueue(record)
    better = claim(queue)
    better.trial.suggest_int("hidden_size", 4, 16)
    better.trial.suggest_float("learning_rate", 1e-3, 0.1, log=True)
    queue.finish(better, 1.0)
    block = mlpsearch("status").out
    assert f"  winner     trial {better.number}, " in block
    assert "  test       not tested\n" in block
    assert f"{report.accuracy:.2%}" not in block
    assert "not tested: `mlpsearch evaluate mine`\n" in mlpsearch("status", "mine").out


def test_evaluating_twice_says_that_nothing_was_opened(record: StudyRecord, mlpsearch: Command) -> None:
    first = mlpsearch("evaluate", "mine")
    assert "nothing was opened" not in first.err
    again = mlpsearch("evaluate", "mine")
    assert (again.code, again.out) == (0, first.out)
    assert again.err.startswith("nothing was opened: trial ")
    assert again.err.endswith(" by `mlpsearch evaluate mine`\n")


def test_confirming_twice_says_that_nothing_was_opened(record: StudyRecord, mlpsearch: Command) -> None:
    asked = ("confirm", "mine", "--top", "1", "--report", "2")
    assert "nothing was opened" not in mlpsearch(*asked).err
    again = mlpsearch(*asked)
    assert (again.code, len(record.attributes()["tests"])) == (0, 1)
    assert again.err.splitlines()[-1].startswith("nothing was opened: trial ")


def test_export_says_what_it_takes(record: StudyRecord, mlpsearch: Command) -> None:
    best = TrialQueue(record).ledger.best()
    assert best is not None
    what = f"trial {best.number}, the best of the search; not tested: `mlpsearch evaluate mine`"
    assert mlpsearch("export", "mine", "-o", "best.toml").err.endswith(f"taken: {what}\n")
    assert f'taken = "{what}"\n' in Path("best.toml").read_text()
    assert mlpsearch("confirm", "mine", "--top", "1", "--report", "2").code == 0
    answer = mlpsearch("export", "mine", "--weights", "best.safetensors")
    assert f"\ntaken: trial {best.number}, the confirmed winner: of its 2 reported nets " in answer.err


CONFIRM = "[confirm]\ntop = 1\nreport = 2\n"


def test_a_worker_confirms_and_tests_what_was_submitted(
    mlpsearch: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "own.db"))
    Path("own.toml").write_text(STUDY_FILE + CONFIRM)
    assert mlpsearch("submit", "own.toml").code == 0
    assert mlpsearch("worker", "own").code == 0
    record = open_study(f"sqlite:///{tmp_path}/own.db", "own")
    assert opened_by(record) == ["mlpsearch submit own.toml"]
    again = mlpsearch("submit", "own.toml")
    assert (again.code, "own: nothing to do, it was tested at " in again.err) == (0, True)
    assert "works on it" not in again.err
    larger = mlpsearch("submit", "own", "--trials", "3")
    assert (larger.code, "works on it" in larger.err) == (0, True)
    assert ", trained again over 2 fresh seeds: " in mlpsearch("status", "own").out


def test_what_is_not_to_be_tested_is_not_and_status_says_what_is_missing(
    mlpsearch: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "own.db"))
    Path("own.toml").write_text(STUDY_FILE + CONFIRM)
    assert mlpsearch("submit", "own.toml", "--no-evaluate").code == 0
    assert mlpsearch("worker", "own").code == 0
    record = open_study(f"sqlite:///{tmp_path}/own.db", "own")
    assert opened_by(record) == []
    assert "not confirmed: `mlpsearch confirm own`\n" in mlpsearch("status", "own").out
    assert "  test       not confirmed\n" in mlpsearch("status").out
    assert mlpsearch("run", "own", "--no-evaluate").code == 0
    assert opened_by(record) == []


# ---- all trials pruned ----


@pytest.mark.parametrize(
    "arguments",
    [("run", "mine"), ("evaluate", "mine"), ("confirm", "mine"), ("export", "mine", "-o", "best")],
    ids=" ".join,
)
def test_that_all_trials_were_pruned_is_said(
    pruned: StudyRecord, mlpsearch: Command, arguments: tuple[str, ...]
) -> None:
    answer = mlpsearch(*arguments)
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.splitlines()[-1] == (
        "error: study mine: all 2 trials were pruned, so there is no winner; `mlpsearch run mine --trials 4` "
        "searches on, a study of another name with pruner = 'none' lets all of them finish"
    )


def test_status_says_that_all_trials_were_pruned(pruned: StudyRecord, mlpsearch: Command) -> None:
    assert "study mine: all 2 trials were pruned, so there is no winner; " in mlpsearch("status", "mine").out


def test_that_all_trials_diverged_is_said(pruned: StudyRecord, mlpsearch: Command) -> None:
    trials = pruned.optuna_study().get_trials(deepcopy=False)
    with pruned.storage.connections.transaction() as connection:
        for trial in trials:
            connection.execute(
                "INSERT INTO trial_user_attributes (trial_id, key, value_json) "
                f"VALUES ({trial._trial_id}, 'diverged', '\"loss inf in epoch 1\"')"
            )
    assert mlpsearch("evaluate", "mine").err == (
        "error: study mine: all 2 trials diverged, so there is no winner; "
        "search smaller learning rates in a study of another name\n"
    )


def test_a_search_whose_space_is_used_up_ends_as_one_whose_budget_is_and_says_so(
    tmp_path: Path, mlpsearch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT, f"sqlite:///{tmp_path / 'small.db'}")
    small = STUDY_FILE.replace("trials = 2", "trials = 9").replace("low = 4, high = 8", "choices = [4, 8]")
    Path("small.toml").write_text(small, encoding="utf-8")
    line = "each point of the search space was tried: the search ends after 2 trials"
    answer = mlpsearch("run", "small.toml")
    assert answer.code == 0
    assert "2/9: " in answer.out
    assert answer.err.count(line) == 1
    assert line in mlpsearch("status", "own").out
    again = mlpsearch("run", "small.toml", "--trials", "12")
    assert again.code == 0
    assert "; each point of its search space was tried\n" in again.err
