"""Archives are untrusted: each of these must end in one clear line, not in a file, a hang or a traceback."""

import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.images import archives
from mlpsearch.studies.data.images.archives import MAX_FILE_BYTES, archive_members
from tests.studies.image_makers import image_files, write_any, write_tar, write_zip

ARCHIVES = ["x.tar", "x.tar.gz", "x.tgz", "x.zip"]


def read_all(path: Path) -> dict[tuple[str, ...], bytes]:
    return {member.parts: member.read() for member in archive_members(path) if not member.is_folder}


def refusal(path: Path) -> str:
    """The message with which an archive is refused."""
    with pytest.raises(DataError) as caught:
        read_all(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize("name", ARCHIVES)
def test_every_file_is_read(tmp_path: Path, name: str) -> None:
    files = image_files()
    archive = write_any(tmp_path / name, files)
    assert read_all(archive) == {tuple(path.split("/")): content for path, content in files.items()}


@pytest.mark.parametrize("name", ARCHIVES)
def test_dots_and_doubled_slashes_in_a_path_mean_nothing(tmp_path: Path, name: str) -> None:
    archive = write_any(tmp_path / name, {"./train//cat/./1.png": b"pixels"})
    assert read_all(archive) == {("train", "cat", "1.png"): b"pixels"}


@pytest.mark.parametrize("name", ARCHIVES)
@pytest.mark.parametrize(
    "member",
    [
        "../evil.png",
        "train/../../evil.png",
        "/etc/evil.png",
        "C:/evil.png",
        "..\\evil.png",
        "train\\cat\\evil.png",
    ],
)
def test_a_path_that_leaves_the_archive_is_refused(tmp_path: Path, name: str, member: str) -> None:
    archive = write_any(tmp_path / name, {"train/cat/1.png": b"", member: b"evil"})
    before = sorted(tmp_path.rglob("*"))
    message = refusal(archive)
    assert repr(member) in message
    assert "not a plain path" in message
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (tarfile.SYMTYPE, "a link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.FIFOTYPE, "a special file"),
        (tarfile.CHRTYPE, "a special file"),
        (tarfile.BLKTYPE, "a special file"),
    ],
)
def test_links_and_special_files_in_a_tar_are_refused(tmp_path: Path, kind: bytes, what: str) -> None:
    archive = write_tar(tmp_path / "x.tar", image_files(), special("train/cat/evil.png", kind, "/etc/passwd"))
    assert f"'train/cat/evil.png' is {what}" in refusal(archive)


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("train/cat/evil.png")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    assert "'train/cat/evil.png' is a link" in refusal(tmp_path / "x.zip")


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {"train/cat/1.png": b"pixels"})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flags in the central directory
    path.write_bytes(content)
    assert "'train/cat/1.png' is encrypted" in refusal(path)


@pytest.mark.parametrize("name", ARCHIVES)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_comes_twice_is_refused(tmp_path: Path, name: str) -> None:
    archive = write_any(tmp_path / name, {"train/cat/1.png": b"one", "./train/cat/1.png": b"two"})
    assert "comes twice" in refusal(archive)


@pytest.mark.parametrize("name", ["x.tar.gz", "x.zip"])
def test_a_member_that_unpacks_to_too_much_is_refused(tmp_path: Path, name: str) -> None:
    archive = write_any(tmp_path / name, {"train/cat/bomb.png": bytes(MAX_FILE_BYTES + 1)})
    assert archive.stat().st_size < 100_000
    message = refusal(archive)
    assert "'train/cat/bomb.png'" in message
    assert f"{MAX_FILE_BYTES:,}" in message


def test_a_zip_that_states_too_small_a_size_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {"train/cat/1.png": bytes(100_000)})
    content = path.read_bytes()
    true_size, small_size = (100_000).to_bytes(4, "little"), (100).to_bytes(4, "little")
    assert content.count(true_size) == 2
    path.write_bytes(content.replace(true_size, small_size))
    assert "'train/cat/1.png' cannot be read" in refusal(path)


def test_a_tar_header_that_states_a_huge_size_for_a_name_is_refused(tmp_path: Path) -> None:
    header = tarfile.TarInfo("long")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2**40
    path = tmp_path / "x.tar"
    path.write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(10_240))
    assert f"a header asks for {2**40:,} bytes" in refusal(path)


def test_a_negative_size_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    header = tarfile.TarInfo("train/cat/1.png")
    header.size = -1024
    path = tmp_path / "x.tar"
    path.write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(10_240))
    assert "has -1,024 bytes" in refusal(path)


# A file of 20 bytes takes a header and a block of 512 bytes each; the end mark is at 2048.
@pytest.mark.parametrize("size", [0, 100, 511, 512, 520, 1024, 1200, 1536, 1540, 2047, 2048])
def test_a_tar_that_is_cut_off_is_refused_wherever_it_ends(tmp_path: Path, size: int) -> None:
    path = write_tar(tmp_path / "x.tar", {"train/cat/1.png": b"x" * 20, "train/cat/2.png": b"y" * 20})
    whole = path.read_bytes()
    assert whole[2048:] == bytes(len(whole) - 2048)
    path.write_bytes(whole[:size])
    refusal(path)


@pytest.mark.parametrize("name", ["x.tar.gz", "x.zip"])
def test_a_compressed_archive_that_is_cut_off_is_refused(tmp_path: Path, name: str) -> None:
    path = write_any(tmp_path / name, image_files())
    whole = path.read_bytes()
    for size in range(0, len(whole), len(whole) // 20):
        path.write_bytes(whole[:size])
        refusal(path)


def test_a_damaged_gzip_checksum_is_noticed(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar.gz", image_files())
    content = bytearray(path.read_bytes())
    content[-5] ^= 0xFF
    path.write_bytes(content)
    assert "CRC" in refusal(path)


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not an archive" * 100)
    assert "cannot be read as an archive" in refusal(tmp_path / name)


def test_a_sparse_member_is_refused(tmp_path: Path) -> None:
    header = tarfile.TarInfo("train/cat/1.png")
    block = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    block[156:157] = tarfile.GNUTYPE_SPARSE
    block[386:398] = b"00000000000\0"  # a hole's offset
    block[398:410] = b"00000000000\0"  # and its size
    block[482:483] = b"\0"
    block[483:495] = b"00000000144\0"  # 100 bytes in all
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    (tmp_path / "x.tar").write_bytes(bytes(block) + bytes(10_240))
    assert "is a special file" in refusal(tmp_path / "x.tar")


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlpsearch.studies.data.images.archives.MAX_MEMBERS", 5)
    assert "more than 5 members" in refusal(write_tar(tmp_path / "x.tar", image_files()))


def test_a_compressed_tar_is_gone_through_forwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"train/cat/{number}.png": bytes([number]) * 512 * (number % 3) for number in range(50)}
    path = write_tar(tmp_path / "x.tar.gz", files)
    steps = []
    seek = archives._GuardedStream.seek

    def recording_seek(self: archives._GuardedStream, offset: int, whence: int = 0) -> int:
        steps.append(offset - self.tell())
        return seek(self, offset, whence)

    monkeypatch.setattr(archives._GuardedStream, "seek", recording_seek)
    assert list(read_all(path).values()) == list(files.values())
    assert min(steps) >= 0


# --- how much an archive unpacks to: limits are lowered, so that no test needs a large archive ---


def limit_total(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(archives, "MAX_TOTAL_BYTES", size)


@pytest.mark.parametrize(
    ("method", "said"),
    [(zipfile.ZIP_BZIP2, "packed with bzip2 (method 12)"), (zipfile.ZIP_LZMA, "packed with lzma (method 14)")],
)
def test_a_zip_may_only_be_stored_or_deflated(tmp_path: Path, method: int, said: str) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as archive:
        archive.writestr("train/cat/1.png", b"pixels")
    message = refusal(tmp_path / "x.zip")
    assert message.endswith(f"member 'train/cat/1.png' is {said}: only stored and deflate are allowed")


def test_an_unknown_method_is_named_by_its_number(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {"train/cat/1.png": b"pixels"})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 10] = 99
    path.write_bytes(content)
    assert "is packed with an unknown method (method 99)" in refusal(path)


def test_of_a_zip_member_no_more_is_unpacked_than_it_states(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stated size is a lie, and zipfile would unpack all there is before it looks at that."""
    path = write_zip(tmp_path / "x.zip", {"train/cat/1.png": bytes(1_000_000)})
    true_size, small_size = (1_000_000).to_bytes(4, "little"), (5_000).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(true_size, small_size))
    unpacked = []
    read_some = zipfile.ZipExtFile._read1  # type: ignore[attr-defined]

    def recorded(self: zipfile.ZipExtFile, size: int) -> bytes:
        unpacked.append(size)
        return bytes(read_some(self, size))

    monkeypatch.setattr(zipfile.ZipExtFile, "_read1", recorded)
    refusal(path)
    assert max(unpacked) == 5_001


def test_a_zip_member_that_has_less_than_it_states_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {"train/cat/1.png": bytes(1_000)})
    path.write_bytes(path.read_bytes().replace((1_000).to_bytes(4, "little"), (1_001).to_bytes(4, "little")))
    assert "not the 1,001 bytes it states" in refusal(path)


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_that_unpacks_to_too_much_in_all_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    archive = write_any(tmp_path / name, {f"train/cat/{number}.png": bytes(10_000) for number in range(10)})
    limit_total(monkeypatch, 90_000)
    assert refusal(archive) == f"{archive}: unpacks to more than the 90,000 bytes allowed in all"
    limit_total(monkeypatch, 130_000)  # a tar has headers, too
    assert len(read_all(archive)) == 10


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz"])
def test_what_a_tar_skips_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    archive = write_tar(tmp_path / name, {"notes.txt": bytes(100_000), "train/cat/1.png": b"pixels"})
    limit_total(monkeypatch, 90_000)
    with pytest.raises(DataError, match="more than the 90,000 bytes allowed in all"):
        list(archive_members(archive))


def test_the_total_of_a_stated_size_is_refused_before_anything_is_unpacked(tmp_path: Path) -> None:
    header = tarfile.TarInfo("notes.txt")
    header.size = 2**60
    (tmp_path / "x.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(10_240))
    with pytest.raises(DataError, match="unpacks to more than"):
        list(archive_members(tmp_path / "x.tar"))


def test_members_of_a_zip_that_share_bytes_are_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {"train/cat/1.png": bytes(100), "train/cat/2.png": bytes(100)})
    content = bytearray(path.read_bytes())
    second = content.rindex(b"PK\x01\x02")
    content[second + 42 : second + 46] = bytes(4)  # it begins where the first does
    path.write_bytes(content)
    assert "overlaps what comes after it" in refusal(path)


def test_a_zip_of_too_many_members_is_refused_before_they_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_zip(tmp_path / "x.zip", image_files())
    monkeypatch.setattr(archives, "MAX_MEMBERS", 5)
    monkeypatch.setattr(zipfile.ZipInfo, "__init__", lambda *_: pytest.fail("made an object of a member"))
    assert "more than 5 members" in refusal(path)


def test_a_table_of_contents_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_zip(tmp_path / "x.zip", image_files())
    monkeypatch.setattr(archives, "_MAX_DIRECTORY_BYTES", 100)
    assert "a table of contents too large" in refusal(path)


@pytest.mark.parametrize("name", ARCHIVES)
def test_names_that_are_too_long_together_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    archive = write_any(tmp_path / name, {f"train/cat/{number:0200}.png": b"" for number in range(3)})
    monkeypatch.setattr(archives, "MAX_NAME_CHARACTERS", 600)
    assert "names have more than 600 characters" in refusal(archive)


def tar_with_attributes(path: Path, **attributes: str) -> Path:
    """A tar whose members share these attributes."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, pax_headers=attributes) as archive:
        archive.addfile(tarfile.TarInfo("train/cat/1.png"))
        archive.addfile(tarfile.TarInfo("train/cat/2.png"))
    return path


def test_attributes_of_a_tar_that_are_too_large_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tar_with_attributes(tmp_path / "x.tar", comment="x" * 5_000)
    assert len(read_all(path)) == 2
    monkeypatch.setattr(archives, "_MAX_HEADER_BYTES", 4_096)
    assert "a header asks for" in refusal(path)


def test_headers_before_one_member_are_counted_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain of small ones, as a table of the holes of a sparse file is, may go on for ever."""
    long = tarfile.TarInfo("././@LongLink")
    long.type, long.size = tarfile.GNUTYPE_LONGNAME, 512
    links = (long.tobuf(tarfile.GNU_FORMAT) + b"a".ljust(512, b"\0")) * 20
    file = tarfile.TarInfo("train/cat/1.png").tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "x.tar").write_bytes(links + file + bytes(10_240))
    monkeypatch.setattr(archives, "_MAX_HEADER_BYTES", 10_240)
    assert "a header asks for" in refusal(tmp_path / "x.tar")


def test_too_many_attributes_of_all_members_are_refused(tmp_path: Path) -> None:
    path = tar_with_attributes(tmp_path / "x.tar", **{f"key{number}": "x" for number in range(101)})
    assert "more than 100 attributes" in refusal(path)


def test_members_that_were_gone_through_are_let_go(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", image_files())
    with tarfile.open(path) as kept:
        assert len(kept.getmembers()) == 10
    found = []
    next_member = tarfile.TarFile.next

    def recorded(self: tarfile.TarFile) -> tarfile.TarInfo | None:
        found.append(len(self.members))  # type: ignore[attr-defined]
        return next_member(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tarfile.TarFile, "next", recorded)
        assert len(read_all(path)) == 10
    assert max(found) <= 1


def test_a_tar_that_points_backwards_is_refused(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", image_files())
    with path.open("rb") as stream:
        guard = archives._GuardedStream(stream, archives._Total(path))
        guard.read(512)
        with pytest.raises(tarfile.ReadError, match="points backwards"):
            guard.seek(0)
