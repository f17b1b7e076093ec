"""`trivium` with fake stages: python driver.py HOME ARGUMENTS..., where HOME is the folder for the fake stages."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.journey.fake_stages import in_place_of_the_real_ones
from trivium.apps.cli import main
from trivium.journey import runner


def note(folder: Path) -> None:
    """Stands in for the report."""
    (folder / "report.html").write_text("made")


if __name__ == "__main__":
    runner._write_report = note
    with in_place_of_the_real_ones(Path(sys.argv[1])):
        main(sys.argv[2:])
