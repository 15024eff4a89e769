"""What an attempt asked, as far as the words for its failure need it. Nothing in it is secret."""

from msgspec import Struct

VERSIONS = {
    "openai_chat": "/v1",
    "openai_responses": "/v1",
    "openai_embeddings": "/v1",
    "anthropic": "/v1",
    "gemini": "/v1beta",
    "cohere": "/v2",
}
"""The path that a base URL ends with, by dialect."""


class Asked(Struct, frozen=True, kw_only=True):
    """Where a request went and what it showed; all are "" where that is not known.

    Attributes:
        url: the address that was asked.
        base: the base URL, without the dialect's own path.
        version: the path that a base URL ends with in this dialect, such as /v1.
        credential: where the key was looked for, and whether one was sent.
        proxied: a proxy was sent credentials.
    """

    url: str = ""
    base: str = ""
    version: str = ""
    credential: str = ""
    proxied: bool = False
