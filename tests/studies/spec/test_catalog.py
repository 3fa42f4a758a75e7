from importlib.resources import files
from pathlib import Path

import pytest

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.errors import SpecError
from mlpsearch.studies.spec import catalog
from mlpsearch.studies.spec.dimensions import inside
from mlpsearch.studies.spec.reading import parse_spec
from tests.studies.specs import MINIMAL

READY = [
    "breast-cancer-numpy",
    "breast-cancer-torch",
    "cifar10-numpy",
    "cifar10-numpy-best",
    "cifar10-torch",
    "cifar10-torch-best",
    "digits-numpy",
    "digits-torch",
    "fashion-mnist-numpy",
    "fashion-mnist-torch",
    "fashion-mnist-torch-best",
    "iris-numpy",
    "iris-torch",
    "letter-like-numpy",
    "letter-like-torch",
    "wine-numpy",
    "wine-torch",
]


def test_the_catalog_has_each_data_set_with_each_net_and_how_far_nets_get() -> None:
    assert catalog.names() == READY


@pytest.mark.parametrize("name", READY)
def test_a_ready_study_is_what_its_name_says(name: str) -> None:
    spec = catalog.find(name)
    assert spec.name == name
    assert name.removesuffix("-best") == f"{spec.dataset}-{spec.net}"


@pytest.mark.parametrize("name", READY)
def test_a_ready_study_searches_the_five_hyperparameters(name: str) -> None:
    five = {"hidden_size", "learning_rate", "regularization", "depth", "batch_size"}
    assert five <= catalog.find(name).search.keys()


@pytest.mark.parametrize("name", READY)
def test_the_starting_points_of_a_ready_study_are_whole_and_inside(name: str) -> None:
    spec = catalog.find(name)
    assert spec.points
    for point in spec.points:
        assert point.keys() == spec.search.keys()
        assert all(inside(spec.search[field], value) for field, value in point.items())


@pytest.mark.parametrize("name", READY)
def test_a_ready_study_is_commented(name: str) -> None:
    text = files(catalog).joinpath(f"{name}.toml").read_text("utf-8")
    assert text.startswith("# ")
    assert text.count("#") >= 4


def start(name: str, number: int) -> TrainConfig:
    spec = catalog.find(name)
    values = {**spec.fixed, **spec.points[number]}
    return TrainConfig(**values, epochs=spec.budget.epochs)  # type: ignore[arg-type]


def test_cifar10_numpy_starts_with_the_net_of_the_report() -> None:
    assert start("cifar10-numpy", 0) == TrainConfig(
        hidden_size=80,
        learning_rate=1e-3,
        regularization=0.5,
        learning_rate_decay=0.95,
        batch_size=200,
        depth=2,
        optimizer="sgd",
        momentum=0.0,
        preprocessing="center",
        initialization="small",
        epochs=20,
    )


@pytest.mark.parametrize(("number", "depth"), [(0, 2), (1, 3)])
def test_cifar10_torch_starts_with_the_template_of_the_exercise(number: int, depth: int) -> None:
    weight_decay = 1e-3
    assert start("cifar10-torch", number) == TrainConfig(
        hidden_size=50,
        learning_rate=1e-3,
        regularization=weight_decay / 2,
        learning_rate_decay=0.95,
        batch_size=100,
        depth=depth,
        optimizer="adam",
        preprocessing="scale",
        initialization="he",
        epochs=20,
    )


def test_the_two_nets_of_a_data_set_share_the_split() -> None:
    for dataset in ("breast-cancer", "cifar10", "digits", "fashion-mnist", "iris", "letter-like", "wine"):
        numpy, torch = catalog.find(f"{dataset}-numpy"), catalog.find(f"{dataset}-torch")
        assert (numpy.validation, numpy.seed) == (torch.validation, torch.seed)


@pytest.mark.parametrize("path", ["mine.toml", "./mine.toml", "folder/mine", "mine"])
def test_a_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(MINIMAL)
    assert catalog.find(path) == parse_spec(MINIMAL, path)


def test_a_name_of_the_catalog_comes_before_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("digits-numpy").write_text(MINIMAL)
    assert catalog.find("digits-numpy").name == "digits-numpy"
    assert catalog.find("./digits-numpy").name == "mine"


@pytest.mark.parametrize("study", ["cifar10-numpy", "mine.toml"])
def test_other_images_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, study: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(MINIMAL)
    assert catalog.find(study).data is None
    assert catalog.find(study, "images.tar.gz").data == str(tmp_path / "images.tar.gz")
    assert catalog.find(study, "images.tar.gz") == catalog.find(study).model_copy(
        update={"data": str(tmp_path / "images.tar.gz")}
    )


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (
            "cifar10-nunpy",
            "'cifar10-nunpy': no study of the catalog and no file (did you mean cifar10-numpy?)",
        ),
        ("xyz", f"'xyz': no study of the catalog and no file (allowed: {', '.join(READY)})"),
        ("xyz.toml", "xyz.toml: cannot be read: No such file or directory"),
        ("folder/xyz", "folder/xyz: cannot be read: No such file or directory"),
        ("__init__", "'__init__': no study of the catalog"),
        ("x" * 5000, "'xxx"),
    ],
)
def test_an_unknown_study_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, study: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError) as raised:
        catalog.find(study)
    assert str(raised.value).startswith(message)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("name", READY)
def test_a_ready_study_confirms_what_it_finds(name: str) -> None:
    asked = catalog.find(name).confirm
    assert asked is not None
    assert asked.report >= 3
    assert asked.top == 1 or asked.seeds >= 3
