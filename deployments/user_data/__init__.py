"""What a person may ask for: everything that is stored about them, and its end; and ends by age."""
