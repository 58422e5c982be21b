"""How each conversion is proven against the torch original. Needs torch and transformers; not part of the wheel."""
