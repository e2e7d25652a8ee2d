"""Both frameworks on real servers that are not ours."""
