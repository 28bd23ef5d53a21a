"""The state of a local home: files, and orders as files."""
