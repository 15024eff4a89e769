"""Which path speaks which language: each provider's own paths, all on one port."""

import re
from urllib.parse import unquote

from msgspec import Struct

from llm_latency_lens.simulator.asked import Address, BadRequestError
from llm_latency_lens.simulator.voice import VOICES, Voice

MODELS = "/v1/models"
HEALTH = "/health"
"""What vLLM, SGLang and llama.cpp answer to those who ask whether they are there."""
_ROUTES: tuple[tuple[str, str], ...] = (
    # OpenAI and everything compatible; Azure's two kinds of path; OpenRouter; Groq.
    (r"(?:/openai|/api)?(?:/v1)?/chat/completions", "openai_chat"),
    (r"/openai/deployments/(?P<model>[^/]+)/chat/completions", "openai_chat"),
    (r"/(?P<vendor>mistral)/v1/chat/completions", "openai_chat"),
    (r"(?:/openai)?/v1/responses", "openai_responses"),
    (r"(?:/openai)?/v1/embeddings", "embeddings"),
    (r"/openai/deployments/(?P<model>[^/]+)/embeddings", "embeddings"),
    (r"(?:/anthropic)?/v1/messages", "anthropic"),
    # Gemini, and Vertex AI below a project.
    (r"/v1(?:beta)?/models/(?P<model>[^/:]+):(?P<verb>\w+)", "gemini"),
    (
        r"/v1(?:beta1)?/(?:projects/[^/]+/locations/[^/]+/)?publishers/google/models/(?P<model>[^/:]+):(?P<verb>\w+)",
        "gemini",
    ),
    (r"/model/(?P<model>[^/]+)/(?P<verb>converse(?:-stream)?)", "bedrock"),
    (r"/v2/chat", "cohere"),
    (r"/api/chat", "ollama"),
)
_PATTERNS = tuple((re.compile(pattern), name) for pattern, name in _ROUTES)
_STREAMS: dict[str | None, bool | None] = {
    None: None,
    "streamGenerateContent": True,
    "generateContent": False,
    "converse-stream": True,
    "converse": False,
}
_KNOWN = "/v1/chat/completions, /v1/responses, /v1/messages, /v1beta/models/MODEL:streamGenerateContent, ..."


class Route(Struct, frozen=True):
    """Who answers, and what the path said."""

    voice: Voice
    at: Address


def route(method: str, target: str) -> Route:
    """The route of a request target (path and query).

    Raises:
        BadRequestError: 404 for an unknown path, 405 for a wrong method.
    """
    path, _, query = target.partition("?")
    for pattern, name in _PATTERNS:
        match = pattern.fullmatch(path)
        if match is None:
            continue
        if method != "POST":
            raise BadRequestError(f"no {method} {path}", 405, ("Allow: POST",))
        named = match.groupdict()
        verb = named.get("verb")
        if verb not in _STREAMS:
            raise BadRequestError(f"no method {verb} of models", 404)
        model = named.get("model")
        at = Address(unquote(model) if model else None, _STREAMS[verb], query, named.get("vendor"))
        return Route(VOICES[name], at)
    raise BadRequestError(f"no {method} {path}; this server has POST {_KNOWN}", 404)
