"""LLMeter's own runner: run_llmeter.py BASE_URL CONCURRENCY REQUESTS_OF_EACH TOKENS FILE (run by the peer's Python)."""

import asyncio
import json
import pathlib
import sys

from llmeter.endpoints.openai import OpenAICompletionStreamEndpoint
from llmeter.runner import Runner

url, clients, each, tokens, path = sys.argv[1:]
endpoint = OpenAICompletionStreamEndpoint(model_id="sim", api_key="none", base_url=url)
payload = endpoint.create_payload("w1 " * 32, max_tokens=int(tokens))
result = asyncio.run(
    Runner(endpoint).run(payload=payload, clients=int(clients), n_requests=int(each))
)
result.save(str(pathlib.Path(path).parent / "llmeter"))
rows = [(r.time_to_first_token, r.time_per_output_token) for r in result.responses if not r.error]
with open(path, "w") as file:
    json.dump({"ttft": [ttft for ttft, _ in rows], "tpot": [tpot for _, tpot in rows]}, file)
