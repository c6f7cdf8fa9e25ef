"""Judges models and data sets."""
