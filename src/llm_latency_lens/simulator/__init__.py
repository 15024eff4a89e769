"""A server whose truth is known: it writes down when each byte left."""
