"""Measurements of quality and speed, each made by one command."""
