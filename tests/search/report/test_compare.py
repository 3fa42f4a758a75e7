"""Studies side by side: what the table says, and what may be said of their difference."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpsearch.search.report.comparison import Comparison, compare
from mlpsearch.search.report.side_by_side import Row, curves, rows
from mlpsearch.search.results.hits import keep_hits
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.storage.opening import ENVIRONMENT
from tests.search.conftest import Command
from tests.search.pages import charts
from tests.search.report.compared import TEST, study
from tests.studies.stores import new_storage

BETTER = {"accuracy": 0.55, "interval": [0.53, 0.57]}
ENDS = re.compile(r"interval (\S+) to (\S+) points")
CLOSE = {"accuracy": 0.51, "interval": [0.49, 0.53]}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return new_storage(tmp_path / "storage")


def compared(*records: StudyRecord) -> Comparison:
    return compare(records)


# ---- what may be said ----


def test_intervals_that_do_not_overlap_show_a_difference(url: str) -> None:
    comparison = compared(study(url, "one", 0.5, test={}), study(url, "two", 0.5, test=BETTER))
    (finding,) = comparison.findings
    assert finding.startswith("two is 5.00 points better than one on the test images; the 95% intervals do not")
    assert finding.endswith(
        "The intervals are all there is: which images each net got right was not kept for both."
    )
    assert comparison.warnings == []


def test_intervals_that_overlap_show_none(url: str) -> None:
    comparison = compared(study(url, "one", 0.5, test=CLOSE), study(url, "two", 0.5, test={}))
    (finding,) = comparison.findings
    assert finding.startswith("one is 1.00 points ahead of two on the test images, but the 95% intervals overlap")


def test_the_best_is_set_against_each_other_one(url: str) -> None:
    tests = {"one": {}, "two": BETTER, "three": CLOSE, "four": None}
    comparison = compared(*(study(url, name, 0.5, test=test) for name, test in tests.items()))
    first, second, third = comparison.findings
    assert first == "Not tested: four."
    assert second.startswith("two is 4.00 points ahead of three")
    assert third.startswith("two is 5.00 points better than one")


def test_other_test_images_are_not_compared(url: str) -> None:
    other = BETTER | {"fingerprint": "d" * 64}
    comparison = compared(study(url, "one", 0.5, test={}), study(url, "two", 0.5, test=other))
    assert comparison.findings == [
        "two and one were tested on different images: their test accuracies cannot be compared."
    ]


def test_what_the_studies_do_not_share_is_said(url: str) -> None:
    one = study(url, "one", 0.5)
    cases = {
        "They were trained on different images": study(url, "two", 0.5, fingerprint="a" * 64),
        "They split off different validation images": study(url, "three", 0.5, validation=900),
        "They split off different validation": study(url, "four", 0.5, seed=1),
    }
    for said, other in cases.items():
        (warning,) = compared(one, other).warnings
        assert warning.startswith(said)


def test_what_a_winner_lacks_is_said_and_no_other_trials_test_is_shown(url: str) -> None:
    one = study(url, "one", 0.5, test={"trial": 1}, confirm={})
    one.set("budget", {"trials": 2, "epochs": 3})
    comparison = compared(one, study(url, "two", 0.5, test={}))
    assert comparison.warnings == ["one: not confirmed: `mlpsearch confirm one`."]
    assert table_of(comparison)["test ± sd"].values[0] == "–"


# ---- what may be said where it is kept which images each net got right ----


def answered(url: str, name: str, *wrong: range) -> StudyRecord:
    """A tested study with a net for each range of wrong images, of 1,000."""
    hits = np.array([~np.isin(np.arange(1000), one) for one in wrong])
    accuracy = float(hits.mean())
    record = study(url, name, 0.5)
    test = {
        "accuracy": accuracy,
        "interval": [accuracy - 0.03, accuracy + 0.03],
        "images": 1000,
        "accuracies": [float(share) for share in hits.mean(axis=1)],
        "seeds": [],
        "hits": keep_hits(record, hits),
    }
    record.set("tests", [TEST | test])
    return record


def test_the_same_images_show_a_difference_though_the_intervals_overlap(url: str) -> None:
    nets = answered(url, "one", range(450), range(452)), answered(url, "two", range(480), range(482))
    (finding,) = compared(*nets).findings
    found = re.fullmatch(
        r"one is 3\.00 points better than two on the same test images "
        r"\(95% interval (\S+) to (\S+) points\)\.",
        finding,
    )
    assert found
    assert 0 < float(found[1]) < 3 < float(found[2]) < 6


def test_the_same_accuracy_on_other_images_shows_less(url: str) -> None:
    """Each is right where the other is wrong, but for a few."""
    nets = answered(url, "one", range(450), range(452)), answered(url, "two", range(520, 1000), range(518, 1000))
    (finding,) = compared(*nets).findings
    assert re.fullmatch(
        r"one is 3\.00 points ahead of two on the same test images "
        r"\(95% interval -\S+ to \S+ points\): this alone does not show which is better\.",
        finding,
    )


def test_one_net_says_nothing_of_other_seeds(url: str) -> None:
    one, two = answered(url, "one", range(450)), answered(url, "two", range(480), range(480))
    assert (
        compared(one, two).findings[0].endswith("points). Only one net of one was tested; other seeds may differ.")
    )
    three = answered(url, "three", range(480))
    assert (
        compared(one, three)
        .findings[0]
        .endswith(" Only one net of one and of three was tested; other seeds may differ.")
    )


def test_of_several_studies_all_intervals_hold_together(url: str) -> None:
    names = {"one": range(450), "two": range(480), "three": range(500)}
    records = [answered(url, name, wrong, wrong) for name, wrong in names.items()]
    alone, together = compared(*records[:2]).findings[0], compared(*records).findings[0]
    assert "points, for all pairs together)" in together
    width = [float(ends[2]) - float(ends[1]) for it in (alone, together) if (ends := ENDS.search(it))]
    assert width[0] < width[1]


def test_one_study_without_them_leaves_the_intervals(url: str) -> None:
    nets = answered(url, "one", range(450)), study(url, "two", 0.5, test={"images": 1000})
    assert "which images each net got right was not kept for both." in compared(*nets).findings[0]


# ---- what may be said where all have another metric than accuracy ----


def scored(metric: str, score: float, low: float, high: float, **more: Any) -> dict[str, Any]:
    return {"metric": metric, "score": score, "score_interval": [low, high], "score_deviation": 0.01} | more


def test_studies_of_one_metric_are_compared_by_it(url: str) -> None:
    """The order is that of the metric, though the accuracies say otherwise; less of a loss is better."""
    said = " What a single one of the images adds to that metric is not kept."
    cases = {
        ("log-loss", 0.3, 0.25, 0.35): "0.1000 of log loss ahead of two on the test images, but the 95% intervals",
        ("log-loss", 0.2, 0.15, 0.25): "0.2000 of log loss better than two on the test images; the 95% intervals",
        ("auc", 0.8, 0.7, 0.9): "0.4000 of AUC better than two on the test images; the 95% intervals do not",
        ("macro-f1", 0.55, 0.45, 0.65): "15.00 points of macro F1 ahead of two on the test images, but",
    }
    for number, ((metric, score, low, high), expected) in enumerate(cases.items()):
        one = study(url, f"one-{number}", 0.5, test=scored(metric, score, low, high), metric=metric)
        other = study(url, f"two-{number}", 0.5, test=scored(metric, 0.4, 0.3, 0.5) | BETTER, metric=metric)
        comparison = compared(other, one)
        (finding,) = comparison.findings
        assert finding.replace(f"-{number}", "").startswith(f"one is {expected}")
        assert finding.endswith(said)
        assert comparison.warnings == []


def test_one_that_has_no_score_leaves_the_accuracies(url: str) -> None:
    """A test split of one class has no AUC."""
    one = study(url, "one", 0.5, test=scored("auc", 0.8, 0.7, 0.9), metric="auc")
    other = study(url, "two", 0.5, test=BETTER | {"metric": "auc", "score": None}, metric="auc")
    assert compared(one, other).findings[0].startswith("two is 5.00 points of accuracy better than one")


# ---- the table ----


def test_the_table_has_a_column_a_study(url: str) -> None:
    confirmed = study(url, "one", 0.5, 0.6, test={"deviation": 0.0123, "opening": 2})
    comparison = compared(confirmed, study(url, "two", net="torch"))
    table = {name: row.values for name, row in table_of(comparison).items()}
    assert table["net"] == ["numpy", "torch"]
    assert table["trials (finished, pruned, failed)"] == ["2/3 (1, 1, 0)", "0/3 (0, 0, 0)"]
    assert table["best validation of the search"] == ["60.00%", "–"]
    assert table["confirmed validation ± sd"] == ["–", "–"]
    assert table["test ± sd"] == ["50.00% ± 1.23 (opening 2)", "–"]
    assert table["its 95% interval"] == ["48.0% – 52.0%", "–"]
    assert table["learning_rate"] == ["0.0123", "–"]
    assert table["optimizer"] == ["sgd", "–"]
    assert table["time of the winner"] == ["1 min 15 s", "–"]
    assert (table["parameters"], table["images a second"]) == (["6,789", "–"], ["12,345", "–"])
    assert "seed" not in table


def test_of_each_row_the_best_is_known_and_whether_all_are_the_same(url: str) -> None:
    one, two = study(url, "one", 0.5, 0.6, test={}), study(url, "two", 0.5, 0.7, test=BETTER)
    table = table_of(compared(one, two))
    assert table["test ± sd"].best == {1}
    assert table["net"].is_same
    assert not table["test ± sd"].is_same
    assert table["parameters"].is_same
    assert table["parameters"].best == frozenset()
    assert table["best validation of the search"].best == frozenset(), "it flatters whoever tried more"


def test_what_cannot_be_compared_has_no_best(url: str) -> None:
    one, two = study(url, "one", 0.5, test={}), study(url, "two", 0.5, test=BETTER | {"fingerprint": "d" * 64})
    assert table_of(compared(one, two))["test ± sd"].best == frozenset()
    alone = table_of(compared(one, study(url, "three", 0.5)))
    assert alone["test ± sd"].best == frozenset(), "nothing is better than what is not known"


def table_of(comparison: Comparison) -> dict[str, Row]:
    return {row.name: row for row in rows(comparison.studies)}


def test_curves_share_one_scale(url: str) -> None:
    one, two = study(url, "one", 0.1, 0.2, 0.8), study(url, "two", *(0.4 + 0.001 * step for step in range(100)))
    name, (first, second) = curves(compared(one, two).studies)
    assert name == "validation by epoch, 10% – 80%"
    assert first == "▁▂█"
    assert (len(second), second[0], second[-1]) == (30, "▄", "▅")
    assert curves(compared(study(url, "three"), study(url, "four", 0.5)).studies)[1] == ["–", "▁"]


# ---- the command ----


@pytest.fixture
def stored(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two studies in the storage that the environment names."""
    study(url, "one", 0.4, 0.5, test={})
    study(url, "two", 0.4, 0.6, test=BETTER)
    monkeypatch.setenv(ENVIRONMENT, url)


def test_the_command_prints_the_table(stored: None, mlpsearch: Command) -> None:
    answer = mlpsearch("compare", "one", "two")
    assert (answer.code, answer.err) == (0, "")
    lines = [line.split() for line in answer.out.splitlines()]
    assert ["one", "two"] in lines
    assert ["winner", "trial", "0", "trial", "0"] in lines
    assert ["hidden_size", "7", "7"] in lines
    assert [line for line in answer.out.splitlines() if line != line.rstrip()] == [], "a pipe gets no padding"
    first = answer.out.splitlines()[0]
    assert first.startswith("two is 5.00 points better than one")
    assert "so chance hardly explains it. The intervals are all" in first


def test_the_command_prints_one_document(stored: None, mlpsearch: Command) -> None:
    answer = mlpsearch("compare", "one", "two", "--json")
    document = json.loads(answer.out)
    assert [one["name"] for one in document["studies"]] == ["one", "two"]
    assert document["studies"][1]["search_best"] == 0.6
    assert document["studies"][1]["test"]["accuracy"] == 0.55
    assert document["studies"][1]["curve"] == [0.4, 0.6]
    assert (len(document["findings"]), document["warnings"]) == (1, [])


def test_the_command_writes_a_page(stored: None, mlpsearch: Command) -> None:
    answer = mlpsearch("compare", "one", "two", "-o", "both.html")
    assert (answer.code, answer.err) == (0, "wrote both.html\n")
    page = Path("both.html").read_text("utf-8")
    assert "<h1>one · two</h1>" in page
    assert page.index("two is 5.00 points better than one") < page.index("<table"), "what may be said comes first"
    assert '<tr class="same"><th scope="row">net</th>' in page
    assert '<td>50.00%</td><td class="better">55.00%<span class="unseen"> (the best)</span></td>' in page
    (chart,) = charts(page)
    assert len(chart.drawn("path", "study")) == 2


@pytest.mark.parametrize(
    ("studies", "said"),
    [
        (("one",), "error: compare: needs at least two studies, got 1\n"),
        (("one", "two", "one"), "error: compare: study 'one' is given twice\n"),
        (("one", "none"), "error: study 'none': not in sqlite:"),
        (
            ("one", "two", "-o", "/dev/null/x.html"),
            "error: /dev/null/x.html: cannot be written (",
        ),
        (("one", "two", "-o", "both.pdf"), "error: both.pdf: must end in .html or .htm\n"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    stored: None, mlpsearch: Command, studies: tuple[str, ...], said: str
) -> None:
    answer = mlpsearch("compare", *studies)
    assert (answer.code, answer.out) == (1, "")
    assert said in answer.err
    assert answer.err.count("\n") == 1
