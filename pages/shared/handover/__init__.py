"""The parts of 交接班: what I am offered, what I leave, and the record for leaders."""
