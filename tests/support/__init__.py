"""Doubles that are real: servers on loopback whose truth is known."""
