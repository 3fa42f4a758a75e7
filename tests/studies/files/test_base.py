"""Files by name in a folder and in a bucket: the same contract for both."""

import os
import re
import sys
import time
from pathlib import Path

import pytest

from mlpsearch.models.errors import StorageError
from mlpsearch.studies.files import s3
from mlpsearch.studies.files.base import Files, FolderFiles
from mlpsearch.studies.files.location import files_at, location_of
from tests.s3 import S3, SECRET


@pytest.fixture
def files(place: str) -> Files:
    return files_at(place)


def names(files: Files) -> list[str]:
    return sorted(file.name for file in files.found())


# ---- the contract ----


def test_what_is_written_is_read_and_replaced(files: Files) -> None:
    for content in (b"first", b"", b"x" * 9_000_000):  # the last goes to S3 in parts
        files.write("weights/1.safetensors", content)
        assert files.read("weights/1.safetensors", len(content)) == content
        file, size = files.open("weights/1.safetensors")
        with file:
            assert (file.read(), size) == (content, len(content))
    assert names(files) == ["weights/1.safetensors"]


def test_what_is_too_large_is_not_read(files: Files) -> None:
    files.write("a", b"12345")
    with pytest.raises(OSError, match="File too large"):
        files.read("a", 4)


@pytest.mark.parametrize("missing", ["a", "a/b", "b/c"])
def test_what_is_missing_is_not_found(files: Files, missing: str) -> None:
    files.write("b/a", b"1")
    with pytest.raises(FileNotFoundError):
        files.read(missing, 9)
    with pytest.raises(FileNotFoundError):
        files.open(missing)
    files.remove(missing)
    assert names(files) == ["b/a"]


def test_an_empty_place_has_nothing_and_looking_makes_nothing(files: Files, tmp_path: Path) -> None:
    assert (files.found(), files.folders(), files.within("a").found()) == ([], [], [])
    files.clear()
    files.remove("a")
    assert not [*tmp_path.iterdir()]


def test_files_are_found_with_their_sizes_and_ages(files: Files) -> None:
    files.write("a/b/1", b"12345")
    files.write("c", b"")
    found = {file.name: file for file in files.found()}
    assert {name: file.size for name, file in found.items()} == {"a/b/1": 5, "c": 0}
    assert all(-2 <= file.age < 60 for file in found.values())


def test_folders_are_those_of_the_first_level(files: Files) -> None:
    for name in ("a/b/1", "a/2", "c", "d/3"):
        files.write(name, b"1")
    assert sorted(files.folders()) == ["a", "d"]
    assert files.within("a").folders() == ["b"]


def test_a_folder_is_cleared_without_its_neighbours(files: Files) -> None:
    for name in ("a/1", "a/b/2", "ab/3", "4"):
        files.write(name, b"1")
    assert names(files.within("a")) == ["1", "b/2"]
    files.within("a").clear()
    assert names(files) == ["4", "ab/3"]


def test_a_file_is_removed_alone(files: Files) -> None:
    for name in ("a/1", "a/11"):
        files.write(name, b"1")
    files.remove("a/1")
    assert names(files) == ["a/11"]


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "a/../../b", "/etc/passwd", "a//b", "a/", "a\0b", "./a"])
def test_a_name_leads_nowhere_else(files: Files, name: str) -> None:
    for act in (lambda: files.read(name, 9), lambda: files.write(name, b"1"), lambda: files.remove(name)):
        with pytest.raises(ValueError, match="no name of a file"):
            act()
    with pytest.raises(ValueError, match="no name of a file"):
        files.within(name)


# ---- folders ----


def test_the_age_of_a_file_is_since_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    then = time.time() - 3600
    os.utime(tmp_path / "a", (then, then))
    (found,) = FolderFiles(tmp_path).found()
    assert 3599 < found.age < 3700


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a").write_bytes(b"12345")
    files = FolderFiles(tmp_path / "place")
    files.write("b/c", b"1")
    (files.path / "b" / "link").symlink_to(tmp_path / "outside")
    assert names(files) == ["b/c"]
    files.clear()
    assert (tmp_path / "outside" / "a").exists()


# ---- S3 ----


def test_folders_that_other_programs_make_are_no_files(bucket: str, s3_server: S3) -> None:
    files = files_at(bucket)
    name, _, prefix = bucket.removeprefix("s3://").partition("/")
    s3_server.client().put_object(Bucket=name, Key=f"{prefix}/a/", Body=b"")
    files.write("a/1", b"1")
    assert names(files) == ["a/1"]


def test_a_listing_may_have_many_pages(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    files = files_at(bucket)
    for number in range(7):
        files.write(f"{number}/a", b"")
    assert (len(files.found()), len(files.folders())) == (7, 7)


@pytest.mark.parametrize(
    ("trouble", "act"),
    [
        *(
            (trouble, act)
            for act in ("read", "write", "remove", "found", "folders")
            for trouble in ("server", "key")
        ),
        *(("bucket", act) for act in ("write", "remove", "found", "folders")),
    ],
)
def test_what_fails_is_one_line_without_secrets(
    bucket: str, act: str, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "_TRIES", 1)
    place = bucket
    if trouble == "server":
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://user:{SECRET}@127.0.0.1:1")
    elif trouble == "bucket":
        place = "s3://there-is-none/of-it"
    else:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    s3._store.cache_clear()
    try:
        with pytest.raises(StorageError) as caught:
            getattr(files_at(place), act)(*{"read": ("a", 9), "write": ("a", b"1"), "remove": ("a",)}.get(act, ()))
    finally:
        s3._store.cache_clear()
    assert re.fullmatch(rf"{place}: cannot be (read|written|listed) \([A-Za-z]+\)", str(caught.value))


def test_an_endpoint_that_is_no_url_is_one_line(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"user:{SECRET}@host")
    with pytest.raises(StorageError, match=r"^s3://another: cannot be used \(AWS_ENDPOINT_URL is no URL\)$"):
        files_at("s3://another")


def test_objects_of_any_name_are_cleared(bucket: str, s3_server: S3) -> None:
    files = files_at(bucket)
    name, _, prefix = bucket.removeprefix("s3://").partition("/")
    for key in ("a//b", "../c", "."):
        s3_server.client().put_object(Bucket=name, Key=f"{prefix}/{key}", Body=b"")
    files.clear()
    assert files.found() == []


def test_without_boto3_it_says_what_to_install(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3.exceptions", None)
    with pytest.raises(StorageError, match=r"^s3://\S+: S3 needs boto3: pip install 'mlpsearch\[s3\]'$"):
        files_at(bucket)


# ---- names of places ----


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("/a/b", "/a/b"),
        ("/a/b/", "/a/b"),
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://my.bucket-1/a/b c/", "s3://my.bucket-1/a/b c"),
        ("s3://bucket//a//b", "s3://bucket/a/b"),
    ],
)
def test_a_place_has_one_name(given: str, name: str) -> None:
    assert location_of(given) == name
    assert location_of(name) == name


def test_a_folder_may_be_relative_or_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/someone")
    assert location_of("a/b") == str(tmp_path / "a" / "b")
    assert location_of("~/a") == "/home/someone/a"


@pytest.mark.parametrize(
    "given",
    ["gs://bucket/a", "s3://", "s3://B/a", "s3:///a", "s3://user:secret@host/a", "file:///a", "a\nb", "a\0b"],
)
def test_other_places_are_refused(given: str) -> None:
    with pytest.raises(StorageError, match=r"^artifacts .*: must be a folder or s3://BUCKET/PREFIX$"):
        location_of(given)
