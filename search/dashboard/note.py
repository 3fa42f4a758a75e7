"""The note of a study, in Markdown: what it is about, what it found, and what to do next.

Names that come from a study are written such that they are text and nothing else.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from mlpsearch.models.scores import ACCURACY, METRICS, Metric
from mlpsearch.search.results.confirmation import Confirmation, last_confirmation, to_json
from mlpsearch.search.results.headline import Headline, headline
from mlpsearch.search.results.openings import openings_of
from mlpsearch.search.results.wording import (
    MOST_CLASSES,
    NETS,
    bias,
    duration,
    interval,
    items,
    known_images,
    lead,
    mean_and_deviation,
    moment,
    percent,
    score,
    short,
    tested_score,
)
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.spec.dimensions import Choices, Dimension
from mlpsearch.studies.spec.starting_points import summary

_MARKUP = re.compile(r"([\\`*_\[\]<>|~$&])")


def note(record: StudyRecord) -> str:
    """Return a study's note in Markdown: its result so far, what to do next, and its specification."""
    attributes = record.attributes()
    tests, confirmation = openings_of(record), last_confirmation(record)
    winner, metric = headline(record, Ledger(record)), record.metric
    test = winner.test if winner else None
    net, dataset = NETS[record.spec.net], record.spec.dataset
    parts = [
        f"# {_text(record.name)}",
        f"Which hyperparameters give the {net} the {metric.extreme} validation {metric.title} on {dataset}?",
        *(_result(winner, confirmation, record) if winner and tests else ["Nothing is tested yet."]),
        "## What to do next",
        _table(("command", ""), _commands(record.name, dataset, bool(tests), confirmation is not None)),
        "## Specification",
        _table(("", ""), _specification(record, attributes["source"])),
        *(_openings(tests, metric) if tests else []),
        *(_confusion(test, dataset) if test else []),
    ]
    return "\n\n".join(parts) + "\n"


def _result(winner: Headline, confirmation: Confirmation | None, record: StudyRecord) -> list[str]:
    metric, folds, dataset = record.metric, record.spec.folds, record.spec.dataset
    over = f" over {len(winner.seeds)} seeds" if winner.confirmed else " in the search"
    if folds is not None:
        over += f", each on one of {folds} folds" if winner.confirmed else f", the mean over {folds} folds"
    validation = mean_and_deviation(winner.validation, winner.deviation, metric)
    scores = [(f"validation{over}", validation, percent(winner.validation_accuracy))]
    if winner.test is not None:
        several = f", the mean of {len(winner.seeds)} nets" if winner.confirmed else ""
        scores += [
            (
                f"**test**, {winner.test['images']:,} {items(dataset)} that no search has seen{several}",
                f"**{tested_score(winner.test)}**",
                mean_and_deviation(winner.test["accuracy"], winner.test.get("deviation")),
            ),
            (
                "its 95% interval",
                interval(winner.test["score_interval"], metric),
                interval(winner.test["interval"]),
            ),
            *(_averaged(winner.test["average"], metric) if winner.test["average"] else []),
        ]
    known = known_images(winner.test or {}, dataset)
    return [
        f"## Trial {winner.trial} is the winner",
        *([f"{winner.remark[0].upper()}{winner.remark[1:]}."] if winner.remark else []),
        _table(*_with_accuracy(metric, ("", metric.title, "accuracy"), scores)),
        *([f"**Beware:** {known}."] if known else []),
        *(_confirmed(confirmation) if confirmation else []),
        "The winner's hyperparameters:",
        _table(
            ("hyperparameter", "value"), ((_code(name), _code(short(it))) for name, it in winner.params.items())
        ),
    ]


def _averaged(average: dict[str, Any], metric: Metric) -> list[tuple[str, str, str]]:
    ends = interval(average["score_interval"], metric), interval(average["interval"])
    return [
        ("the average of these nets", score(average["score"], metric), percent(average["accuracy"])),
        ("its 95% interval", *ends),
    ]


def _with_accuracy(
    metric: Metric, head: Sequence[str], rows: Iterable[Sequence[str]]
) -> tuple[Sequence[str], Iterable[Sequence[str]]]:
    """A table whose last column is the accuracy, without it where the column before is the accuracy already."""
    return (head[:-1], [row[:-1] for row in rows]) if metric is ACCURACY else (head, rows)


def _confirmed(confirmation: Confirmation) -> list[str]:
    choice = _choice(confirmation) if len(confirmation.candidates) > 1 else []
    return [*choice, f"Selection bias: {bias(to_json(confirmation))}."]


def _choice(confirmation: Confirmation) -> list[str]:
    metric = METRICS[confirmation.metric]
    rows = [
        (str(one.trial), score(one.search_score, metric), mean_and_deviation(one.mean, one.deviation, metric))
        for one in confirmation.candidates
    ]
    further = ", and the winner over further ones, which are reported above" if confirmation.reported else ""
    return [
        f"The best trials of the search were trained again over {len(confirmation.seeds)} fresh seeds, "
        f"to choose by their means{further}:",
        _table(("trial", "in the search", "mean ± standard deviation"), rows),
        lead(to_json(confirmation)),
    ]


def _commands(name: str, dataset: str, tested: bool, confirmed: bool) -> list[tuple[str, str]]:
    commands = [
        ("status", "", "how far it is", not tested),
        ("run", "", "goes on to the end of its budget, then tests its best trial", not tested),
        (
            "confirm",
            "",
            "trains the best trials again over fresh seeds, to choose by more than luck",
            not confirmed,
        ),
        ("report", "", "one HTML file with all plots", True),
        (
            "export",
            " -o best",
            f"the winner with its weights, to train it again or to classify {items(dataset)}",
            tested,
        ),
    ]
    return [(_code(f"mlpsearch {verb} {name}{rest}"), what) for verb, rest, what, due in commands if due]


def _specification(record: StudyRecord, source: dict[str, Any]) -> list[tuple[str, str]]:
    spec, budget = record.spec, record.budget
    limits = [
        f"{budget.trials} trials of {budget.epochs} epochs",
        *([f"at most {duration(budget.seconds)}"] if budget.seconds else []),
        *([f"at most {budget.total_epochs:,} epochs in all"] if budget.total_epochs else []),
        *([f"until {budget.patience} trials brought nothing better"] if budget.patience else []),
    ]
    from_where = f", from {_code(source['data'])}" if source["data"] else ""
    return [
        *((_code(name), f"searched: {_extent(dimension)}") for name, dimension in spec.search.items()),
        *((_code(name), f"fixed: {_code(short(value))}") for name, value in spec.fixed.items()),
        *([("starting points, tried first", summary(record.starts))] if record.starts else []),
        ("data", f"{spec.dataset}{from_where}"),
        ("validation", _validation(record)),
        ("budget", ", ".join(limits)),
        *([] if record.metric is ACCURACY else [("metric", record.metric.title)]),
        ("sampler, pruner", f"{spec.sampler}, {spec.pruner}"),
    ]


def _validation(record: StudyRecord) -> str:
    count, folder = record.validation_split()
    if record.spec.folds is not None:
        folds, seed = record.spec.folds, record.spec.seed
        return f"each of {folds} folds in turn, about {count:,} {items(record.spec.dataset)}, drawn by seed {seed}"
    if folder is not None:
        return f"{count:,} images, those in {_code(folder + '/')}"
    what = items(record.spec.dataset)
    how = (
        f"the largest by {_code(record.spec.order)}" if record.spec.order else f"drawn by seed {record.spec.seed}"
    )
    return f"{count:,} of the training {what}, {how}"


def _extent(dimension: Dimension) -> str:
    if isinstance(dimension, Choices):
        return ", ".join(_code(short(choice)) for choice in dimension.choices)
    steps = "" if dimension.step is None else f", in steps of {short(dimension.step)}"
    how = ", on a logarithmic scale" if dimension.log else steps
    return f"{short(dimension.low)} – {short(dimension.high)}{how}"


def _openings(tests: Sequence[dict[str, Any]], metric: Metric) -> list[str]:
    rows = [
        (
            str(test["opening"]),
            moment(test["when"]),
            _code(test["command"]),
            str(test["trial"]),
            tested_score(test),
            mean_and_deviation(test["accuracy"], test.get("deviation")),
        )
        for test in tests
    ]
    return [
        "## Openings of the test split",
        "A test split that is looked at often no longer tests. Each time is on record:",
        _table(
            *_with_accuracy(metric, ("", "when", "by", "trial", f"test {metric.title}", "test accuracy"), rows)
        ),
    ]


def _confusion(test: dict[str, Any], dataset: str) -> list[str]:
    if len(test["classes"]) > MOST_CLASSES:
        return []
    names = [_text(name) for name in test["classes"]]
    together = f"; of all {len(test['seeds'])} nets together" if test.get("seeds") else ""
    rows = ((f"**{name}**", *map(str, counts)) for name, counts in zip(names, test["confusion"], strict=True))
    return [
        "## Confusion matrix",
        f"Test {items(dataset)}; rows are true classes, columns predicted ones{together}.",
        _table(("", *names), rows),
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, [":---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _text(name: str) -> str:
    """A name as text, with nothing that Markdown takes for more."""
    return _MARKUP.sub(r"\\\1", " ".join(str(name).split()))


def _code(name: str) -> str:
    """A name, value or command as code in a cell of a table."""
    return "`" + " ".join(name.split()).replace("`", "´").replace("|", r"\|") + "`"
