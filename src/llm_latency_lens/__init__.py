"""LLM-Latency-Lens measures LLM APIs and reports its own measuring error."""

__version__ = "0.1.0"
