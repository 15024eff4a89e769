"""The peers beside us: each in an environment of its own, on the same server, against the same ledger."""
