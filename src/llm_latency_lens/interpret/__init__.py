"""From recordings to records: pure functions, the same answer at any time. No clock, no I/O."""
