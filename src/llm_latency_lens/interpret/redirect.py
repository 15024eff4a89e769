"""Where a redirect leads, and which base URL would lead there at once."""

from urllib.parse import urljoin, urlsplit

from llm_latency_lens.interpret.asked import Asked


def redirection(location: str | None, asked: Asked) -> str:
    """The words for a Location; its user, query and fragment, which may hold keys, are left out."""
    if not location:
        return "it names no target"
    try:
        parts = urlsplit(urljoin(asked.url, location.strip()))
    except ValueError:
        return "its target is no URL"
    target = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    words = f"it leads to {target}"
    own = asked.url.removeprefix(asked.base).partition("?")[0]
    if asked.base and own and target.endswith(own) and target != asked.url.partition("?")[0]:
        return f"{words}: write --base-url {target.removesuffix(own)}"
    return words
