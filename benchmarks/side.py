"""One side of one (set, seed), in a process of its own; ``scores.py`` starts it.

python -m benchmarks.side --side ours --set snips --seed 0 --data DIR --out FILE
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.rows import draw
from benchmarks.sets import SETS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", required=True, help="bare, ours, ours:<modality>[:own]")
    parser.add_argument("--set", required=True, choices=SETS)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="file to write; none: print")
    parser.add_argument("--development", action="store_true", help="leave test.csv unread")
    parser.add_argument("--try", dest="tried", default="{}", help="ours: settings to try, JSON")
    arguments = parser.parse_args()
    tried: dict[str, Any] = json.loads(arguments.tried)
    if tried and not arguments.development:
        parser.error("--try needs --development: nothing is chosen on test.csv")
    one = SETS[arguments.set]
    rows = draw(one, arguments.data, arguments.seed, arguments.development)
    if arguments.side == "bare":
        from benchmarks.bare import run as bare_run

        found = bare_run.run(one, rows, arguments.seed)
    else:
        from benchmarks import ours

        only, _, budget = arguments.side.removeprefix("ours").removeprefix(":").partition(":")
        found = ours.run(one, rows, arguments.seed, only or None, budget == "own", tried)
    found["rows"] = {"train": len(rows.train), "held": len(rows.held), "test": len(rows.test)}
    text = json.dumps(found, indent=1, default=str)
    if arguments.out is None:
        print(text)
    else:
        arguments.out.write_text(text)


if __name__ == "__main__":
    main()
