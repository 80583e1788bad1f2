"""Downloads from a server on this computer that stalls, crawls, breaks off and lies."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from linclass.datasets.download import Pace, SlowError, download
from linclass.datasets.fetch import Recipe, fetch
from linclass.datasets.published import Remote
from linclass.errors import DataError
from linclass.files import read_capped

DATA = np.random.default_rng(0).bytes(3 << 20)
QUICK = Pace(speed=1e6, window=0.2, pause=0)
PATIENT = QUICK._replace(speed=0)
LIMIT = 4 << 20


class Server(ThreadingHTTPServer):
    """Serves DATA under any name; how, is the first part of the path: /crawls/a.gz.

    asked: (path, the Range header or "") of every request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str]] = []
        self.closing = threading.Event()

    def url(self, way: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{way}/a.gz"


class Handler(BaseHTTPRequestHandler):
    """One method for each way of serving."""

    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.server.asked.append((self.path, wanted))
        way = self.path.split("/")[1]
        start = int(re.sub("[^0-9]", "", wanted) or 0)
        getattr(self, way)(start)

    def head(self, start: int, length: int, *, data: bytes = DATA, **more: str) -> None:
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(length))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()

    def well(self, start: int) -> None:
        if start >= len(DATA):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(DATA)}")
            self.end_headers()
            return
        self.head(start, len(DATA) - start)
        self.wfile.write(DATA[start:])

    def breaks(self, start: int) -> None:
        """After 1.2 MB."""
        self.head(start, len(DATA) - start)
        self.wfile.write(DATA[start : start + 1_200_000])

    def drops(self, start: int) -> None:
        """After 1000 bytes, every time."""
        self.head(start, len(DATA) - start)
        self.wfile.write(DATA[start : start + 1000])

    def stalls(self, start: int) -> None:
        """After 1.2 MB."""
        self.head(start, len(DATA) - start)
        self.wfile.write(DATA[start : start + 1_200_000])
        self.wfile.flush()
        if start + 1_200_000 < len(DATA):
            self.server.closing.wait(5)

    def crawls(self, start: int) -> None:
        """20 kB at a time, 100 kB/s."""
        self.head(start, len(DATA) - start)
        for at in range(start, len(DATA), 20_000):
            self.wfile.write(DATA[at : at + 20_000])
            self.wfile.flush()
            if self.server.closing.wait(0.2):
                return

    def lazy(self, start: int) -> None:
        """Too slow at first; whoever comes again is served well."""
        if start:
            self.well(start)
        else:
            self.crawls(start)

    def whole(self, start: int) -> None:
        """All of it whatever was asked for, and the first time only half."""
        self.head(0, len(DATA))
        only_half = len(self.server.asked) == 1
        self.wfile.write(DATA[: len(DATA) // 2] if only_half else DATA)

    def elsewhere(self, start: int) -> None:
        """From another byte on than was asked for."""
        self.head(start - 7 if start else 0, len(DATA) - start)
        self.wfile.write(DATA[start:])

    def other(self, start: int) -> None:
        """Other bytes of the same number."""
        data = bytes(len(DATA))
        self.head(start, len(data) - start)
        self.wfile.write(data[start:])

    def page(self, start: int) -> None:
        """What a hotel's network answers to everything."""
        body = b"\n <!DOCTYPE HTML><title>Please log in</title>"
        self.head(0, len(body))
        self.wfile.write(body)

    def shorter(self, start: int) -> None:
        """It has become shorter than what is there."""
        if start:
            self.send_response(416)
            self.send_header("Content-Range", "bytes */100")
            self.end_headers()
            return
        self.well(0)

    def absent(self, start: int) -> None:
        self.send_error(404)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def got(server: Server, way: str, target: Path, pace: Pace = PATIENT) -> list[str]:
    """The notes of a download."""
    notes: list[str] = []
    download(server.url(way), target, LIMIT, lambda done, total: None, pace=pace, note=notes.append)
    return notes


def refused(error: type[Exception], *args, **options) -> str:
    with pytest.raises(error) as caught:
        got(*args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_source_that_serves_well(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    target = tmp_path / "a.gz"
    download(server.url("well"), target, LIMIT, lambda *at: seen.append(at), pace=QUICK)
    assert target.read_bytes() == DATA
    assert seen[-1] == (len(DATA), len(DATA))
    assert server.asked == [("/well/a.gz", "")]


def test_what_broke_off_is_continued_on_the_same_connection_and_later(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "a.gz"
    notes = got(server, "breaks", target)
    assert target.read_bytes() == DATA
    assert [wanted for _, wanted in server.asked] == ["", "bytes=1200000-", "bytes=2400000-"]
    assert len(notes) == 2
    assert notes[0].endswith("broke off after 1,200,000 bytes: asking for the rest")
    target.write_bytes(DATA[:2_000_000])  # of another day
    got(server, "well", target)
    assert target.read_bytes() == DATA
    got(server, "well", target)  # there is nothing left to ask for
    assert target.read_bytes() == DATA


def test_it_is_not_asked_for_ever(server: Server, tmp_path: Path) -> None:
    message = refused(DataError, server, "drops", tmp_path / "a.gz")
    assert message.endswith("broke off after 3,000 of 3,145,728 bytes; try again")
    assert (tmp_path / "a.gz").read_bytes() == DATA[:3000]


@pytest.mark.parametrize("way", ["stalls", "crawls"])
def test_a_slow_source_is_left(server: Server, tmp_path: Path, way: str) -> None:
    began = time.monotonic()
    message = refused(SlowError, server, way, tmp_path / "a.gz", QUICK)
    assert time.monotonic() - began < 2
    assert re.fullmatch(
        r"127\.0\.0\.1:\d+ gave [\d,]+ kB/s for 0\.2 s, less than the 1,000 kB/s asked of it", message
    )
    assert len(server.asked) == 1
    kept = (tmp_path / "a.gz").read_bytes()
    assert kept == DATA[: len(kept)] != b""


def test_where_no_speed_is_asked_a_stall_is_a_connection_that_broke_off(
    server: Server, tmp_path: Path
) -> None:
    notes = got(server, "stalls", tmp_path / "a.gz")
    assert (tmp_path / "a.gz").read_bytes() == DATA
    assert len(notes) == 2


def test_lies(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "a.gz"
    got(server, "whole", target)  # Range is not heeded
    assert target.read_bytes() == DATA
    target.write_bytes(DATA[:1000])
    message = refused(DataError, server, "elsewhere", target)
    assert message.endswith("the server sends other bytes than those from 1,000 on, asked for")
    message = refused(DataError, server, "page", target)
    assert "a.gz is a web page (HTML) saved in place of the data" in message
    assert target.read_bytes() == DATA[:1000]
    got(server, "shorter", target)
    assert target.read_bytes() == DATA
    assert "the server answered 404" in refused(DataError, server, "absent", target)


# a data set from several sources


class Tiny:
    """A data set of one pinned file, from the given ways of serving."""

    def __init__(self, server: Server, folder: Path, *ways: str) -> None:
        self.folder, self.said = folder, list[str]()
        digests = hashlib.md5(DATA).hexdigest(), hashlib.sha256(DATA).hexdigest()
        self.recipe = Recipe(
            folder="tiny",
            remotes=(Remote(server.url(ways[0]), LIMIT, *digests),),
            unpack=lambda paths: iter([("a", paths[0].read_bytes())]),
            verify=lambda folder, report: read_capped(folder / "a", LIMIT) and None,
            mirrors=tuple(server.url(way) for way in ways[1:]),
        )

    def fetch(self, pace: Pace = QUICK) -> None:
        fetch("tiny", self.folder, None, self.said.append, recipes={"tiny": self.recipe}, pace=pace)
        assert (self.folder / "tiny" / "a").read_bytes() == DATA
        assert sorted(p.name for p in self.folder.iterdir()) == [".linclass-fetch.lock", "tiny"]


@pytest.fixture
def any_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """http:// is refused otherwise, but for published files."""
    monkeypatch.setattr("linclass.datasets.fetch.locate", lambda remote, source: source or remote.url)


@pytest.mark.usefixtures("any_address")
@pytest.mark.parametrize("way", ["stalls", "crawls"])
def test_the_next_source_goes_on_where_a_slow_one_was_left(server: Server, tmp_path: Path, way: str) -> None:
    tiny = Tiny(server, tmp_path, way, "well")
    tiny.fetch()
    assert [path for path, _ in server.asked] == [f"/{way}/a.gz", "/well/a.gz"]
    assert server.asked[1][1].startswith("bytes=")
    assert re.search(r"failed: .* gave [\d,]+ kB/s for 0.2 s, less than the 1,000 kB/s asked", tiny.said[1])
    assert tiny.said[3].endswith("bytes of a.gz are there: asking for the rest")


@pytest.mark.usefixtures("any_address")
def test_the_fastest_of_slow_sources_is_taken_up_again(server: Server, tmp_path: Path) -> None:
    tiny = Tiny(server, tmp_path, "lazy", "absent")
    tiny.fetch()
    assert [path for path, _ in server.asked] == ["/lazy/a.gz", "/absent/a.gz", "/lazy/a.gz"]
    assert "tiny: no other source served it: taking up the fastest one again" in tiny.said


@pytest.mark.usefixtures("any_address")
def test_a_source_that_lies_is_found_out_by_the_digest(server: Server, tmp_path: Path) -> None:
    tiny = Tiny(server, tmp_path, "stalls", "other", "page", "well")
    tiny.fetch()
    assert [path for path, _ in server.asked] == [
        f"/{way}/a.gz" for way in ("stalls", "other", "other", "page", "well")
    ]
    assert sum("starting over" in line for line in tiny.said) == 1
    assert sum("has md5" in line for line in tiny.said) == 2


@pytest.mark.usefixtures("any_address")
def test_the_next_fetch_goes_on_where_this_one_ended(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="3,000 bytes came and are kept: the same command goes on from there"):
        Tiny(server, tmp_path, "drops").fetch()
    Tiny(server, tmp_path, "well").fetch()
    assert server.asked[-1] == ("/well/a.gz", "bytes=3000-")
