"""Check what a wheel would put on a user's machine: the package minigrad, complete, and no other top-level name."""

import sys
import zipfile
from pathlib import Path

wheel = Path(sys.argv[1])
names = zipfile.ZipFile(wheel).namelist()
top_level = {name.split("/")[0] for name in names if ".dist-info" not in name.split("/")[0]}
if top_level != {"minigrad"}:
    sys.exit(f"{wheel.name}: top-level names are {sorted(top_level)}, expected minigrad alone")
root = Path(__file__).resolve().parent.parent
kinds = ("*.py", "*.pyi", "py.typed")
needed = [p for kind in kinds for p in (root / "minigrad").rglob(kind)]
needed += (root / "minigrad" / "guided" / "page").iterdir()  # what the tour's page is put together from
missing = {str(p.relative_to(root)) for p in needed} - set(names)
if missing:
    sys.exit(f"{wheel.name}: misses {sorted(missing)}")
if not any(name.endswith("LICENSE") for name in names):
    sys.exit(f"{wheel.name}: misses the licence")
print(f"{wheel.name}: {len(names)} files, top level {sorted(top_level)}")
