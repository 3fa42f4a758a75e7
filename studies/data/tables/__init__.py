"""Tables as a source of data: files of rows, what their columns are, and how they are split."""
