"""A canary's answers to copies of requests, compared with the stable's."""
