"""The parts of the KPI page."""
