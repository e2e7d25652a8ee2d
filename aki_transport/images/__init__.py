"""Pictures: the value, the request, the store, and the progress of a job."""
