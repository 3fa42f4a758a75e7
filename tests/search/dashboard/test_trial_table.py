"""The table of a study's trials: what an address shows of it."""

import math
import time
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState, create_trial

from mlpsearch.models.scores import ACCURACY, METRICS
from mlpsearch.search.dashboard.curve import curve_of
from mlpsearch.search.dashboard.trial_columns import columns_of
from mlpsearch.search.dashboard.trial_table import ROWS, TrialTable, canonical, trial_table
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.record import StudyRecord
from tests.search.dashboard.makers import study_to_see
from tests.studies.stores import SOURCE, spec

SEARCH = {
    "hidden_size": {"low": 4, "high": 64},
    "learning_rate": {"low": 1e-3, "high": 0.1, "log": True},
    "batch_size": {"choices": [16, 128, 32]},
    "optimizer": {"choices": ["sgd", "adam"]},
}


def trial(number: int, value: float | None, *, state: str = "COMPLETE", **params: object) -> FrozenTrial:
    facts = {"seconds": 1.5 * number, "parameters": 10 * number} if value is not None else {}
    curve = {} if value is None else {1: value / 2, 2: value}
    made = create_trial(
        state=TrialState[state], value=value, intermediate_values=curve, user_attrs={**facts, "note": "<b>"}
    )
    made.number = number
    made._params.update(params)
    return made


@pytest.fixture
def record(tmp_path: Path) -> StudyRecord:
    """A study that searches numbers and choices."""
    return create_or_resume(f"sqlite:///{tmp_path}/s.db", spec(search=SEARCH), trials=None, source=SOURCE)


TRIALS = [
    trial(0, 0.5, hidden_size=8, learning_rate=0.01, batch_size=16, optimizer="sgd"),
    trial(1, 0.9, hidden_size=64, learning_rate=0.002, batch_size=128, optimizer="adam"),
    trial(2, 0.57, state="PRUNED", hidden_size=16, learning_rate=0.1, batch_size=32, optimizer="adam"),
    trial(3, None, state="FAIL", hidden_size=32),
    trial(4, 0.9, hidden_size=4, learning_rate=0.05, batch_size=16, optimizer="sgd"),
]


def table(record: StudyRecord, query: str = "", trials: list[FrozenTrial] = TRIALS) -> TrialTable:
    return trial_table(record, trials, 1, tuple(parse_qsl(query)))


def numbers(record: StudyRecord, query: str = "") -> list[int]:
    return [row.number for row in table(record, query).rows]


# ---- order ----


def test_unless_asked_the_best_come_first_and_those_without_a_score_last(record: StudyRecord) -> None:
    assert numbers(record) == [1, 4, 2, 0, 3]
    (sorted_by,) = [one for one in table(record).headings if one.sort]
    assert (sorted_by.title, sorted_by.sort) == ("validation accuracy", "descending")


def test_of_a_loss_the_lowest_come_first(tmp_path: Path) -> None:
    made = create_or_resume(f"sqlite:///{tmp_path}/s.db", spec(metric="log-loss"), trials=None, source=SOURCE)
    assert numbers(made) == [0, 2, 1, 4, 3]
    assert {"validation log loss", "validation accuracy"} <= {one.title for one in table(made).headings}


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("trial", [0, 1, 2, 3, 4]),
        ("-trial", [4, 3, 2, 1, 0]),
        ("hidden_size", [4, 0, 2, 3, 1]),
        ("-hidden_size", [1, 3, 2, 0, 4]),
        ("batch_size", [0, 4, 1, 2, 3]),  # in the order of the choices
        ("-optimizer", [1, 2, 0, 4, 3]),
        ("state", [0, 1, 4, 2, 3]),
        ("seconds", [0, 1, 2, 4, 3]),
    ],
)
def test_any_column_sorts(record: StudyRecord, sort: str, order: list[int]) -> None:
    assert numbers(record, f"sort={sort}") == order


def test_a_heading_turns_its_order_round(record: StudyRecord) -> None:
    for first in table(record).headings:
        query = first.address.removeprefix("?")
        again = next(one for one in table(record, query).headings if one.title == first.title)
        assert again.sort
        third = next(
            one for one in table(record, again.address.removeprefix("?")).headings if one.title == first.title
        )
        assert {again.sort, third.sort} == {"ascending", "descending"}


# ---- filters ----


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("state=finished", [1, 4, 0]),
        ("state=failed", [3]),
        ("hidden_size.min=16", [1, 2, 3]),
        ("hidden_size.max=16", [4, 2, 0]),
        ("hidden_size.min=16&hidden_size.max=16", [2]),
        ("score.min=57", [1, 4, 2]),  # as it is read, in percent: 0.57 is no binary fraction
        ("score.max=57", [2, 0]),
        ("optimizer=adam", [1, 2]),
        ("batch_size=16", [4, 0]),
        ("state=finished&optimizer=sgd&hidden_size.max=4", [4]),
        ("epochs.min=1", [1, 4, 2, 0]),
        ("learning_rate.min=1e-2", [4, 2, 0]),
        ("hidden_size.min=1000", []),
    ],
)
def test_filters_leave_what_passes_all_of_them(record: StudyRecord, query: str, left: list[int]) -> None:
    found = table(record, query)
    assert [row.number for row in found.rows] == left
    assert (found.total, found.matching, found.is_filtered, found.remarks) == (5, len(left), True, [])


@pytest.mark.parametrize(
    ("query", "remark"),
    [
        ("nonsense=1", "'nonsense'"),
        ("hidden_size.min=many", "'many'"),
        ("hidden_size.min=nan", "'nan'"),
        ("hidden_size=16", "'hidden_size'"),
        ("optimizer=none", "'none'"),
        ("state=gone", "'gone'"),
        ("sort=nothing", "'nothing'"),
        ("page=two", "'two'"),
        ("column=nothing&column=state", "'nothing'"),
    ],
)
def test_what_makes_no_sense_is_said_and_not_applied(record: StudyRecord, query: str, remark: str) -> None:
    found = table(record, query)
    assert [row.number for row in found.rows] == [1, 4, 2, 0, 3]
    assert len(found.remarks) == 1
    assert remark in found.remarks[0]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("sort", "state", "open", "page", "column", "score.min", "hidden_size.max", "x"))
            | st.text(max_size=5),
            st.text(max_size=12) | st.sampled_from(("-score", "finished", "1", "1e999", "-0", "٣")),
        ),
        max_size=8,
    )
)
def test_no_address_is_an_error(study: StudyRecord, asked: list[tuple[str, str]]) -> None:
    found = trial_table(study, TRIALS, None, tuple(asked))
    assert len(found.rows) <= len(TRIALS)
    assert canonical(study, canonical(study, tuple(asked))) == canonical(study, tuple(asked))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyRecord:
    path = tmp_path_factory.mktemp("study")
    return create_or_resume(f"sqlite:///{path}/s.db", spec(search=SEARCH), trials=None, source=SOURCE)


# ---- columns, pages, and what is open ----


def test_the_columns_that_are_asked_for_are_seen_and_the_number_always(record: StudyRecord) -> None:
    found = table(record, "column=state&column=seconds")
    assert [one.title for one in found.headings] == ["trial", "state", "time"]
    assert [text for text, _ in found.rows[0].cells] == ["1", "finished", "1.5 s"]
    assert [key for key, _, seen in found.columns if seen] == ["trial", "state", "seconds"]


def test_a_cell_without_a_value_has_a_dash(record: StudyRecord) -> None:
    failed = next(row for row in table(record).rows if row.number == 3)
    assert [text for text, _ in failed.cells] == ["3", "failed", "–", "32", "–", "–", "–", "0", "–", "–"]


def test_an_address_is_without_what_says_nothing(record: StudyRecord) -> None:
    every = [("column", column.key) for column in columns_of(record)]
    form = [("sort", "-trial"), ("state", ""), ("hidden_size.min", "4"), ("hidden_size.max", ""), *every[1:]]
    assert canonical(record, tuple(form)) == (("sort", "-trial"), ("hidden_size.min", "4"))
    assert canonical(record, tuple(form[:-1]))[2:] == tuple(every[1:-1])


def test_pages_have_so_many_rows_and_keep_the_rest_of_the_address(record: StudyRecord) -> None:
    many = [trial(number, number / 1000) for number in range(2 * ROWS + 1)]
    seen: list[int] = []
    query = "sort=trial&state=finished"
    pages = 0
    while query:
        found = table(record, query, many)
        seen += [row.number for row in found.rows]
        assert (found.first, found.last) == (seen.index(found.rows[0].number) + 1, len(seen))
        query, pages = found.next.removeprefix("?"), pages + 1
        assert not query or {("sort", "trial"), ("state", "finished")} <= {*parse_qsl(query)}
    assert (seen, pages) == ([one.number for one in many], 3)
    assert table(record, "page=99", many).first == 2 * ROWS + 1, "past the end is the last page"
    assert "page" not in dict(parse_qsl(found.headings[0].address.removeprefix("?"))), "sorted anew from the first"


def test_a_row_opens_its_curve_and_closes_it_again(record: StudyRecord) -> None:
    closed = table(record, "sort=trial&open=1").rows
    assert [row.number for row in closed if row.is_open] == [1]
    assert closed[1].curve is not None
    assert ("note", "<b>") in closed[1].facts
    both = closed[0].address.removeprefix("?").partition("#")[0]
    assert [row.number for row in table(record, both).rows if row.is_open] == [0, 1]
    none = closed[1].address.removeprefix("?").partition("#")[0]
    assert [row.number for row in table(record, none).rows if row.is_open] == []


def test_the_winner_is_marked(record: StudyRecord) -> None:
    assert [row.number for row in table(record).rows if row.is_winner] == [1]


# ---- the curve ----


def test_a_curve_is_within_its_drawing_and_says_what_it_shows() -> None:
    drawn = curve_of(TRIALS[0], TRIALS[1], ACCURACY)
    assert drawn is not None
    assert drawn.title == ("Validation accuracy of trial 0 by epoch: 25.00% after epoch 1, 50.00% after epoch 2")
    assert [text for _, text in drawn.xs] == ["1", "2"]
    assert drawn.best is not None
    assert drawn.best.name == "the best, trial 1"
    for line in (drawn.own, drawn.best):
        places = [float(part.strip("ML")) for part in line.path.split()]
        assert all(0 <= x <= 640 for x in places[::2])
        assert all(0 <= y <= 220 for y in places[1::2])


def test_the_best_is_not_compared_with_itself_and_no_epoch_has_no_curve() -> None:
    own = curve_of(TRIALS[1], TRIALS[1], ACCURACY)
    assert own is not None
    assert own.best is None
    assert curve_of(TRIALS[3], TRIALS[1], ACCURACY) is None


@given(st.dictionaries(st.integers(0, 10**6), st.floats(), max_size=6))
def test_no_curve_is_an_error(values: dict[int, float]) -> None:
    made = create_trial(state=TrialState.RUNNING, intermediate_values=values)
    for metric in METRICS.values():
        drawn = curve_of(made, None, metric)
        assert (drawn is None) == (not any(map(math.isfinite, values.values())))


# ---- many ----


def test_ten_thousand_trials_are_sorted_in_no_time(record: StudyRecord) -> None:
    many = [
        trial(number, (number * 7919 % 10_007) / 10_007, hidden_size=number % 61 + 4) for number in range(10_000)
    ]
    started = time.process_time()
    found = table(record, "sort=-hidden_size&score.min=10", many)
    assert time.process_time() - started < 2, "seconds of the processor"
    assert len(found.rows) == ROWS


def test_the_page_of_a_study_is_filled_from_its_own_trials(tmp_path: Path) -> None:
    seen = study_to_see(tmp_path)
    assert len(table(seen, "", seen.own_trials()).rows) == 4
