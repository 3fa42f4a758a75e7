"""The file that a person writes: what a study searches, on which data and for how long."""
