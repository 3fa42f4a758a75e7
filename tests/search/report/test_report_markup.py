"""The report of a study is one file that needs no other, and nothing of a study's becomes markup."""

from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import TrialState

from mlpsearch.search.report.search_figures import FEWEST_FINISHED
from mlpsearch.search.report.study_report import report_page
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.storage.opening import ENVIRONMENT
from tests.search.conftest import Command
from tests.search.pages import TEST, Page
from tests.search.report.makers import HOSTILE, add, page_of, some
from tests.studies.stores import new_study, spec


def test_it_needs_no_other_file(tmp_path: Path) -> None:
    record = new_study(tmp_path)
    some(record)
    page = page_of(record)
    assert not {"link", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in page.tags}
    addresses = [attributes.get(key) for _, attributes in page.tags for key in ("src", "href", "srcset")]
    assert all(address is None or address.startswith(("#", "data:image/png")) for address in addresses)
    assert page.scripts == []


def test_the_policy_lets_no_script_run(tmp_path: Path) -> None:
    page = page_of(new_study(tmp_path))
    (policy,) = [attributes["content"] or "" for tag, attributes in page.tags if "http-equiv" in attributes]
    assert policy.startswith("default-src 'none'; ")
    assert "script" not in policy


def test_what_a_storage_says_stays_text(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec(search={"optimizer": {"choices": ["sgd", "adam"]}}))
    clean = page_of(record)
    planted: dict[str, BaseDistribution] = {"optimizer": CategoricalDistribution(("sgd", "adam", HOSTILE))}
    for number in range(FEWEST_FINISHED):
        add(record, 0.3 + 0.02 * number, space=planted, optimizer=(HOSTILE, "sgd")[number % 2])
    add(record, 0.1, TrialState.FAIL)
    text = {"classes": [HOSTILE, "dog"], "command": HOSTILE, "when": HOSTILE}
    record.set("tests", [TEST | text])
    record.set("source", {"data": HOSTILE, "fingerprint": HOSTILE})
    page = report_page(record)
    assert b"<script>window.ran" not in page
    read = Page(page)
    assert {tag for tag, _ in read.tags} - {tag for tag, _ in clean.tags} <= PAGE_TAGS
    assert read.scripts == []
    assert read.text.count(HOSTILE) >= 4
    assert any(HOSTILE in tip for chart in read.charts for tip in chart.tips("path"))


PAGE_TAGS = {
    *("div", "figure", "h3", "img", "thead", "th", "td", "tr", "table", "tbody", "b", "span", "code", "dl", "dt"),
    *("svg", "path", "line", "text", "title", "circle", "rect", "i", "p", "dd"),
}


# ---- the command ----


def test_the_command_writes_the_page(
    finished: Callable[..., StudyRecord], mlpsearch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT, finished().url)
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    answer = mlpsearch("report", "mine")
    assert (answer.code, answer.out, answer.err) == (0, "", "wrote mine.html\n")
    assert Path("mine.html").read_bytes().startswith(b"<!DOCTYPE html>")
    assert opened == []
    assert mlpsearch("report", "mine", "-o", "sub/it.html", "--open").code == 0
    assert opened == [Path("sub/it.html").absolute().as_uri()]
    assert Path("sub/it.html").exists()
