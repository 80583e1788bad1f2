"""Files are whole or absent; reading is bounded."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from linclass import files
from linclass.datasets.archive import members
from linclass.datasets.load import load
from linclass.errors import DataError, RunTakenError, StorageError
from linclass.evaluation.submission import read_rows


class FailingSystem(files.System):
    def __init__(self, call: str) -> None:
        self.call = call

    def fail(self, call: str) -> None:
        if call == self.call:
            raise OSError(28, "No space left on device")

    def open(self, path, mode):
        self.fail("open")
        return super().open(path, mode)

    def write(self, file, data) -> None:
        super().write(file, data[: len(data) // 2])
        self.fail("write")
        super().write(file, data[len(data) // 2 :])

    def fsync(self, file) -> None:
        self.fail("fsync")
        super().fsync(file)

    def replace(self, source, target) -> None:
        self.fail("replace")
        super().replace(source, target)


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
def test_a_failed_write_leaves_the_old_bytes_and_no_orphan(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state"
    files.write_durably(path, b"old")
    monkeypatch.setattr(files, "SYSTEM", FailingSystem(call))
    with pytest.raises(StorageError, match=r"cannot write .*state \(8 bytes\): No space left on device"):
        files.write_durably(path, b"newbytes")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_write_append_truncate_read(tmp_path: Path) -> None:
    path = tmp_path / "f"
    files.write_durably(path, b"abc")
    files.append_durably(path, b"def")
    files.truncate(path, 4)
    assert files.read_capped(path, 4) == b"abcd"
    with pytest.raises(DataError, match="larger than the 3 bytes"):
        files.read_capped(path, 3)


def test_reading_what_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        files.read_capped(tmp_path / "absent", 10)
    with pytest.raises(DataError, match="not a regular file"):
        files.read_capped(tmp_path, 10)


def test_a_huge_cap_costs_no_memory(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 1000)
    limit = 2 << 30
    program = (
        f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))\n"
        "from pathlib import Path; from linclass.files import read_capped\n"
        f"print(len(read_capped(Path({str(tmp_path / 'f')!r}), 1 << 40)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "1000\n", done.stderr
    assert resource.getrlimit(resource.RLIMIT_AS)[0] != limit


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "\xff"])
def test_json_that_is_not_json(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(DataError, match="not valid JSON"):
        files.read_json(tmp_path / "run.json")


def test_a_lock_excludes_and_ends_with_its_holder(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from linclass.files import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / ".lock")], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunTakenError, match="in use"), files.locked(tmp_path / ".lock"):
            pass
        holder.kill()
    with files.locked(tmp_path / ".lock"):
        pass


def test_an_unwritable_place_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        files.make_directory(tmp_path / "file/below")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<!DOCTYPE html><title>Sign in</title>", "is a web page (HTML) saved in place of the data"),
        (b"\xef\xbb\xbf\r\n  <HTML lang=en>", "is a web page (HTML)"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "is a server's answer (XML)"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a pointer of Git LFS"),
    ],
)
def test_what_was_saved_in_place_of_data_is_called_that(tmp_path: Path, data: bytes, reason: str) -> None:
    for name in ("train.csv", "own.npz", "images.gz", "cifar-10-python.tar.gz"):
        path = tmp_path / name
        path.write_bytes(data)
        readers = [lambda path=path: load(str(path))] if path.suffix in (".csv", ".npz") else []
        readers += [lambda path=path: read_rows(path), lambda path=path: list(members(path, {"a": 1}))]
        for read in readers:
            with pytest.raises(DataError) as caught:
                read()
            assert str(caught.value).startswith(f"{path} {reason}")
