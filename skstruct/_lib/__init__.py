"""Compiled primitives that more than one family uses; imports nothing of skstruct."""
