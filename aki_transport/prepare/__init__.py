"""Requests before they are sent: checked, completed, and changed after a refusal."""
