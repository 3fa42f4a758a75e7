"""A file is the old one or the new one, and never something between."""

import errno
import os
import stat
from pathlib import Path

import pytest

from mlpsearch.models.paths import folder_written_atomically, write_atomically


def test_writes_replaces_and_makes_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.bin"
    for content in (b"first, and longer", b"second"):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("function", ["fsync", "fdopen"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_failing_write_leaves_the_old_file_and_nothing_else(
    function: str, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise error

    path = tmp_path / "file.bin"
    write_atomically(path, b"old")
    monkeypatch.setattr(os, function, fail)
    with pytest.raises(type(error)):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_reported_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*file\.bin'"):
        write_atomically(tmp_path / "file.bin", b"new")


def test_a_failing_replacement_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_atomically(tmp_path / "taken", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_the_content_is_there_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes the name has been synced: a crash of the machine cannot leave the name on an empty file."""
    path, events = tmp_path / "file.bin", []
    sync, replace = os.fsync, Path.replace

    def record_sync(descriptor: int) -> None:
        events.append(("sync", os.fstat(descriptor).st_size))
        sync(descriptor)

    def record_replace(source: Path, target: Path) -> Path:
        events.append(("replace", source.stat().st_size))
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(Path, "replace", record_replace)
    write_atomically(path, b"content")
    assert events == [("sync", 7), ("replace", 7)]


def test_permissions_are_those_of_any_other_file(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"")
    write_atomically(tmp_path / "file", b"")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_the_permissions_of_other_files_stay_while_one_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The umask belongs to the process: what another thread makes meanwhile would be private."""
    monkeypatch.setattr(os, "umask", lambda _: pytest.fail("changed the umask"))
    write_atomically(tmp_path / "file", b"")


def test_the_permissions_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


# ---- folders ----


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("before", [None, {}, {"a": b"old", "b": b"old"}], ids=["none", "empty", "files"])
def test_a_folder_takes_the_place_of_another(tmp_path: Path, before: dict[str, bytes] | None) -> None:
    target = tmp_path / "new" / "folder"
    if before is not None:
        target.mkdir(parents=True)
        for name, data in before.items():
            (target / name).write_bytes(data)
    with folder_written_atomically(target) as folder:
        (folder / "a").write_bytes(b"new")
        assert (content(target) if target.exists() else None) == before
    assert content(target) == {"a": b"new"}
    assert [path.name for path in target.parent.iterdir()] == ["folder"]
    assert target.stat().st_mode == tmp_path.joinpath("new").stat().st_mode


def test_files_and_their_names_are_there_before_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events, sync, rename = [], os.fsync, Path.rename

    def record_sync(descriptor: int) -> None:
        events.append(Path(f"/proc/self/fd/{descriptor}").resolve().suffix)
        sync(descriptor)

    def record_rename(source: Path, target: Path) -> Path:
        events.append("rename")
        return rename(source, target)

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(Path, "rename", record_rename)
    with folder_written_atomically(tmp_path / "folder") as folder:
        (folder / "a.bin").write_bytes(b"new")
    assert events == [".bin", ".new", "rename"]


def test_a_file_system_that_cannot_sync_folders_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = os.fsync

    def refuse_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    with folder_written_atomically(tmp_path / "folder") as folder:
        (folder / "a").write_bytes(b"new")
    assert content(tmp_path / "folder") == {"a": b"new"}


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
@pytest.mark.parametrize("there", [True, False])
def test_a_folder_that_was_not_finished_leaves_nothing(tmp_path: Path, error: BaseException, there: bool) -> None:
    target = tmp_path / "folder"
    if there:
        target.mkdir()
        (target / "a").write_bytes(b"old")

    def fail(folder: Path) -> None:
        (folder / "a").write_bytes(b"new")
        raise error

    with pytest.raises(type(error)), folder_written_atomically(target) as folder:
        fail(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"] * there
    assert not there or content(target) == {"a": b"old"}


def test_a_folder_that_cannot_take_the_place_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, rename = tmp_path / "folder", Path.rename
    target.mkdir()
    (target / "a").write_bytes(b"old")

    def fail_for_the_new(source: Path, to: Path) -> Path:
        if source.suffix == ".new":
            raise OSError("no room")
        return rename(source, to)

    monkeypatch.setattr(Path, "rename", fail_for_the_new)
    with pytest.raises(OSError, match="no room"), folder_written_atomically(target):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert content(target) == {"a": b"old"}


def test_a_link_to_a_folder_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with folder_written_atomically(tmp_path / "link") as folder:
        (folder / "a").write_bytes(b"new")
    assert (tmp_path / "link").is_symlink()
    assert content(tmp_path / "real") == {"a": b"new"}
