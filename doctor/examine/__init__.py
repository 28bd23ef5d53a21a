"""Running all checks, and how findings are reported."""
