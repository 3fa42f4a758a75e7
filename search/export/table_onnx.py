"""The part of an ONNX model that a table needs: from its columns to the numbers that a net gets.

It computes what models/inputs/tables.py computes, number by number in float64, and makes float32 of that.
"""

import re
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.inputs.data import Column
from mlpsearch.models.inputs.tables import FAR_OUT, SMOOTH_CLIP
from mlpsearch.studies.data.table_columns import (
    BOOLEANS,
    EMPTY,
    MISSING,
    MONTHS,
    TOO_LARGE,
    WEEKDAYS,
    TableColumn,
    TableSchema,
)

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

ML = "ai.onnx.ml"
OUTPUTS = ("label", "probabilities")
_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
_OF_NOTHING = ("None", "<NA>", "NaT")  # what onnxruntime makes of None, pandas.NA and pandas.NaT among texts
_CYCLE = 146_097  # days, after which months begin on the same days again: 400 years
_FARTHEST = 1e8  # days from 1970 that have a weekday and a month, as in Polars


class TableNodes:
    """The nodes from the columns of a table to `output`, float32 (N, inputs of the net).

    arrays: those of models.prediction.
    prefix: of all names of nodes and constants; no name of an input begins with it.
    """

    def __init__(self, table: TableSchema, config: TrainConfig, arrays: dict[str, NDArray[Any]], prefix: str):
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._names, self._prefix = input_names(table), prefix
        self._kind, self._arrays = config.preprocessing, arrays
        self._months = ""
        parts, place = list[str](), 0
        for column in table.columns:
            parts += self._column(column, place)
            place += len(column.stored())
        self.output = self._add("Concat", *parts, axis=1)

    def _column(self, column: TableColumn, place: int) -> list[str]:
        """The inputs of the net that are made of a column; place: of the first that is stored of it."""
        given, stored = self._names[column.name], column.stored()
        if column.kind == "category":
            return [self._category(given, column)]
        if column.kind == "number":
            return self._number(given, place, stored[0])
        days = self._add("Sub", given, self._constant(np.float64(column.first)))
        return [*self._number(days, place, stored[0]), *self._calendar(given)]

    def _number(self, given: str, place: int, column: Column) -> list[str]:
        """What a net gets of a column of numbers, and whether one is missing."""
        there = self._is_below(given, TOO_LARGE)  # a missing number, NaN, is not below anything
        center = self._constant(self._arrays["center"][place])
        value = self._add("Where", there, given, center)
        parts = [self._float(self._encoded(value, center, place))]
        return [*parts, self._float(self._add("Not", there))] if column.has_missing else parts

    def _encoded(self, value: str, center: str, place: int) -> str:
        if self._kind in ("piecewise", "quantiles"):
            through = self._through_bins(value, self._arrays["knots"][place])
            return through if self._kind == "piecewise" else self._scores(through, self._arrays["scores"][place])
        scaled = self._add("Div", self._add("Sub", value, center), self._constant(self._arrays["spread"][place]))
        if self._kind == "standardize":
            return scaled
        scaled = self._clip(scaled, -FAR_OUT, FAR_OUT)
        part = self._add("Div", scaled, self._constant(np.float64(SMOOTH_CLIP)))
        root = self._add("Sqrt", self._add("Add", self._add("Mul", part, part), self._constant(np.float64(1))))
        return self._add("Div", scaled, root)

    def _through_bins(self, value: str, edges: NDArray[np.float64]) -> str:
        """How far a value is through each bin, (N, bins)."""
        width = np.diff(edges)
        value = self._clip(value, edges[0], edges[-1])
        above = self._add("Sub", value, self._constant(edges[:-1]))
        share = self._add("Div", above, self._constant(np.where(width > 0, width, np.inf)))
        return self._clip(share, 0, 1)

    def _scores(self, through: str, scores: NDArray[np.float64]) -> str:
        """Straight lines between the scores: the first, and of each step the share that a value is through it."""
        steps = self._add("MatMul", through, self._constant(np.diff(scores)[:, None]))
        return self._add("Add", steps, self._constant(scores[0]))

    def _category(self, given: str, column: TableColumn) -> str:
        """1 for its own category. One that is not known has number -1, which none has: the others stay 0."""
        known = _numbered(column)
        number = self._add(
            "LabelEncoder",
            given,
            domain=ML,
            keys_strings=list(known),
            values_int64s=list(known.values()),
            default_int64=-1,
        )
        return self._one_hot(number, column.stored()[0].categories)

    def _calendar(self, given: str) -> list[str]:
        """Weekday and month of days since 1970; none where the day is missing."""
        there = self._is_below(given, _FARTHEST)
        known = self._add("Where", there, given, self._constant(np.float64(0)))
        day = self._cast(self._add("Floor", known), np.int64)
        weekday = self._modulo(self._add("Add", day, self._constant(np.int64(3))), WEEKDAYS)  # day 0: a Thursday
        self._months = self._months or self._constant(_months())
        month = self._add("Gather", self._months, self._modulo(day, _CYCLE), axis=0)
        none = self._constant(np.int64(-1))
        numbers = (weekday, WEEKDAYS), (self._cast(month, np.int64), MONTHS)
        return [self._one_hot(self._add("Where", there, number, none), count) for number, count in numbers]

    def _one_hot(self, number: str, count: int) -> str:
        """(N, count) of (N, 1). OneHot would give (N, 1, count), and, as Gather does, take -1 for the last."""
        return self._float(self._add("Equal", number, self._constant(np.arange(count))))

    def _is_below(self, given: str, limit: float) -> str:
        return self._add("Less", self._add("Abs", given), self._constant(np.float64(limit)))

    def _clip(self, given: str, low: float, high: float) -> str:
        return self._add("Clip", given, self._constant(np.float64(low)), self._constant(np.float64(high)))

    def _modulo(self, given: str, divisor: int) -> str:
        """From 0, also of what is below 0."""
        return self._add("Mod", given, self._constant(np.int64(divisor)))

    def _float(self, given: str) -> str:
        return self._cast(given, np.float32)

    def _cast(self, given: str, kind: type[np.generic]) -> str:
        from onnx import helper

        return self._add("Cast", given, to=helper.np_dtype_to_tensor_dtype(np.dtype(kind)))

    def _add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        from onnx import helper

        output = f"{self._prefix}{operator}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], domain=domain, **attributes))
        return output

    def _constant(self, values: NDArray[Any] | np.generic) -> str:
        from onnx import numpy_helper

        name = f"{self._prefix}constant.{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name


def input_names(table: TableSchema) -> dict[str, str]:
    """Return the name of the graph's input for each column: its own, with _ behind it where an output has that."""
    names = {column.name: column.name for column in table.columns}
    for name in names:
        while names[name] in OUTPUTS or (names[name] != name and names[name] in names):
            names[name] += "_"
    return names


def _months() -> NDArray[np.uint8]:
    """The month, from 0, of each day of 400 years from 1970."""
    days = np.arange(_CYCLE).astype("datetime64[D]")
    return (days.astype("datetime64[M]").astype(np.int64) % MONTHS).astype(np.uint8)


def _numbered(column: TableColumn) -> dict[str, int]:
    """The number of each category, in every way to write it that table_columns takes for it: NA, 3.0, True."""
    known = {name: number for number, name in enumerate(column.categories)}
    known |= dict.fromkeys(column.together, len(column.categories))
    if MISSING in known:
        known = dict.fromkeys(_OF_NOTHING, known[MISSING]) | known
    for word, name in [*((word, MISSING) for word in EMPTY), *zip(BOOLEANS, BOOLEANS, strict=True)]:
        if name in known:
            known |= dict.fromkeys(_spellings(word), known[name])
    return {f"{name}.0": number for name, number in known.items() if _WHOLE.fullmatch(name)} | known


def _spellings(word: str) -> set[str]:
    """The word with each of its letters small or capital."""
    return {"".join(letters) for letters in product(*zip(word.lower(), word.upper(), strict=True))}
