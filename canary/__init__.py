"""The canary controller: measurements in, evidence, a decision, weights out."""
