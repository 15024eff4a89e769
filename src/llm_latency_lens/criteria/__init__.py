"""Conditions: one grammar for what a user writes, and what becomes of each condition."""
