"""The learning loop: what counts as truth, fine-tuning on it, and the gate that lets only what is better through."""
