"""A refresh of a pool of a million samples, when nothing is new.

    python -m benchmarks.refreshing --samples 1000000

A pool of made-up samples with real scores is written first. The first refresh publishes it; those
after it find nothing to do. Each is the command as a scheduler runs it, measured as in
`benchmarks.publishing`. With `--folder`, the pool stays there and is used again.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.made_pool import write_pool, write_recipe
from benchmarks.publishing import Measured, measured
from jobs.recipe import load_job

AGAIN = 3


def refresh(recipe: Path) -> Measured:
    """One, from the start of its process to the end."""
    command = ("refresh", str(recipe), "--allow-simulated")
    return measured(sys.executable, "-m", "jobs.cli", *command)


def main() -> None:
    """Prints a line a refresh."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        recipe = folder / "recipe.yaml"
        if not recipe.exists():
            folder.mkdir(exist_ok=True)
            write_pool(write_recipe(folder, arguments.samples))
        job = load_job(str(recipe))
        for number in range(1 + AGAIN):
            found = refresh(recipe)
            started = len(job.store.folders("pools/made/attempts"))
            print(
                f"refresh {number + 1}: {found.wall_s:.1f} s, {found.cpu_s:.1f} s of a processor, "
                f"{found.peak_bytes / 1e6:,.0f} MB, {started} attempts started"
            )


if __name__ == "__main__":
    main()
