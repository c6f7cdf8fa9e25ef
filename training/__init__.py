"""Trains models on curated rows, as thin wrappers around TRL."""
