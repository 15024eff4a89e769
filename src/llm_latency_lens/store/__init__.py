"""Runs on disk: nothing acknowledged is ever lost."""
