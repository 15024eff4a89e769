"""The engine: plan x workers -> sinks. It knows no storage, no screen, no report."""
