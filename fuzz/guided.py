"""Coverage-guided inputs: atheris watches which branches an input takes, and keeps what finds new ones."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["linclass", "zipfile"]):
    from fuzz.campaign import Campaign

LONGEST = 1 << 15  # bytes of an input


def guided(name: str, runs: int, seed: int, report: Path | None) -> None:
    """Feed `runs` inputs to the reader `name`; ends the process. `report` gets the tally."""
    campaign = Campaign(name)

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
