"""Finetuning: a loop that gives the same numbers every time, and its parts, which stand alone."""
