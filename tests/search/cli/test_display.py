"""How studies look in a terminal: everything essential within its columns, and nothing padded in a pipe."""

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import pytest

from mlpsearch.search.cli.confusions import matrix_lines, worst_lines
from mlpsearch.search.cli.display import block, detail_lines
from mlpsearch.search.cli.layout import in_columns, listed, wrapped
from mlpsearch.search.cli.show import fitting
from mlpsearch.search.results.confirming import confirmed, plan
from mlpsearch.search.results.openings import openings_of
from mlpsearch.search.results.status import RunningTrial, StudyStatus, study_status
from mlpsearch.search.service import confirm
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.search.workers.worker import serve_one
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.spec.keys import Confirm
from tests.search.conftest import Command
from tests.search.makers import never

LONG = {
    "hidden_size": 4096,
    "learning_rate": 0.00123,
    "learning_rate_decay": 0.987,
    "regularization": 1.23e-6,
    "depth": 8,
    "batch_size": 1024,
    "optimizer": "sgd",
    "momentum": 0.95,
    "label_smoothing": 0.1,
    "augmentation": "crops and flips",
}


@pytest.fixture
def status(finished: Callable[..., StudyRecord]) -> StudyStatus:
    """Of a confirmed study with a long name and ten hyperparameters, on which two workers run."""
    record = finished()
    asked = Confirm(top=2, seeds=2, report=2)
    for _ in range(2):
        serve_one(plan(record, asked), never)
    confirm(record, confirmed(record, asked), "mlpsearch run a-rather-long-name-of-a-study")
    found = study_status(record, Ledger(record))
    assert found.headline is not None
    running = [
        RunningTrial(1000 + number, f"host.example.org:{number}:0123abcd", 17, True, "training")
        for number in range(2)
    ]
    return replace(
        found,
        name="a-rather-long-name-of-a-study",
        state="running",
        budget=found.budget | {"trials": 10_000, "epochs": 100},
        trials=found.trials | {"finished": 1234, "pruned": 5678},
        seconds_left=12_345.0,
        headline=replace(found.headline, params=LONG),
        running=running,
    )


@pytest.mark.parametrize("columns", [60, 80])
def test_a_block_has_all_that_is_essential_within_the_columns(status: StudyStatus, columns: int) -> None:
    lines = [click.unstyle(line) for line in block(status, columns)]
    assert max(map(len, lines)) <= columns
    text = re.sub(r"\s+", " ", " ".join(lines))
    assert text.startswith("a-rather-long-name-of-a-study: running (NumPy net, digits) trials ")
    assert "6912/10000 1234 finished, 5678 pruned, 0 failed" in text
    assert "about 3 h 25 min left" in text
    assert "trial 1000: epoch 17 of 100, trial 1001: epoch 17 of 100" in text
    winner = status.headline
    assert winner is not None
    assert winner.test is not None
    assert f"winner trial {winner.trial}, confirmed over 2 seeds" in text
    assert f"test one net {winner.test['accuracy']:.2%} ± " in text
    assert f"the nets' average {winner.test['average']['accuracy']:.2%} (95% interval " in text


@pytest.mark.parametrize("columns", [60, 80])
def test_hyperparameters_are_on_lines_of_their_own_and_none_is_broken(status: StudyStatus, columns: int) -> None:
    lines = block(status, columns)
    start = next(number for number, line in enumerate(lines) if line.startswith("  with "))
    assert lines[start:] == listed(
        "with",
        [f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}" for key, value in LONG.items()],
        columns,
    )
    shown = [
        part for line in lines[start:] for part in line.removeprefix("  with ").strip().rstrip(",").split(", ")
    ]
    assert [part.split(" ", 1)[0] for part in shown] == [*LONG]


def test_a_block_fits_a_terminal_of_24_lines_and_so_do_two_of_small_studies(status: StudyStatus) -> None:
    assert len(block(status, 80)) <= 14
    assert status.headline is not None
    small = replace(status, running=[], headline=replace(status.headline, params={"depth": 2}))
    assert 2 * len(block(small, 80)) + 1 <= 24


def test_a_block_names_a_few_of_many_workers(status: StudyStatus) -> None:
    many = replace(status, running=[replace(status.running[0], number=number) for number in range(64)])
    (line,) = [line for line in block(many, None) if line.startswith("  workers ")]
    assert line.endswith("trial 3: epoch 17 of 100, 60 more")
    silent = replace(status, running=[replace(status.running[0], alive=False)])
    assert "  workers    none answers" in block(silent, None)


@pytest.mark.parametrize("columns", [60, 80])
def test_details_break_between_words(status: StudyStatus, columns: int) -> None:
    lines = detail_lines(status, columns)
    assert max(map(len, lines)) <= columns
    whole = " ".join(" ".join(detail_lines(status, None)).split())
    assert " ".join(" ".join(lines).split()) == whole


def test_a_bar_shows_the_share_of_the_budget(status: StudyStatus) -> None:
    half = replace(status, budget=status.budget | {"trials": 2 * status.ended})
    (line,) = [line for line in block(half, 80) if line.startswith("  trials ")]
    full, empty = ("█", "░") if "utf" in str(sys.stdout.encoding).lower() else ("#", ".")
    assert line.count(full) == line.count(empty) == 20


def test_what_is_piped_is_whole_and_not_padded(status: StudyStatus) -> None:
    lines = block(status, None) + detail_lines(status, None)
    assert [line for line in lines if line != line.rstrip()] == []
    assert len([line for line in lines if line.lstrip().startswith("with ")]) == 1
    assert not any("█" in line or "#" in line for line in lines)


def test_piped_output_of_the_command_is_not_padded(
    finished: Callable[..., StudyRecord], mlpsearch: Command
) -> None:
    url = finished().url
    for arguments in (("status",), ("status", "mine")):
        out = mlpsearch(*arguments, "--storage", url).out
        assert [line for line in out.splitlines() if line != line.rstrip()] == []
        assert "\x1b" not in out


# ---- confusions ----


def of_classes(names: list[str], confusion: list[list[int]], seeds: int = 0) -> dict[str, object]:
    return {"classes": names, "confusion": confusion, "seeds": list(range(seeds))}


def test_the_five_worst_pairs_are_named_by_their_classes_the_worst_first() -> None:
    names = ["cat", "dog", "deer", "frog"]
    test = of_classes(names, [[90, 7, 3, 0], [9, 90, 0, 1], [2, 4, 94, 0], [0, 0, 0, 100]], seeds=2)
    assert [*worst_lines(test, "pets")] == [
        "worst mistakes on the test split, 2 nets together:",
        "  dog taken for cat: 9 of 100 (9.0%)",
        "  cat taken for dog: 7 of 100 (7.0%)",
        "  deer taken for dog: 4 of 100 (4.0%)",
        "  cat taken for deer: 3 of 100 (3.0%)",
        "  deer taken for cat: 2 of 100 (2.0%)",
        "  all of them: `mlpsearch status pets --confusion`",
    ]


def test_a_net_without_mistakes_has_none_to_show() -> None:
    assert [*worst_lines(of_classes(["a", "b"], [[5, 0], [0, 5]]), "s")] == []


@pytest.mark.parametrize("columns", [30, 60, 80])
def test_the_whole_matrix_has_class_names_and_is_never_cut(columns: int) -> None:
    names = [f"class-{letter}" for letter in "abcdefghijkl"]
    test = of_classes(names, [[1000 * row + column for column in range(12)] for row in range(12)])
    title, *lines = matrix_lines(test, columns)
    assert title == "true class (row), predicted class (column):"
    assert max(map(len, lines)) <= columns
    cells: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith(" "):
            cells.setdefault("", []).extend(line.split())
        else:
            name, *numbers = line.split()
            cells.setdefault(name, []).extend(numbers)
    assert cells[""] == names
    assert cells["class-c"] == [str(2000 + column) for column in range(12)]


def test_a_matrix_is_asked_of_one_tested_study(finished: Callable[..., StudyRecord], mlpsearch: Command) -> None:
    record = finished()
    answer = mlpsearch("status", "mine", "--confusion", "--storage", record.url)
    assert (answer.code, answer.err) == (1, "error: study mine: was not tested yet\n")
    for arguments in (("status", "--confusion"), ("status", "mine", "--confusion", "--json")):
        assert mlpsearch(*arguments, "--storage", record.url).code == 2


def test_a_tested_study_names_its_classes(tested: StudyRecord, mlpsearch: Command) -> None:
    out = mlpsearch("status", "mine", "--confusion", "--storage", tested.url).out
    assert out.splitlines()[1].split() == openings_of(tested)[-1]["classes"]


# ---- layout ----


def test_lines_go_on_below_their_text_and_commands_break_at_spaces_alone() -> None:
    lines = wrapped("not tested: `mlpsearch evaluate a-name-with-hyphens --storage some/where.db`", 44)
    assert lines == ["not tested: `mlpsearch evaluate", "  a-name-with-hyphens --storage", "  some/where.db`"]


def test_a_column_that_no_terminal_fits_stands_alone() -> None:
    rows = [["", "a" * 30, "b" * 30], ["x", "1", "2"]]
    assert [len(line) for line in in_columns(rows, 20)] == [33, 33, 33, 33]


def test_a_screen_takes_whole_blocks_and_says_what_it_leaves_out() -> None:
    blocks = [["1"] * 5, ["2"] * 5, ["3"] * 5]
    assert fitting(blocks, 17) == [*blocks[0], "", *blocks[1], "", *blocks[2]]
    assert fitting(blocks, 16) == [*blocks[0], "", *blocks[1], "… and 1 more"]
    assert fitting(blocks, 11) == [*blocks[0], "… and 2 more"]
    assert fitting([["1"] * 9], 4) == ["1", "1", "1", "… `mlpsearch status STUDY` shows all"]
    assert fitting([["1"] * 4], 4) == ["1"] * 4
    assert all(len(fitting(blocks, height)) <= height for height in range(1, 20))


def test_no_study_has_nothing_to_show(
    tmp_path: Path, finished: Callable[..., StudyRecord], mlpsearch: Command
) -> None:
    record = finished()
    assert mlpsearch("delete", "mine", "--yes", "--storage", record.url).code == 0
    assert mlpsearch("status", "--storage", record.url).out == "no studies yet\n"
