"""A study's trials as a table whose order, filters and columns are in its address.

sort=KEY or sort=-KEY       the column that it is sorted by, "-" for the largest first; else the best comes first
state=STATE                 trials in one state only
KEY.min=…, KEY.max=…        a number within these
KEY=VALUE                   a choice
column=KEY, again           the columns to see; all unless asked
open=NUMBER, again          trials whose learning curve is seen
page=N                      of so many rows

What makes no sense is not applied, and said.
"""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from optuna.trial import FrozenTrial

from mlpsearch.search.dashboard.curve import Curve, curve_of
from mlpsearch.search.dashboard.trial_columns import NUMBER, SCORE, Column, columns_of, state_of
from mlpsearch.studies.record import StudyRecord

ROWS = 50  # of a page
_MOST_OPEN = 10
_MOST_FACTS = 30

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of the table. address: sorts by it, the other way round where that is so already.

    sort: "ascending", "descending", or "" where it is sorted by another.
    """

    title: str
    address: str
    sort: str
    is_number: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A trial. address: opens or closes its learning curve.  facts: what its worker noted, where it is open."""

    number: int
    state: str
    cells: list[tuple[str, bool]]
    address: str
    is_open: bool
    is_winner: bool
    curve: Curve | None = None
    facts: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter of the form, as it is set. choices: empty for a number."""

    key: str
    title: str
    choices: tuple[str, ...] = ()
    chosen: str = ""
    low: str = ""
    high: str = ""


@dataclass(frozen=True, slots=True)
class TrialTable:
    """A page of the table, and the addresses of the others.

    total, matching: trials in all, and those that the filters leave.  first, last: of those, from 1, on this page.
    columns: key, title and whether it is seen.  hidden: what a form must hand on besides its own fields.
    remarks: what in the address made no sense.
    """

    headings: list[Heading]
    rows: list[Row]
    filters: list[Filter]
    columns: list[tuple[str, str, bool]]
    hidden: Pairs
    total: int
    matching: int
    first: int
    last: int
    previous: str
    next: str
    remarks: list[str]
    is_filtered: bool


def trial_table(record: StudyRecord, trials: list[FrozenTrial], winner: int | None, asked: Pairs) -> TrialTable:
    """Return the page of the table that is asked for.

    trials: the study's own.  winner: the number of the one that is marked.  asked: what the address says.
    """
    return _Reading(record, asked).table(trials, winner)


def canonical(record: StudyRecord, asked: Pairs) -> Pairs:
    """Return the address without what says nothing: fields left empty, and the columns where all are seen."""
    some = tuple((key, value) for key, value in asked if value)
    seen = {value for key, value in some if key == "column"}
    is_all = {column.key for column in columns_of(record)} - {NUMBER} <= seen
    return tuple((key, value) for key, value in some if not (is_all and key == "column"))


class _Reading:
    """The address of a table, read for a study."""

    def __init__(self, record: StudyRecord, asked: Pairs):
        self._metric = record.metric
        self._columns = {column.key: column for column in columns_of(record)}
        self._asked = tuple((key, value) for key, value in asked if value)
        self._remarks: list[str] = []

    def table(self, trials: list[FrozenTrial], winner: int | None) -> TrialTable:
        """Return the page."""
        tests, filters = self._filters()
        matching = [trial for trial in trials if all(test(trial) for test in tests)]
        by, falling = self._order()
        ordered = _sorted(matching, self._columns[by].value, falling=falling)
        pages = max(1, -(-len(ordered) // ROWS))
        page = min(max(1, self._whole("page", 1)), pages)
        first = (page - 1) * ROWS
        shown = self._shown()
        best = self._best(trials)
        rows = [self._row(trial, shown, winner, best) for trial in ordered[first : first + ROWS]]
        return TrialTable(
            headings=[self._heading(column, by, falling) for column in shown],
            rows=rows,
            filters=filters,
            columns=[(column.key, column.title, column in shown) for column in self._columns.values()],
            hidden=tuple((key, value) for key, value in self._asked if key == "sort"),
            total=len(trials),
            matching=len(ordered),
            first=first + 1 if rows else 0,
            last=first + len(rows),
            previous=self._address(page=str(page - 1)) if page > 1 else "",
            next=self._address(page=str(page + 1)) if page < pages else "",
            remarks=[*self._unknown(), *self._remarks],
            is_filtered=bool(tests),
        )

    def _values(self, key: str) -> list[str]:
        return [value for name, value in self._asked if name == key]

    def _value(self, key: str) -> str:
        return next(reversed(self._values(key)), "")

    def _address(self, **changes: str) -> str:
        """The address of this table with some keys changed; "" for none."""
        kept = [(key, value) for key, value in self._asked if key not in changes]
        return "?" + urlencode([*kept, *((key, value) for key, value in changes.items() if value)])

    def _whole(self, key: str, default: int) -> int:
        given = self._value(key)
        if not given:
            return default
        if given.isascii() and given.isdigit() and len(given) < 10:
            return int(given)
        self._remarks.append(f"{key} = {given[:40]!r} is no whole number")
        return default

    def _number(self, key: str) -> float | None:
        given = self._value(key)
        try:
            found = float(given) if given else None
        except ValueError:
            found = math.nan
        if found is None or math.isfinite(found):
            return found
        self._remarks.append(f"{key} = {given[:40]!r} is no number")
        return None

    def _filters(self) -> tuple[list[Callable[[FrozenTrial], bool]], list[Filter]]:
        tests: list[Callable[[FrozenTrial], bool]] = []
        filters = []
        for column in self._columns.values():
            if column.key == NUMBER:
                continue
            low_key, high_key = f"{column.key}.min", f"{column.key}.max"
            if not column.is_number:
                chosen = self._value(column.key)
                if chosen and chosen not in column.choices:
                    self._remarks.append(f"{column.key} = {chosen[:40]!r} is none of its choices")
                    chosen = ""
                if chosen:
                    tests.append(_is(column, chosen))
                filters.append(Filter(column.key, column.title, column.choices, chosen))
                continue
            low, high = self._number(low_key), self._number(high_key)
            if low is not None or high is not None:
                tests.append(_within(column, low, high))
            filters.append(Filter(column.key, column.label, low=self._value(low_key), high=self._value(high_key)))
        return tests, filters

    def _order(self) -> tuple[str, bool]:
        given = self._value("sort")
        key = given.removeprefix("-")
        if key in self._columns:
            return key, given.startswith("-")
        if given:
            self._remarks.append(f"sort = {given[:40]!r} is no column")
        return SCORE, not self._metric.lower_is_better

    def _shown(self) -> list[Column]:
        asked = {*self._values("column")}
        shown = [column for column in self._columns.values() if column.key in asked or column.key == NUMBER]
        return shown if asked else [*self._columns.values()]

    def _unknown(self) -> list[str]:
        known = {"sort", "column", "open", "page", "state"}
        for column in self._columns.values():
            known |= {f"{column.key}.min", f"{column.key}.max"} if column.is_number else {column.key}
        others = dict.fromkeys(key for key, _ in self._asked if key not in known)
        lost = [value for value in self._values("column") if value not in self._columns]
        return [
            *(f"{key[:40]!r} is nothing to filter by" for key in others),
            *(f"column = {value[:40]!r} is no column" for value in lost),
        ][:5]

    def _heading(self, column: Column, by: str, falling: bool) -> Heading:
        sort = "" if column.key != by else "descending" if falling else "ascending"
        # The first click shows what is best, or largest, of a number; a second one turns it round.
        down = column.is_number and column.key != NUMBER
        if column.key == SCORE:
            down = not self._metric.lower_is_better
        if sort:
            down = not falling
        address = self._address(sort=f"{'-' if down else ''}{column.key}", page="")
        return Heading(column.title, address, sort, column.is_number)

    def _best(self, trials: list[FrozenTrial]) -> FrozenTrial | None:
        ended = [trial for trial in trials if trial.value is not None and state_of(trial) == "finished"]
        return min(ended, key=lambda trial: (self._metric.rank(trial.value or 0), trial.number), default=None)

    def _row(self, trial: FrozenTrial, shown: list[Column], winner: int | None, best: FrozenTrial | None) -> Row:
        opened = self._values("open")[-_MOST_OPEN:]
        number = str(trial.number)
        is_open = number in opened
        others = [value for value in opened if value != number]
        pairs = [(key, value) for key, value in self._asked if key != "open"]
        pairs += [("open", value) for value in (others if is_open else [*others, number])]
        return Row(
            number=trial.number,
            state=state_of(trial),
            cells=[(column.text(trial), column.is_number) for column in shown],
            address=f"?{urlencode(pairs)}#trial-{number}",
            is_open=is_open,
            is_winner=trial.number == winner,
            curve=curve_of(trial, best, self._metric) if is_open else None,
            facts=_facts(trial) if is_open else [],
        )


def _sorted(trials: list[FrozenTrial], value: Callable[[FrozenTrial], Any], *, falling: bool) -> list[FrozenTrial]:
    """In order of their values, equal ones by number; those that have none come last either way."""
    some = [trial for trial in trials if value(trial) is not None]
    none = [trial for trial in trials if value(trial) is None]
    return [*sorted(some, key=value, reverse=falling), *none]


def _is(column: Column, chosen: str) -> Callable[[FrozenTrial], bool]:
    return lambda trial: column.text(trial) == chosen


def _within(column: Column, low: float | None, high: float | None) -> Callable[[FrozenTrial], bool]:
    def test(trial: FrozenTrial) -> bool:
        value = column.value(trial)
        return value is not None and (low is None or value >= low) and (high is None or value <= high)

    return test


def _facts(trial: FrozenTrial) -> list[tuple[str, str]]:
    facts: Iterable[tuple[str, Any]] = [*trial.params.items(), *sorted(trial.user_attrs.items())]
    return [(name, _fact(value)) for name, value in facts if isinstance(value, str | int | float)][:_MOST_FACTS]


def _fact(value: str | float) -> str:
    return value[:500] if isinstance(value, str) else json.dumps(value)
