"""What agents may ask of studies, and the server that answers them."""
