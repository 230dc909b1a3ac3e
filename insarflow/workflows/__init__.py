"""What the verbs do, end to end."""
