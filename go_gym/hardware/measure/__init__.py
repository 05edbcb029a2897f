"""What is measured: step times, those that count among them, and the times of single ops."""
