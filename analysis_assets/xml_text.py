"""Text that an XML file may hold: a hospital's cell may hold anything."""

from __future__ import annotations

import re
from typing import Final

_FORBIDDEN: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
REPLACEMENT: Final = "\ufffd"


def xml_text(text: str) -> str:
    """The text with U+FFFD for every character that XML 1.0 forbids even escaped (section 2.2, production Char)."""
    return _FORBIDDEN.sub(REPLACEMENT, text)
