"""Chooses what to ask and words what was found: rules without a model, or Claude. Never runs a call itself."""
