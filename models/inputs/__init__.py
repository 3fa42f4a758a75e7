"""From stored rows to the numbers that a net is trained on, batch by batch."""
