"""The note that the dashboard shows of a study, and whose it is."""

import json
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

from optuna_dashboard import get_note, save_note

from mlpsearch.search.dashboard.note import note
from mlpsearch.search.dashboard.publish import publish, write_note
from mlpsearch.search.results.confirmation import to_json
from mlpsearch.search.results.confirming import confirmed
from mlpsearch.search.service import confirm
from mlpsearch.search.trials.queue import TrialQueue
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.spec.keys import Confirm
from tests.search.makers import TESTED, confirmation_runs, confirmed_as, files_of, open_once_more
from tests.studies.stores import new_study, spec

Finished = Callable[..., StudyRecord]


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    lines = text.partition(f"## {heading}\n")[2].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| :---"))
    table = takewhile(lambda line: line.startswith("|"), lines[start + 1 :])
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]


def test_a_study_that_is_not_over_has_a_note_of_its_goal_and_what_to_do(tmp_path: Path) -> None:
    fixed = {"momentum": 0.9}
    specification = spec(trials=7, epochs=3, seconds=3700.0, fixed=fixed, validation=250, seed=5)
    record = new_study(tmp_path, specification)
    write_note(record)
    text = get_note(record.optuna_study())
    assert text == note(record)
    assert text.startswith(
        "# mine\n\nWhich hyperparameters give the NumPy net the highest validation accuracy on digits?\n"
    )
    assert [command for command, _ in rows(text, "What to do next")] == [
        "`mlpsearch status mine`",
        "`mlpsearch run mine`",
        "`mlpsearch confirm mine`",
        "`mlpsearch report mine`",
    ]
    assert rows(text, "Specification") == [
        ["`hidden_size`", "searched: 4 – 16"],
        ["`learning_rate`", "searched: 0.001 – 0.1, on a logarithmic scale"],
        ["`momentum`", "fixed: `0.9`"],
        ["data", "digits"],
        ["validation", "250 of the training images, drawn by seed 5"],
        ["budget", "7 trials of 3 epochs, at most 1 h 01 min"],
        ["sampler, pruner", "random, none"],
    ]
    for absent in ("winner\n", "Confusion", "Openings"):
        assert absent not in text


def test_the_note_of_a_tested_study_has_its_result(tested: StudyRecord) -> None:
    text = get_note(tested.optuna_study())
    (test,) = tested.attributes()["tests"]
    low, high = test["interval"]
    assert rows(text, f"Trial {test['trial']} is the winner") == [
        ["validation in the search", f"{test['validation_accuracy']:.2%}"],
        ["**test**, 360 images that no search has seen", f"**{test['accuracy']:.2%}**"],
        ["its 95% interval", f"{low:.1%} – {high:.1%}"],
    ]
    best = TrialQueue(tested).ledger.best()
    assert best is not None
    assert f"| `hidden_size` | `{best.params['hidden_size']}` |" in text
    assert f"| `learning_rate` | `{best.params['learning_rate']:.3g}` |" in text
    assert [cell for row in rows(text, "Openings of the test split") for cell in row[2:4]] == [
        "`mlpsearch run mine`",
        str(test["trial"]),
    ]
    assert [row[1:] for row in rows(text, "Confusion matrix")] == [[*map(str, row)] for row in test["confusion"]]
    assert "mlpsearch confirm mine" in text
    assert "mlpsearch run mine -" not in text


def test_the_note_of_a_confirmed_study_has_its_confirmation(finished: Finished) -> None:
    record = finished()
    asked = Confirm(top=2, seeds=2, report=3)
    confirmation_runs(record, asked)
    found = confirmed(record, asked)
    report = confirm(record, found, "mlpsearch confirm mine")
    text = get_note(record.optuna_study())
    first, second = found.candidates
    for one in (first, second):
        assert one.mean is not None
        assert one.deviation is not None
        mean = f"{one.mean:.2%} ± {100 * one.deviation:.2f}"
        assert f"| {one.trial} | {one.search_accuracy:.2%} | {mean} |\n" in text
    assert "trained again over 2 fresh seeds, to choose by their means, and the winner over further ones" in text
    assert f"| validation over 3 seeds | {found.result.mean:.2%} ± " in text
    best = max(one.search_score for one in found.candidates)
    above = "above" if found.selection_bias >= 0 else "below"
    bias = f"{100 * abs(found.selection_bias):.2f} points {above} the mean of trial {found.winner} over its 3"
    assert f"Selection bias: the search's best validation accuracy, {best:.2%}, is {bias}" in text
    assert f"seeds are too few to say whether the lead of trial {first.trial} is luck." in text
    assert report.deviation is not None
    assert f"**{report.accuracy:.2%} ± {100 * report.deviation:.2f}**" in text
    assert "the mean of 3 nets" in text
    assert "`mlpsearch confirm mine` | trains" not in text
    metrics = json.loads(files_of(record)["metrics.json"])
    assert metrics["confirmation"] == json.loads(json.dumps(to_json(found)))
    assert metrics["tests"][0]["accuracies"] == report.accuracies


def test_a_confirmation_that_the_search_has_overtaken_says_so(tested: StudyRecord) -> None:
    only = {"trial": 0, "params": {"hidden_size": 7}, "search_accuracy": 0.5, "accuracies": [], "mean": None}
    reported = {"seeds": [1, 2], "accuracies": [0.4, 0.5], "mean": 0.45, "deviation": 0.07}
    kept = {"seeds": [], "winner": 0, "chance": None, "selection_bias": 0.05, "reported": reported}
    kept |= {"candidates": [only | {"deviation": None}]}
    confirmed_as(tested, kept | {"search_trials": 2})
    bias = "is 5.00 points above the mean of trial 0 over its 2 reported runs."
    assert f"Selection bias: the search's best validation accuracy, 50.00%, {bias}" in note(tested)
    assert "lead of trial" not in note(tested)
    assert "by now" not in note(tested)
    tested.set("confirmation", kept | {"search_trials": 1})
    text = note(tested)
    assert (
        "Confirmed when the search had 1 trials, it has 2 by now; `mlpsearch confirm mine` confirms anew." in text
    )
    assert "## Trial 0 is the winner" in text
    assert "| validation over 2 seeds | 45.00% ± 7.00 |" in text
    assert "| **test**" not in text, "the test was of another net"
    assert "| `hidden_size` | `7` |" in text


def test_every_opening_is_listed(finished: Finished) -> None:
    record = finished()
    second = TESTED | {"opening": 2, "accuracy": 0.3, "seeds": [1, 2], "accuracies": [0.2, 0.4], "deviation": 0.1}
    record.set("tests", [TESTED, second])
    assert rows(note(record), "Openings of the test split") == [
        ["1", "2026-01-02 03:04:05 UTC", "`mlpsearch run mine`", "0", "25.00%"],
        ["2", "2026-01-02 03:04:05 UTC", "`mlpsearch run mine`", "0", "30.00% ± 10.00"],
    ]


def test_names_of_a_study_are_text_and_nothing_else(finished: Finished) -> None:
    record = finished()
    names = ["a|b", "<b>", "`x`", "[x](javascript:y)", "_x_", "*x*", "$x$", "back\\slash", "two\nlines"]
    counts = [[0] * len(names)] * len(names)
    record.set("tests", [TESTED | {"classes": names, "confusion": counts, "command": "a `b` | c\nd"}])
    text = note(record)
    shown = [row[0] for row in rows(text, "Confusion matrix")]
    assert shown == [
        r"**a\|b**",
        r"**\<b\>**",
        r"**\`x\`**",
        r"**\[x\](javascript:y)**",
        r"**\_x\_**",
        r"**\*x\***",
        r"**\$x\$**",
        r"**back\\slash**",
        "**two lines**",
    ]
    assert r"| `a ´b´ \| c d` |" in text


def test_a_note_of_the_user_stays(tested: StudyRecord) -> None:
    save_note(tested.optuna_study(), "mine")
    open_once_more(tested)
    assert get_note(tested.optuna_study()) == "mine"
    open_once_more(tested)
    assert get_note(tested.optuna_study()) == "mine"


def test_a_note_of_the_user_stays_when_the_study_is_resumed(tmp_path: Path) -> None:
    record = new_study(tmp_path)
    save_note(record.optuna_study(), "mine")
    write_note(record)
    assert get_note(record.optuna_study()) == "mine"


def test_our_own_note_is_replaced_also_where_the_user_has_emptied_it(tested: StudyRecord) -> None:
    before = get_note(tested.optuna_study())
    open_once_more(tested)
    after = get_note(tested.optuna_study())
    assert after == note(tested) != before
    save_note(tested.optuna_study(), "")
    open_once_more(tested)
    assert get_note(tested.optuna_study()) == note(tested)


def test_a_kill_right_after_the_note_does_not_make_it_the_users(tested: StudyRecord) -> None:
    published = tested.attributes()["published"]
    open_once_more(tested)
    tested.set("published", published)
    publish(tested)
    open_once_more(tested)
    assert get_note(tested.optuna_study()) == note(tested)
