"""The command as a run keeps it: enough to repeat it, without what was asked and without header values.

Prompts are not stored unless they are asked for; with --save-raw they are, and so is the command whole.
"""

import hashlib

_TEXTS = ("--prompt", "-p", "--system", "--header", "--extra-body", "--stop")


def retold(words: list[str]) -> tuple[str, ...]:
    """The words of a command line, the values of those options replaced by their hash."""
    told: list[str] = []
    elide = False
    for word in words:
        name, equals, value = word.partition("=")
        if elide:
            told.append(_instead(word))
        elif equals and name in _TEXTS:
            told.append(f"{name}={_instead(value)}")
        elif word.startswith("-p") and len(word) > 2 and not word.startswith("--"):
            told.append(f"-p{_instead(word[2:])}")
        else:
            told.append(word)
        elide = not elide and word in _TEXTS
    return tuple(told)


def _instead(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    return f"<{len(text)} characters, sha256 {digest[:12]}>"
