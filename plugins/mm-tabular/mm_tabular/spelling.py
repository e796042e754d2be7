"""How missing cells are spelled in texts; shared by detector and processor. Light."""

from __future__ import annotations

BLANK = frozenset(
    [
        *("", "na", "n/a", "#na", "#n/a", "#n/a n/a", "<na>", "null", "none", "nan", "-nan"),
        *("1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
    ]
)
"""Missing wherever they stand among numbers or dates, in small letters."""

MARKS = frozenset(
    [
        *("?", "-", "--", "---", "\u2013", "\u2014", ".", "..", "...", "*", "n.a.", "(null)"),
        *("unknown", "missing", "undefined", "not available", "nil", "#div/0!", "#value!"),
        *("#ref!", "#name?", "#null!", "#num!", "0000-00-00", "0000-00-00 00:00:00"),
        *("00.00.0000", "00/00/0000"),
    ]
)
"""Missing among numbers and dates too, and told, in small letters."""
