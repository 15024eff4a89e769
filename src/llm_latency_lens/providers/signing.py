"""What is done to a request at the moment it is sent: a signature, for the providers that want one."""

import functools
from collections.abc import Callable

from llm_latency_lens.model.request import HttpRequest, Target


def signer(target: Target) -> Callable[[HttpRequest], HttpRequest]:
    """The function that signs requests to `target`; it changes nothing where no signature is wanted."""
    if target.aws is None:
        return lambda request: request
    from llm_latency_lens.providers.bedrock import sign  # noqa: PLC0415 - brings botocore

    # The first signature loads what the others use: not while something is being measured.
    sign(HttpRequest(method="POST", url=target.base_url, headers=()), target.aws)
    return functools.partial(sign, keys=target.aws)
