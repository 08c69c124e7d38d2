"""What runs, when and in what order: Dagster over the rooms below. No clinical rule, no arithmetic."""
