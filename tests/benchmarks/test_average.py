"""The benchmark of averages, on the smallest study."""

from dataclasses import replace
from pathlib import Path

from benchmarks.average import row, run_with_seed
from mlpsearch.studies.spec.catalog import find


def test_a_row_has_the_means_over_the_seeds(tmp_path: Path) -> None:
    test = run_with_seed(
        find("iris-numpy").model_copy(update={"folds": None, "validation": 20}), 3, tmp_path, 1, 1
    )
    assert len(test.seeds) == 5
    assert test.average is not None
    one = replace(test, accuracy=0.5, average=replace(test.average, accuracy=0.75, temperature=None))
    other = replace(test, accuracy=0.7, average=replace(test.average, accuracy=0.75, temperature=None))
    assert row("iris", [one, other])[:4] == ["iris", "60.00%", "75.00%", "+15.00 ± 14.14"]
    assert row("iris", [one])[3] == "+25.00"
    assert row("iris", [one])[-1] == "–"
    known = replace(test.average, temperature=2.0, tempered_log_loss=0.25, tempered_calibration_error=0.125)
    losses, errors, temperature = row("iris", [replace(test, average=known)])[-3:]
    assert losses.endswith(") → 0.2500")
    assert errors.endswith("% → 12.50%")
    assert temperature == "2.00"
