"""What a command said last: a few lines, short enough for a cell of a table.

Addresses and folders are left out: a page of figures tells nobody's package index or home.
"""

import re

_LINES, _NEAR, _WIDTH = 3, 10, 160
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07)")
_FRAMES = re.compile(r"[\u2500-\u259f]+")
_TRACEBACK = "Traceback (most recent call last):"
_HIDDEN = (
    (re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"`)\]]+"), "(address)"),
    (re.compile(r"host='[^']*'"), "host=(address)"),
    (re.compile(r"(?<![\w.:/…])(?:/[^\s/:'\",()]+)+/(?=[^\s/])"), "…/"),
)
_NOISE = ("[notice]", "hint: See above", "note: This")


def last_words(text: str) -> str:
    """Return the end of a command's output on one line: of a traceback, what was raised.

    Of lines that follow an error's, its first one stays; warnings before it don't.
    """
    lines = _FRAMES.sub(" ", _ESCAPES.sub("", text)).splitlines()
    plain = [line for line in lines if line.strip() and not line.strip().startswith(_NOISE)]
    raised = max((n + 1 for n, line in enumerate(plain) if _TRACEBACK in line), default=None)
    if raised is not None:
        outer = [line for line in plain[raised:] if not line.startswith(" ")]
        plain = outer or plain
    end = plain[-_NEAR:]
    errors = [n for n, line in enumerate(end) if line.lower().startswith("error")]
    end = end[errors[0] :] if errors else end[-_LINES:]
    return " / ".join(map(_short, end if len(end) <= _LINES else [end[0], *end[1 - _LINES :]]))


def _short(line: str) -> str:
    words = " ".join(line.split())
    for pattern, instead in _HIDDEN:
        words = pattern.sub(instead, words)
    return words if len(words) <= _WIDTH else f"{words[: _WIDTH - 1]}…"
