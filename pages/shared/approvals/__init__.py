"""The parts of the approvals page: the list, and one approval as it is decided on a phone."""
