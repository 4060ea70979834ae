"""Leads: what the board and a lead's page read, and what people do there. The rules stand in SQL."""
