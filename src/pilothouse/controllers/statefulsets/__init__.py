"""What belongs to the Pods of a StatefulSet beside themselves: their claims."""
