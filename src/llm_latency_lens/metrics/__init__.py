"""What the numbers mean: one table of definitions, and folds over Records."""
