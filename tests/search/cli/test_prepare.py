"""`new` writes a study file that can be run, and `check` says what a person should know before that."""

import io
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mlpsearch.search.cli.layout import show_lines
from mlpsearch.search.new_study import file_name
from mlpsearch.search.workers.local_worker import StudyWorkers
from mlpsearch.studies.spec.dimensions import Range
from mlpsearch.studies.spec.keys import LEARNT
from mlpsearch.studies.spec.reading import load_spec
from mlpsearch.studies.spec.table_options import ColumnOptions
from tests.search.conftest import Command
from tests.search.shop import STUDY, shop


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """The shop's table."""
    shop().write_csv(tmp_path / "shop.csv")
    return tmp_path / "shop.csv"


def test_from_a_table_to_a_tested_net_with_two_commands(
    table: Path, mlpsearch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A worker of a process of its own, which reads the table anew.
    monkeypatch.setattr("mlpsearch.search.workers.placement.StudyWorkers", StudyWorkers)
    answer = mlpsearch("new", "shop.csv", "--label", "bought")
    assert answer.err.startswith("wrote shop.toml; `mlpsearch check shop.toml` says what was understood, ")
    spec = load_spec("shop.toml")
    assert (spec.name, spec.net, spec.label, spec.data) == ("shop", "numpy", "bought", str(table))
    assert spec.start == LEARNT
    text = Path("shop.toml").read_text()
    assert 'data = "shop.csv"' in text, "relative to the file, so that both can be moved"
    Path("shop.toml").write_text(text.replace("epochs = 40", "epochs = 3"))
    run = mlpsearch("run", "shop.toml", "--trials", "2", "--no-evaluate")
    assert run.code == 0, run.err
    assert "shop: tried first: " in run.err


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("my data (1).csv", "my-data-1"),
        ("_größe.csv.gz", "gr-e"),
        (".csv", "table"),
        ("é.parquet", "table"),
        ("a" * 150, "a" * 100),
    ],
)
def test_a_study_file_has_a_name_that_a_study_can_have(table: str, name: str) -> None:
    assert file_name(Path(table)) == Path(f"{name}.toml")


@pytest.mark.parametrize(
    ("rows", "epochs", "fast", "dropout"),
    [
        (160, 40, 0.05, 0.5),
        (900, 100, 0.05, 0.5),
        (6_000, 50, 0.05, 0.5),
        (20_000, 30, 0.02, 0.3),
        (200_000, 12, 0.02, 0.3),
    ],
)
def test_larger_tables_are_seen_less_often_and_at_lower_rates(
    mlpsearch: Command, tmp_path: Path, rows: int, epochs: int, fast: float, dropout: float
) -> None:
    shop(rows).write_parquet(tmp_path / "a.parquet")
    assert mlpsearch("new", "a.parquet", "--label", "bought", "--net", "torch", "-o", "b.toml").code == 0
    spec = load_spec("b.toml")
    assert (spec.name, spec.net, spec.budget.epochs) == ("b", "torch", epochs)
    for field, high in (("learning_rate", fast), ("dropout", dropout)):
        found = spec.search[field]
        assert isinstance(found, Range)
        assert found.high == high


def test_nothing_is_written_over_and_mistakes_are_one_line(
    table: Path, mlpsearch: Command, tmp_path: Path
) -> None:
    (tmp_path / "shop.toml").write_text("mine")
    answer = mlpsearch("new", "shop.csv", "--label", "bought")
    assert (answer.code, answer.err) == (
        1,
        "error: shop.toml: is there already; name another with -o, or remove it\n",
    )
    assert (tmp_path / "shop.toml").read_text() == "mine"
    assert "has no column 'sold'" in mlpsearch("new", "shop.csv", "--label", "sold", "-o", "b.toml").err
    (tmp_path / "pets").mkdir()
    assert "--label is for a table, and this is read as images" in mlpsearch("new", "pets", "--label", "a").err
    assert "which column has the classes? Name it with --label" in mlpsearch("new", "shop.csv", "-o", "b.toml").err
    (tmp_path / "a.npz").touch()
    assert "--test is for a table" in mlpsearch("new", "a.npz", "--test", "b.csv").err
    shop().write_parquet(tmp_path / "a.parquet")
    assert mlpsearch("new", "a.parquet").err.endswith("; of a table, --label names the column with the classes\n")
    assert "no such file" in mlpsearch("new", "none.csv", "--label", "a", "-o", "b.toml").err.lower()
    assert not (tmp_path / "b.toml").exists()


def test_dates_that_only_a_person_can_read_are_ignored_until_one_says_how(
    mlpsearch: Command, tmp_path: Path
) -> None:
    days = ["3/4/2024", "4/3/2024"] * 80
    shop().with_columns(day=pl.Series(days), when=pl.Series(days)).write_csv(tmp_path / "a.csv")
    told = mlpsearch("new", "a.csv", "--label", "bought").err.splitlines()
    assert [line.partition(": say")[0] for line in told[:2]] == [
        f"a.csv: column '{name}' has dates like '{days[0]}'" for name in ("day", "when")
    ]
    assert load_spec("a.toml").columns == ColumnOptions(ignore=("day", "when"))
    text = Path("a.toml").read_text().replace('    "when",\n', "") + '[columns.dates]\nwhen = "%d/%m/%Y"\n'
    Path("a.toml").write_text(text)
    columns = json.loads(mlpsearch("check", "a.toml", "--json").out)["columns"]
    assert {"name": "when", "kind": "date", "categories": 0, "empty": 0} in columns


def test_check_says_what_was_understood_and_how_long_it_takes(table: Path, mlpsearch: Command) -> None:
    mlpsearch("new", "shop.csv", "--label", "bought")
    lines = mlpsearch("check", "shop.toml").out.splitlines()
    assert lines[0] == "shop: 160 rows, 102 for training, 26 for validation, 32 for the test, which is sealed"
    assert lines[1].startswith("2 classes: yes ")
    assert "  spent: number, 6 empty" in lines
    assert "  city: category of 3" in lines
    assert "  day: date" in lines
    assert any(line.startswith("5 folds of about 26") for line in lines)
    assert lines[-2].startswith("a trial takes ")
    assert lines[-1].startswith("a worker takes about ")
    document = json.loads(mlpsearch("check", "shop.toml", "--json").out)
    assert document["trial_seconds"] == pytest.approx(5 * 40 * document["epoch_seconds"])
    assert document["search_seconds"] == pytest.approx(50 * document["trial_seconds"])
    assert document["confirm_seconds"] == pytest.approx(30 / 5 * document["trial_seconds"])
    assert document["test"] == 32
    assert (document["validation_in_training"], document["test_in_training"]) == (0, 0)
    assert document["worker_bytes"] > document["shared_bytes"] > 0
    assert not Path("mlpsearch.db").exists(), "nothing is made"


def test_empty_cells_are_no_category_to_a_person(mlpsearch: Command, tmp_path: Path) -> None:
    city = pl.when(pl.int_range(160) % 10 == 0).then(None).otherwise(pl.col("city")).alias("city")
    shop().with_columns(city).write_csv(tmp_path / "shop.csv")
    mlpsearch("new", "shop.csv", "--label", "bought")
    (line,) = [line for line in mlpsearch("check", "shop.toml").out.splitlines() if line.startswith("  city")]
    assert line.startswith("  city: category of 3, ")


def test_a_label_with_nearly_as_many_values_as_rows_is_refused(mlpsearch: Command, tmp_path: Path) -> None:
    shop().with_columns(day=pl.Series([f"d{n * 7 % 148}" for n in range(160)])).write_csv(tmp_path / "a.csv")
    answer = mlpsearch("new", "a.csv", "--label", "day")
    assert answer.code == 1
    assert answer.err == "error: a.csv: 'day' has 148 different values in 160 rows: a class needs several rows\n"


def test_lines_break_between_words_in_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for is_terminal, lines in ((True, 3), (False, 1)):
        stream = io.StringIO()
        monkeypatch.setattr(stream, "isatty", lambda is_terminal=is_terminal: is_terminal)
        monkeypatch.setattr("sys.stdout", stream)
        monkeypatch.setenv("COLUMNS", "80")
        show_lines(["hundred " * 25])
        assert len(stream.getvalue().splitlines()) == lines
        assert {*stream.getvalue().split()} == {"hundred"}


def test_check_warns_of_what_looks_wrong(mlpsearch: Command, tmp_path: Path) -> None:
    frame = shop(4_000)
    rare = np.arange(4_000) % 10 == 0
    frame = frame.with_columns(bought=pl.when(pl.lit(rare)).then(pl.lit("yes")).otherwise(pl.lit("no")))
    leak = np.where(rare, 5.0, 1.0) + np.random.default_rng(0).normal(0, 0.1, 4_000)
    pl.concat([frame.with_columns(leak=leak)] * 2).write_csv(tmp_path / "a.csv")
    mlpsearch("new", "a.csv", "--label", "bought")
    warnings = json.loads(mlpsearch("check", "a.toml", "--json").out)["warnings"]
    assert warnings[0].startswith("90.0% are 'no': a net that says nothing else has that accuracy; metric = ")
    assert "validation rows that are training rows as well, but for the label: " in warnings[1]
    assert "test rows that are training or validation rows as well, but for the label: " in warnings[2]
    assert warnings[3:] == ["column 'leak' alone gives the class away (100.0%): looks like a leak"]


def test_run_warns_before_the_first_trial_and_no_more_after_it(mlpsearch: Command, tmp_path: Path) -> None:
    shop().with_columns(leak=pl.col("bought") + "!").write_csv(tmp_path / "shop.csv")
    text = STUDY.format(net="numpy", preprocessing="standardize", more="").partition("[confirm]")[0]
    (tmp_path / "shop.toml").write_text(text)
    warning = "warning: column 'leak' alone gives the class away (100.0%): looks like a leak"
    assert warning in mlpsearch("run", "shop.toml", "--trials", "1", "--no-evaluate").err.splitlines()
    assert "warning" not in mlpsearch("run", "shop.toml", "--no-evaluate").err


def test_check_says_nothing_of_test_rows_but_counts(mlpsearch: Command, tmp_path: Path) -> None:
    shop().write_csv(tmp_path / "shop.csv")
    tests = [shop(30, seed=1), shop(30, seed=2).with_columns(spent=pl.lit(1e9), city=pl.lit("Mars"))]
    said = []
    for test in tests:
        test.write_csv(tmp_path / "test.csv")
        (tmp_path / "shop.toml").unlink(missing_ok=True)
        assert mlpsearch("new", "shop.csv", "--label", "bought", "--test", "test.csv").code == 0
        document = json.loads(mlpsearch("check", "shop.toml", "--json").out)
        said.append({key: it for key, it in document.items() if not key.endswith(("_seconds", "_bytes"))})
    assert said[0] == said[1]
    assert (said[0]["test"], said[0]["test_in_training"]) == (30, 0)


def test_few_validation_rows_are_warned_of(table: Path, mlpsearch: Command) -> None:
    mlpsearch("new", "shop.csv", "--label", "bought")
    path = Path("shop.toml")
    path.write_text(path.read_text().replace("folds = 5", "validation = 0.2"))
    warnings = json.loads(mlpsearch("check", "shop.toml", "--json").out)["warnings"]
    (few,) = [line for line in warnings if line.startswith("26 for validation are few: one standard error")]
    assert few.endswith("; `folds = 5` judges them by all 128")


def test_classes_that_only_one_side_has_are_named(mlpsearch: Command, tmp_path: Path) -> None:
    sides = {
        "train.csv": ["a", "b", "c"] * 20,  # the newest fifth is the validation
        "test.csv": ["a", "b"] * 10,
    }
    for name, labels in sides.items():
        ordered = sorted(labels) if name == "train.csv" else labels
        pl.DataFrame(
            {"x": [0.5 * n % 7 for n in range(len(labels))], "day": range(len(labels)), "y": ordered}
        ).write_csv(tmp_path / name)
    mlpsearch("new", "train.csv", "--label", "y", "--test", "test.csv")
    path = tmp_path / "train.toml"
    path.write_text(path.read_text().replace("folds = 5", 'order = "day"\nvalidation = 20'))
    document = json.loads(mlpsearch("check", "train.toml", "--json").out)
    assert (document["test"], document["classes"]) == (20, {"a": 20, "b": 20, "c": 20})
    assert "folds" not in document["warnings"][0], "the newest rows are the validation"
    assert document["warnings"][1:4] == [
        "the training has no row of class 'c': no net learns it",
        "the validation has no row of class 'a', nor of 1 more: what a net makes of it does not count",
        "the test has no row of class 'c': the test says nothing of it",
    ]


def test_check_of_images(mlpsearch: Command) -> None:
    lines = mlpsearch("check", "digits-numpy").out.splitlines()
    assert lines[0] == "digits-numpy: 1,187 for training, 250 for validation, the test is sealed"
    assert not any("looks like a leak" in line for line in lines)
