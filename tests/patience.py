"""How long tests wait for what must come."""

PATIENCE_SECONDS = 900.0  # only a test that would hang waits so long: a machine that does something else is slow
