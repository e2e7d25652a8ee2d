"""What is known of models: the built-in table, the listing of the service, and what an ID means."""
