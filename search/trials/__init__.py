"""The trials of a study: who may change one, what becomes of each, and how one is trained."""
