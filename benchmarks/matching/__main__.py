"""Pairs, search and few shots beside sentence-transformers, numpy, faiss and scikit-learn.

    OMP_NUM_THREADS=1 python -m benchmarks.matching --data DIR

Seconds are processor time of the process, on one thread. Runs that the result file has are not done
again. sentence-transformers' trainer needs ``pip install datasets``.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from benchmarks.matching import few, large, pairs, pictures, search
from benchmarks.matching.runs import Run
from benchmarks.matching.summary import summary
from benchmarks.place import machine, versions

PARTS: dict[str, Callable[[argparse.Namespace], Iterator[Run]]] = {
    "pairs": pairs.pairs,
    "encode": pairs.encoding,
    "search": search.search,
    "few_shot_tried": few.tried,
    "few_shot": few.shots,
    "pictures_tried": pictures.tried,
    "image_pairs": pictures.image_pairs,
    "image_text": pictures.image_text,
    "mpnet": large.mpnet,
}


def main() -> None:
    """Do what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/matching.json"))
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--sets", default=",".join(pairs.SETS), help="of pairs")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=600, help="training pairs")
    parser.add_argument("--test-rows", type=int, default=1000, help="test pairs, the first ones")
    parser.add_argument("--draws", type=int, default=10, help="of few shots")
    parser.add_argument("--picture-rows", type=int, default=300, help="training pairs of pictures")
    parser.add_argument("--whole-draws", type=int, default=5, help="of whole networks on them")
    parser.add_argument("--large-rows", type=int, default=200, help="pairs for MPNet")
    parser.add_argument("--texts", type=int, default=10_000, help="texts to encode")
    parser.add_argument("--items", type=int, default=100_000, help="vectors to search")
    parser.add_argument("--width", type=int, default=384, help="of those vectors")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    done = json.loads(asked.out.read_text())["runs"] if asked.out.is_file() else []
    for part in asked.parts.split(","):
        for run, measure in PARTS[part](asked):
            if any(run.items() <= one.items() for one in done):
                continue
            done.append(run | measure())
            print(json.dumps(done[-1]), flush=True)
            said = {"runs": done, "summary": summary(done)}
            said |= {"machine": machine(torch.get_num_threads()), "versions": versions()}
            asked.out.write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    main()
