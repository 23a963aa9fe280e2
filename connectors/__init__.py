"""Live links to the systems a team watches; nothing here knows what an investigation is."""
