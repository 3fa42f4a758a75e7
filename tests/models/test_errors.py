"""What an error is about stands in its fields, beside its text."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.errors import ConfigError, DataError, MlpsearchError, StudyError, WeightsError, about
from mlpsearch.models.weights import check_shapes, load_arrays
from tests.models.error_fields import fields


def test_an_error_is_its_text_and_what_it_is_given() -> None:
    assert fields(MlpsearchError("no")) == {}
    error = StudyError("no", study="mine", trial=0, key="budget", path=Path("a"), url="sqlite:///a.db")
    assert str(error) == "no"
    assert fields(error) == {"study": "mine", "trial": 0, "key": "budget", "path": "a", "url": "sqlite:///a.db"}


def test_fields_survive_the_way_to_another_process() -> None:
    again = pickle.loads(pickle.dumps(StudyError("no", study="mine", trial=3)))
    assert (type(again), str(again), fields(again)) == (StudyError, "no", {"study": "mine", "trial": 3})


def test_who_called_fills_what_is_empty_and_nothing_else() -> None:
    with pytest.raises(DataError, match=r"^no$") as caught, about(path="outer", study="mine"):
        raise DataError("no", path="inner")
    assert fields(caught.value) == {"path": "inner", "study": "mine"}
    with pytest.raises(KeyError), about(path="outer"):
        raise KeyError("a bug")


def test_a_configuration_names_its_field() -> None:
    with pytest.raises(ConfigError) as caught:
        TrainConfig(depth=1)
    assert fields(caught.value) == {"key": "depth"}


def test_weights_name_their_file(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with pytest.raises(WeightsError) as missing:
        load_arrays(path)
    with pytest.raises(WeightsError) as other:
        check_shapes("s3://bucket/a.safetensors", {"weight.0": np.zeros(2, np.float32)}, {"weight.0": (3,)})
    assert fields(missing.value) == {"path": str(path)}
    assert fields(other.value) == {"path": "s3://bucket/a.safetensors"}
