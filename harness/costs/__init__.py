"""What a meta-step costs: seconds and bytes over engine, order and inner steps, as records."""
