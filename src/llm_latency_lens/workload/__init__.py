"""What is asked: prompts as pure, seeded data."""
