"""Running studies: from the next trial to the tested winner."""
