"""`python -m bench old_labels FERPLUS.npz --out DIR`: does `mien clean` find the wrong labels of FER2013?

The pictures of FER2013 have two kinds of names: one old label each, and the ten votes of FER+. Here the old label is
what the data says and the majority of the votes is the truth. `mien clean` gets the old labels only, trains on nothing
else, and its suspects are compared with the truth. Pictures without a majority, or whose old label is not known for
sure, are left out. What follows `--` goes to `mien clean`; the same command again goes on where it was stopped.

    python -m bench old_labels ferplus.npz --out runs/old-labels -- --minutes-each 10 --stem conv-4
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from bench.report.machine import describe
from mien.errors import InputError, MienError
from mien.types import EMOTIONS
from models.labelled.ferplus import emotion_votes, has_majority, read_npz

OLD_NAMES = ("anger", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""What the numbers of FER2013 mean, in our words."""

SUREST_SHARES = (0.1, 0.25, 0.5)
TRUTH_NAME, CLEANED = "truth.csv", "cleaned"


@dataclass(frozen=True, slots=True)
class Part:
    """The most suspicious ones down to some share of the suspects: how many, and how many of their labels are wrong."""

    share: float
    suspects: int
    precision: float
    recall: float


@dataclass(frozen=True, slots=True)
class Found:
    """What became of `n` labels of which `wrong` are wrong.

    `precision` is the share of the suspects that are wrong, `recall` the share of the wrong ones that are suspected,
    `suggested_right` the share of those found for which the suggestion is the truth. Who suspects at random has a
    precision of `wrong` / `n`.
    """

    n: int
    wrong: int
    suspects: int
    precision: float
    recall: float
    suggested_right: float
    surest: tuple[Part, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pictures, clean them, and print how good the suspects are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the npz of FER+, with the array `fer_label`")
    parser.add_argument("--out", type=Path, required=True, help="folder for pictures, trainings and lists")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.epilog = "What follows -- are options of `mien clean`."
    own, passed_on = split(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(own)
    try:
        truth = write_pictures(options.data, options.out)
    except MienError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    cleaned = options.out / CLEANED
    command = [sys.executable, "-m", "cli", "clean", str(options.out / "labels.csv"), "--crops", "--out", str(cleaned)]
    done = subprocess.run([*command, *passed_on], stdout=sys.stderr, check=False)
    if done.returncode:
        return done.returncode
    with (cleaned / "suspects.csv").open(newline="") as file:
        suspects = [(row["path"], row["suggested"]) for row in csv.DictReader(file)]
    found = compare(truth, suspects)
    if options.json:
        print(json.dumps({"machine": describe(), **asdict(found)}, indent=1))
    else:
        _print(found)
    return 0


def split(arguments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Return the arguments before and behind the first --."""
    place = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:place], arguments[place + 1 :]


def write_pictures(data: Path, folder: Path) -> dict[str, tuple[str, str]]:
    """Write pictures and labels.csv with the old labels, and return (old label, truth) by the picture's path.

    Raises InputError when the data has no old labels.
    """
    raw = read_npz(data)
    with np.load(data, allow_pickle=False) as arrays:
        if "fer_label" not in arrays:
            raise InputError(f"{data} holds no array 'fer_label': the labels of FER2013 are needed")
        named = arrays["name"] != ""
        old = arrays["fer_label"][named]
        sure = ~arrays["fer_label_ambiguous"][named] if "fer_label_ambiguous" in arrays else np.ones(len(old), bool)
    seen = emotion_votes(raw.votes).argmax(axis=1)
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    truth = {}
    for row in np.flatnonzero(has_majority(raw.votes) & sure).tolist():
        path = pictures / raw.names[row]
        if not path.exists():
            cv2.imwrite(str(path), raw.pictures[row])
        truth[str(path)] = (OLD_NAMES[old[row]], EMOTIONS[seen[row]])
    with (folder / "labels.csv").open("w", newline="") as file:
        rows = [(str(Path(path).relative_to(folder)), label) for path, (label, _) in truth.items()]
        csv.writer(file).writerows([("path", "label"), *rows])
    return truth


def compare(truth: Mapping[str, tuple[str, str]], suspects: Sequence[tuple[str, str]]) -> Found:
    """Return how good suspects (path and suggestion, most suspicious first) are, by old label and truth of each path.

    Raises InputError when no label is wrong: then there is nothing to find.
    """
    wrong = {path for path, (old, seen) in truth.items() if old != seen}
    if not wrong:
        raise InputError("all old labels are those of the majority: there is nothing to find")
    hits = [path in wrong for path, _ in suspects]
    right = sum(truth[path][1] == suggested for path, suggested in suspects if path in wrong)
    parts = []
    for share in (*SUREST_SHARES, 1.0):
        many = round(share * len(suspects))
        among = sum(hits[:many])
        parts.append(Part(share, many, among / max(1, many), among / len(wrong)))
    return Found(
        n=len(truth),
        wrong=len(wrong),
        suspects=len(suspects),
        precision=parts[-1].precision,
        recall=parts[-1].recall,
        suggested_right=right / max(1, sum(hits)),
        surest=tuple(parts),
    )


def _print(found: Found) -> None:
    console = Console()
    console.print(describe())
    console.print(
        f"{found.wrong:,} of {found.n:,} old labels ({found.wrong / found.n:.1%}) are not what most people saw. Of"
        f" those found, {found.suggested_right:.1%} were given the right name.",
        soft_wrap=True,
    )
    table = Table("the most suspicious", "pictures", "precision", "recall")
    for part in found.surest:
        table.add_row(f"{part.share:.0%}", f"{part.suspects:,}", f"{part.precision:.1%}", f"{part.recall:.1%}")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
