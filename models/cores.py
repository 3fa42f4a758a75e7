"""How many cores this process may use; a machine often has more."""

import os
import re
from pathlib import Path

# Of Linux: the control groups a process is in, and the folder of all.
_OWN_GROUPS, _ALL_GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def available_cores() -> int:
    """Return the smallest of what bounds this process, at least 1.

    These are its affinity (`taskset`, a container's set of cores), the quota of its control groups (a container's
    share of the time, in whole cores), and what Slurm gave to a task or has on this node for the job.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    of_task, of_job = (whole_number(os.environ.get(f"SLURM_CPUS_{of}", "")) for of in ("PER_TASK", "ON_NODE"))
    return max(1, min(affinity or 1, of_task or of_job or affinity or 1, *_quotas()))


def whole_number(text: str) -> int | None:
    """Return the number that an environment variable gives, None where that is no whole number from 1."""
    return int(text) or None if re.fullmatch(r"\s*[0-9]{1,9}\s*", text, re.ASCII) else None


def _quotas() -> list[int]:
    """In whole cores, of the control groups of this process and of all that they lie in: each may have one."""
    limits = []
    for controllers, own in re.findall(r"^[0-9]+:([^:]*):/(.*)$", _text_of(_OWN_GROUPS), re.MULTILINE):
        if not controllers:  # version 2
            limits += [_text_of(folder / "cpu.max") for folder in _around(_ALL_GROUPS, own)]
        elif "cpu" in controllers.split(","):
            limits += [
                _text_of(folder / "cpu.cfs_quota_us") + _text_of(folder / "cpu.cfs_period_us")
                for folder in _around(_ALL_GROUPS / controllers, own)
            ]
    found = [re.match(r"([0-9]{1,18})\s+([0-9]{1,18})\s", limit) for limit in limits]
    return [int(quota[1]) // int(quota[2]) for quota in found if quota is not None and int(quota[2])]


def _around(top: Path, group: str) -> list[Path]:
    """A group's folder, and those it lies in; a container may see only the last of them."""
    inner = top / group
    return [folder for folder in (inner, *inner.parents) if folder.is_relative_to(top)]


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
