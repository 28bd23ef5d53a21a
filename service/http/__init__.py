"""HTTP as every endpoint sees it: bodies, problems, limits, what surrounds a request."""
