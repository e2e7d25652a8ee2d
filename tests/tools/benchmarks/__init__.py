"""What one call and one streamed chunk cost, beside the peers and beside the least they could cost."""
