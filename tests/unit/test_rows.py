"""Every row of the failure catalogue that this tool must answer for has a test that bears its name."""

import pathlib
import re

TESTS = pathlib.Path(__file__).parents[1]
ROWS = {
    *(f"w{n}" for n in range(1, 44)),
    *(f"f{n}" for n in range(1, 8)),
    *(f"x{n}" for n in (1, 2, 3, 4, 10, 13, 14, 15)),
    *(f"m{n}" for n in (1, 2, 3, 4, 5, 7, 8)),
}
OUT_OF_SCOPE = {
    "w38": "HTTP/2 resets and flow control: the transport speaks HTTP/1.1 alone, and offers nothing else",
}


def test_each_row_has_a_test_of_its_name() -> None:
    """W, F, X and M rows; those out of scope have their reason here."""
    text = "".join(path.read_text() for path in TESTS.rglob("test_*.py"))
    named = {
        row
        for name in re.findall(r"def (test_\w+)", text)
        for row in re.findall(r"(?<=_)[wfxm]\d+(?=_)", name)
    }
    assert ROWS - named == set(OUT_OF_SCOPE)
    assert all(len(reason.split()) > 5 for reason in OUT_OF_SCOPE.values())
