"""Many streams at once, and mixed traffic for long: is every answer the right one, and does nothing pile up?"""
