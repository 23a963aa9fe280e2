"""The Slack face of Inquest. It knows services and the store by their signatures, and nothing below them."""
