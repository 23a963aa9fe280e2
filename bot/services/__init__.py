"""The verbs: what people and machines can do with investigations. No service knows Slack."""
