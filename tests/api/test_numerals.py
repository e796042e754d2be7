"""Numbers in texts: the same ones for labels, cells of a file and columns of a table."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mm_core.api.numerals import CODE, PLAIN, WHOLE, between, grouped, written

BOTH, POINT, COMMA, NEITHER = {".", ","}, {"."}, {","}, set()


@pytest.mark.parametrize(
    ("text", "signs"),
    [
        *((text, BOTH) for text in ("7", "+7", "-7", "- 7", "012", "1 132", "1\u2019132 456")),
        *((text, BOTH) for text in ("1,132", "1.132", "1\u00a0132", "1\u202f132", "1'132")),
        *((text, BOTH) for text in ("5%", "5 %", "5\u2009%", "\u20ac 3", "-$5", "- $ 5", "$-5")),
        *((text, BOTH) for text in ("EUR 5", "5EUR", "\u20b9 1,132", "\u00a3 1.132")),
        *((text, POINT) for text in ("1.5", "0.132", "1,132.5", "1,132,456", "1,132 456", "$1.50")),
        *((text, COMMA) for text in ("1,5", "0,132", "1.132,5", "1.132.456", "1,1324", "1,50 EUR")),
        *((text, NEITHER) for text in ("", "-", "%", "(3)", "5-", "--5", "+-5", "- -5", "-$-5")),
        *((text, NEITHER) for text in ("\u22125", "1e5", "$1e5", "1_000", "0x10", "\u0661\u0662")),
        *((text, NEITHER) for text in ("11,32,456", "0 132", "1,132.456,7", "1.", ",5", "eur 5")),
    ],
)
def test_what_is_written_is_read_alike_by_python_and_arrow(text, signs):
    assert {sign for sign in ".," if re.fullmatch(written(sign), text)} == signs
    assert {sign for sign in ".," if _in_arrow(written(sign), text)} == signs


@pytest.mark.parametrize("blank", [chr(code) for code in range(0x10000) if chr(code).isspace()])
@pytest.mark.parametrize("text", ["5_%", "$_5", "-_5", "-_$_5", "1_132_EUR"])
def test_blanks_of_unicode_are_read_alike_by_python_and_arrow(text, blank):
    text = text.replace("_", blank)
    found = bool(re.fullmatch(written("."), text))
    assert found == _in_arrow(written("."), text) == (blank in " \u00a0\u2009\u202f")


def _in_arrow(pattern, text):
    return pc.match_substring_regex(pa.array([text]), f"^(?:{pattern})$")[0].as_py()


@pytest.mark.parametrize("sign", [".", ","])
@pytest.mark.parametrize(
    "text", ["$1,132.50", "1.132,5 \u20ac", "- 7 %", "1\u2019132", "0,5", "1 132 456"]
)
def test_what_is_written_is_a_number_once_signs_and_units_are_off(text, sign):
    if re.fullmatch(written(sign), text):
        bare = re.sub(rf"[^0-9{sign}-]|[{between(sign)}]", "", text)
        assert float(bare.replace(sign, "."))


@pytest.mark.parametrize("text", ["12", "-1.5", ".5", "1.", "+1e-3", "1E5", "007"])
def test_plain_numbers_are_what_float_reads(text):
    assert re.fullmatch(PLAIN, text)
    float(text)
    assert bool(re.fullmatch(WHOLE, text)) == text.isdigit()
    assert bool(re.fullmatch(CODE, text)) == (text == "007")


@pytest.mark.parametrize("text", ["1,5", "1_0", "e5", ".", "", "\u0661", "$1", "1 0", "0x1"])
def test_what_is_not_plain(text):
    assert not re.fullmatch(PLAIN, text)


def test_grouped_numbers_stand_alone():
    texts = ["1.132,5", "1.132", "-7", "0,132", "0.132", "1 132", "7 %", "1.1"]
    assert [text for text in texts if re.fullmatch(grouped(","), text)] == texts[:4]


@pytest.mark.parametrize("start", ["", "-", "$", "1", "1 000"])
def test_long_blanks_are_read_in_no_time(start):
    assert not re.fullmatch(written("."), start + " " * 30000 + "x")
