"""Kinds of cells: one folder per kind, with all code of that kind."""
