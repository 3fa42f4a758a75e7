"""benchmarks/device.py in its tiny form, without a GPU: each of its parts runs, and what it finds is kept."""

import json
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import device, device_checks, device_search, device_speed
from benchmarks.device_group import Group
from benchmarks.device_speed import SMALL, Way
from benchmarks.device_ways import Case
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.pixels import PixelStatistics
from mlpsearch.models.torch_net.torch_mlp import TorchNet
from mlpsearch.studies.data.training import TrainingData

CPU = torch.device("cpu")
GIVEN = Namespace(small=True, data=None)


def few_images() -> TrainingData:
    """40 for training and 20 for validation, of 4 × 4 pixels in three colours."""
    random = np.random.default_rng(0)
    pixels, labels = random.integers(0, 256, (60, 48), dtype=np.uint8), random.integers(0, 10, 60)
    training, validation = (Split(pixels, labels, rows, (4, 4, 3)) for rows in (np.arange(40), np.arange(40, 60)))
    return TrainingData(training, validation, tuple("abcdefghij"), (4, 4, 3), "0")


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> dict[str, Any]:
    output = folder / "device.json"
    monkeypatch.setattr(sys, "argv", ["device", "--output", str(output), *words])
    device.main()
    document: dict[str, Any] = json.loads(output.read_text("utf-8")) if output.exists() else {}
    return document


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_nothing_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, monkeypatch) == {}
    assert capsys.readouterr().out == "no CUDA device: not measured\n"


def test_all_parts_run_in_a_tiny_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(device_search, "load", lambda *_: few_images())
    document = run(tmp_path, monkeypatch, "--small", "--data", "any")
    parts = document["parts"]
    assert {name: part["ended"] for name, part in parts.items()} == dict.fromkeys(device.PARTS, "done")
    checks = {row["check"]: row for row in parts["correctness"]["rows"]}
    assert len(checks) == 11
    assert all(row["passed"] for row in checks.values())
    assert checks["tests"]["found"].startswith("0 passed, 0 failed") is not torch.cuda.is_available()
    measured = {(row["shape"], row["way"], row["nets"]): row for row in parts["speed"]["rows"]}
    assert {shape for shape, _, _ in measured} == {"digits", "table"}
    ways = {(way, nets) for _, way, nets in measured}
    assert ways == {
        *((way, 1) for way in ("eager", "DataLoader", "graph", "compiled", "mlpsearch", "mlpsearch, with draws")),
        *((way, 3) for way in ("products", "side by side", "side by side, replayed")),
    }
    assert all(row["images_a_second"] > 0 and 0 <= row["waiting"] <= 1 for row in measured.values())
    assert measured["digits", "eager", 1]["beside_eager"] == measured["table", "products", 3]["of_products"] == 1
    assert [row["epoch"] for row in parts["search"]["rows"]] == [1, 2]
    assert [(row["epochs"], row["nets"]) for row in parts["accuracy"]["rows"]] == [(1, 5)]
    printed = capsys.readouterr().out
    assert all(f"\n{name}\n" in printed for name in device.PARTS)
    assert "side by side, replayed" in printed


# ---- parts -----------------------------------------------------------------------------------------------------


def test_a_part_whose_time_is_up_keeps_its_rows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def slow(*_: object) -> Iterator[dict[str, Any]]:
        yield {"way": "quick", "rate": 1.5}
        try:
            time.sleep(600)
        except Exception:  # as what tries to compile has it
            yield {"way": "never"}

    monkeypatch.setitem(device.PARTS, "speed", slow)
    monkeypatch.setattr(device, "SMALL_SECONDS", 0.1)
    part = device.run_part("speed", CPU, GIVEN)
    assert (part["ended"], part["rows"]) == ("time is up", [{"way": "quick", "rate": 1.5}])
    assert "left out" in capsys.readouterr().out


def test_the_next_part_goes_on_after_one_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> Iterator[dict[str, Any]]:
        yield {"check": "one", "passed": True}
        raise RuntimeError("no such device")

    def working(*_: object) -> Iterator[dict[str, Any]]:
        yield {"check": "other", "passed": True}

    monkeypatch.setattr(device, "PARTS", {"correctness": working, "speed": failing, "later": working})
    monkeypatch.setitem(device.SECONDS, "later", 5)
    with pytest.raises(SystemExit) as ended:
        run(tmp_path, monkeypatch, "--small")
    assert ended.value.code == 1
    parts = json.loads((tmp_path / "device.json").read_text("utf-8"))["parts"]
    assert "no such device" in parts["speed"]["ended"]
    assert [len(part["rows"]) for part in parts.values()] == [1, 1, 1]
    assert parts["later"]["ended"] == "done"


def test_parts_without_data_are_left_out_with_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert device.run_part("search", CPU, GIVEN) == {"ended": "left out", "rows": []}
    assert capsys.readouterr().out == "\nsearch: left out, for there is no --data\n"


def test_all_parts_end_within_six_minutes() -> None:
    assert sum(device.SECONDS.values()) <= 350
    assert device.SECONDS.keys() == device.PARTS.keys()


# ---- correctness and speed -------------------------------------------------------------------------------------


def test_a_check_fails_where_nets_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    written = TorchNet.train_batch
    monkeypatch.setattr(TorchNet, "train_batch", lambda *given: 1.001 * float(written(*given)))
    passed, found = device_checks.check_steps("float64", steps=2)
    assert not passed
    assert "apart" in found


def test_tests_that_cannot_run_are_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = subprocess.CompletedProcess([], 1, "", "No module named pytest")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ended)
    assert device_checks.run_tests(("tests",)) == (False, "pytest ended with 1: No module named pytest")


def test_a_check_that_fails_does_not_keep_others_from_passing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Any:
        raise RuntimeError("no kernel image\nis available")

    monkeypatch.setattr(device_checks, "check_steps", fail)
    monkeypatch.setattr(device_checks, "run_tests", fail)
    rows = {row.pop("check"): row for row in device_checks.check_device(CPU, small=True)}
    assert rows["tests"] == {"passed": False, "found": "RuntimeError: no kernel image"}
    assert rows["draws of the device"]["passed"]


def test_nets_that_do_not_fit_have_no_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(_: Case) -> Any:
        raise torch.OutOfMemoryError("of 80 GiB none is free")

    monkeypatch.setattr(device_speed, "ways_of", lambda _: [Way("large", 256, too_large)])
    row = next(device_speed.measure_speed(CPU, SMALL))
    assert (row["images_a_second"], row["waiting"], row["beside_eager"]) == (None, None, None)
    assert row["failed"] == "OutOfMemoryError: of 80 GiB none is free"


# ---- search and accuracy ---------------------------------------------------------------------------------------


def test_the_trials_of_a_search_fit_side_by_side_and_differ() -> None:
    study = device_search.study_of(device_search.SEARCHED)
    configs = device_search.trials_of(study, 4)
    assert len({(config.learning_rate, config.regularization) for config in configs}) == 4
    data = few_images()
    preprocessing = PixelStatistics(data.training).preprocessing(configs[0])
    Group(configs, data.training, preprocessing, classes=10, device=CPU)


def test_a_search_ends_with_the_first_trial_that_is_good_enough() -> None:
    configs = device_search.trials_of(device_search.study_of(device_search.SEARCHED), 2)
    rows = [*device_search.search(few_images(), configs, CPU, goal=0.0)]
    assert [(row["epoch"], row["trials"], row["reached"]) for row in rows] == [(1, 2, True)]


def test_a_device_whitens_images_as_the_cpu_does() -> None:
    training = few_images().training
    config = TrainConfig(preprocessing="whiten", components=20)
    found, expected = (
        statistics.preprocessing(config)
        for statistics in (device_search.DeviceStatistics(training, CPU), PixelStatistics(training))
    )
    np.testing.assert_allclose(found.everything(training), expected.everything(training), atol=1e-4)


@pytest.mark.parametrize(("seconds", "epochs"), [(100.0, [60, 90]), (50.0, [60])])
def test_the_best_net_is_trained_once_more_where_there_is_time_for_more_epochs(
    seconds: float, epochs: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = replace(device_search.best_of(device_search.study_of(device_search.BEST)), epochs=60)
    monkeypatch.setattr(device_search, "_trained", lambda *given: {"epochs": given[2].epochs, "seconds": 59.9})
    monkeypatch.setattr(time, "perf_counter", lambda: 0.0)
    rows = [*device_search.train_best(few_images(), base, CPU, seconds)]
    assert [row["epochs"] for row in rows] == epochs
