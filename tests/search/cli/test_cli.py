"""The command line, in this process: what each command prints, on which stream, and the exit code it ends with."""

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpsearch.search.cli import cli
from mlpsearch.search.service import evaluate
from mlpsearch.search.trials.queue import TrialQueue
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.storage.opening import ENVIRONMENT, sqlite_path
from tests.search.cli_cases import FAILURES, STUDY_FILE, SUCCESSES
from tests.search.conftest import Command, document
from tests.search.makers import claim, same_study, started_earlier, states


def named(cases: list[Any]) -> list[Any]:
    return [pytest.param(*case, id=" ".join(case[0]) or "nothing") for case in cases]


@pytest.mark.parametrize(("arguments", "code", "out", "err"), named(SUCCESSES))
def test_a_command_that_succeeds(
    record: StudyRecord, files: None, mlpsearch: Command, arguments: tuple[str, ...], code: int, out: str, err: str
) -> None:
    answer = mlpsearch(*arguments)
    assert answer.code == code
    assert out in answer.out
    assert err in answer.err
    assert bool(answer.out) == bool(out)


@pytest.mark.parametrize(("arguments", "code", "err"), named(FAILURES))
def test_a_command_that_fails(
    finished: Callable[..., StudyRecord],
    files: None,
    mlpsearch: Command,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    err: str,
) -> None:
    path = sqlite_path(finished().url)
    monkeypatch.setenv(ENVIRONMENT, str(path))
    answer = mlpsearch(*arguments)
    assert (answer.code, bool(answer.out)) == (code, "--json" in arguments)
    assert err in answer.err
    if code == 1:
        progress = "mine: loading the data\n" if arguments[0] == "worker" else ""
        assert re.fullmatch(r"error: .+\n", answer.err.removeprefix(progress))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT state FROM trials").fetchall() == [("COMPLETE",)] * 2
    assert not Path("none.db").exists()


def test_every_command_is_in_the_table() -> None:
    for cases in (SUCCESSES, FAILURES):
        in_table = {case[0][0] for case in cases if case[0]}
        apart = (
            {"new", "check", "train", "predict", "compare", "dashboard", "serve", "mcp", "check-gradients"}
            if cases is SUCCESSES
            else set()
        )  # they have own tests
        assert {*cli.commands} - apart <= in_table


@pytest.mark.parametrize(
    "arguments", [("run", "mine"), ("resume", "mine"), ("status", "mine"), ("evaluate", "mine")], ids=" ".join
)
def test_commands_about_a_study_print_it_as_one_document(
    record: StudyRecord, mlpsearch: Command, arguments: tuple[str, ...]
) -> None:
    study = document(mlpsearch(*arguments, "--json"))
    assert (study["name"], study["net"], study["state"], study["storage"]) == (
        "mine",
        "numpy",
        "complete",
        record.url,
    )
    assert study["budget"] == {"trials": 2, "epochs": 2, "seconds": None, "total_epochs": None, "patience": None}
    assert study["trials"] == {"finished": 2, "pruned": 0, "failed": 0, "running": 0, "waiting": 0, "foreign": 0}
    best = TrialQueue(record).ledger.best()
    assert best is not None
    assert study["best"] == {
        "number": best.number,
        "validation_accuracy": best.value,
        "params": best.params,
        "validation_score": best.value,
        "origin": "sampler",
    }
    assert study["ended_by"] == "trials"
    first = study["headline"]
    assert (first["trial"], first["validation"], first["params"]) == (best.number, best.value, best.params)
    assert first["test"] == (study["tests"][0] if study["tests"] else None)
    assert len(study["tests"]) == (arguments[0] != "status")


def test_status_and_list_as_documents(record: StudyRecord, mlpsearch: Command) -> None:
    assert [study["name"] for study in document(mlpsearch("status", "--json"))["studies"]] == ["mine"]
    listed = document(mlpsearch("list", "--json"))
    assert listed["storage"] == {"url": record.url, "studies": ["mine"]}
    assert {"digits-numpy", "cifar10-torch"} < {spec["name"] for spec in listed["catalog"]}


def test_a_running_study_shows_its_workers(record: StudyRecord, mlpsearch: Command) -> None:
    record.set("budget", {"trials": 4, "epochs": 2})
    running = claim(TrialQueue(record), "host:1")
    running.trial.report(0.5, 1)
    started_earlier(record, 60)
    study = document(mlpsearch("status", "mine", "--json"))
    assert study["state"] == "running"
    expected = {"number": 2, "worker": "host:1", "epoch": 1, "alive": True, "step": "training"}
    assert study["running"] == [expected]
    assert study["seconds_left"] > 0
    shown = mlpsearch("status", "mine").out
    assert "worker host:1: trial 2, epoch 1 of 2\n" in shown
    assert " left, " in shown


def test_from_a_study_file_to_a_configuration(files: None, mlpsearch: Command) -> None:
    assert mlpsearch("submit", "own.toml", "--no-evaluate").code == 0
    assert document(mlpsearch("status", "own", "--json"))["state"] == "open"
    assert mlpsearch("worker", "own").code == 0
    assert document(mlpsearch("status", "own", "--json"))["tests"] == []
    assert document(mlpsearch("status", "own", "--json"))["state"] == "complete"
    report = document(mlpsearch("evaluate", "own", "--json"))["tests"][0]
    assert report["command"] == "mlpsearch evaluate own"
    answer = mlpsearch("export", "own", "-o", "best.toml", "--weights", "best.safetensors")
    assert (answer.code, Path("best.safetensors").exists()) == (0, True)
    trained = mlpsearch("train", "best.toml", "--json")
    best = document(mlpsearch("status", "own", "--json"))["best"]["validation_accuracy"]
    expected = {
        "schema_version": 1,
        "validation_accuracy": best,
        "exported": best,
        "same_weights": True,
        "differences": [],
        "same": True,
        "members": [],
    }
    assert document(trained) == expected
    assert re.fullmatch(r"epoch 1: loss [0-9.]+, validation [0-9.]+%\n", trained.err)


def test_a_changed_study_file_is_refused_with_the_difference(files: None, mlpsearch: Command) -> None:
    assert mlpsearch("submit", "own.toml").code == 0
    Path("own.toml").write_text(STUDY_FILE.replace("high = 8", "high = 9"))
    answer = mlpsearch("run", "own.toml")
    assert answer.code == 1
    assert "(search.hidden_size.high: 8 → 9); give yours a new name" in answer.err


def test_a_study_that_was_stopped_is_open_again_once_it_is_run(record: StudyRecord, mlpsearch: Command) -> None:
    mlpsearch("stop", "mine")
    assert same_study(record).attributes()["stopped"] is True
    mlpsearch("submit", "mine", "--trials", "3")
    assert same_study(record).attributes()["stopped"] is False
    mlpsearch("stop", "mine")
    answer = mlpsearch("worker", "mine")
    assert (answer.code, states(record)) == (0, {"COMPLETE": 2})
    assert document(mlpsearch("status", "mine", "--json"))["state"] == "stopped"


@pytest.mark.parametrize("command", ["resume", "run", "submit"])
def test_failures_before_a_command_that_goes_on_with_a_study_count_no_more(
    record: StudyRecord, mlpsearch: Command, command: str
) -> None:
    record.set("resumed_at", 0)
    assert mlpsearch(command, "mine").code == 0
    assert record.resumed_at == 2


def test_an_interrupt_is_130(record: StudyRecord, mlpsearch: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mlpsearch.search.cli.show.print_studies", interrupt)
    answer = mlpsearch("status", "--json")
    assert (answer.code, answer.err) == (130, "\ninterrupted\n")
    assert json.loads(answer.out)["error"]["code"] == "interrupted"


def test_an_interrupt_of_a_run_whose_workers_ended_names_what_goes_on(
    record: StudyRecord, mlpsearch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mlpsearch.search.running.run_to_the_end", interrupt)
    answer = mlpsearch("run", "mine", "--json")
    expected = f"interrupted: what is done is kept; `{record.command('resume')}` goes on"
    assert (answer.code, answer.err.splitlines()[-1]) == (130, expected)
    error = json.loads(answer.out)["error"]
    assert (error["code"], error["message"], error["study"]) == ("interrupted", expected, "mine")


def test_a_bug_shows_its_traceback(
    record: StudyRecord, mlpsearch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("mlpsearch.search.cli.show.print_studies", fail)
    with pytest.raises(ZeroDivisionError):
        mlpsearch("status", "--json")


def test_a_test_is_shown_with_its_worst_mistakes_and_on_request_all_of_them(
    record: StudyRecord, mlpsearch: Command
) -> None:
    report = evaluate(record, "the command")
    shown = mlpsearch("status", "mine").out
    low, high = report.interval
    assert f"{report.accuracy:.2%} (95% interval {100 * low:.1f}–{100 * high:.1f})" in shown
    assert "by `the command`: trial " in shown
    pairs = [line for line in shown.splitlines() if " taken for " in line]
    assert len(pairs) == 5
    confusion = np.array(report.confusion)
    np.fill_diagonal(confusion, 0)
    true, predicted = np.unravel_index(confusion.argmax(), confusion.shape)
    of = sum(report.confusion[true])
    assert pairs[0] == f"  {true} taken for {predicted}: {confusion.max()} of {of} ({confusion.max() / of:.1%})"
    assert "  all of them: `mlpsearch status mine --confusion`\n" in shown
    rows = [line.split() for line in mlpsearch("status", "mine", "--confusion").out.splitlines()]
    assert rows[1] == [str(digit) for digit in range(10)]
    assert ["7", *map(str, report.confusion[7])] in rows
