"""What comes of each thing that can go wrong with a connection or an answer, wherever that can happen: one table."""
