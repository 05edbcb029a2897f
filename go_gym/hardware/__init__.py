"""Decisions executed and timed on real devices."""
