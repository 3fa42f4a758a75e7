"""What commands print with --json is what the models say, and so is the page."""

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest
from jsonschema import Draft202012Validator

from mlpsearch.models.errors import MlpsearchError
from mlpsearch.models.gradient_check import GradientCheck
from mlpsearch.search import checking
from mlpsearch.search.cli import cli
from mlpsearch.search.dashboard.server import Server
from mlpsearch.search.documents import commands, exports, study
from mlpsearch.search.documents.base import OTHER_CODES, Error, Part, code_of, error_object, error_of
from mlpsearch.search.documents.commands import DOCUMENTS
from mlpsearch.search.documents.page import PAGE, SCHEMA, page, schema, words
from mlpsearch.search.export.retraining import Comparison as Retrained
from mlpsearch.search.report import comparison, summary
from mlpsearch.search.results import confirmation, efficiency, headline, openings, status
from mlpsearch.search.results.winner import MissingWeightsError
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.spec.keys import Budget
from mlpsearch.studies.storage.opening import ENVIRONMENT, sqlite_path
from tests.search.cli_cases import FILES, FRESH
from tests.search.conftest import Command
from tests.search.documents.checking import checked
from tests.search.makers import digits_study
from tests.studies.image_makers import encode, grey_pixels

DOCS = Path(__file__).resolve().parents[3] / "docs"


# ---- the page and the schema ----


def test_the_page_and_the_schema_are_made_from_the_models() -> None:
    again = "python -m mlpsearch.search.documents.page docs"
    assert (DOCS / PAGE).read_text("utf-8") == page(), f"`{again}` makes it again"
    assert json.loads((DOCS / SCHEMA).read_text("utf-8")) == schema(), f"`{again}` makes it again"


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())
    assert not Draft202012Validator(schema()).is_valid({"name": "mine"})


def test_every_command_prints_a_document_and_the_page_says_which() -> None:
    commands_with_json = {name: one for name, one in cli.commands.items() if name != "mcp"}  # its stdout is taken
    assert {command.split()[0] for command in DOCUMENTS} == {*commands_with_json}
    for name, one_command in commands_with_json.items():
        options = [word for one in one_command.params if isinstance(one, click.Option) for word in one.opts]
        assert "--json" in options, name
    for command in DOCUMENTS:
        assert f"| `mlpsearch {command}` | [" in page()


@pytest.mark.parametrize(
    ("model", "kind", "others"),
    [
        (study.StudyPart, status.StudyStatus, {"storage"}),
        (study.RunningTrial, status.RunningTrial, set()),
        (study.BestTrial, status.BestTrial, set()),
        (study.RefusedTrial, status.RefusedTrial, set()),
        (study.Winner, headline.Headline, set()),
        (study.Opening, openings.TestReport, set()),
        (study.Confirmation, confirmation.Confirmation, set()),
        (study.Candidate, confirmation.Candidate, set()),
        (study.Reported, confirmation.Reported, set()),
        (commands.Check, checking.Check, {"schema_version"}),
        (commands.Comparison, comparison.Comparison, {"schema_version"}),
        (commands.Compared, summary.StudySummary, set()),
        (commands.Efficiency, efficiency.Efficiency, set()),
        (exports.Training, Retrained, {"same", "members", "schema_version"}),
        (exports.TrainedMember, Retrained, {"same", "trial", "run"}),
        (commands.Gradient, GradientCheck, {"passed"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_model_has_the_keys_of_what_it_describes(model: type[Part], kind: Any, others: set[str]) -> None:
    assert {*model.model_fields} == {field.name for field in fields(kind)} | others


def test_the_budget_has_the_keys_of_a_study_files() -> None:
    assert {*study.Budget.model_fields} == {*Budget.model_fields}


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (str, "text"),
        (int | None, "whole number or `null`"),
        (list[float], "list of numbers"),
        (list[list[int]], "list of lists of whole numbers"),
        (dict[str, Any], "object"),
        (list[study.Opening], "list of objects"),
        (list[tuple[int, float]], "list of pairs"),
    ],
)
def test_types_are_said_in_words(annotation: Any, text: str) -> None:
    assert words(annotation) == text


# ---- documents ----


@pytest.fixture
def record(finished: Callable[..., StudyRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyRecord:
    """The study `mine`, complete and not tested; beside it a folder `fresh` with one that has no trials."""
    record = finished()
    monkeypatch.setenv(ENVIRONMENT, record.url)
    (tmp_path / "fresh").mkdir()
    digits_study(tmp_path / "fresh", "numpy").storage.close()
    for name, content in FILES.items():
        Path(name).write_text(content)
    return record


@pytest.mark.parametrize(
    ("arguments", "model"),
    [
        (("list",), "Listing"),
        (("status",), "Studies"),
        (("status", "mine"), "Study"),
        (("status", "mine", *FRESH), "Study"),
        (("check", "own.toml"), "Check"),
        (("submit", "own.toml"), "Study"),
        (("stop", "mine"), "Study"),
        (("enqueue", "mine", "hidden_size=8"), "Enqueued"),
        (("worker", "mine"), "Study"),
        (("run", "mine"), "Study"),
        (("resume", "mine"), "Study"),
        (("evaluate", "mine"), "Study"),
        (("confirm", "mine", "--top", "2", "--seeds", "2", "--report", "2"), "Study"),
        (("report", "mine"), "Report"),
        (("export", "mine", "-o", "best", "--trials", "trials.csv"), "Export"),
        (("export", "mine", "--weights", "w.safetensors"), "Export"),
        (("export", "mine", "--trials", "trials.csv", *FRESH), "Export"),
        (("delete", "mine", "--yes"), "Deletion"),
        (("gc",), "Collection"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_command_prints_one_document(
    record: StudyRecord, mlpsearch: Command, arguments: tuple[str, ...], model: str
) -> None:
    answer = mlpsearch(*arguments, "--json")
    assert answer.code == 0, answer.err
    document = checked(answer, model)
    assert document["schema_version"] == 1


def test_documents_of_an_export_and_of_a_comparison(record: StudyRecord, mlpsearch: Command) -> None:
    written = checked(mlpsearch("export", "mine", "-o", "best", "--json"), "Export")
    assert (written["study"], written["written"]) == ("mine", ["best"])
    assert written["taken"].startswith("trial ")
    Path("0.png").write_bytes(encode(grey_pixels(0, 8, 8)))
    found = checked(mlpsearch("predict", "best", "0.png", "none.png", "--json"), "Predictions")
    assert (len(found["predictions"]), found["errors"][0]["path"]) == (1, "none.png")
    assert checked(mlpsearch("train", "best", "--json"), "Training")["same"] is True
    mlpsearch("run", "own.toml", "--no-evaluate")
    assert len(checked(mlpsearch("compare", "mine", "own", "--json"), "Comparison")["studies"]) == 2


def test_documents_of_a_table(mlpsearch: Command, tmp_path: Path) -> None:
    rows = "".join(f"{number},{number * 7 % 11},{'ab'[number * 7 % 11 > 5]}\n" for number in range(80))
    Path("a.csv").write_text(f"x,y,z\n{rows}")
    made = checked(mlpsearch("new", "a.csv", "--label", "z", "--json"), "NewFile")
    assert made["path"] == "a.toml"
    assert [column["name"] for column in checked(mlpsearch("check", "a.toml", "--json"), "Check")["columns"]]
    assert mlpsearch("run", "a.toml", "--trials", "1", "--no-evaluate").code == 0
    assert mlpsearch("export", "a", "-o", "best").code == 0
    assert len(checked(mlpsearch("predict", "best", "a.csv", "--json"), "Predictions")["predictions"]) == 80
    Path("b.csv").write_text("other\n1\n")
    assert checked(mlpsearch("predict", "best", "b.csv", "--json"), "Failure")["error"]["code"] == "data"


def test_the_document_of_gradients(mlpsearch: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [GradientCheck("numeric", 2, 0.5, "weight.0", error=1e-10, tolerance=1e-7)]
    monkeypatch.setattr("mlpsearch.models.gradient_check.check_all", lambda: checks)
    assert checked(mlpsearch("check-gradients", "--json"), "Gradients")["comparisons"][0]["passed"] is True


@pytest.mark.parametrize("command", ["dashboard", "serve"])
def test_a_server_prints_where_it_answers(
    record: StudyRecord, mlpsearch: Command, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    answering = Server.run

    def end_at_once(server: Server) -> None:
        monkeypatch.setattr(Server, "run", answering)
        with server.in_background():
            pass

    if command == "dashboard":
        monkeypatch.setattr(Server, "run", end_at_once)
    monkeypatch.setattr("mlpsearch.search.workers.worker_pool.WorkerPool.run", lambda _: None)
    document = checked(mlpsearch(command, "--port", "0", "--json"), "Address")
    assert document["address"].startswith("http://127.0.0.1:")
    assert (document["health"] is None) == (command == "dashboard")


# ---- errors ----


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code", "study", "key"),
    [
        (("status", "nothing"), 1, "study", "nothing", None),
        (("stop", "nothing"), 1, "study", "nothing", None),
        (("run", "bad.toml"), 1, "spec", None, "budget.epochs"),
        (("submit", "nothing"), 1, "spec", "nothing", None),
        (("run", "own.toml", "--data", "none.tar"), 1, "data", None, None),
        (("evaluate", "mine", *FRESH), 1, "study", "mine", None),
        (("export", "mine", "-o", "best.yaml"), 1, "export", None, None),
        (("report", "mine", "-o", "report.pdf"), 1, "report", None, None),
        (("gc", "--storage", "none.db"), 1, "storage", None, None),
        (("serve", "--storage", "none.db"), 1, "storage", None, None),
        (("train", "none.toml"), 1, "export", None, None),
        (("delete", "mine"), 1, "declined", "mine", None),
        (("run",), 2, "usage", None, None),
        (("status", "--watch"), 2, "usage", None, None),
        (("confirm", "mine", "--top", "0"), 2, "usage", None, None),
        (("enqueue", "mine", "hidden_size"), 2, "usage", None, None),
        (("unknown",), 2, "usage", None, None),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_command_that_fails_prints_its_error(
    record: StudyRecord,
    mlpsearch: Command,
    arguments: tuple[str, ...],
    exit_code: int,
    code: str,
    study: str | None,
    key: str | None,
) -> None:
    answer = mlpsearch(*arguments, "--json")
    error = checked(answer, "Failure")["error"]
    assert answer.code == exit_code
    assert (error["code"], error["study"], error["key"]) == (code, study, key)
    assert error["message"] in answer.err
    plain = mlpsearch(*arguments)
    assert (plain.code, plain.out) == (exit_code, "")
    assert plain.err == answer.err


def test_a_search_that_is_interrupted_prints_an_error_and_one_that_is_stopped_its_study(
    record: StudyRecord, mlpsearch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlpsearch.search.running import Leftover

    for interrupted in (True, False):
        left = Leftover(interrupted, 1, 2, "mlpsearch resume mine")
        monkeypatch.setattr("mlpsearch.search.running.run_to_the_end", lambda *_, left=left: left)
        answer = mlpsearch("run", "mine", "--json")
        document = checked(answer, "Failure" if interrupted else "Study")
        if interrupted:
            assert (answer.code, document["error"]["code"], document["error"]["study"]) == (
                130,
                "interrupted",
                "mine",
            )
        else:
            assert (answer.code, document["name"]) == (0, "mine")


def test_a_storage_that_fails_is_an_error_of_it(
    record: StudyRecord, mlpsearch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sqlite_path(record.url)
    record.storage.close()
    path.write_bytes(path.read_bytes()[:2048] + bytes(4096))
    error = checked(mlpsearch("status", "mine", "--json"), "Failure")["error"]
    assert error["code"] == "storage"


def test_errors_as_objects_have_all_keys() -> None:
    kinds: list[type[MlpsearchError]] = [MlpsearchError, *MlpsearchError.__subclasses__()]
    for kind in kinds:
        found = error_of(kind("m", study="s", trial=3, key="k", path="p", url="u"))
        assert found == {
            "code": code_of(kind), "message": "m", "study": "s", "trial": 3, "key": "k", "path": "p", "url": "u"
        }  # fmt: skip
    for code in OTHER_CODES:
        assert {*error_object(code, "m")} == {*Error.model_fields}


def test_a_finer_kind_of_error_has_the_code_that_is_documented() -> None:
    assert code_of(MissingWeightsError) == "weights"
