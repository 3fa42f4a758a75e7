"""Taking results away: the exported document and weights, and what is done with them anywhere else."""
