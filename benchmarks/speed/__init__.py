"""How fast the zoo is beside what one could run instead."""
