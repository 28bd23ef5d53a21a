"""Names, telemetry set-up and logs that all parts share."""
