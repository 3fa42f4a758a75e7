"""What the winner takes for what, on the test split: its worst mistakes, or the whole matrix."""

from collections.abc import Iterator
from typing import Any

from mlpsearch.search.cli.layout import in_columns

_WORST = 5


def worst_lines(test: dict[str, Any], study: str) -> Iterator[str]:
    """Yield the pairs of classes that were confused most often, the worst first. test: TestReport as JSON."""
    names, counts = test["classes"], test["confusion"]
    pairs = [
        (count, true, predicted)
        for true, row in enumerate(counts)
        for predicted, count in enumerate(row)
        if true != predicted and count
    ]
    if not pairs:
        return
    nets = len(test.get("seeds") or []) or 1
    yield f"worst mistakes on the test split{f', {nets} nets together' if nets > 1 else ''}:"
    for count, true, predicted in sorted(pairs, key=lambda pair: (-pair[0], pair[1:]))[:_WORST]:
        share = count / sum(counts[true])
        yield f"  {names[true]} taken for {names[predicted]}: {count:,} of {sum(counts[true]):,} ({share:.1%})"
    if len(pairs) > 1:
        yield f"  all of them: `mlpsearch status {study} --confusion`"


def matrix_lines(test: dict[str, Any], columns: int | None) -> Iterator[str]:
    """Yield the confusion matrix, a row a true class, in parts that fit so many columns."""
    names = test["classes"]
    rows = [[name, *map(str, row)] for name, row in zip(names, test["confusion"], strict=True)]
    yield "true class (row), predicted class (column):"
    yield from in_columns([["", *names], *rows], columns)
