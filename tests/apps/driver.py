"""`trivium` with fake stages: python driver.py HOME ARGUMENTS..., where HOME is the folder for the fake stages."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.journey.fake_stages import write_stages
from trivium.apps.cli import main
from trivium.journey import runner
from trivium.journey.graph import STAGES


def use_fake_stages(home: Path) -> None:
    """Exchange the stages for fake ones, and the report for a note."""
    STAGES.clear()  # type: ignore[attr-defined]
    STAGES.update(write_stages(home))  # type: ignore[attr-defined]
    runner._write_report = lambda folder: (folder / "report.html").write_text("made")  # type: ignore[assignment]


if __name__ == "__main__":
    use_fake_stages(Path(sys.argv[1]))
    main(sys.argv[2:])
