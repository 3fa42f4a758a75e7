"""Our own pages, as a program gets them: what they say, what they hand out, and who is let in."""

import html
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication

import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial
from optuna_dashboard import wsgi
from prometheus_client.parser import text_string_to_metric_families

from mlpsearch.search.dashboard.guard import Rules
from mlpsearch.search.dashboard.made import CONFIGURATION, ONNX, TRIALS, WEIGHTS
from mlpsearch.search.dashboard.server import guarded
from mlpsearch.search.report import study_report
from mlpsearch.search.results import wording
from mlpsearch.search.results.confirming import confirmed
from mlpsearch.search.results.headline import headline
from mlpsearch.search.service import confirm
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.search.trials.queue import TrialQueue
from mlpsearch.search.workers.worker import Worker
from mlpsearch.studies.creation import create_or_resume, plan_confirmation
from mlpsearch.studies.record import PlannedRun, StudyRecord
from mlpsearch.studies.spec.keys import Confirm
from mlpsearch.studies.study_data import load_study_data
from tests.search.dashboard.makers import HERE, READ_ONLY, WRITABLE, Reply, ask
from tests.search.makers import (
    TESTED,
    add_own,
    claim,
    confirmation_runs,
    digits_study,
    never,
    silence,
)
from tests.studies.stores import SOURCE, spec

EVIL = "evil.example:8080"
HOSTILE = '"><script>alert(1)</script>'
OURS = (
    "/",
    "/metrics",
    "/refresh.js",
    "/studies/mine",
    "/studies/mine/report",
    f"/studies/mine/files/{CONFIGURATION}",
    f"/studies/mine/files/{WEIGHTS}",
    f"/studies/mine/files/{ONNX}",
    f"/studies/mine/files/{TRIALS}",
)


def get(record: StudyRecord, path: str, query: str = "", **headers: str) -> Reply:
    return ask(guarded(record.storage, READ_ONLY), path, query=query, **headers)


def words(reply: Reply) -> str:
    """What is seen of a page, in one line."""
    body = re.sub(r"<style>.*?</style>", "", reply.text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyRecord:
    """A study of the digits that was searched, confirmed and tested."""
    monkeypatch.setenv("MLPSEARCH_CACHE", str(tmp_path / "cache"))
    record = digits_study(tmp_path, "numpy")
    Worker(record, load_study_data(record), never).run()
    asked = Confirm(top=2, seeds=2, report=2)
    confirmation_runs(record, asked)
    confirm(record, confirmed(record, asked), "mlpsearch confirm mine")
    return record


# ---- who is let in ----


@pytest.mark.parametrize("path", OURS)
def test_a_page_of_ours_is_refused_by_a_foreign_name(shared: StudyRecord, path: str) -> None:
    refused = get(shared, path, host=EVIL)
    assert refused.status == 403
    assert b"mine" not in refused.body


@pytest.mark.parametrize("path", OURS)
def test_a_page_of_ours_is_refused_without_the_token(shared: StudyRecord, path: str) -> None:
    refused = ask(guarded(shared.storage, replace(READ_ONLY, token="right")), path)
    assert refused.status == 401
    assert b"mine" not in refused.body


@pytest.mark.parametrize("path", OURS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_page_of_ours_changes_nothing(shared: StudyRecord, path: str, method: str) -> None:
    assert ask(guarded(shared.storage, READ_ONLY), path, method).status == 403
    refused = ask(guarded(shared.storage, WRITABLE), path, method)
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")


def test_a_scrape_shows_the_token_each_time_and_is_not_sent_elsewhere(shared: StudyRecord) -> None:
    app = guarded(shared.storage, replace(READ_ONLY, token="right"))
    assert ask(app, "/metrics", query="token=right").status == 200
    assert ask(app, "/", query="token=right").status == 303


@pytest.mark.parametrize("path", ["/", "/studies/mine", "/metrics"])
def test_our_pages_run_our_script_alone_and_compile_nothing(shared: StudyRecord, path: str) -> None:
    policy = get(shared, path).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "<script>" not in get(shared, path).text


def test_a_report_is_no_page_of_this_server(shared: StudyRecord) -> None:
    """What its scripts ask for is asked for by nobody, so that it could read nothing here."""
    policy = get(shared, "/studies/mine/report").headers["content-security-policy"]
    assert "sandbox allow-scripts" in policy
    assert "allow-same-origin" not in policy


def test_head_answers_as_get_does_but_without_a_body(shared: StudyRecord) -> None:
    app = guarded(shared.storage, READ_ONLY)
    for path in ("/refresh.js", "/dashboard"):
        whole, head = ask(app, path), ask(app, path, "HEAD")
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-type"] == whole.headers["content-type"]


@pytest.mark.parametrize(
    "path",
    [
        "/studies",
        "/studies/nobody",
        "/studies/mine/else",
        "/studies/mine/files/else",
        "/studies/mine/files/.",
        "/studies/mine/report/more",
        "/studies/nobody/report",
        "/studies/mine (confirmation)",
    ],
)
def test_what_is_not_there_is_not_found(shared: StudyRecord, path: str) -> None:
    assert get(shared, path).status == 404


# ---- the front page ----


def test_an_empty_storage_says_what_makes_a_first_study(record: StudyRecord) -> None:
    record.storage.optuna.delete_study(record.study_id)
    said = words(get(record, "/"))
    assert "There is no study yet; mlpsearch run digits-numpy" in said


def test_a_study_that_is_not_over_says_how_to_go_on(record: StudyRecord) -> None:
    said = words(get(record, "/"))
    assert "4 of 5 trials" in said
    assert "3 finished, 1 pruned" in said
    assert "NumPy net on digits" in said
    assert "Best so far: trial" in said
    assert "The search is not over, 1 trials are left: mlpsearch run mine" in said


def test_a_study_without_a_finished_trial_says_so(tmp_path: Path) -> None:
    record = create_or_resume(f"sqlite:///{tmp_path}/s.db", spec(), trials=None, source=SOURCE)
    said = words(get(record, "/"))
    assert "No trial is finished yet; mlpsearch run mine" in said
    assert "0 of 5 trials" in said
    assert "ONNX" not in said, "nothing can be taken away"
    assert words(get(record, "/studies/mine")).count("No trial has begun yet") == 1


def test_the_headline_is_the_confirmed_winner_with_its_test(trained: StudyRecord) -> None:
    first = headline(trained, Ledger(trained))
    assert first is not None
    assert first.test is not None
    for path in ("/", "/studies/mine"):
        said = words(get(trained, path))
        assert f"Winner: trial {first.trial}, confirmed" in said
        one = f"{wording.tested_score(first.test)} test accuracy of one net, mean ± sd over 2 seeds, 95% interval"
        assert one in said
        average = first.test["average"]["accuracy"]
        assert f"{average:.2%} test accuracy of the nets' average, 95% interval" in said
        assert wording.mean_and_deviation(first.validation, first.deviation) in said
        assert "selection bias: the search's best validation accuracy" in said
        assert "complete" in said


def test_a_confirmation_is_a_part_of_its_study(trained: StudyRecord) -> None:
    assert "(confirmation)" not in get(trained, "/").text
    assert get(trained, "/").text.count("<article") == 1
    assert "(confirmation)" not in get(trained, "/metrics").text


def test_live_workers_are_named_and_silent_ones_are_not(tmp_path: Path) -> None:
    record = create_or_resume(f"sqlite:///{tmp_path}/s.db", spec(), trials=None, source=SOURCE)
    claim(TrialQueue(record), "box:1")
    said = words(get(record, "/"))
    assert "1 live worker box:1: trial 0, epoch 0 of 3" in said
    assert "running" in said
    assert "No trial is finished yet. " in said
    silence(record)
    said = words(get(record, "/"))
    assert "No live worker" in said
    assert "No trial is finished yet; mlpsearch run mine" in said


def test_a_confirmation_that_goes_on_asks_for_no_command(record: StudyRecord) -> None:
    runs = plan_confirmation(record, [PlannedRun(0, record.own_trials()[0].params, 1)])
    claim(TrialQueue(runs), "box:1")
    said = words(get(record, "/studies/mine"))
    assert "Its confirmation goes on: what to quote comes with the end." in said
    assert "mlpsearch confirm" not in said


def test_a_page_tells_what_has_changed_since(record: StudyRecord) -> None:
    app = guarded(record.storage, READ_ONLY)
    assert "4 of 5 trials" in words(ask(app, "/"))
    add_own(record, create_trial(state=TrialState.COMPLETE, value=0.9))
    assert "5 of 5 trials" in words(ask(app, "/"))
    assert "Not tested" in words(ask(app, "/"))
    record.set("tests", [TESTED | {"trial": 4}])
    assert "25.00%" in words(ask(app, "/"))
    record.storage.optuna.delete_study(record.study_id)
    assert "There is no study yet" in words(ask(app, "/"))


def test_one_study_that_cannot_be_read_leaves_the_others(record: StudyRecord) -> None:
    other = create_or_resume(record.url, spec(name="other"), trials=None, source=SOURCE)
    other.set("spec", {"name": "other", "net": HOSTILE})
    other.set("budget", None)
    reply = get(record, "/")
    assert "4 of 5 trials" in words(reply)
    assert HOSTILE not in reply.text
    assert get(record, "/studies/other").status == 409
    assert numbers(get(record, "/metrics"))["mlpsearch_unreadable_studies"] == {(): 1}


def test_names_are_text_whatever_they_are(record: StudyRecord) -> None:
    other = create_or_resume(record.url, spec(name="other"), trials=None, source=SOURCE)
    with record.storage.connections.transaction() as connection:
        renamed = {"name": HOSTILE, "study": other.study_id}
        connection.execute("UPDATE studies SET study_name = :name WHERE study_id = :study", renamed)
    app = guarded(record.storage, READ_ONLY)
    page = ask(app, "/").text
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
    assert 'href="/studies/&#34' not in page
    assert ask(app, "/metrics").status == 200


@pytest.mark.parametrize("key", ["worker", "error"])
def test_what_a_trial_says_is_text(record: StudyRecord, key: str) -> None:
    add_own(record, create_trial(state=TrialState.FAIL, user_attrs={key: HOSTILE}))
    page = get(record, "/studies/mine", "open=4").text
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page


# ---- a report, and files ----


def test_a_report_is_made_once_until_its_study_changes(
    record: StudyRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def page(asked: StudyRecord) -> bytes:
        made.append(asked.name)
        return f"<p>report {len(made)}".encode()

    monkeypatch.setattr(study_report, "report_page", page)
    app = guarded(record.storage, READ_ONLY)
    assert [ask(app, "/studies/mine/report").text for _ in range(2)] == ["<p>report 1"] * 2
    record.set("tests", [TESTED])
    assert ask(app, "/studies/mine/report").text == "<p>report 2"
    add_own(record, create_trial(state=TrialState.PRUNED, value=0.1))
    assert ask(app, "/studies/mine/report").text == "<p>report 3"
    plan_confirmation(record, [PlannedRun(0, {}, 1)])
    assert ask(app, "/studies/mine/report").text == "<p>report 4"


def test_files_are_handed_out_to_be_kept(trained: StudyRecord) -> None:
    app = guarded(trained.storage, READ_ONLY)
    links = re.findall(r'href="(/studies/mine/files/[^"]+)"', ask(app, "/studies/mine").text)
    assert {link.rpartition("/")[2] for link in links} == {CONFIGURATION, WEIGHTS, ONNX, TRIALS}
    begins = {CONFIGURATION: b"format = ", WEIGHTS: b"", ONNX: b"", TRIALS: b"number,state,"}
    for link in links:
        reply, name = ask(app, link), link.rpartition("/")[2]
        assert reply.status == 200
        assert reply.headers["content-disposition"] == f'attachment; filename="{name}"'
        assert "sandbox" in reply.headers["content-security-policy"]
        assert len(reply.body) > 100
        assert reply.body.startswith(begins[name])


def test_weights_that_are_gone_have_no_link_until_they_are_back(trained: StudyRecord, tmp_path: Path) -> None:
    app = guarded(trained.storage, READ_ONLY)
    assert WEIGHTS in ask(app, "/").text
    (folder,) = tmp_path.glob("*.artifacts")
    folder.rename(tmp_path / "elsewhere")
    lacking = ask(app, "/").text
    assert "Configuration" in lacking
    assert WEIGHTS not in lacking
    assert ONNX not in lacking
    (tmp_path / "elsewhere").rename(folder)
    assert WEIGHTS in ask(app, "/").text


def test_where_the_data_are_gone_no_link_leads_to_what_needs_them(record: StudyRecord, tmp_path: Path) -> None:
    app, data = guarded(record.storage, READ_ONLY), tmp_path / "moved.csv"
    record.set("spec", {**record.attributes()["spec"], "dataset": "table", "label": "y", "data": str(data)})
    record.set("source", {**record.attributes()["source"], "data": str(data)})
    for path in ("/", "/studies/mine"):
        assert f"Its data are not at {data} any more" in words(ask(app, path))
        assert f"files/{CONFIGURATION}" not in ask(app, path).text
    assert f"files/{TRIALS}" in ask(app, "/studies/mine").text
    data.touch()
    assert "any more" not in words(ask(app, "/"))
    assert f"files/{CONFIGURATION}" in ask(app, "/").text


def test_a_file_that_cannot_be_made_says_why(record: StudyRecord) -> None:
    refused = get(record, f"/studies/mine/files/{WEIGHTS}")
    assert (refused.status, refused.text.count("\n")) == (409, 1)


# ---- numbers for Prometheus ----


def numbers(reply: Reply) -> dict[str, dict[tuple[Any, ...], float]]:
    """The values by name and labels."""
    found: dict[str, dict[tuple[Any, ...], float]] = {}
    for family in text_string_to_metric_families(reply.text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def test_the_numbers_are_those_of_the_study(record: StudyRecord) -> None:
    reply = get(record, "/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=")
    found, mine = numbers(reply), (("study", "mine"),)
    trials = {labels[0][1]: value for labels, value in found["mlpsearch_trials"].items()}
    assert trials == {"finished": 3, "pruned": 1, "failed": 0, "running": 0, "waiting": 0, "foreign": 0}
    best = max(trial.value or 0 for trial in record.own_trials() if trial.state == TrialState.COMPLETE)
    assert found["mlpsearch_best_validation_score"] == {(("metric", "accuracy"), *mine): best}
    assert found["mlpsearch_budget_trials"][mine] == 5
    assert found["mlpsearch_epochs_total"][mine] == record.counts.epochs() == 10
    assert found["mlpsearch_epochs_per_second"][mine] == pytest.approx(10 / record.counts.seconds())
    assert found["mlpsearch_live_workers"][mine] == 0
    assert "mlpsearch_heartbeat_age_seconds" not in found, "no worker ever was"


def test_a_worker_and_its_heartbeat_are_counted(tmp_path: Path) -> None:
    record = create_or_resume(f"sqlite:///{tmp_path}/s.db", spec(), trials=None, source=SOURCE)
    claim(TrialQueue(record), "box:1")
    found, mine = numbers(get(record, "/metrics")), (("study", "mine"),)
    assert found["mlpsearch_live_workers"][mine] == 1
    assert 0 <= found["mlpsearch_heartbeat_age_seconds"][mine] < 3600
    silence(record, 3600)
    found = numbers(get(record, "/metrics"))
    assert found["mlpsearch_live_workers"][mine] == 0
    assert 3600 <= found["mlpsearch_heartbeat_age_seconds"][mine] < 7200


def test_the_last_request_of_each_kind_is_timed(shared: StudyRecord) -> None:
    app = guarded(shared.storage, READ_ONLY)
    for path in ("/", "/studies/mine", "/api/meta", f"/{HOSTILE}"):
        ask(app, path)
    pages = numbers(ask(app, "/metrics"))["mlpsearch_last_request_seconds"]
    assert {labels[0][1] for labels in pages} == {"/", "studies", "api", "other"}
    assert all(value > 0 for value in pages.values())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_left_out(record: StudyRecord, value: float) -> None:
    add_own(record, create_trial(state=TrialState.COMPLETE, value=0.99, intermediate_values={1: value}))
    assert "NaN" not in get(record, "/metrics").text
    assert "Inf" not in get(record, "/metrics").text
    assert get(record, "/studies/mine", "open=4").status == 200


# ---- optuna-dashboard's own page ----


@pytest.mark.parametrize(("rules", "hides_delete"), [(READ_ONLY, True), (WRITABLE, False)])
def test_its_page_is_whole_but_for_a_style_sheet_that_hides_what_must_fail(
    shared: StudyRecord, rules: Rules, hides_delete: bool
) -> None:
    here = ask(guarded(shared.storage, rules), "/dashboard/studies/1")
    stock = ask(wsgi(shared.storage.optuna), "/dashboard/studies/1")
    assert int(here.headers["content-length"]) == len(here.body)
    (style,) = re.findall(r"<style>button:has.*?</style>", here.text)
    assert here.text.replace(style, "") == stock.text
    assert ("DeleteIcon" in style, "DriveFileRenameOutlineIcon" in style) == (hides_delete, True)


def test_its_list_has_each_study_once(record: StudyRecord) -> None:
    plan_confirmation(record, [PlannedRun(0, {}, 1)])
    record.storage.optuna.create_new_study([StudyDirection.MINIMIZE], "of somebody else")
    app = guarded(record.storage, WRITABLE)
    assert listed(app) == ["mine", "of somebody else"]
    assert ask(app, "/api/studies/2").status == 200, "by its number it can be looked at"
    ask(app, "/api/studies/1", "DELETE", json_body={})
    assert listed(app) == ["mine (confirmation)", "of somebody else"], "what is left of it can be deleted, too"


def listed(app: WSGIApplication) -> list[str]:
    return [study["study_name"] for study in json.loads(ask(app, "/api/studies").body)["study_summaries"]]


def test_a_page_that_a_browser_kept_is_sent_anew(shared: StudyRecord) -> None:
    app = guarded(shared.storage, READ_ONLY)
    reply = ask(app, "/dashboard", IF_MODIFIED_SINCE="Fri, 01 Jan 2100 00:00:00 GMT", host=HERE)
    assert (reply.status, "last-modified" in reply.headers) == (200, False)
