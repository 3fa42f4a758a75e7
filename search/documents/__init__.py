"""What a command prints with --json: the models of its documents, and the page that is made from them."""
