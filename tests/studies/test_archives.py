"""Archives are untrusted: each of these must end in one clear line, not in a file, a hang or a traceback."""

import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from models.errors import DataError
from studies import archives
from studies.archives import MAX_FILE_BYTES, archive_members
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
    monkeypatch.setattr("studies.archives.MAX_MEMBERS", 5)
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
