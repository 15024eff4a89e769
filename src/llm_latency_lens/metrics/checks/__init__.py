"""What a run finds about itself, a module for each subject; `metrics.quality` has the table."""
