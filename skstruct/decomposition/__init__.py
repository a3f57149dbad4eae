"""Dictionaries: atoms that a few of make up a sample, and the codes that say which and how much."""

__all__ = []
