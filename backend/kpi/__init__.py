"""KPIs: definitions, figures, what is kept by day, and what is missing for them. The database counts."""
