"""Files of studies, in a folder or in a bucket: weights, checkpoints, what the dashboard shows."""
