"""Our speed and our error, measured beside a bare reader in one run. `make bench` prints the tables."""
