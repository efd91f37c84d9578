"""Measurements, each a program of its own: see README.md."""
