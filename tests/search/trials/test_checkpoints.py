"""What is kept of trials on disk, and that training goes on from it as if nothing had happened."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpsearch.models import build_net
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.inputs.pixels import PixelStatistics
from mlpsearch.models.net import Net
from mlpsearch.models.threads import MOST_THREADS, limited_threads
from mlpsearch.models.training import EpochResult, train
from mlpsearch.models.weights import load_arrays, save_arrays
from mlpsearch.search.trials.checkpoints import (
    Checkpoint,
    Progress,
    remove_leftovers,
    save_weights,
)
from mlpsearch.studies.data.training import TrainingData
from mlpsearch.studies.files.base import FolderFiles
from tests.search.makers import NETS, weights_path

EPOCHS = 4


def config_of(net: str) -> TrainConfig:
    return TrainConfig(hidden_size=8, depth=3, learning_rate=0.02, epochs=EPOCHS, seed=5, **NETS[net])


def build(net: str, data: TrainingData, config: TrainConfig) -> Net:
    return build_net(net, inputs=data.training.inputs, classes=3, config=config)


def epochs(net: Net, data: TrainingData, config: TrainConfig, done: int = 0) -> list[EpochResult]:
    preprocessing = PixelStatistics(data.training).preprocessing(config)
    return list(train(net, data.training, data.validation, config, preprocessing, epochs_done=done))


def assert_same_state(one: Net, other: Net) -> None:
    first, second = one.state(), other.state()
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name], err_msg=name, strict=True)


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("after", range(1, EPOCHS))
def test_training_goes_on_from_a_checkpoint_bit_by_bit(
    kind: str, after: int, data: TrainingData, tmp_path: Path
) -> None:
    config = config_of(kind)
    whole = build(kind, data, config)
    expected = epochs(whole, data, config)
    first, progress = build(kind, data, config), Progress()
    for result in epochs(first, data, replace(config, epochs=after)):
        progress.add(result)
    Checkpoint(FolderFiles(tmp_path), 7, config).save(first, progress)

    second = build(kind, data, config)
    restored = Checkpoint(FolderFiles(tmp_path), 7, config).restore(second)
    assert restored == progress
    assert_same_state(second, first)
    rest = epochs(second, data, config, done=len(restored.accuracies))
    reached = [*restored.accuracies, *(result.validation_accuracy for result in rest)]
    assert reached == [result.validation_accuracy for result in expected]
    assert [result.loss for result in rest] == [result.loss for result in expected[after:]]
    assert_same_state(second, whole)
    assert len(set(reached)) > 1


@pytest.fixture
def saved(data: TrainingData, tmp_path: Path) -> Path:
    """The checkpoint of trial 7, after two epochs."""
    net = build("numpy", data, config_of("numpy"))
    Checkpoint(FolderFiles(tmp_path), 7, config_of("numpy")).save(net, Progress([0.25, 0.5], 1.5))
    return tmp_path / "checkpoints" / "7.safetensors"


def restore(folder: Path, data: TrainingData, number: int = 7, **changes: Any) -> Progress:
    """What is restored; where that is nothing, the net must be as it was."""
    config = replace(config_of("numpy"), **changes)
    net = build("numpy", data, config)
    untouched = build("numpy", data, config)
    progress = Checkpoint(FolderFiles(folder), number, config).restore(net)
    if not progress.accuracies:
        assert_same_state(net, untouched)
    return progress


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def garble(path: Path) -> None:
    path.write_bytes(b"\x80\x04K\x01." * 100)  # a pickle


def empty(path: Path) -> None:
    path.write_bytes(b"")


def inflate(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(10**12)  # with nothing in it, so that it takes no room


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def lose_progress(path: Path) -> None:
    arrays, metadata = load_arrays(path)
    save_arrays(path, arrays, {"config": metadata["config"]})


def garble_progress(path: Path) -> None:
    arrays, metadata = load_arrays(path)
    save_arrays(path, arrays, metadata | {"progress": "[1, 2"})


def add_to_progress(path: Path) -> None:
    arrays, metadata = load_arrays(path)
    progress = json.loads(metadata["progress"]) | {"unknown": 1}
    save_arrays(path, arrays, metadata | {"progress": json.dumps(progress)})


def lose_weights(path: Path) -> None:
    arrays, metadata = load_arrays(path)
    del arrays["weight.1"]
    save_arrays(path, arrays, metadata)


def change_shape(path: Path) -> None:
    arrays, metadata = load_arrays(path)
    arrays["weight.1"] = arrays["weight.1"][:-1]
    save_arrays(path, arrays, metadata)


def change_threads(path: Path, threads: object) -> None:
    arrays, metadata = load_arrays(path)
    progress = json.loads(metadata["progress"]) | {"threads": threads}
    save_arrays(path, arrays, metadata | {"progress": json.dumps(progress)})


def test_a_checkpoint_says_how_many_threads_its_trial_has(saved: Path, data: TrainingData, tmp_path: Path) -> None:
    change_threads(saved, 3)
    assert restore(tmp_path, data) == Progress([0.25, 0.5], 1.5, threads=3)


@pytest.mark.parametrize("threads", [0, -1, MOST_THREADS + 1, 2.0, True, "2", None])
def test_a_checkpoint_of_impossible_threads_starts_over(
    threads: object, saved: Path, data: TrainingData, tmp_path: Path
) -> None:
    change_threads(saved, threads)
    assert restore(tmp_path, data) == Progress()


def test_a_checkpoint_from_before_it_said_so_goes_on_with_the_threads_of_now(
    saved: Path, data: TrainingData, tmp_path: Path
) -> None:
    arrays, metadata = load_arrays(saved)
    save_arrays(saved, arrays, metadata | {"progress": json.dumps({"accuracies": [0.25, 0.5], "seconds": 1.5})})
    with limited_threads(2):
        assert restore(tmp_path, data) == Progress([0.25, 0.5], 1.5, threads=2)


def test_a_checkpoint_is_found_again(saved: Path, data: TrainingData, tmp_path: Path) -> None:
    assert restore(tmp_path, data) == Progress([0.25, 0.5], 1.5)


@pytest.mark.parametrize(
    "harm",
    [
        Path.unlink,
        truncate,
        garble,
        empty,
        inflate,
        make_folder,
        lose_progress,
        garble_progress,
        add_to_progress,
        lose_weights,
        change_shape,
    ],
)
def test_a_checkpoint_that_cannot_be_used_starts_over(
    saved: Path, data: TrainingData, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    harm(saved)
    assert restore(tmp_path, data) == Progress()


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_no_checkpoint_is_larger_than_one_that_is_read(
    kind: str, optimizer: str, data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A net's state grows with its first step."""
    monkeypatch.setattr("mlpsearch.search.trials.checkpoints._MOST_HEADER", 20_000)
    options = NETS[kind] | {"optimizer": optimizer, "batch_normalization": True, "averaging": 0.9}
    config = TrainConfig(hidden_size=200, learning_rate=0.02, epochs=1, **{"momentum": 0.0, **options})
    net = build(kind, data, config)
    epochs(net, data, config)
    Checkpoint(FolderFiles(tmp_path), 7, config).save(net, Progress([0.5]))
    assert Checkpoint(FolderFiles(tmp_path), 7, config).restore(build(kind, data, config)) == Progress([0.5])


def test_a_checkpoint_with_half_of_the_optimiser_leaves_the_net_as_it_was(
    saved: Path, data: TrainingData, tmp_path: Path
) -> None:
    arrays, metadata = load_arrays(saved)
    arrays["weight.0"] += 1
    del arrays["optimizer.velocity.3"]
    save_arrays(saved, arrays, metadata)
    assert restore(tmp_path, data) == Progress()


@pytest.mark.parametrize("change", ["seed", "epochs", "hidden_size"])
def test_a_checkpoint_of_another_configuration_starts_over(
    saved: Path, data: TrainingData, tmp_path: Path, change: str
) -> None:
    assert restore(tmp_path, data, **{change: 9}) == Progress()


def test_a_checkpoint_of_another_trial_is_not_read(saved: Path, data: TrainingData, tmp_path: Path) -> None:
    assert restore(tmp_path, data, number=8) == Progress()


def test_leftovers_go_and_what_runs_or_is_best_stays(tmp_path: Path) -> None:
    """Trials 1 and 2 ended, 1 is the best; 3 runs. Workers were killed while they wrote for 2 and 3."""
    for kind in ("checkpoints", "weights"):
        (tmp_path / kind).mkdir()
        for name in ("1", "2", "3", ".2", ".3", "notes"):
            suffix = ".x1y2.tmp" if name.startswith(".") else ""
            (tmp_path / kind / f"{name}.safetensors{suffix}").touch()
    remove_leftovers(FolderFiles(tmp_path), keep=lambda: {1}, unfinished=lambda: {3})
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert left == [
        "checkpoints/.3.safetensors.x1y2.tmp",
        "checkpoints/3.safetensors",
        "checkpoints/notes.safetensors",
        "weights/.3.safetensors.x1y2.tmp",
        "weights/1.safetensors",
        "weights/3.safetensors",
        "weights/notes.safetensors",
    ]
    remove_leftovers(FolderFiles(tmp_path / "none"), keep=set, unfinished=set)


def test_the_weights_of_a_trial_that_becomes_the_best_meanwhile_stay(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    for number in (1, 2):
        (tmp_path / "weights" / f"{number}.safetensors").touch()
    ended = {1}

    def unfinished() -> set[int]:
        ended.add(2)  # its worker finishes it right before this one looks
        return {1, 2} - ended

    remove_leftovers(FolderFiles(tmp_path), unfinished=unfinished, keep=lambda: {max(ended)})
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["2.safetensors"]


def test_checkpoints_take_a_small_share_of_the_time(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that takes 1 s, after epochs of 1 s: there is one in about 67 epochs."""
    now, written = [100.0], list[float]()

    def write(*_: object) -> bytes:
        now[0] += 1
        written.append(now[0])
        return b""

    monkeypatch.setattr("mlpsearch.search.trials.checkpoints.time.monotonic", lambda: now[0])
    monkeypatch.setattr("mlpsearch.search.trials.checkpoints.pack_arrays", write)
    net = build("numpy", data, config_of("numpy"))
    checkpoint = Checkpoint(FolderFiles(tmp_path), 7, config_of("numpy"))
    for _ in range(1000):
        now[0] += 1
        checkpoint.save_if_due(net, Progress())
    assert 10 <= len(written) <= 0.02 * 1000
    assert written[0] == 102  # the first epoch is kept: a killed trial need not begin at its start


# ---- weights ----


def test_weights_are_kept_by_trial_with_their_configuration(data: TrainingData, tmp_path: Path) -> None:
    config = config_of("numpy")
    net = build("numpy", data, config)
    preprocessing = PixelStatistics(data.training).preprocessing(config)
    for number in (12, 3):
        save_weights(FolderFiles(tmp_path), number, net, preprocessing, config, 0.1 + 0.2)
    assert weights_path(tmp_path, 3).exists()
    arrays, metadata = load_arrays(weights_path(tmp_path, 12))
    assert TrainConfig(**json.loads(metadata["config"])) == config
    assert float(metadata["validation_score"]) == 0.1 + 0.2
    kept = {f"{kind}.{layer}" for kind in ("weight", "bias") for layer in range(3)}
    assert arrays.keys() == kept | {"offset", "scale"}
    for layer in range(3):
        np.testing.assert_array_equal(arrays[f"weight.{layer}"], net.weights[layer])
        np.testing.assert_array_equal(arrays[f"bias.{layer}"], net.biases[layer])
