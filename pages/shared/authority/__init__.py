"""The parts of the authority table's page: its lines, the drawer that changes one, platforms, history."""
