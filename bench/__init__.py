"""The figures of the engine, measured on real processes, each beside a floor of the same run."""
