"""What comes of each thing that can go wrong with a connection or an answer: one table, tried wherever it can happen."""
