"""Damaged and hostile files by the hundred thousand, through every parser of files from outside.

    python -m tests.fuzz                    500,000 inputs, the same ones each time
    python -m tests.fuzz --seconds 60       as many of them as a minute allows
    python -m tests.fuzz --parsers VOC tar  some parsers alone

An input must be read, or refused by an error that the parser documents, in one clean line. While a parser works, an
audit hook ends the process if anything is executed, compiled, imported, started or opened for writing, and limits hold
that anyone may rely on: n bytes cost at most 2 s and 300 MB, and beyond them 1 s for every 10 MB and three times n. An
input that breaks a rule is written to fuzz-failures/, and the exit status is 1. So it is where a parser reads nothing
at all: then its inputs are no longer what it expects, and the damage in them was never looked at.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import hashlib
import logging
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
import traceback
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.fuzz.parsers import PARSERS

SEED = 1
CHUNK = 500  # inputs for a worker at a time
MEMORY, SECONDS, BYTES_PER_SECOND = 300 * 2**20, 2.0, 10e6
RESERVED = 2**30  # address space that threads and libraries reserve and do not use
MAX_LINE = 700  # characters: 200 or 300 of the file, paths, and what was expected
SCRATCH = "/dev/shm" if os.path.isdir("/dev/shm") else None
FAILURES = Path("fuzz-failures")
# Raised by Python on what a file must never make happen; https://docs.python.org/3/library/audit_events.html
FORBIDDEN = (
    "exec", "compile", "import", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork",
    "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "shutil.", "socket.",
    "ctypes.", "pickle.find_class", "marshal.", "code.__new__", "pty.", "webbrowser.", "urllib.",
)  # fmt: skip

_state = {"armed": False}


class Executed(BaseException):
    """A file made something happen; no parser can catch this by mistake."""


def audit(event: str, arguments: tuple) -> None:
    """Raise if something forbidden happens while a parser works."""
    if not _state["armed"]:
        return
    if event == "open":
        _, mode, flags = arguments
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) if isinstance(flags, int) else False
        if writes or (isinstance(mode, str) and set(mode) & set("wax+")):
            raise Executed(f"opened for writing: {arguments}")
    elif event.startswith(FORBIDDEN):
        raise Executed(f"{event} {str(arguments)[:200]}")


def memory_of_process(what: str) -> int:
    """Return what the system notes about this process, in bytes: VmRSS, what it uses, or VmHWM, the most it used."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{what}:")[2].split()[0]) * 2**10


def check(name: str, content: bytes, folder: Path) -> bool:
    """Give one input to a parser; returns whether it was read. A rule that is broken raises."""
    parser = PARSERS[name]
    parser.write(content, folder)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew, proc_pid_clear_refs(5)
    start, before = time.process_time(), memory_of_process("VmRSS")
    _state["armed"] = True
    try:
        parser.parse(content, folder)
        read = True
    except parser.errors as error:
        read = False
        causes = [error]
        while causes[-1].__cause__ or causes[-1].__context__:
            causes.append(causes[-1].__cause__ or causes[-1].__context__)
        kinds = {type(cause) for cause in causes}
        causes.clear()  # whose frames hold this list
        assert MemoryError not in kinds, "more memory than the rule allows"
        line = str(error)
        assert line.isprintable() and 0 < len(line) <= MAX_LINE, f"no clean line: {line[:2000]!r}"
    finally:
        _state["armed"] = False
    seconds = time.process_time() - start
    memory = memory_of_process("VmHWM") - before
    assert memory <= MEMORY + 3 * len(content), f"{memory / 2**20:.0f} MB for {len(content)} bytes"
    assert seconds <= SECONDS + len(content) / BYTES_PER_SECOND, f"{seconds:.1f} s for {len(content)} bytes"
    return read


def prepare() -> None:
    """Load what parsers load when first used, then set the limits of this process."""
    logging.disable()
    warnings.simplefilter("ignore")  # Pillow's remarks about damaged EXIF, and such
    rng = random.Random(0)
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        for name, parser in PARSERS.items():
            for _ in range(100):
                place = Path(folder, name)
                place.mkdir(exist_ok=True)
                content = parser.make(rng)
                parser.write(content, place)
                with contextlib.suppress(*parser.errors):
                    parser.parse(content, place)
    sys.addaudithook(audit)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    limit = used + MEMORY + RESERVED
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run(task: tuple[str, int, int]) -> tuple[str, int, int, list[str]]:
    """Check a chunk of inputs; returns the parser's name, how many, how many were read, and what went wrong."""
    name, number, count = task
    rng, read, failures = random.Random(f"{SEED}/{name}/{number}"), 0, []
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        for _ in range(count):
            content = PARSERS[name].make(rng)
            faulthandler.dump_traceback_later(60, exit=True)  # an endless loop has no other end
            try:
                read += check(name, content, Path(folder))
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                digest = hashlib.sha256(content).hexdigest()[:12]
                FAILURES.mkdir(exist_ok=True)
                path = FAILURES / f"{name.replace(' ', '-')}-{digest}"
                path.write_bytes(content)
                last = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{last.filename}:{last.lineno}"
                failures.append(f"{name}: {type(error).__name__}: {str(error)[:300]!r} at {where}; input in {path}")
    faulthandler.cancel_dump_traceback_later()
    return name, count, read, failures


def tasks(names: list[str], inputs: int) -> list[tuple[str, int, int]]:
    """Divide the inputs among the parsers by their shares, in chunks that take turns."""
    total = sum(PARSERS[name].share for name in names)
    chunks = []
    for name in names:
        count = -(-inputs * PARSERS[name].share // total)
        chunks += [(place / count, name, place // CHUNK, min(CHUNK, count - place)) for place in range(0, count, CHUNK)]
    return [(name, number, count) for _, name, number, count in sorted(chunks)]


def dead(count: int, read: int) -> bool:
    """Whether so many inputs should have been read in part: of each kind, a tenth or more is."""
    return read == 0 and count >= 100


def main() -> int:
    """Run the command line; returns the exit status."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    options.add_argument("--inputs", type=int, default=500_000, metavar="N", help="how many (default: 500,000)")
    options.add_argument("--seconds", type=float, metavar="S", help="stop after so long")
    options.add_argument("--parsers", nargs="+", choices=PARSERS, default=list(PARSERS), metavar="NAME")
    arguments = options.parse_args()
    start, done, failures = time.monotonic(), dict.fromkeys(arguments.parsers, (0, 0)), []
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), spawn, initializer=prepare) as pool:
        running = [pool.submit(run, task) for task in tasks(arguments.parsers, arguments.inputs)]
        for future in running:
            name, count, read, wrong = future.result()
            done[name] = done[name][0] + count, done[name][1] + read
            failures += wrong
            if arguments.seconds and time.monotonic() - start > arguments.seconds:
                break
        pool.shutdown(cancel_futures=True)
    for name, (count, read) in done.items():
        print(f"{name:20} {count:8,} inputs, {read:7,} read")
        if dead(count, read):
            failures.append(f"{name}: none of {count} inputs was read; the parser expects others")
    total = sum(count for count, _ in done.values())
    print(f"{total:,} inputs in {time.monotonic() - start:.0f} s: {len(failures)} broke a rule")
    for failure in failures[:50]:
        print(failure)
    return 1 if failures else 0
