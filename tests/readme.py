"""The code of README and of the guide, as those who copy it get it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", ROOT / "docs" / "guide.md", ROOT / "docs" / "backprop.md")


def blocks(pages=PAGES):
    """The blocks of Python, in order."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    return re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
