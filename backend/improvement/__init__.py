"""Optimization tasks and the monthly review: what people read and do. The database measures and judges."""
