"""`python -m tests.mutation`: draw mutants, try them, print those that no test noticed."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.mutation.runner import Runner, draw, sources

AT_MOST = 0.05  # may survive


def main() -> int:
    """Return the exit status: 1 if too many survived."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description="Which faults do the tests miss?")
    parser.add_argument("--seed", type=int, default=0, help="which mutants are drawn (default: 0)")
    parser.add_argument("--count", type=int, default=200, help="how many (default: 200)")
    parser.add_argument("--jobs", type=int, default=2, help="how many are tried at a time (default: 2)")
    parser.add_argument("--only", nargs="+", metavar="FILE", help="mutate these files (default: all that compute)")
    args = parser.parse_args()
    paths = args.only or sources()
    drawn = draw(args.seed, args.count, paths)
    with tempfile.TemporaryDirectory() as scratch:
        sys.pycache_prefix = f"{scratch}/pycache"
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = f"{scratch}/hypothesis"
        runner = Runner(Path(scratch), args.jobs)
        seconds = runner.seconds(sorted({mutant.path for mutant in drawn}))
        outcomes: Counter[str] = Counter()
        for number, verdict in enumerate(runner.verdicts(drawn, limit=60 + 2 * seconds), start=1):
            outcomes[verdict.outcome] += 1
            print(f"{number}/{len(drawn)} {verdict.mutant.path}:{verdict.mutant.line} {verdict.outcome}", flush=True)
            if verdict.outcome == "survived":
                print(verdict.mutant.diff, flush=True)
    share = outcomes["survived"] / len(drawn)
    print(f"seed {args.seed}: {', '.join(f'{n} {what}' for what, n in sorted(outcomes.items()))}; {share:.1%} survived")
    return int(share > AT_MOST)


if __name__ == "__main__":
    sys.exit(main())
