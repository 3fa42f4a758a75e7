"""What a search found, how sure that is, and the one opener of test splits."""
