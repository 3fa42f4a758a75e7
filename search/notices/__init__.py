"""Tells people outside that a study is over, has failed or stands still."""
