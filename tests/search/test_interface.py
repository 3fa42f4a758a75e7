"""The Python interface, as docs/python.md shows it."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import mlpsearch
from mlpsearch.models.errors import DataError, ExportError, StudyError
from mlpsearch.search import running
from mlpsearch.studies.record import StudyRecord
from tests.search.makers import digits_study
from tests.studies.image_makers import encode, grey_pixels

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text("utf-8")
FILE = """
name = "tiny"
dataset = "digits"
net = "numpy"
[budget]
trials = {trials}
epochs = {epochs}
[search]
hidden_size = {{low = 4, high = 8}}
[confirm]
top = 1
seeds = 2
report = 2
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A study file of three quick trials."""
    path = tmp_path / "tiny.toml"
    path.write_text(FILE.format(trials=3, epochs=2))
    return path


@pytest.fixture
def done(searched: object, finished: object) -> mlpsearch.Study:
    """A study whose search is over, and that is not tested."""
    record = finished()  # type: ignore[operator]
    assert isinstance(record, StudyRecord)
    return mlpsearch.open_study(record.name, record.url)


def test_the_example_of_the_page_runs_as_it_stands(tmp_path: Path, image_cache: Path) -> None:
    example, _ = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    # The same, with a study that is done in seconds.
    tiny = tmp_path / "digits-numpy.toml"
    tiny.write_text(FILE.format(trials=2, epochs=1).replace("tiny", "digits"))
    for name in ("3.png", "7.png"):
        (tmp_path / name).write_bytes(encode(grey_pixels(1, 8, 8)))
    code = example.replace('"digits-numpy", trials=30', f"{str(tiny)!r}, trials=2")
    assert code != example
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    lines = said.stdout.splitlines()
    assert lines[0] == "<Study digits: complete, 2 of 2 trials>"
    assert lines[1].startswith("{'hidden_size': ")
    assert 0 < float(lines[2]) <= 1
    assert "digits: 2/2 trials" in said.stderr, "progress is shown, as lines where there is no terminal"


def test_all_names_of_the_page_are_there(done: mlpsearch.Study) -> None:
    for owner, name in re.findall(r"`(mlpsearch|study)\.([a-z_]+)", PAGE):
        if owner == "study" or name != "db":
            assert hasattr(mlpsearch if owner == "mlpsearch" else done, name), name


def test_a_search_to_its_end(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = mlpsearch.run(tiny, storage="here.db", progress=False)
    assert capsys.readouterr() == ("", "")
    assert mlpsearch.list_studies("here.db") == ["tiny"]
    assert [trial.state for trial in study.trials] == ["finished"] * 3
    assert study.best in study.trials
    assert study.winner is not None
    assert study.winner.confirmed
    assert study.test is not None
    assert study.test.seeds == study.winner.seeds
    assert study.test.command == "mlpsearch.run, in Python"
    assert study.test.average is not None
    assert study.test.average.interval[0] < study.test.average.accuracy < study.test.average.interval[1]
    opened = study.test.opening
    assert mlpsearch.run(tiny, storage="here.db", progress=False).test == study.test
    assert opened == 1, "the test split is opened once"


def test_trials_as_a_data_frame(done: mlpsearch.Study) -> None:
    pytest.importorskip("pandas")
    frame = done.trials.to_frame()
    assert list(frame.index) == [trial.number for trial in done.trials]
    assert {"state", "validation_accuracy", "epochs", "hidden_size"} <= {*frame.columns}
    assert not {"params", "facts", "curve"} & {*frame.columns}


def test_an_export_predicts(done: mlpsearch.Study, tmp_path: Path) -> None:
    exported = done.export(tmp_path / "best")
    assert exported.taken.startswith("trial ")
    net = mlpsearch.load(tmp_path / "best")
    assert repr(net) == "<Classifier of 10 classes, from study mine>"
    pixels = np.stack([grey_pixels(number, 8, 8) for number in range(3)])
    shares = net.predict_proba(pixels)
    assert shares.shape == (3, 10)
    assert np.array_equal(shares, net.predict_proba(pixels.reshape(3, 64)))
    assert np.array_equal(shares, net.predict_proba(pixels.reshape(3, 8, 8, 1)))
    for number, image in enumerate(pixels):
        (tmp_path / f"{number}.png").write_bytes(encode(image))
    files = [tmp_path / f"{number}.png" for number in range(3)]
    assert np.array_equal(shares, net.predict_proba(files))
    assert net.predict(files) == [net.classes[best] for best in shares.argmax(axis=1)]


@pytest.mark.parametrize(
    "images", [np.zeros((2, 64)), np.zeros((2, 9, 8), np.uint8), np.zeros((64,), np.uint8), "3.png"]
)
def test_other_images_are_refused(done: mlpsearch.Study, tmp_path: Path, images: object) -> None:
    done.export(tmp_path / "best")
    with pytest.raises(DataError, match=r"must be pixels, uint8 of the shape|must be in a list"):
        mlpsearch.load(tmp_path / "best").predict_proba(images)


def test_what_is_not_there_is_said(tmp_path: Path, done: mlpsearch.Study) -> None:
    with pytest.raises(StudyError, match="not in"):
        mlpsearch.open_study("other", done.storage)
    with pytest.raises(ExportError):
        mlpsearch.load(tmp_path)
    assert mlpsearch.list_studies("none.db") == []
    assert not Path("none.db").exists()
    with pytest.raises(AttributeError, match="no attribute 'seach'"):
        mlpsearch.seach  # noqa: B018 - a slip of the pen


def test_a_study_is_evaluated_confirmed_and_deleted(done: mlpsearch.Study) -> None:
    report = done.evaluate()
    assert done.test == report
    assert done.evaluate() == report, "what was tested is not tested again"
    done.delete()
    with pytest.raises(StudyError, match="was deleted"):
        done.status()


def test_going_on_with_a_study_that_was_stopped(tmp_path: Path) -> None:
    record = digits_study(tmp_path, "numpy")
    study = mlpsearch.open_study(record.name, record.url)
    study.stop()
    assert study.status().state == "stopped"
    assert (study.best, study.winner, study.test) == (None, None, None)
    assert study.run(evaluate=False, progress=False).status().state == "complete"
    assert study.test is None


@pytest.mark.parametrize(
    ("evaluate", "call"), [(True, "Study.run goes on"), (False, r"Study.run\(evaluate=False\) goes on")]
)
def test_what_goes_on_tests_only_what_shall_be_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, evaluate: bool, call: str
) -> None:
    left = running.Leftover(interrupted=True, ended=1, total=2, command="")
    monkeypatch.setattr("mlpsearch.search.interface.run_to_the_end", lambda *_: left)
    record = digits_study(tmp_path, "numpy")
    with pytest.raises(KeyboardInterrupt, match=call):
        mlpsearch.open_study(record.name, record.url).run(evaluate=evaluate, progress=False)


def test_ctrl_c_keeps_what_is_finished(tmp_path: Path) -> None:
    space = "[search]\nlearning_rate = {low = 0.01, high = 0.1}"  # of more points than hidden_size alone has
    (tmp_path / "long.toml").write_text(FILE.format(trials=500, epochs=3).replace("[search]", space))
    code = "import mlpsearch; mlpsearch.run('long.toml')"
    script = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not _ended(tmp_path) and script.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    script.send_signal(signal.SIGINT)
    _, said = script.communicate(timeout=120)
    assert "KeyboardInterrupt: study tiny: " in said
    assert "trials are done and kept; Study.run goes on with it" in said
    study = mlpsearch.open_study("tiny")
    assert study.status().state == "open"
    assert any(trial.state == "finished" for trial in study.trials)
    assert not any(trial.state == "running" for trial in study.trials)


def _ended(folder: Path) -> bool:
    try:
        trials = mlpsearch.open_study("tiny", str(folder / "mlpsearch.db")).trials
    except mlpsearch.MlpsearchError:  # not made yet
        return False
    return any(trial.state == "finished" for trial in trials)


def test_the_service_prints_nothing_and_ends_no_process() -> None:
    for module in (running, sys.modules["mlpsearch.search.service"]):
        assert module.__file__ is not None
        assert not re.search(r"\bprint\(|\bclick\b|sys\.exit", Path(module.__file__).read_text("utf-8"))
