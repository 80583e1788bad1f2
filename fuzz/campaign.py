"""Many inputs to one reader: counted, timed, and kept where one does harm."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import resource
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType

from fuzz.mutation import mutate
from fuzz.targets import TARGETS, survives

SECONDS_AN_INPUT = 20
CRASHES = Path(__file__).parent / "crashes"
_MOST_CRASHES = 20


class TooLongError(Exception):
    """One input kept its reader busy."""


@dataclass
class Tally:
    """What became of the inputs."""

    target: str
    read: int = 0
    refused: int = 0
    crashes: list[str] = field(default_factory=list)
    slowest: float = 0.0  # seconds of the processor, as are all here
    seconds: float = 0.0
    peak_mb: float = 0.0

    @property
    def runs(self) -> int:
        return self.read + self.refused + len(self.crashes)

    def line(self) -> str:
        """For people."""
        return (
            f"{self.target:10} {self.runs:>9,} inputs: {self.read:>8,} read, {self.refused:>9,} refused, "
            f"{len(self.crashes)} crashed; slowest {self.slowest:.3f} s, {self.seconds:,.0f} s in all, "
            f"peak {self.peak_mb:.0f} MB"
        )

    def save(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(asdict(self)))


class Campaign:
    """Inputs to one target; call it with each."""

    def __init__(self, name: str) -> None:
        self.target, self.tally = TARGETS[name], Tally(name)
        self.start = time.process_time()
        warnings.simplefilter("error")

    def __call__(self, data: bytes) -> None:
        begun = time.process_time()
        try:
            with _limited():
                is_read = survives(self.target, data)
        except Exception:
            self._keep(data)
        else:
            self.tally.read += is_read
            self.tally.refused += not is_read
        now = time.process_time()
        self.tally.slowest = max(self.tally.slowest, now - begun)
        self.tally.seconds = now - self.start
        self.tally.peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    def _keep(self, data: bytes) -> None:
        reason = traceback.format_exc()
        CRASHES.mkdir(exist_ok=True)
        path = CRASHES / f"{self.tally.target}-{hashlib.sha256(data).hexdigest()[:12]}"
        path.write_bytes(data)
        self.tally.crashes.append(str(path))
        print(f"{path}\n{reason}", file=sys.stderr)
        if len(self.tally.crashes) >= _MOST_CRASHES:
            print(f"{self.tally.target}: {_MOST_CRASHES} crashes, stopped", file=sys.stderr)
            raise SystemExit(7)


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    def late(signal_number: int, frame: FrameType | None) -> None:
        raise TooLongError(f"more than {SECONDS_AN_INPUT} s")

    # seconds of the processor: a busy machine is not the reader's fault
    signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, SECONDS_AN_INPUT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def plain(name: str, runs: int, seed: int) -> Tally:
    """`runs` mutated files, the same ones for the same seed."""
    campaign, draw = Campaign(name), random.Random(f"{name} {seed}")
    files = campaign.target.seeds()
    for _ in range(runs):
        campaign(mutate(files, draw))
    return campaign.tally
