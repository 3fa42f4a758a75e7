"""How many cores a process may use."""

import os
from pathlib import Path

import pytest

from mlpsearch.models import cores
from mlpsearch.models.cores import available_cores


@pytest.fixture(autouse=True)
def _eight_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that nothing bounds, on a machine of sixteen cores of which it may use eight."""
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(cores, "_OWN_GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(cores, "_ALL_GROUPS", tmp_path / "groups")
    for variable in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        monkeypatch.delenv(variable, raising=False)


def quotas(folder: Path, own: str, **groups: str) -> None:
    """Write what the kernel says of the control groups; of a group a.b as a__b, of the uppermost as top."""
    (folder / "cgroup").write_text(f"4:memory:/elsewhere\n0::{own}\n")
    for name, limit in groups.items():
        path = folder / "groups" / ("" if name == "top" else name.replace("__", "/"))
        path.mkdir(parents=True, exist_ok=True)
        (path / "cpu.max").write_text(f"{limit}\n")


def test_the_process_s_affinity_bounds_it() -> None:
    assert available_cores() == 8


def test_where_no_affinity_is_known_it_has_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    assert available_cores() == 16
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cores() == 1


@pytest.mark.parametrize(
    ("own", "groups", "expected"),
    [
        ("/", {"top": "200000 100000"}, 2),  # as a container sees its own
        ("/", {"top": "max 100000"}, 8),
        ("/", {"top": "250000 100000"}, 2),
        ("/", {"top": "50000 100000"}, 1),
        ("/", {"top": "1600000 100000"}, 8),
        ("/a/b", {"a": "300000 100000", "a__b": "500000 100000"}, 3),
        ("/a/b", {"a": "max 100000", "a__b": "500000 100000"}, 5),
        ("/a/b", {"other": "100000 100000"}, 8),
        ("/../..", {"top": "400000 100000"}, 4),
        ("/", {"top": "nonsense"}, 8),
        ("/", {"top": "100000 0"}, 8),
        ("/", {"top": ""}, 8),
    ],
)
def test_a_quota_of_its_control_groups_bounds_it(
    own: str, groups: dict[str, str], expected: int, tmp_path: Path
) -> None:
    quotas(tmp_path, own, **groups)
    assert available_cores() == expected


@pytest.mark.parametrize(
    ("controllers", "group", "quota", "expected"),
    [
        ("cpu,cpuacct", "docker/a", "300000", 3),
        ("cpu", "", "250000", 2),
        ("cpu", "docker/a", "-1", 8),
        ("cpuacct", "", "100000", 8),
    ],
)
def test_a_quota_of_version_1_bounds_it(
    controllers: str, group: str, quota: str, expected: int, tmp_path: Path
) -> None:
    (tmp_path / "cgroup").write_text(f"9:name=systemd:/\n2:{controllers}:/docker/a\n0::/docker/a\n")
    folder = tmp_path / "groups" / controllers / group
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (folder / "cpu.cfs_period_us").write_text("100000\n")
    assert available_cores() == expected


def test_where_nothing_is_known_of_control_groups_they_bound_nothing(tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text("2:cpu,cpuacct:/\n0::/\nnonsense\n")
    assert available_cores() == 8


@pytest.mark.parametrize(
    ("task", "node", "expected"),
    [("2", "6", 2), ("", "6", 6), ("12", "", 8), ("0", "3", 3), ("two", "-1", 8), ("9" * 5000, "٤", 8)],
)
def test_slurm_bounds_it(task: str, node: str, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", task)
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", node)
    assert available_cores() == expected
