"""The worker of the diffusers runtime; __main__ starts it."""
