"""The command line, in this process: what each command prints, on which stream, and the exit code it ends with."""

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpsearch.search.cli import cli
from mlpsearch.search.export.document import read_export
from mlpsearch.search.service import evaluate
from mlpsearch.search.trials.queue import TrialQueue
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.record import StudyRecord, study_names
from mlpsearch.studies.storage.opening import ENVIRONMENT, open_storage, sqlite_path
from tests.search.cli_cases import FAILURES, FILES, STUDY_FILE, SUCCESSES
from tests.search.conftest import Answer, Command
from tests.search.makers import claim, digits_study, same_study, states
from tests.studies.image_makers import encode, grey_pixels
from tests.studies.stores import SOURCE, folder_of, spec


@pytest.fixture
def record(finished: Callable[..., StudyRecord], monkeypatch: pytest.MonkeyPatch) -> StudyRecord:
    """The study `mine`, complete and not tested, in the storage that the environment names."""
    record = finished()
    monkeypatch.setenv(ENVIRONMENT, record.url)
    return record


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, image_cache: Path) -> Path:
    """The folder of a storage with a study without trials."""
    folder = tmp_path_factory.mktemp("fresh")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLPSEARCH_CACHE", str(image_cache))
        digits_study(folder, "numpy").storage.engine.dispose()
    return folder


@pytest.fixture
def files(fresh: Path) -> None:
    """What cli_cases says is in the current folder."""
    Path("fresh").symlink_to(fresh)
    for name, content in FILES.items():
        Path(name).write_text(content)


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


# ---- JSON ----


def document(answer: Answer) -> Any:
    """The one document on stdout."""
    assert answer.code == 0
    return json.loads(answer.out)


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
    study = document(mlpsearch("status", "mine", "--json"))
    assert study["state"] == "running"
    expected = {"number": 2, "worker": "host:1", "epoch": 1, "alive": True, "step": "training"}
    assert study["running"] == [expected]
    assert study["seconds_left"] > 0
    shown = mlpsearch("status", "mine").out
    assert "worker host:1: trial 2, epoch 1 of 2\n" in shown
    assert " left, " in shown


# ---- one study from its file to its end ----


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
    }
    assert document(trained) == expected
    assert re.fullmatch(r"epoch 1: loss [0-9.]+, validation [0-9.]+%\n", trained.err)


# ---- exports ----


def test_training_again_says_whether_it_is_the_same(record: StudyRecord, mlpsearch: Command) -> None:
    assert mlpsearch("export", "mine", "-o", "best").code == 0
    best = document(mlpsearch("status", "mine", "--json"))["best"]["validation_accuracy"]
    same = f"validation accuracy {best:.2%}, the same as exported"
    same_weights = "the same weights bit for bit, and so the same test accuracy"
    assert mlpsearch("train", "best").out == f"{same}; {same_weights}\n"
    path = Path("best/export.toml")
    path.write_text(re.sub('weights_digest = "...', 'weights_digest = "000', path.read_text()))
    other = "other weights; changed since: no version"
    other += " (is it another device, or did the trial go on without its compiled steps?)"
    assert mlpsearch("train", "best").out == f"{same}; {other}\n"
    changed = path.read_text().replace(f"validation = {best}", "validation = 0.5")
    path.write_text(re.sub('numpy = ".*"', 'numpy = "1.0"', changed))
    answer = mlpsearch("train", "best")
    assert answer.code == 0
    start = f"validation accuracy {best:.2%}, exported was 50.00%; other weights; changed since: numpy "
    assert re.fullmatch(re.escape(start) + r"\S+, was 1\.0\n", answer.out)


def test_a_configuration_is_exported_without_its_weights(record: StudyRecord, mlpsearch: Command) -> None:
    assert mlpsearch("export", "mine", "-o", "whole.toml").code == 0
    shutil.rmtree(folder_of(record) / "weights")
    gone = f"{folder_of(record)}/weights/"
    for arguments in (("-o", "folder"), ("--weights", "w.safetensors"), ("-o", "b.toml", "--weights", "w")):
        answer = mlpsearch("export", "mine", *arguments)
        assert (answer.code, gone in answer.err) == (1, True)
    assert not Path("b.toml").exists()
    answer = mlpsearch("export", "mine", "-o", "best.toml")
    assert answer.code == 0
    first, taken, second = answer.err.splitlines()
    assert taken.startswith("taken: trial ")
    assert first == "wrote best.toml; `mlpsearch train best.toml` trains it again"
    assert second.startswith(
        f"it lacks the weights' digest, so train cannot tell whether they are the same: {gone}"
    )
    whole, best = (read_export(Path(name)) for name in ("whole.toml", "best.toml"))
    assert best == whole.model_copy(update={"weights_digest": None, "command": best.command})
    trained = mlpsearch("train", "best.toml")
    assert trained.out.endswith(", the same as exported; the export does not say what its weights were\n")
    assert document(mlpsearch("train", "best.toml", "--json"))["same_weights"] is None


def test_images_are_classified(record: StudyRecord, mlpsearch: Command) -> None:
    assert mlpsearch("export", "mine", "-o", "best").code == 0
    for name in ("0.png", "[red].png"):
        Path(name).write_bytes(encode(grey_pixels(0, 8, 8)))
    found = document(mlpsearch("predict", "best", "0.png", "[red].png", "--top", "2", "--json"))["predictions"]
    assert [one["file"] for one in found] == ["0.png", "[red].png"]
    first, second = found[1]["classes"]
    lines = [line.split() for line in mlpsearch("predict", "best", "0.png", "[red].png").out.splitlines()]
    assert lines[0] == ["file", "class", "probability"]
    assert len(lines) == 7
    assert lines[4] == ["[red].png", first["name"], f"{first['probability']:.2%}"]
    assert lines[5] == [second["name"], f"{second['probability']:.2%}"]


def test_an_image_that_cannot_be_used_is_named_and_the_others_are_classified(
    record: StudyRecord, mlpsearch: Command
) -> None:
    assert mlpsearch("export", "mine", "-o", "best").code == 0
    for name, width in (("a.png", 8), ("wide.png", 9), ("b.png", 8)):
        Path(name).write_bytes(encode(grey_pixels(0, 8, width)))
    alone = document(mlpsearch("predict", "best", "a.png", "b.png", "--json"))
    answer = mlpsearch("predict", "best", "a.png", "wide.png", "none.png", "b.png", "--json")
    found = json.loads(answer.out)
    assert (answer.code, found["predictions"]) == (1, alone["predictions"])
    assert [error["path"] for error in found["errors"]] == ["wide.png", "none.png"]
    assert {error["code"] for error in found["errors"]} == {"data"}
    wide, none = answer.err.splitlines()
    assert wide == "error: wide.png: has 8×9 pixels (height × width), the net needs 8×8"
    assert none == "error: none.png: cannot be read (No such file or directory)"
    table = mlpsearch("predict", "best", "wide.png", "b.png", "--top", "1")
    assert (table.code, table.out.split()[3]) == (1, "b.png")


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_where_no_image_can_be_used_nothing_is_shown(
    record: StudyRecord, mlpsearch: Command, options: tuple[str, ...]
) -> None:
    assert mlpsearch("export", "mine", "-o", "best").code == 0
    answer = mlpsearch("predict", "best", "none.png", *options)
    assert answer.code == 1
    assert (json.loads(answer.out)["predictions"] == []) if options else (answer.out == "")
    assert answer.err == "error: none.png: cannot be read (No such file or directory)\n"


def test_an_onnx_model_goes_with_the_export_that_it_is_of_and_that_is_said(
    record: StudyRecord, mlpsearch: Command
) -> None:
    assert "removed" not in mlpsearch("export", "mine", "-o", "best", "--onnx").err
    assert Path("best/model.onnx").exists()
    assert "removed" not in mlpsearch("export", "mine", "-o", "best", "--onnx").err
    assert Path("best/model.onnx").exists()
    answer = mlpsearch("export", "mine", "-o", "best")
    assert answer.code == 0
    assert "removed best/model.onnx of the earlier export; --onnx writes that of this one\n" in answer.err
    assert not Path("best/model.onnx").exists()
    assert "removed" not in mlpsearch("export", "mine", "-o", "best").err


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


@pytest.mark.parametrize(("said", "deleted"), [("y\n", True), ("n\n", False), ("", False)])
def test_deleting_asks_first(record: StudyRecord, mlpsearch: Command, said: str, deleted: bool) -> None:
    answer = mlpsearch("delete", "mine", answer=said)
    assert f"Delete mine with its 2 trials from {record.url}?" in answer.err
    assert answer.code == (0 if deleted else 1)
    assert answer.err.endswith("deleted mine: 2 trials, and its files\n" if deleted else "nothing was deleted\n")
    assert "interrupted" not in answer.err
    assert study_names(open_storage(record.url)) == ([] if deleted else ["mine"])
    assert folder_of(record).exists() != deleted


def test_ctrl_c_at_the_question_interrupts(
    record: StudyRecord, mlpsearch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("click.termui.visible_prompt_func", interrupt)
    answer = mlpsearch("delete", "mine")
    assert (answer.code, answer.err.splitlines()[-1]) == (130, "interrupted")
    assert study_names(open_storage(record.url)) == ["mine"]


def test_garbage_is_counted(record: StudyRecord, mlpsearch: Command) -> None:
    orphan = folder_of(record).with_name("0" * 32)
    (orphan / "weights").mkdir(parents=True)
    (orphan / "weights" / "1.safetensors").write_bytes(bytes(1234))
    assert mlpsearch("gc").err == (
        "deleted 0 files, 0 bytes\n"
        f"left {orphan}: nothing says that it was this storage's; delete it yourself if nobody needs it\n"
    )
    record.file_store.mark(orphan.name, "gone")
    size = 1234 + (orphan / "study.json").stat().st_size
    assert mlpsearch("gc").err == f"deleted 2 files, {size:,} bytes\n"
    assert not orphan.exists()


@pytest.mark.parametrize("arguments", [("list",), ("status",), ("compare", "mine", "mine2")], ids=" ".join)
def test_looking_does_not_wait_for_who_holds_the_storage(
    record: StudyRecord, mlpsearch: Command, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    create_or_resume(record.url, spec(name="mine2"), trials=None, source=SOURCE)
    monkeypatch.setattr("mlpsearch.studies.storage.sqlite.BUSY_SECONDS", 0.1)
    holder = sqlite3.connect(sqlite_path(record.url), isolation_level=None)
    with closing(holder):
        holder.execute("BEGIN IMMEDIATE")
        assert mlpsearch(*arguments).code == 0


@pytest.mark.parametrize("arguments", [("worker", "mine"), ("stop", "mine")], ids=" ".join)
def test_a_storage_that_stays_locked_is_one_line(
    record: StudyRecord, mlpsearch: Command, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setattr("mlpsearch.studies.storage.sqlite.BUSY_SECONDS", 0.1)
    holder = sqlite3.connect(sqlite_path(record.url), isolation_level=None)
    with closing(holder):
        holder.execute("BEGIN IMMEDIATE")
        answer = mlpsearch(*arguments)
    assert (answer.code, answer.out) == (1, "")
    assert re.fullmatch(r"error: .*database is locked.*\n", answer.err)


@pytest.mark.parametrize("arguments", [("export", "mine", "-o", "best"), ("status", "mine")], ids=" ".join)
def test_a_storage_of_a_newer_version_is_one_line(
    record: StudyRecord, mlpsearch: Command, arguments: tuple[str, ...]
) -> None:
    with closing(sqlite3.connect(sqlite_path(record.url))) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v99.0.0.a'")
    answer = mlpsearch(*arguments)
    assert (answer.code, answer.out) == (1, "")
    assert re.fullmatch(r"error: .*studies\.db: cannot be opened as a storage .*updating optuna.*\n", answer.err)
    assert not Path("best").exists()


def test_an_interrupt_is_130(record: StudyRecord, mlpsearch: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mlpsearch.search.cli.show.print_studies", interrupt)
    answer = mlpsearch("status", "--json")
    assert (answer.code, answer.err) == (130, "\ninterrupted\n")
    assert json.loads(answer.out)["error"]["code"] == "interrupted"


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
