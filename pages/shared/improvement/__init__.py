"""The parts of the task pages and of the review."""
