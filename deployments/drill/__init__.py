"""`supportmax drill`: an outage replayed through the product's own decision, executor and breakers."""
