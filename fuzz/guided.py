"""Coverage-guided inputs: atheris watches which branches an input takes, and keeps what finds new ones."""

from __future__ import annotations

import atexit
import os
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["linclass", "zipfile"]):
    from fuzz.campaign import Campaign

LONGEST = 1 << 15  # bytes of an input


def guided(name: str, runs: int, seed: int, report: Path | None) -> None:
    """Feed `runs` inputs to the reader `name`; ends the process (7 after crashes). `report`: the tally."""
    campaign = Campaign(name)
    atexit.register(_fail_after_crashes, campaign)  # the last to run: what is registered later runs before

    if report is not None:
        report.unlink(missing_ok=True)

    def one(data: bytes) -> None:
        campaign(data)
        if campaign.tally.runs == runs:
            print(campaign.tally.line(), flush=True)
            if report is not None:
                campaign.tally.save(report)

    with tempfile.TemporaryDirectory() as corpus:
        for i, data in enumerate(campaign.target.seeds()):
            (Path(corpus) / str(i)).write_bytes(data)
        options = [f"-atheris_runs={runs}", f"-seed={seed}", f"-max_len={LONGEST}", "-verbosity=0"]
        atheris.Setup([sys.argv[0], *options, corpus], one)
        atheris.Fuzz()


def _fail_after_crashes(campaign: Campaign) -> None:
    """atheris ends the process with 0, or libFuzzer's 77, whatever is asked for; this comes before it."""
    if campaign.tally.crashes:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(7)
