"""Scores beside published ones and beside other trainers."""
