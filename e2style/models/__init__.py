"""Networks of the E2Style family; constructors are pure, loading lives in `e2style.checkpoints`."""
