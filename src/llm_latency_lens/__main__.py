"""`python -m llm_latency_lens` is the command `llm-latency-lens`."""

from llm_latency_lens.cli.main import main

main()
