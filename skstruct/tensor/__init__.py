"""Tensors of low rank: tables whose columns, or whose rows, are indexed by several modes."""

__all__ = []
