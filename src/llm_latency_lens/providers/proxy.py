"""A proxy as people name it: a URL, or the variable or file that holds one with its user and password."""

import base64
import pathlib
from collections.abc import Mapping
from urllib.parse import unquote

from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.request import Proxy
from llm_latency_lens.providers.url import parse_url

_WHAT = "proxy URL"


def proxy_url(text: str, environment: Mapping[str, str]) -> str:
    """The URL that `text` is, or that its `env:VARIABLE` or `file:PATH` holds.

    Raises:
        UsageError: nothing is there.
    """
    if text.startswith("env:"):
        variable = text.removeprefix("env:").strip()
        url = environment.get(variable, "").strip()
        if not url:
            state = "empty" if variable in environment else "not set"
            raise UsageError(f"proxy: the environment variable {variable} is {state}; set it")
        return url
    return _from_file(text.removeprefix("file:").strip()) if text.startswith("file:") else text


def check_proxy(text: str) -> None:
    """Raise UsageError where a proxy's user and password are written out."""
    if "@" in text and not text.startswith(("env:", "file:")):
        raise UsageError(
            "a proxy's user and password must not be written out: write env:VARIABLE or file:PATH"
            " instead of the URL, where that holds the whole URL"
        )


def parse_proxy(text: str, authorization: str = "") -> Proxy:
    """Parse a proxy's URL; a user and password in it become Basic, unless `authorization` is given.

    Raises:
        UsageError: in one line, what is wrong with it; the password is not shown.
    """
    text = text.strip()
    scheme, mark, rest = text.partition("://")
    userinfo, at, host = rest.rpartition("@")
    if not at or "/" in userinfo:
        return Proxy(url=parse_url(text, _WHAT), authorization=authorization)
    url = parse_url(f"{scheme}{mark}{host}", _WHAT)
    pair = unquote(userinfo if ":" in userinfo else f"{userinfo}:")
    if not pair.isprintable():
        raise UsageError(f"{_WHAT}: user and password hold characters that they can't have")
    token = base64.b64encode(pair.encode()).decode("ascii")
    return Proxy(url=url, authorization=authorization or f"Basic {token}")


def _from_file(path: str) -> str:
    try:
        text = pathlib.Path(path).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        words = getattr(error, "strerror", None) or "not text"
        raise UsageError(f"can't read proxy file {path!r}: {words}") from None
    if not text:
        raise UsageError(f"proxy file {path!r} holds nothing")
    return text.split("\n")[0].strip()
