"""The formats that read texts of dates."""

from __future__ import annotations

import pandas as pd
import pytest

from mm_core.api.dates import forms_of, is_iso_like


@pytest.mark.parametrize(
    ("texts", "forms"),
    [
        (["2020-01-31T10:00:00Z", "2020-02-01"], ["ISO8601"]),
        (["2020-01", "2021-12"], ["ISO8601"]),
        (["2020-1-31", "2020-10-01"], ["%Y-%m-%d"]),
        (["2020-1-31 10:00"], ["%Y-%m-%d %H:%M"]),
        (["31/01/2020", " 01/02/2020 "], ["%d/%m/%Y"]),
        (["01/02/2020"], ["%m/%d/%Y", "%d/%m/%Y"]),
        (["31.01.2020 10:00"], ["%d.%m.%Y %H:%M"]),
        (["Jan 31, 2020"], ["%b %d, %Y"]),
        (["Sun Feb 22 18:15:00 +0000 2015"], ["%a %b %d %H:%M:%S %z %Y"]),
        (["2020-01-31", "soon"], []),
        (["2020-13-01"], []),
        (["\u0662\u0660\u0662\u0664-05-01"], []),
        (["2024-5-01", "\u0662\u0660\u0662\u0664-5-01"], []),
        ([], []),
    ],
)
def test_forms_read_every_text(texts, forms):
    assert forms_of(texts) == forms
    for form in forms:
        assert pd.to_datetime([text.strip() for text in texts], format=form, utc=True).notna().all()


def test_iso_like_texts_have_ascii_digits():
    assert is_iso_like("2024-05-01T10:00")
    assert not is_iso_like("\u0662\u0660\u0662\u0664-05-01")
