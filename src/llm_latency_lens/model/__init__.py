"""Frozen values: what we ask, what came, what we know. No I/O, no clock, no judgement."""
