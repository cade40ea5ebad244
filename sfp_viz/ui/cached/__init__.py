"""Loaders whose results Streamlit keeps: networks, plans, evidence, runs."""
