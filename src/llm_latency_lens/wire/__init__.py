"""Providers' languages as pure functions: bytes in, events out. No clock, no I/O."""
