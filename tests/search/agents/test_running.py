"""What agents may do where runs are allowed: no more than the budgets say, and no test split twice."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mlpsearch.models.errors import StudyError
from mlpsearch.search.agents import runs
from mlpsearch.search.service import evaluate
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.record import StudyRecord, open_study
from tests.patience import PATIENCE_SECONDS
from tests.search.agents.conftest import FILE, Ask, Refused
from tests.search.cli_cases import STUDY_FILE
from tests.search.makers import same_study

LARGER = FILE.replace("trials = 2", "trials = 2000")


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A storage that is not there yet."""
    return f"sqlite:///{tmp_path}/studies.db"


@pytest.fixture
def study(finished: Callable[..., StudyRecord]) -> StudyRecord:
    """The study `mine`, complete and not tested."""
    return finished()


def test_a_study_file_becomes_a_study_that_ends_with_its_confirmation(url: str, ask: Ask) -> None:
    made = ask(url, "submit_study", study=FILE)
    assert (made["name"], made["state"], made["remarks"]) == ("own", "open", [])
    record = open_study(url, "own")
    assert record.attributes()["ending"] == {
        "confirm": {"top": 2, "seeds": 2, "report": 2},
        "command": "mlpsearch mcp: submit_study own",
    }


def test_a_ready_study_is_made_by_its_name(url: str, ask: Ask) -> None:
    assert ask(url, "submit_study", study="digits-numpy")["budget"]["trials"] == 30


def test_a_file_without_a_confirmation_says_what_that_means(url: str, ask: Ask) -> None:
    assert any("no [confirm]" in remark for remark in ask(url, "submit_study", study=STUDY_FILE)["remarks"])


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (
            FILE.replace("epochs = 1", "epochs = 0"),
            "the study file: budget.epochs = 0: must be a whole number from",
        ),
        (FILE.replace("hidden_size", "hiden_size"), "the study file: search.hiden_size"),
        ("no TOML", "the study file: is not valid TOML"),
        ("", "the study file: "),
        ("digits-nunpy", "the study file: is not valid TOML"),
        ("#" * 1_000_001, "is larger than 1,000,000 characters"),
        (FILE.replace('"digits"', '"table"\nlabel = "y"\ndata = "none.csv"'), "none.csv: No such file"),
    ],
    ids=["value", "key", "toml", "empty", "name", "size", "data"],
)
def test_mistakes_of_a_file_are_text_and_nothing_is_made(
    url: str, tmp_path: Path, refused: Refused, file: str, said: str
) -> None:
    assert said in refused(url, "submit_study", study=file)
    assert not (tmp_path / "studies.db").exists()


def test_paths_of_a_file_are_relative_to_the_folder_of_the_server(
    url: str, tmp_path: Path, refused: Refused
) -> None:
    file = FILE.replace('"digits"', '"table"\nlabel = "y"\ndata = "none.csv"')
    assert str(tmp_path / "none.csv") in refused(url, "submit_study", study=file)


def test_a_budget_is_not_enlarged(url: str, ask: Ask, refused: Refused) -> None:
    ask(url, "submit_study", study=FILE)
    said = refused(url, "submit_study", study=LARGER)
    assert "study own: is there already, and stays as it is" in said
    assert open_study(url, "own").budget.trials == 2


def test_of_two_agents_at_the_same_moment_one_makes_the_study_and_none_enlarges_it(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = threading.Barrier(2)

    def together(*values: Any, **named: Any) -> StudyRecord:
        meeting.wait(PATIENCE_SECONDS)  # by now either has seen that there is no such study
        return create_or_resume(*values, **named)

    monkeypatch.setattr("mlpsearch.search.service.create_or_resume", together)
    with ThreadPoolExecutor(2) as agents:
        answers = [agents.submit(runs.submit, file, url) for file in (FILE, LARGER)]
    made = [answer.result()[0] for answer in answers if answer.exception() is None]
    (refusal,) = [error for answer in answers if (error := answer.exception())]
    assert isinstance(refusal, StudyError)
    assert "study own: is there already" in str(refusal)
    assert [one.budget for one in made] == [open_study(url, "own").budget]


def test_a_study_is_stopped_and_goes_on(url: str, ask: Ask) -> None:
    ask(url, "submit_study", study=FILE)
    assert ask(url, "stop_study", study="own")["state"] == "stopped"
    assert ask(url, "resume_study", study="own")["state"] == "open"
    assert open_study(url, "own").attributes()["ending"]["command"] == "mlpsearch mcp: resume_study own"


def test_where_nobody_asked_for_a_test_going_on_asks_for_none(study: StudyRecord, ask: Ask) -> None:
    ask(study.url, "stop_study", study="mine")
    ask(study.url, "resume_study", study="mine")
    attributes = same_study(study).attributes()
    assert (attributes["ending"], attributes["stopped"]) == (None, False)


def test_a_confirmation_is_asked_for_with_the_numbers_of_the_study(study: StudyRecord, ask: Ask) -> None:
    ask(study.url, "confirm_study", study="mine")
    assert same_study(study).attributes()["ending"] == {
        "confirm": {"top": 5, "seeds": 5, "report": 5},
        "command": "mlpsearch mcp: confirm_study mine",
    }


def test_a_test_split_that_was_opened_is_not_opened_again(study: StudyRecord, refused: Refused) -> None:
    evaluate(study, "mlpsearch evaluate mine")
    said = refused(study.url, "confirm_study", study="mine")
    assert "its test split was opened at " in said
    assert "is for a person to decide: `mlpsearch confirm mine`" in said
    assert same_study(study).attributes().get("ending") is None


def test_a_search_that_is_not_over_is_not_confirmed(url: str, ask: Ask, refused: Refused) -> None:
    ask(url, "submit_study", study=FILE)
    assert "no trial is finished yet" in refused(url, "confirm_study", study="own")
