"""The processes that train, here or on a cluster, and who watches them."""
