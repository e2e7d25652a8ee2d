"""Images: the value, the request, the store, and progress bars."""
