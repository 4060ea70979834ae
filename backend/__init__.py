"""Shopdesk backend: everything below the pages. Never imports streamlit."""
