"""One pass after the other: read, judge, decide, write; through ports that each home adapts."""
