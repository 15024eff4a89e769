"""Formulas over numbers: pure functions that state their source and their error."""
