"""What to send when, until when: pure, seeded data."""
