"""The parts of 派单: the agents of a shop, changing one, and why somebody has an item."""
