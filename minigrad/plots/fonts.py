"""Fonts for names in any script.

Matplotlib brings DejaVu Sans, which has Latin, Greek, Cyrillic, Arabic, Hebrew and many signs, but no Chinese,
Japanese, Korean or Devanagari. For what it lacks, the fonts of this machine are searched. What none of them has is
drawn as boxes, and said once.
"""

from __future__ import annotations

import logging
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FAMILY = "DejaVu Sans"  # comes with Matplotlib and has the signs ✓ and ✗

_said: set[str] = set()


def use_fonts_for_all_letters(figure: Figure) -> None:
    """Give each text of a figure fonts that together have all its letters, as far as this machine has them."""
    from matplotlib.text import Text

    missing: set[str] = set()
    for text in figure.findobj(Text):
        foreign = sorted(set(text.get_text()) - _letters_of_family())
        if foreign:
            found = {letter: _family_with(letter) for letter in foreign}
            text.set_fontfamily([FAMILY, *dict.fromkeys(filter(None, found.values()))])
            missing |= {letter for letter, family in found.items() if family is None}
    if new := missing - _said:
        _said.update(new)
        shown = "".join(sorted(new)[:20]) + ("…" if len(new) > 20 else "")
        # Logged, not warned: where warnings are errors, a letter must not end a run.
        logging.getLogger(__name__).warning(
            "no font on this machine has %s, so they are boxes in pictures; a font such as Noto Sans helps (after "
            "installing one, remove the folder that matplotlib.get_cachedir() names)",
            shown,
        )


@cache
def _letters_of_family() -> frozenset[str]:
    from matplotlib.font_manager import findfont

    # What has no shape of its own, such as a line's end or a joiner, needs no font.
    shapeless = (chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) in ("Cc", "Cf"))
    return frozenset(_letters(findfont(FAMILY))) | frozenset(shapeless)


@cache
def _family_with(letter: str) -> str | None:
    """Return the name of a font that can draw a letter; upright ones of normal weight come first."""
    from matplotlib.font_manager import fontManager

    for font in sorted(fontManager.ttflist, key=lambda font: (font.style != "normal", font.weight != 400, font.name)):
        # The last resort has every letter, as a box.
        if "last resort" not in font.name.lower() and letter in _letters(font.fname) and _can_draw(font.fname, letter):
            return font.name
    return None


@cache
def _letters(path: str) -> frozenset[str]:
    from matplotlib.font_manager import get_font

    try:
        return frozenset(map(chr, get_font(path).get_charmap()))
    except (OSError, RuntimeError, ValueError):  # gone, damaged, or of a kind that Matplotlib cannot read
        return frozenset()


def _can_draw(path: str, letter: str) -> bool:
    """Whether Matplotlib can: fonts of coloured emoji hold pictures, which it cannot."""
    from matplotlib.font_manager import get_font

    try:
        get_font(path).load_char(ord(letter))
    except RuntimeError:
        return False
    return True
