"""What a search tries next, and what it ends early."""
