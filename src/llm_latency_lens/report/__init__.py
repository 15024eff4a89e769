"""A report as plain values first, then as something to look at."""
