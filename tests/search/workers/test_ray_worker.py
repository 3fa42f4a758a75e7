"""Which clusters are refused, and how; tests/stress/test_ray.py has one that works."""

import socket
import sys
from typing import Any

import pytest

from mlpsearch.models.errors import ClusterError
from mlpsearch.search.workers.placement import Placement
from mlpsearch.search.workers.ray_worker import _refuse_unplaceable, _refuse_unshared
from mlpsearch.studies.record import StudyRecord

SERVER = "postgresql+psycopg://user:secret@db/studies"


def node(address: str = "10.0.0.1", **resources: float) -> dict[str, Any]:
    return {"NodeManagerAddress": address, "Resources": resources}


def refusal(record: StudyRecord, address: str) -> str:
    with pytest.raises(ClusterError) as caught, Placement(1, address).starting(record.url):
        pass
    return str(caught.value)


def test_without_ray_the_remedy_is_named(record: StudyRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert refusal(record, "local") == "--ray needs the package ray: pip install 'mlpsearch[ray]'"


def test_an_address_where_nobody_answers(record: StudyRecord) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert refusal(record, f"127.0.0.1:{port}").startswith(f"--ray 127.0.0.1:{port}: nobody answers there (")
    assert refusal(record, "127.0.0.1:99999").startswith("--ray 127.0.0.1:99999: nobody answers there (")


def test_no_address(record: StudyRecord) -> None:
    assert refusal(record, "nonsense") == "--ray nonsense: cannot be used (Invalid address format: nonsense)"


def test_sqlite_is_for_one_machine() -> None:
    one, other = node("10.0.0.1"), node("10.0.0.2")
    _refuse_unshared("sqlite:////data/studies.db", [one, one])
    _refuse_unshared(SERVER, [one, other])
    with pytest.raises(ClusterError) as caught:
        _refuse_unshared("sqlite:////data/studies.db", [one, other])
    assert str(caught.value) == (
        "/data/studies.db: SQLite works on one machine alone, and this cluster has 2; "
        "name a PostgreSQL server with --storage"
    )


@pytest.mark.parametrize(
    ("gpus", "nodes"),
    [(0.0, [node(CPU=2.0)]), (0.25, [node(), node(CPU=2.0, GPU=1.0)]), (1.0, [node(CPU=1.0, GPU=4.0)])],
)
def test_a_cluster_that_can_place_a_worker(gpus: float, nodes: list[dict[str, Any]]) -> None:
    _refuse_unplaceable(gpus, nodes)


@pytest.mark.parametrize(
    ("gpus", "nodes", "lacks"),
    [
        (0.0, [node(), node(GPU=8.0)], "1 CPU,"),
        (0.25, [node(CPU=8.0), node(GPU=8.0)], "1 CPU and 0.25 GPUs,"),
        (0.25, [], "1 CPU and 0.25 GPUs,"),
    ],
)
def test_a_cluster_that_cannot(gpus: float, nodes: list[dict[str, Any]], lacks: str) -> None:
    with pytest.raises(ClusterError) as caught:
        _refuse_unplaceable(gpus, nodes)
    assert str(caught.value) == f"the Ray cluster has no node with {lacks} which a worker takes"
