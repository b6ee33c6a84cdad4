"""What a worker does on this machine: costs that were measured, a ladder of plans, and the choice between them."""
