"""Training, transfer and evaluation of facial expression networks."""
