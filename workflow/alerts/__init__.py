"""What happens by itself: sweeps that raise alerts, and the delivery of messages. Times in Asia/Shanghai."""
