"""Exports by the command line: written, trained again, and used to classify images."""

import json
import re
import shutil
from pathlib import Path

import pytest

from mlpsearch.studies.record import StudyRecord
from tests.search.conftest import Command, document
from tests.search.export.reading import read_export
from tests.studies.image_makers import encode, grey_pixels
from tests.studies.stores import folder_of


def test_training_again_says_whether_it_is_the_same(record: StudyRecord, mlpsearch: Command) -> None:
    assert mlpsearch("export", "mine", "-o", "best").code == 0
    best = document(mlpsearch("status", "mine", "--json"))["best"]["validation_accuracy"]
    same = f"validation accuracy {best:.2%}, the same as exported"
    same_weights = "the same weights bit for bit, and so the same test accuracy"
    assert mlpsearch("train", "best").out == f"{same}; {same_weights}\n"
    path = Path("best/export.toml")
    path.write_text(re.sub('weights_digest = "...', 'weights_digest = "000', path.read_text()))
    other = "other weights; changed since: no version"
    other += " (is it another device, or did the trial go on without its compiled steps?)"
    assert mlpsearch("train", "best").out == f"{same}; {other}\n"
    changed = path.read_text().replace(f"validation = {best}", "validation = 0.5")
    path.write_text(re.sub('numpy = ".*"', 'numpy = "1.0"', changed))
    answer = mlpsearch("train", "best")
    assert answer.code == 0
    start = f"validation accuracy {best:.2%}, exported was 50.00%; other weights; changed since: numpy "
    assert re.fullmatch(re.escape(start) + r"\S+, was 1\.0\n", answer.out)


def test_a_configuration_is_exported_without_its_weights(record: StudyRecord, mlpsearch: Command) -> None:
    assert mlpsearch("export", "mine", "-o", "whole.toml").code == 0
    shutil.rmtree(folder_of(record) / "weights")
    gone = f"{folder_of(record)}/weights/"
    for arguments in (("-o", "folder"), ("--weights", "w.safetensors"), ("-o", "b.toml", "--weights", "w")):
        answer = mlpsearch("export", "mine", *arguments)
        assert (answer.code, gone in answer.err) == (1, True)
    assert not Path("b.toml").exists()
    answer = mlpsearch("export", "mine", "-o", "best.toml")
    assert answer.code == 0
    first, taken, second = answer.err.splitlines()
    assert taken.startswith("taken: trial ")
    assert first == "wrote best.toml; `mlpsearch train best.toml` trains it again"
    assert second.startswith(
        f"it lacks the weights' digest, so train cannot tell whether they are the same: {gone}"
    )
    whole, best = (read_export(Path(name)) for name in ("whole.toml", "best.toml"))
    assert best == whole.model_copy(update={"weights_digest": None, "command": best.command})
    trained = mlpsearch("train", "best.toml")
    assert trained.out.endswith(", the same as exported; the export does not say what its weights were\n")
    assert document(mlpsearch("train", "best.toml", "--json"))["same_weights"] is None


def test_images_are_classified(record: StudyRecord, mlpsearch: Command) -> None:
    assert mlpsearch("export", "mine", "-o", "best").code == 0
    for name in ("0.png", "[red].png"):
        Path(name).write_bytes(encode(grey_pixels(0, 8, 8)))
    found = document(mlpsearch("predict", "best", "0.png", "[red].png", "--top", "2", "--json"))["predictions"]
    assert [one["file"] for one in found] == ["0.png", "[red].png"]
    first, second = found[1]["classes"]
    lines = [line.split() for line in mlpsearch("predict", "best", "0.png", "[red].png").out.splitlines()]
    assert lines[0] == ["file", "class", "probability"]
    assert len(lines) == 7
    assert lines[4] == ["[red].png", first["name"], f"{first['probability']:.2%}"]
    assert lines[5] == [second["name"], f"{second['probability']:.2%}"]


def test_an_image_that_cannot_be_used_is_named_and_the_others_are_classified(
    record: StudyRecord, mlpsearch: Command
) -> None:
    assert mlpsearch("export", "mine", "-o", "best").code == 0
    for name, width in (("a.png", 8), ("wide.png", 9), ("b.png", 8)):
        Path(name).write_bytes(encode(grey_pixels(0, 8, width)))
    alone = document(mlpsearch("predict", "best", "a.png", "b.png", "--json"))
    answer = mlpsearch("predict", "best", "a.png", "wide.png", "none.png", "b.png", "--json")
    found = json.loads(answer.out)
    assert (answer.code, found["predictions"]) == (1, alone["predictions"])
    assert [error["path"] for error in found["errors"]] == ["wide.png", "none.png"]
    assert {error["code"] for error in found["errors"]} == {"data"}
    wide, none = answer.err.splitlines()
    assert wide == "error: wide.png: has 8×9 pixels (height × width), the net needs 8×8"
    assert none == "error: none.png: cannot be read (No such file or directory)"
    table = mlpsearch("predict", "best", "wide.png", "b.png", "--top", "1")
    assert (table.code, table.out.split()[3]) == (1, "b.png")


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_where_no_image_can_be_used_nothing_is_shown(
    record: StudyRecord, mlpsearch: Command, options: tuple[str, ...]
) -> None:
    assert mlpsearch("export", "mine", "-o", "best").code == 0
    answer = mlpsearch("predict", "best", "none.png", *options)
    assert answer.code == 1
    assert (json.loads(answer.out)["predictions"] == []) if options else (answer.out == "")
    assert answer.err == "error: none.png: cannot be read (No such file or directory)\n"


def test_an_onnx_model_goes_with_the_export_that_it_is_of_and_that_is_said(
    record: StudyRecord, mlpsearch: Command
) -> None:
    assert "removed" not in mlpsearch("export", "mine", "-o", "best", "--onnx").err
    assert Path("best/model.onnx").exists()
    assert "removed" not in mlpsearch("export", "mine", "-o", "best", "--onnx").err
    assert Path("best/model.onnx").exists()
    answer = mlpsearch("export", "mine", "-o", "best")
    assert answer.code == 0
    assert "removed best/model.onnx of the earlier export; --onnx writes that of this one\n" in answer.err
    assert not Path("best/model.onnx").exists()
    assert "removed" not in mlpsearch("export", "mine", "-o", "best").err
